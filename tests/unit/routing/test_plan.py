"""`routing/plan.py`: a route per other node's pod CIDR, on the same layer-2 network."""

from ipaddress import ip_address, ip_network

from ciliate.net.address import IPAddress
from ciliate.net.link import Route, RouteAnswer, RouteKind
from ciliate.routing.plan import RemoteNode, direct_node_routes

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
