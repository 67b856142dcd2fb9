"""The process of each place of the truth table: it answers who asks, and asks what it is told to.

An answer says who gave it and whom it saw. Servers answer a datagram from the address that it came
to; a caller says whom its socket had as its peer, which must be the address that it asked.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from tests.lab.cluster import Cluster

#: How long nothing must come where nothing is to come, and how long something may take.
SILENCE_S: Final = 1.5
ANSWER_S: Final = 15.0

_PROGRAM: Final = """
import concurrent.futures, errno, json, socket, sys, threading, time
name, ports = sys.argv[1], [int(port) for port in sys.argv[2:]]

def shown(peer):
    return peer[0].partition('%')[0].removeprefix('::ffff:')

def answer(peer):
    return json.dumps([name, shown(peer), peer[1]]).encode()

def serve_datagrams(port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, 49, 1)  # IPV6_RECVPKTINFO
    sock.bind(('::', port))
    while True:
        _, asked_at, _, peer = sock.recvmsg(2048, 256)
        try:
            sock.sendmsg([answer(peer)], asked_at, 0, peer)
        except OSError:
            pass  # An ICMP error about an earlier answer.

def serve_streams(port):
    sock = socket.create_server(('::', port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
    while True:
        accepted, peer = sock.accept()
        try:
            accepted.sendall(answer(peer))
        except OSError:
            pass
        accepted.close()

def opened(call):
    of_call = socket.AF_INET6 if call['version'] == 6 else socket.AF_INET
    address = socket.getaddrinfo(call['address'], None, of_call)[0][4][0]
    family = socket.AF_INET6 if call['protocol'] == 'mapped' else of_call
    kind = socket.SOCK_STREAM if call['protocol'] in ('tcp', 'mapped') else socket.SOCK_DGRAM
    sock = socket.socket(family, kind)
    if call['source'] or call['source_port']:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((call['source'], call['source_port']))
    if call['mark']:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, call['mark'])
    if call['device']:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, call['device'].encode())
    prefix = '::ffff:' if call['protocol'] == 'mapped' else ''
    return sock, (prefix + address, call['port'])

def ask_by_stream(sock, asked, within_s):
    sock.settimeout(within_s)
    sock.connect(asked)
    peer = sock.getpeername()
    said = b''
    while more := sock.recv(2048):
        said += more
    return said, peer

def ask_by_datagrams(sock, asked, within_s, connected):
    deadline = time.monotonic() + within_s
    sock.settimeout(min(0.5, within_s))
    if connected:
        sock.connect(asked)
    while True:
        try:
            sock.send(b'?') if connected else sock.sendto(b'?', asked)
            said, peer = sock.recvfrom(2048)
            return said, peer
        except TimeoutError:
            if time.monotonic() > deadline:
                raise

def ask_all(call):
    return [ask(call) for _ in range(call['times'])]

def ask(call):
    try:
        return asked_of(call)
    except TimeoutError:
        return {'failed': 'dropped'}
    except OSError as error:  # A name that nobody knows, too.
        return {'failed': {errno.ECONNREFUSED: 'refused'}.get(error.errno, str(error))}

def asked_of(call):
    sock, asked = opened(call)
    with sock:
        if call['protocol'] in ('tcp', 'mapped'):
            said, peer = ask_by_stream(sock, asked, call['within_s'])
        else:
            said, peer = ask_by_datagrams(sock, asked, call['within_s'], call['protocol'] == 'udp')
    if peer[:2] != asked:
        return {'failed': f'answered by {peer[:2]}, not by {asked}'}
    server, client, port = json.loads(said)
    return {'server': server, 'client': client, 'port': port}

for port in ports:
    for serve in (serve_datagrams, serve_streams):
        threading.Thread(target=serve, args=(port,), daemon=True).start()
print('ready', flush=True)
with concurrent.futures.ThreadPoolExecutor(64) as pool:
    for line in sys.stdin:
        print(json.dumps(list(pool.map(ask_all, json.loads(line)))), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Call:
    """One question: to whom, how, how long an answer may take, and how often, one after the other."""

    address: str  # Or a name.
    version: int
    port: int
    protocol: str  # "tcp", "mapped" (TCP on a socket of IPv6), "udp" (connected), "datagram".
    within_s: float
    times: int = 1
    source: str = ""
    source_port: int = 0
    mark: int = 0  # Selects a route of the caller.
    device: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Who answered, and as whom it saw the caller; or how the call failed."""

    server: str = ""
    client: str = ""
    port: int = 0  # The caller's, as the server saw it.
    failed: str = ""


@dataclass(slots=True)
class Speaker:
    """The process of one place."""

    place: str
    _process: Any

    @classmethod
    def of(cls, lab: Cluster, place: str, name: str, *ports: int) -> "Speaker":
        """Start it at a machine or pod; it answers at `ports` under a name."""
        words = (name, *map(str, ports))
        return cls(place, lab.background(place, "/usr/bin/python3", "-S", "-c", _PROGRAM, *words))

    def wait_ready(self) -> None:
        """Return when it answers."""
        self._read("ready\n")

    def ask(self, calls: list[Call]) -> None:
        """Have it make calls, all at once; `answers` are read later, so that places work together."""
        made = [{name: getattr(call, name) for name in Call.__slots__} for call in calls]
        self._process.stdin.write(json.dumps(made) + "\n")
        self._process.stdin.flush()

    def answers(self) -> list[list[Answer]]:
        """Return what came of each call, in their order."""
        return [[Answer(**each) for each in call] for call in json.loads(self._read())]

    def _read(self, expected: str = "") -> str:
        line = str(self._process.stdout.readline())
        assert line if not expected else line == expected, (
            f"{self.place}: {line}{self._process.stderr.read()}"
        )
        return line

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
