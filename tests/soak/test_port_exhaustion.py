"""One pod takes every port toward a destination; then none is left, until the first one expires.

The destination is the lab's echo service in the internet. Datagrams, because a UDP flow that was
answered holds its port for two minutes without a socket at either end.
"""

import json
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.soak.scale import only_whole

from ciliate.config.datapath_defaults import SNAT_PORT_MAX, SNAT_PORT_MIN
from ciliate.datapath.bpf_map import open_pinned
from ciliate.lab.namespaces import in_namespaces
from ciliate.masquerade.connections import LIVE
from ciliate.masquerade.maps import CONNECTIONS
from ciliate.net.address import ip_address, to_octets

NODE: Final = "k8s-w1"
SERVERS: Final = ("203.0.113.10", "2001:db8:113::10")
ECHO, WEB = 7, 80
PODS: Final = ("taker", "other")

ALL: Final = SNAT_PORT_MAX - SNAT_PORT_MIN + 1
#: That must all be made, by one pod while others are idle.
CONNECTIONS_MIN: Final = 32000
#: After the first of the ports has expired.
RECOVERED_WITHIN_S: Final = 1.0

_UDP: Final = 17
_ANSWER_S: Final = 0.5
#: A datagram that goes nowhere is known to be lost after this.
_TRY_S: Final = 0.01

_BPF_ROOT: Final = Path("/sys/fs/bpf")
_SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """A node with the pod that takes all ports, and another."""

    lab: Cluster
    taker: Path
    other: Path


def _manifest() -> str:
    container = {"name": "idle", "image": "busybox", "command": ["sleep", "infinity"]}
    spec = {"nodeName": NODE, "terminationGracePeriodSeconds": 0, "containers": [container]}
    labels = {"soak": "ports"}
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels},
            "spec": spec,
        }
        for name in PODS
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": pods})


@pytest.fixture
def place(soak_lab: Cluster) -> Iterator[Place]:
    lab = soak_lab
    lab.kubectl("apply", "-f", "-", text=_manifest())
    try:
        lab.kubectl("wait", "pod", "-l", "soak=ports", "--for=condition=Ready", "--timeout=60s")
        taker, other = (lab.folder / NODE / "pods" / f"default_{name}" / "ns" for name in PODS)
        yield Place(lab, taker, other)
    finally:
        lab.kubectl("delete", "pod", "-l", "soak=ports", "--now")


def _socket(server: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("", port))
    made.connect((server, ECHO))
    return made


def _is_answered(server: str, port: int, within_s: float) -> bool:
    with _socket(server, port) as client:
        client.settimeout(within_s)
        client.send(b"x")
        try:
            return client.recv(16) == b"x"
        except OSError:
            return False


def unanswered(pins: Path, server: str, ports: Iterable[int]) -> list[int]:
    """Send from each of a pod's ports; return those that got no answer."""
    return in_namespaces(
        pins,
        lambda: [port for port in ports if not _is_answered(server, port, _ANSWER_S)],
        ["net"],
    )


def send_only(pins: Path, server: str, ports: Iterable[int]) -> None:
    """Send from each of a pod's ports, and wait for nothing."""

    def send() -> None:
        for port in ports:
            with _socket(server, port) as client:
                client.send(b"x")

    in_namespaces(pins, send, ["net"])


def first_answer(pins: Path, server: str, deadline_s: float) -> tuple[float, int]:
    """Try from port after port until an answer comes; return when, and how many were tried."""

    def seek() -> tuple[float, int]:
        tried = 0
        while time.monotonic() < deadline_s:
            tried += 1
            if _is_answered(server, 1024 + tried % 30000, _TRY_S):
                return time.monotonic(), tried
        return time.monotonic(), tried

    return in_namespaces(pins, seek, ["net"])


def first_expiry_s(place: Place, server: str) -> float:
    """Return when the first connection to the echo service is over, by CLOCK_MONOTONIC."""
    remote = to_octets(ip_address(server))

    def read() -> float:
        with open_pinned(_BPF_ROOT, CONNECTIONS) as connections:
            return min(
                each.expires_ns / _SECOND_NS
                for _, each in connections.items(LIVE)
                if (each.remote, each.remote_port, each.protocol) == (remote, ECHO, _UDP)
            )

    return in_namespaces(place.lab.folder / NODE / "ns", read, ["mnt"])


def page(place: Place, server: str) -> Any:
    """Return what `masquerade ports` says of the echo service, and of owners by name."""
    found = json.loads(place.lab.exec(NODE, "cilium-dbg", "masquerade", "ports", "-o", "json"))
    rows = {row["destination"]: row for row in found["destinations"]}
    return rows[_destination(server)], {owner["name"]: owner for owner in found["owners"]}


def _host(server: str) -> str:
    return f"[{server}]" if ":" in server else server


def _destination(server: str) -> str:
    return f"{_host(server)}:{ECHO}/UDP"


def alarmed(place: Place, server: str) -> set[tuple[str, str]]:
    """Return the objects that an Event says of that the echo service's ports are used up."""
    items = place.lab.object("events", "--field-selector", "reason=MasqueradePortsLow")["items"]
    return {
        (each["involvedObject"]["kind"], each["involvedObject"]["name"])
        for each in items
        if f" {_destination(server)} " in each["message"] and "(100%)" in each["message"]
    }


@only_whole
@pytest.mark.parametrize("server", SERVERS)
def test_one_pod_gets_nearly_every_port_and_the_first_that_expires_is_given_again(
    place: Place, server: str
) -> None:
    # From ports outside the range, so that each connection needs a search.
    began_s = time.monotonic()
    refused = unanswered(place.taker, server, range(768, 768 + CONNECTIONS_MIN))
    took_s = time.monotonic() - began_s
    assert refused == []

    # From every port in the range: where it is free, it is kept.
    send_only(place.taker, server, range(SNAT_PORT_MIN, SNAT_PORT_MAX + 1))
    full, _ = page(place, server)
    assert (full["used"], full["ports"], full["fill-percent"]) == (ALL, ALL, 100.0)
    assert [each["name"] for each in full["holders"]] == ["taker"]

    assert unanswered(place.other, server, range(1024, 1026)) == [1024, 1025]
    after, owners = page(place, server)
    assert after["failed"] == full["failed"] + 2
    assert owners["other"]["refused"] == 2
    assert place.lab.exec(NODE, "curl", "-s", "-m", "3", f"http://{_host(server)}:{WEB}/")
    eventually(
        lambda: alarmed(place, server) == {("Node", NODE), ("Pod", "taker")},
        within_s=30.0,
        what="an Event of the pod and of the node",
    )

    expiry_s = first_expiry_s(place, server)
    assert expiry_s > time.monotonic(), "the first port has expired before anybody waited for it"
    answered_s, tried = first_answer(place.other, server, expiry_s + 5 * RECOVERED_WITHIN_S)

    print(
        f"\n{server}: {CONNECTIONS_MIN} connections in {took_s:.1f} s, none refused; all {ALL} ports"
        f" taken; {tried} tries until an answer, {answered_s - expiry_s:.3f} s after the first expiry"
    )
    assert -0.1 < answered_s - expiry_s < RECOVERED_WITHIN_S
