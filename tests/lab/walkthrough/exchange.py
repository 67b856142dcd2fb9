"""Datagrams of a test's own making: what ping and curl cannot send, or cannot show.

The programs run in pods and machines by the system's Python; each is one short script.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.lab.walkthrough.place import Place

#: Sends one datagram and prints what came of it: {"answer", "peer"} or {"error", "offender"}.
#: Only an error that an ICMP message brought names an offender (ip(7), IP_RECVERR).
_ASK: Final = """
import errno, json, select, socket, struct, sys
address, port, ttl, size, df = sys.argv[1], *map(int, sys.argv[2:6])
six = ":" in address
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
level, recverr = (socket.IPPROTO_IPV6, 25) if six else (socket.IPPROTO_IP, 11)
s.setsockopt(level, recverr, 1)
# DO or DONT: IP_MTU_DISCOVER is 10, IPV6_MTU_DISCOVER 23.
s.setsockopt(level, 23 if six else 10, 2 if df else 0)
if ttl:
    s.setsockopt(level, socket.IPV6_UNICAST_HOPS if six else socket.IP_TTL, ttl)
s.connect((address, port))
s.send(b"x" * size)
poll = select.poll()
poll.register(s, select.POLLIN)
events = poll.poll(3000)
if not events:
    print(json.dumps({"error": "nothing"}))
elif events[0][1] & select.POLLERR:
    _, control, _, _ = s.recvmsg(65535, 512, socket.MSG_ERRQUEUE)
    data = control[0][2]
    # struct sock_extended_err, then the offender's address.
    number, _, _, _, _, info, _ = struct.unpack("=IBBBBII", data[:16])
    raw = data[24:40] if six else data[20:24]
    offender = socket.inet_ntop(s.family, raw)
    print(json.dumps({"error": errno.errorcode[number], "offender": offender, "info": info}))
else:
    data = s.recv(65535)
    print(json.dumps({"answer": len(data), "port": s.getsockname()[1]}))
"""

#: Answers every datagram on port 5300; prints the clients' addresses.
_ECHO: Final = """
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.bind(("::", 5300))
print("ready", flush=True)
while True:
    data, client = s.recvfrom(65535)
    print(client[0].removeprefix("::ffff:"), flush=True)
    s.sendto(data, client)
"""

ECHO_PORT: Final = 5300

#: The words before a script.
PYTHON: Final = ("/usr/bin/python3", "-S", "-c")


def ask(
    place: Place,
    source: str,
    address: str,
    port: int,
    *,
    ttl: int = 0,
    size: int = 10,
    whole: bool = False,
) -> dict[str, Any]:
    """Send a datagram from a pod or machine; what came back, an answer or an ICMP error.

    Args:
        place: The lab.
        source: The pod or machine that asks.
        address: The server's address.
        port: Where it listens, or does not.
        ttl: Hops that the datagram may take; 0 for the system's default.
        size: Bytes of payload.
        whole: Never fragment, neither here nor on the way.
    """
    words = (address, str(port), str(ttl), str(size), str(int(whole)))
    answer: dict[str, Any] = json.loads(place.inside(source, *PYTHON, _ASK, *words))
    return answer


@contextmanager
def echo(place: Place, pod: str) -> Iterator[list[str]]:
    """A UDP echo in a pod, on both families; yields the clients it saw, complete after the block."""
    clients: list[str] = []
    with place.background(pod, *PYTHON, _ECHO) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield clients
        finally:
            process.terminate()
        clients += process.stdout.read().split()
