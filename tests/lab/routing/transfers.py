"""Five megabytes there and back over one connection, and pods that do not know the tunnel's MTU."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from tests.lab.cluster import run
from tests.lab.walkthrough.exchange import PYTHON
from tests.lab.walkthrough.place import Place

SIZE_BYTES: Final = 5_000_000

_PORT: Final = 5301

#: Takes what is sent, on both families, and sends it back once it is all there.
_SERVER: Final = """
import socket, sys
size, port = map(int, sys.argv[1:3])
listening = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    connection, _ = listening.accept()
    taken = bytearray()
    while len(taken) < size and (piece := connection.recv(1 << 20)):
        taken += piece
    connection.sendall(taken)
    connection.close()
"""

#: Sends bytes, none like its neighbours, and prints what came back, and how.
_CLIENT: Final = """
import json, random, socket, struct, sys, time
address, size, port = sys.argv[1], *map(int, sys.argv[2:4])
sent = random.Random(7).randbytes(size)
began = time.monotonic()
connection = socket.create_connection((address, port), timeout=20)
connection.sendall(sent)
back = bytearray()
while len(back) < size and (piece := connection.recv(1 << 20)):
    back += piece
mss = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
print(json.dumps({"same": bytes(back) == sent, "mss": mss, "took_s": time.monotonic() - began}))
"""


@contextmanager
def returning(place: Place, pod: str) -> Iterator[None]:
    """A server in a pod that sends back what it is sent."""
    with place.background(pod, *PYTHON, _SERVER, str(SIZE_BYTES), str(_PORT)) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            yield
        finally:
            server.terminate()


def exchange(place: Place, source: str, address: str) -> dict[str, Any]:
    """Send to a `returning` pod and take back: {"same", "mss", "took_s"}."""
    words = (address, str(SIZE_BYTES), str(_PORT))
    found: dict[str, Any] = json.loads(place.inside(source, *PYTHON, _CLIENT, *words))
    return found


@contextmanager
def of_no_mtu(place: Place, *pods: str) -> Iterator[None]:
    """Pods whose routes do not say what fits into the tunnel, for as long as this lasts."""
    with ExitStack() as undo:
        for pod in pods:
            for family in ("-4", "-6"):
                route = _default(place, pod, family)
                assert " mtu 1450" in route
                undo.callback(_ip, place, pod, family, "route", "flush", "cache")
                undo.callback(_replace, place, pod, family, route)
                _replace(place, pod, family, route.replace(" mtu 1450", " mtu 1500"))
        yield


def _default(place: Place, pod: str, family: str) -> str:
    lines = place.inside(pod, "ip", family, "route", "show", "default").splitlines()
    return lines[0].removesuffix("pref medium").strip()


def _replace(place: Place, pod: str, family: str, route: str) -> None:
    _ip(place, pod, family, "route", "replace", *route.split())


def _ip(place: Place, pod: str, *words: str) -> None:
    """From outside: a pod may not change its routes."""
    node = place.pods[pod]["spec"]["nodeName"]
    network = place.lab.folder / node / "pods" / f"default_{pod}" / "ns/net"
    run(["nsenter", f"--net={network}", "ip", *words])
