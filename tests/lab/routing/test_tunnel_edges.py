"""Beside the way from pod to pod: errors on it, nobody's addresses, and who routes to pods himself."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.lab.cluster import eventually
from tests.lab.faulty_node import FaultyNode
from tests.lab.routing.facts import NODES, node_facts, other, routes
from tests.lab.routing.far import FAR, far_ips
from tests.lab.routing.test_tunnel import FAMILIES, WIRE, source_of
from tests.lab.walkthrough.capture import Capture
from tests.lab.walkthrough.exchange import ECHO_PORT, ask, echo
from tests.lab.walkthrough.place import CONTROL_PLANE, ROUTER_IP, WORKER, Place
from tests.lab.walkthrough.test_dual_stack import NOBODY, ROUTER_IP6, ip6

#: What fits into the tunnel where the network takes 1500 bytes.
MTU = 1450

#: How ip(8) is told of the families.
FLAGS = ("-4", "-6")


@FAMILIES
def test_closed_port_of_the_other_nodes_pod_refuses(tunnel: Place, family: int) -> None:
    address = far_ips(tunnel)[family]

    for asks in ("curl-pod", CONTROL_PLANE):
        answer = ask(tunnel, asks, address, 9)
        assert (answer["error"], answer["offender"]) == ("ECONNREFUSED", address)


@FAMILIES
def test_the_senders_node_shows_as_a_hop_and_the_next_one_is_the_pod(
    tunnel: Place, family: int
) -> None:
    address = far_ips(tunnel)[family]

    first, second = (ask(tunnel, "curl-pod", address, 9, ttl=ttl) for ttl in (1, 2))

    assert first["error"] == "EHOSTUNREACH"
    assert first["offender"] in tunnel.inside(CONTROL_PLANE, "hostname", "-I").split()
    assert (second["error"], second["offender"]) == ("ECONNREFUSED", address)


@pytest.mark.parametrize(("family", "address", "_protocol"), NOBODY, ids=["IPv4", "IPv6"])
def test_pod_is_told_that_nobody_has_an_address_of_the_other_nodes_range(
    tunnel: Place, family: str, address: str, _protocol: str
) -> None:
    """By that node, through the tunnel; and the packet does not come back out of it."""
    node = node_facts(tunnel, CONTROL_PLANE)

    with Capture.on(tunnel, CONTROL_PLANE, "eth1", WIRE) as seen:
        printed = tunnel.inside(FAR, "ping", "-c", "1", "-W", "3", address, check=False)
        lines = seen.until("nreachable")

    (told,) = (line for line in printed.splitlines() if line.startswith("From "))
    assert "nreachable" in told
    assert told.split()[1] == node.routers[0 if family == "4" else 1]
    assert len([line for line in lines if "echo request" in line]) == 1


@FAMILIES
def test_routers_addresses_answer_the_other_node(tunnel: Place, family: int) -> None:
    for node in NODES:
        address = node_facts(tunnel, other(node)).routers[family]
        assert tunnel.ttl_from(address, asks=node) == 64


@FAMILIES
@pytest.mark.parametrize("pod", ["curl-pod", FAR])
def test_machine_with_a_route_to_pods_reaches_them_by_their_own_addresses(
    tunnel: Place, family: int, pod: str
) -> None:
    """Not through the tunnel: that is for nodes. The pod's answer goes as the question came."""
    address = source_of(tunnel, pod, family)
    client = (ROUTER_IP, ROUTER_IP6)[family]

    with tunnel.router_knows_pods():
        assert tunnel.ttl_from(address, asks="router") == 63
        with echo(tunnel, pod) as clients:
            assert ask(tunnel, "router", address, ECHO_PORT)["answer"] == 10
    assert clients == [client]


@FAMILIES
def test_node_passes_on_to_the_other_nodes_pod_what_a_machine_sends_it(
    tunnel: Place, family: int
) -> None:
    """A route on the router that leads to the wrong node still leads to the pod."""
    flag = FLAGS[family]
    cidr = node_facts(tunnel, WORKER).cidrs[family]
    via = node_facts(tunnel, CONTROL_PLANE).ips[family]
    before = tunnel.inside("router", "ip", flag, "route", "show", cidr).strip()
    tunnel.inside("router", "ip", flag, "route", "replace", cidr, "via", via)
    try:
        with echo(tunnel, FAR) as clients:
            answer = ask(tunnel, "router", far_ips(tunnel)[family], ECHO_PORT)
    finally:
        tunnel.inside("router", "ip", flag, "route", "del", cidr)
        if before:
            words = before.removesuffix("pref medium").split()
            tunnel.inside("router", "ip", flag, "route", "replace", *words)

    assert answer["answer"] == 10
    assert clients == [(ROUTER_IP, ROUTER_IP6)[family]]


@contextmanager
def smaller_network(place: Place) -> Iterator[None]:
    """The worker's network takes 1400 bytes, for as long as this lasts; routes are right after."""
    node = FaultyNode(place.lab, WORKER)
    node.run("ip", "link", "set", "eth1", "mtu", "1400")
    try:
        yield
    finally:
        node.run("ip", "link", "set", "eth1", "mtu", "1500")
        for family in FLAGS:
            await_mtu(place, family, MTU)


def await_mtu(place: Place, family: str, mtu: int) -> None:
    """Wait until the worker's route to the control plane's pods has an MTU."""

    def have() -> bool:
        return any(" src " in line and f" mtu {mtu}" in line for line in on_host())

    def on_host() -> list[str]:
        return [line for line in routes(place, WORKER, family) if "dev cilium_host" in line]

    try:
        eventually(have, within_s=5)
    except AssertionError:
        raise AssertionError(f"no MTU of {mtu} in {on_host()}") from None


def default_of(place: Place, pod: str, family: str) -> str:
    """A pod's default route."""
    return next(line for line in routes(place, pod, family) if line.startswith("default "))


def test_routes_and_devices_follow_the_mtu_of_the_network(tunnel: Place) -> None:
    """The kernel changes an IPv6 route's MTU by itself, as that of its device changes."""

    def await_pods(mtu: int) -> None:
        for family in FLAGS:
            eventually(
                lambda family=family: f" mtu {mtu}" in default_of(tunnel, FAR, family),  # type: ignore[misc]
                what="the MTU of the pod's route",
            )

    with smaller_network(tunnel):
        for family in FLAGS:
            await_mtu(tunnel, family, 1350)
        await_pods(1350)
        device = tunnel.inside(WORKER, "ip", "link", "show", "cilium_vxlan")
        passed = [
            tunnel.inside(FAR, "ping", "-c1", "-W3", "-M", "do", "-s", size, address)
            for size, address in (
                (str(1350 - 28), tunnel.curl_ip),
                (str(1350 - 48), ip6(tunnel, "curl-pod")),
            )
        ]

    await_pods(1450)
    assert " mtu 1400 " in device
    assert all(" 0% packet loss" in each for each in passed)
