"""`routing/plan.py`: pods of nodes on the same layer-2 network are reached through their node."""

from ipaddress import ip_address, ip_network

import pytest

from ciliate.net.link import RouteAnswer, RouteKind
from ciliate.routing.plan import NextHop, next_hop, node_address_in, why_unreachable

ETH1 = 3
W1 = ip_address("192.168.10.101")


def answer(gateway: str | None = None, *, kind: RouteKind = RouteKind.UNICAST) -> RouteAnswer:
    return RouteAnswer(
        destination=W1,
        link_index=ETH1,
        gateway=ip_address(gateway) if gateway else None,
        source=None,
        kind=kind,
        table=254,
    )


@pytest.mark.parametrize("gateway", [None, str(W1)])
def test_node_on_the_link_is_the_way_to_its_pods(gateway: str | None) -> None:
    """Also where a host route names the node as its own gateway."""
    assert next_hop(W1, answer(gateway)) == NextHop(ETH1, W1)
    assert why_unreachable(W1, answer(gateway)) == ""


def test_node_behind_a_gateway_is_no_way_and_says_which_gateway() -> None:
    behind = answer("192.168.10.200")

    assert next_hop(W1, behind) is None
    assert why_unreachable(W1, behind) == (
        "route to destination 192.168.10.101 contains gateway 192.168.10.200, must be directly"
        " reachable. Add `direct-routing-skip-unreachable` to skip unreachable routes"
    )


def test_node_without_a_route_is_no_way_and_says_so() -> None:
    assert next_hop(W1, None) is None
    assert "192.168.10.101 does not exist" in why_unreachable(W1, None)


@pytest.mark.parametrize("kind", [RouteKind.LOCAL, RouteKind.BLACKHOLE, RouteKind.UNREACHABLE])
def test_node_that_packets_do_not_leave_for_is_no_way(kind: RouteKind) -> None:
    assert next_hop(W1, answer(kind=kind)) is None


@pytest.mark.parametrize(
    ("destination", "inside"),
    [
        ("192.168.10.0/24", "192.168.10.101"),
        ("0.0.0.0/0", "192.168.10.101"),
        ("10.0.2.0/24", "10.0.2.15"),
        ("10.244.1.0/24", None),
        ("fd00:10:1::/64", None),
    ],
)
def test_network_of_the_next_hop_or_of_this_node_is_told_by_the_address_in_it(
    destination: str, inside: str | None
) -> None:
    own = (ip_address("10.0.2.15"), ip_address("fd00:10::100"))

    assert node_address_in(ip_network(destination), W1, own) == (inside and ip_address(inside))
