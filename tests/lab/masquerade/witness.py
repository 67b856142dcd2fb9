"""One process in each machine and pod of the truth table: it sends, answers, and tells what came.

What came is taken from the wire in places that no back end is at work in, before their own stack
could refuse it; on nodes from their stack, as a program there has it (`packet(7)`, `raw(7)`).
"""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.lab.cluster import Cluster
from tests.lab.masquerade.packets import ECHO_PORT, FIRST_PORT, Sighting, sightings
from tests.lab.masquerade.truth_table import PORT

_PROGRAM: Final = """
import contextlib, json, os, selectors, socket, struct, sys
PORT, ECHO_PORT, FIRST_PORT = map(int, sys.argv[1:4])
view, device = sys.argv[4:]
sel = selectors.DefaultSelector()
seen = []
PROTOCOLS = (1, 4, 6, 17, 41, 47, 50, 58, 132)
raw = {4: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
       6: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)}
raw[4].setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)

def on_event(sock, called):
    sock.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE: all may come at once.
    sock.setblocking(False)
    sel.register(sock, selectors.EVENT_READ, called)

def keep(octets):
    protocol, at = (octets[9], (octets[0] & 15) * 4) if octets[0] >> 4 == 4 else (octets[6], 40)
    port = int.from_bytes(octets[at + 2:at + 4], 'big')
    if b'case ' in octets or (protocol == 6 and FIRST_PORT < port < FIRST_PORT + 1000):
        seen.append(octets.hex())

def from_wire(sock):
    octets, where = sock.recvfrom(65536)
    if view == 'link' or (where[2] != socket.PACKET_OUTGOING and where[0] != 'lo'):
        keep(octets)

def from_stack(version, protocol):
    def read(sock):
        octets, peer = sock.recvfrom(65536)
        if version == 6:
            source = socket.inet_pton(socket.AF_INET6, peer[0].partition('%')[0])
            octets = struct.pack('!IHBB', 6 << 28, len(octets), protocol, 64) + source + bytes(16) + octets
        keep(octets)
    return read

def answer(sock):
    octets, asked_at, _, peer = sock.recvmsg(65536, 256)  # Answered from the address that was asked.
    with contextlib.suppress(OSError):  # Not everybody is to be answered, nor can be.
        sock.sendmsg([octets], asked_at, 0, peer)

def send(packets):
    for packet in packets:
        octets = bytes.fromhex(packet)
        with contextlib.suppress(PermissionError):  # A rule of netfilter dropped it on its way out.
            if octets[0] >> 4 == 4:
                raw[4].sendto(octets, (socket.inet_ntoa(octets[16:20]), 0))
            else:
                to = socket.inet_ntop(socket.AF_INET6, octets[24:40])
                scope = socket.if_nametoindex(device) if octets[24] >= 0xfe else 0
                raw[6].sendto(octets, (to, 0, 0, scope))

def obey(stdin):
    line = stdin.readline()
    if not line:
        sys.exit()
    send(json.loads(line))
    print(json.dumps(seen), flush=True)
    seen.clear()

if view != 'stack':
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    if view == 'link':
        wire.bind((device, 3))
    on_event(wire, from_wire)
else:
    for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        for protocol in PROTOCOLS:
            on_event(socket.socket(family, socket.SOCK_RAW, protocol), from_stack(version, protocol))
for port, called in ((PORT, lambda sock: sock.recv(65536)), (ECHO_PORT, answer)) * (view != 'link'):
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IPV6, 49, 1)  # IPV6_RECVPKTINFO
    udp.bind(('::', port))
    on_event(udp, called)
if view != 'link':
    tcp = socket.create_server(('::', PORT), family=socket.AF_INET6, dualstack_ipv6=True)
sel.register(sys.stdin, selectors.EVENT_READ, obey)
print('ready', flush=True)
while True:
    for key, _ in sel.select():
        key.data(key.fileobj)
"""


@dataclass(slots=True)
class Witness:
    """The process of one place."""

    place: str
    _process: Any
    seen: list[Sighting] = field(default_factory=list)

    @classmethod
    def of(cls, lab: Cluster, place: str, *, view: str, device: str = "eth0") -> "Witness":
        """Start it: with `view` "wire" it sees what arrives there, with "stack" what is received.

        With "link" it sees what comes and goes by `device`, and answers nobody.
        """
        words = (str(PORT), str(ECHO_PORT), str(FIRST_PORT), view, device)
        process = lab.background(place, "/usr/bin/python3", "-S", "-c", _PROGRAM, *words)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate(timeout=5)
        return cls(place, process)

    def send(self, packets: Sequence[bytes] = ()) -> None:
        """Send packets by the place's routes; learn what came meanwhile."""
        with contextlib.suppress(BrokenPipeError):  # It has ended, and said why.
            self._process.stdin.write(json.dumps([packet.hex() for packet in packets]) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"{self.place}: {self._process.stderr.read()}"
        for packet in json.loads(line):
            self.seen += sightings(bytes.fromhex(packet))

    def forget(self) -> None:
        """Forget what came until now."""
        self.send()
        self.seen.clear()

    def packets(self, number: int, protocol: str) -> list[Sighting]:
        """The packets of a case that came."""
        return [each for each in self.seen if (each.number, each.protocol) == (number, protocol)]

    def has_seen(self, number: int, protocol: str) -> bool:
        """Whether a packet of a case came."""
        return bool(self.packets(number, protocol))

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
