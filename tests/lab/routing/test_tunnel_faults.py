"""The tunnel while agents die, and while somebody takes away what it is made of."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.lab.cluster import eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, pod_ip
from tests.lab.routing.facts import NODES, NodeFacts, ipcache, link_index, node_facts, routes
from tests.lab.routing.far import far_ips
from tests.lab.routing.pings import Pings, pinging
from tests.lab.streams import assert_unbroken, udp_stream
from tests.lab.walkthrough.place import CONTROL_PLANE, ROUTER_IP, WORKER, Place

NODE = pytest.mark.parametrize("node", NODES)
FOREIGN = ("198.51.100.0/24", "via", ROUTER_IP, "dev", "eth1", "proto", "static")


@contextmanager
def pings_of_both_families(place: Place) -> Iterator[tuple[Pings, ...]]:
    """From curl-pod to `far`, meanwhile."""
    first, second = far_ips(place)
    with pinging(place, "curl-pod", first) as v4, pinging(place, "curl-pod", second) as v6:
        yield v4, v6


def links(place: Place, node: str) -> dict[str, int]:
    """The indices of the devices that the tunnel is made of."""
    return {device: link_index(place, node, device) for device in ("cilium_vxlan", "cilium_host")}


def tunnel_routes(place: Place, node: str) -> list[str]:
    """The routes of both families by the router's device, but for the kernel's link-local ones."""
    found = [*routes(place, node), *routes(place, node, "-6")]
    return sorted(line for line in found if "cilium_host" in line and "fe80" not in line)


@pytest.fixture(scope="module")
def streams(tunnel: Place) -> tuple[str, str, str]:
    """Two pods with buffers for 1,000 datagrams a second, and the address of the second."""
    apply_pod(tunnel.lab, "left", CONTROL_PLANE)
    apply_pod(tunnel.lab, "right", WORKER)
    return "left", "right", pod_ip(tunnel.lab, "right")


def test_no_packet_is_lost_while_agents_are_killed_and_start_again(
    tunnel: Place, streams: tuple[str, str, str]
) -> None:
    """Killed once, replaced once; what they made is taken over as it is."""
    nodes = [FaultyNode(tunnel.lab, name) for name in NODES]
    before = {name: (links(tunnel, name), node_facts(tunnel, name).routers) for name in NODES}

    with (
        udp_stream(tunnel.lab, *streams) as udp,
        pings_of_both_families(tunnel) as pings,
        pinging(tunnel, CONTROL_PLANE, far_ips(tunnel)[0]) as of_node,
    ):
        killed = [node.kill_agent() for node in nodes]
        for node, pid in zip(nodes, killed, strict=True):
            node.wait_agent(other_than=pid)
        for node in nodes:
            node.replace_agent()
        for node in nodes:
            node.wait_agent()
        for each in (*pings, of_node):
            each.go_on()
        lost = [each.lost for each in (*pings, of_node)]

    after = {name: (links(tunnel, name), node_facts(tunnel, name).routers) for name in NODES}
    assert lost == [0, 0, 0]
    assert_unbroken(udp)
    assert after == before


@NODE
@pytest.mark.parametrize("device", ["cilium_vxlan", "cilium_host"])
def test_deleted_device_comes_back(tunnel: Place, node: str, device: str) -> None:
    before, standing = links(tunnel, node), tunnel_routes(tunnel, node)
    with pings_of_both_families(tunnel) as pings:
        FaultyNode(tunnel.lab, node).run("ip", "link", "del", device)
        eventually(
            lambda: links(tunnel, node)[device] not in (0, before[device]), what="a new device"
        )
        for each in pings:
            each.go_on()
        silence_s = [each.longest_silence_s for each in pings]

    eventually(lambda: tunnel_routes(tunnel, node) == standing, what="the routes as before")
    for name in NODES:
        there = far_ips(tunnel) if name == CONTROL_PLANE else (tunnel.curl_ip,)
        for address in there:
            assert tunnel.ttl_from(address, asks=name) == 64
    assert max(silence_s) < 10


@contextmanager
def without_link(place: Place, node: str) -> Iterator[None]:
    """The node's cable is out; afterwards its addresses and static routes are as before."""
    static = {
        family: [line for line in routes(place, node, family) if "dev eth1 proto static" in line]
        for family in ("-4", "-6")
    }
    # Otherwise the kernel forgets the IPv6 address, which nobody here would give again.
    place.inside(node, "sysctl", "-qw", "net.ipv6.conf.eth1.keep_addr_on_down=1")
    place.inside(node, "ip", "link", "set", "eth1", "down")
    try:
        yield
    finally:
        place.inside(node, "ip", "link", "set", "eth1", "up")
        for family, lines in static.items():
            for line in lines:
                words = line.removesuffix("pref medium").split()
                place.inside(node, "ip", family, "route", "replace", *words)


