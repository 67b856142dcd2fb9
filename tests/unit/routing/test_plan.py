"""`routing/plan.py`: a route per other node's pod CIDR, on the same layer-2 network."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from ciliate.net.address import IPAddress
from ciliate.net.link import Route, RouteAnswer, RouteKind
from ciliate.routing.plan import RemoteNode, direct_node_routes, stray_routes

ETH1 = 3


def remote(name: str, ip: str, cidr: str) -> RemoteNode:
    return RemoteNode(name, (ip_address(ip),), (ip_network(cidr),))


def answer(ip: str, gateway: str | None = None) -> dict[IPAddress, RouteAnswer]:
    return {
        ip_address(ip): RouteAnswer(
            destination=ip_address(ip),
            link_index=ETH1,
            gateway=ip_address(gateway) if gateway else None,
            source=None,
            kind=RouteKind.UNICAST,
            table=254,
        )
    }


def test_node_on_the_link_gets_a_route_via_its_address() -> None:
    plan = direct_node_routes(
        [remote("k8s-w1", "192.168.10.101", "10.244.1.0/24")],
        answer("192.168.10.101"),
        skip_unreachable=False,
    )

    cidr = ip_network("10.244.1.0/24")
    assert plan.routes == {cidr: Route(cidr, ETH1, ip_address("192.168.10.101"))}
    assert not plan.unreachable


def test_node_behind_a_gateway_gets_none_and_says_which_gateway() -> None:
    plan = direct_node_routes(
        [remote("far", "172.16.0.1", "10.244.9.0/24")],
        answer("172.16.0.1", gateway="192.168.10.200"),
        skip_unreachable=False,
    )

    assert not plan.routes
    assert plan.unreachable[0].is_error
    assert "contains gateway 192.168.10.200" in plan.unreachable[0].reason


def test_node_that_is_its_own_gateway_is_on_the_link() -> None:
    """So the kernel answers when our route to the node's pods, or a host route, names it."""
    plan = direct_node_routes(
        [remote("k8s-w1", "192.168.10.101", "10.244.1.0/24")],
        answer("192.168.10.101", gateway="192.168.10.101"),
        skip_unreachable=False,
    )

    assert list(plan.routes) == [ip_network("10.244.1.0/24")]
    assert not plan.unreachable


@pytest.mark.parametrize("kind", [kind for kind in RouteKind if kind is not RouteKind.UNICAST])
def test_only_what_is_sent_to_one_station_is_on_the_link(kind: RouteKind) -> None:
    answers = {ip: replace(found, kind=kind) for ip, found in answer("192.168.10.101").items()}
    node = remote("k8s-w1", "192.168.10.101", "10.244.1.0/24")

    plan = direct_node_routes([node], answers, skip_unreachable=False)

    assert not plan.routes
    assert not stray_routes({ip_address("10.244.7.7"): ip_address("192.168.10.101")}, answers)


def test_skipping_unreachable_nodes_is_no_error() -> None:
    plan = direct_node_routes(
        [remote("far", "172.16.0.1", "10.244.9.0/24")], {}, skip_unreachable=True
    )

    assert [left.is_error for left in plan.unreachable] == [False]


def test_cidr_claimed_twice_goes_to_the_first_by_name() -> None:
    nodes = [remote("b", "192.168.10.102", "10.244.1.0/24")]
    nodes.append(remote("a", "192.168.10.101", "10.244.1.0/24"))

    plan = direct_node_routes(
        nodes, answer("192.168.10.101") | answer("192.168.10.102"), skip_unreachable=False
    )

    assert [route.gateway for route in plan.routes.values()] == [ip_address("192.168.10.101")]


def test_node_is_left_out_once_with_its_address_and_the_remedy() -> None:
    cidrs = (ip_network("10.244.9.0/24"), ip_network("10.244.10.0/24"))
    node = RemoteNode("far", (ip_address("172.16.0.1"),), cidrs)

    plan = direct_node_routes([node], {}, skip_unreachable=False)

    [left] = plan.unreachable
    assert left.node == "far"
    assert "172.16.0.1 does not exist" in left.reason


def test_every_node_that_is_left_out_is_named() -> None:
    nodes = [
        remote("a", "172.16.0.1", "10.244.9.0/24"),
        remote("b", "172.16.0.2", "10.244.8.0/24"),
    ]
    nodes.append(remote("c", "192.168.10.101", "10.244.1.0/24"))

    plan = direct_node_routes(nodes, answer("192.168.10.101"), skip_unreachable=False)

    assert [left.node for left in plan.unreachable] == ["a", "b"]
    assert list(plan.routes) == [ip_network("10.244.1.0/24")]


def test_remedy_is_the_setting_that_lets_such_nodes_be() -> None:
    node = remote("far", "172.16.0.1", "10.244.9.0/24")

    [left] = direct_node_routes([node], {}, skip_unreachable=False).unreachable

    assert "direct-routing-skip-unreachable" in left.reason


def test_who_has_a_cidr_now_goes_before_who_drains_it() -> None:
    cidr = ip_network("10.244.1.0/24")
    former = RemoteNode("a", (ip_address("192.168.10.101"),), (), draining_cidrs=(cidr,))
    nodes = [former, remote("b", "192.168.10.102", str(cidr))]
    answers = answer("192.168.10.101") | answer("192.168.10.102")

    plan = direct_node_routes(nodes, answers, skip_unreachable=False)

    assert plan.routes[cidr].gateway == ip_address("192.168.10.102")

    alone = direct_node_routes([former], answers, skip_unreachable=False)

    assert alone.routes[cidr].gateway == ip_address("192.168.10.101")


def test_own_cidrs_and_families_without_a_node_address_are_passed_over_in_silence() -> None:
    """Whatever order they come in."""
    own, ipv6, routed = (ip_network(t) for t in ("10.244.0.0/24", "fd00:1::/64", "10.244.1.0/24"))
    node = RemoteNode("k8s-w1", (ip_address("192.168.10.101"),), (own, ipv6, routed))

    plan = direct_node_routes(
        [node], answer("192.168.10.101"), skip_unreachable=False, own_cidrs=[own]
    )

    assert list(plan.routes) == [routed]
    assert not plan.unreachable


def test_node_is_reached_at_its_first_address_of_the_family() -> None:
    ips = tuple(ip_address(t) for t in ("fd00::1", "192.168.10.101", "192.168.10.201"))
    node = RemoteNode("k8s-w1", ips, ())

    assert node.node_ip(4) == ip_address("192.168.10.101")
    assert node.node_ip(6) == ip_address("fd00::1")


@pytest.mark.parametrize("gateway", [None, "192.168.10.101"])
def test_pod_outside_its_nodes_cidrs_has_a_route_of_its_own(gateway: str | None) -> None:
    pod, node_ip = ip_address("10.244.7.7"), ip_address("192.168.10.101")
    far, far_node = ip_address("10.244.8.8"), ip_address("172.16.0.1")
    unknown = ip_address("10.244.9.9"), ip_address("192.168.10.109")

    routes = stray_routes(
        {pod: node_ip, far: far_node, unknown[0]: unknown[1]},
        answer(str(node_ip), gateway=gateway) | answer(str(far_node), gateway="192.168.10.200"),
    )

    destination = ip_network("10.244.7.7/32")
    assert routes == {destination: Route(destination, ETH1, node_ip)}
