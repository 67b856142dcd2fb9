"""As what datagrams leave, 1,000 a second to each of some addresses, while something goes on.

A pod sends on a socket that stays and, every tenth time, on one of its own, so that running flows and
new ones are both seen. The router's device is listened to, whatever its routes say of the source.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.lab.cluster import Cluster

PORT: Final = 9200

_SENDER: Final = """
import json, select, socket, sys, time
port, targets = int(sys.argv[1]), sys.argv[2:]
def opened(target):
    s = socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((target, port))
    return s
def send(s):
    for _ in range(3):
        try:
            return s.send(b"probe")
        except ConnectionRefusedError:
            pass  # The router said so of one before, and nothing was sent.
standing = [opened(target) for target in targets]
start, number = time.monotonic(), 0
print("sending", flush=True)
while number % 16 or not select.select([0], [], [], 0)[0]:
    time.sleep(max(0.0, start + number / 1000 - time.monotonic()))
    for s in standing:
        send(s)
    if number % 10 == 0:
        for target in targets:
            with opened(target) as once:
                send(once)
    number += 1
print(json.dumps(number + (number + 9) // 10))
"""

_LISTENER: Final = """
import collections, json, select, socket, sys
port = int(sys.argv[1]).to_bytes(2, "big")
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
s.bind(("eth1", 3))
s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
s.settimeout(0.5)
seen = collections.defaultdict(collections.Counter)
print("listening", flush=True)
while True:
    try:
        packet = s.recv(128)
    except TimeoutError:
        if select.select([0], [], [], 0)[0]:
            break
        continue
    if packet[0] >> 4 == 4 and packet[9] == 17 and packet[22:24] == port:
        source, target = (socket.inet_ntop(socket.AF_INET, packet[at:at + 4]) for at in (12, 16))
    elif packet[0] >> 4 == 6 and packet[6] == 17 and packet[42:44] == port:
        source, target = (socket.inet_ntop(socket.AF_INET6, packet[at:at + 16]) for at in (8, 24))
    else:
        continue
    seen[target][source] += 1
print(json.dumps(seen))
"""


@dataclass(slots=True)
class Sources:
    """What was sent to each address, and from which sources it arrived; filled at the end."""

    sent: int = 0
    seen: dict[str, dict[str, int]] = field(default_factory=dict)

    def wrong(self, expected: dict[str, str]) -> dict[str, dict[str, int]]:
        """Return what arrived from another source than expected, by address and source."""
        return {
            target: others
            for target, found in self.seen.items()
            if (others := {s: n for s, n in found.items() if s != expected[target]})
        }

    def arrived(self, target: str) -> float:
        """Return the share of what was sent to an address that arrived."""
        return sum(self.seen.get(target, {}).values()) / self.sent


@contextlib.contextmanager
def sources_seen(lab: Cluster, pod: str, *targets: str) -> Iterator[Sources]:
    """Send from a pod to addresses of the router while the block runs, and see as what it leaves."""
    sources, python = Sources(), ("/usr/bin/python3", "-S", "-c")
    with (
        lab.background("router", *python, _LISTENER, str(PORT)) as listener,
        lab.background(pod, *python, _SENDER, str(PORT), *targets) as sender,
    ):
        try:
            for each in (listener, sender):
                assert each.stdout is not None
                assert each.stdout.readline().strip() in {"listening", "sending"}
            yield sources
            sources.sent = json.loads(sender.communicate("end\n", timeout=30)[0])
            sources.seen = json.loads(listener.communicate("end\n", timeout=30)[0])
        finally:
            listener.kill()
            sender.kill()