def test_tunnel_is_there_again_when_the_network_is(tunnel: Place) -> None:
    standing = tunnel_routes(tunnel, WORKER)
    with pings_of_both_families(tunnel) as pings:
        with without_link(tunnel, WORKER):
            during = tunnel_routes(tunnel, WORKER)
            silent = tunnel.inside(
                *("curl-pod", "ping", "-c", "10", "-i", "0.1", "-W", "1", far_ips(tunnel)[0]),
                check=False,
            )
        for each in pings:
            each.go_on(within_s=20)
        lost = [each.lost for each in pings]

    assert during == standing
    assert " 0 received" in silent
    assert all(lost), lost
    eventually(lambda: tunnel_routes(tunnel, WORKER) == standing, what="the routes as before")
    assert tunnel.client_of(far_ips(tunnel)[0]) == tunnel.curl_ip


def test_deleted_route_comes_back_and_a_foreign_one_stays(tunnel: Place) -> None:
    node = FaultyNode(tunnel.lab, CONTROL_PLANE)
    before = tunnel_routes(tunnel, CONTROL_PLANE)
    there = node_facts(tunnel, WORKER)
    node.run("ip", "route", "add", *FOREIGN)
    try:
        with pings_of_both_families(tunnel) as pings:
            for family, cidr in zip(("-4", "-6"), there.cidrs, strict=True):
                node.run("ip", family, "route", "del", cidr)  # Which there must be.
            eventually(
                lambda: tunnel_routes(tunnel, CONTROL_PLANE) == before, what="the routes again"
            )
            for each in pings:
                each.go_on()
            lost = [each.lost for each in pings]
        foreign = [line for line in routes(tunnel, CONTROL_PLANE) if FOREIGN[0] in line]
    finally:
        node.run("ip", "route", "del", *FOREIGN)

    assert foreign == [" ".join(FOREIGN)]
    assert lost == [0, 0], "pods' packets ask the map, not the route"


def test_node_that_goes_takes_its_routes_and_addresses_along(tunnel: Place) -> None:
    before = {name: (tunnel_routes(tunnel, name), set(ipcache(tunnel, name))) for name in NODES}
    added = tunnel.lab.lab("add-node").stdout
    name = next(word for word in added.split() if word.startswith("k8s-w"))
    there = node_facts(tunnel, name)
    apply_pod(tunnel.lab, "third", name)
    eventually(lambda: has_all_routes(tunnel, there), what="routes to the new node")
    reached = [
        tunnel.ttl_from(each["ip"])
        for each in tunnel.lab.object("pod", "third")["status"]["podIPs"]
    ]
    during = [set(ipcache(tunnel, each)) for each in NODES]

    tunnel.lab.kubectl("delete", "pod", "third")
    tunnel.lab.lab("remove-node", name)

    for each in NODES:
        eventually(
            lambda each=each: tunnel_routes(tunnel, each) == before[each][0],  # type: ignore[misc]
            what="no route to the node that is gone",
        )
        eventually(
            lambda each=each: set(ipcache(tunnel, each)) == before[each][1],  # type: ignore[misc]
            what="none of its addresses in the map",
        )
    assert reached == [63, 63]
    wanted = {*there.cidrs, f"{there.ips[0]}/32", f"{there.routers[0]}/32"}
    assert all(wanted <= each for each in during)


def has_all_routes(place: Place, there: NodeFacts) -> bool:
    """Whether both nodes have routes to both CIDRs of a node."""
    return all(
        any(line.startswith(f"{cidr} ") for line in tunnel_routes(place, node))
        for node in NODES
        for cidr in there.cidrs
    )
