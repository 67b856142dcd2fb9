"""`routing/plan.py`: pods of nodes on the same layer-2 network are reached through their node."""

from ipaddress import ip_address, ip_network

import pytest

from ciliate.net.link import Route, RouteAnswer, RouteKind, RouteProtocol, RouteScope
from ciliate.routing.plan import NOWHERE, NextHop, hop_of, next_hop, route_by, why_unreachable

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
    ("destination", "hop"),
    [
        ("10.244.1.0/24", NextHop(ETH1, W1)),
        ("10.244.0.7/32", NextHop(17)),
        ("fd00::7/128", NextHop(17)),
        ("10.244.0.0/24", NOWHERE),
    ],
)
def test_route_that_is_written_is_recognized_when_it_is_read(
    destination: str, hop: NextHop
) -> None:
    route = route_by(ip_network(destination), hop)

    assert hop_of(route) == hop
    assert route.protocol == RouteProtocol.KERNEL


def test_route_of_ipv6_that_leads_nowhere_is_the_same_though_the_kernel_shows_lo() -> None:
    shown = Route(ip_network("fd00::/64"), 1, metric=1024, kind=RouteKind.UNREACHABLE)

    assert hop_of(shown) == NOWHERE


def test_only_ipv4_has_a_scope_of_the_link() -> None:
    assert route_by(ip_network("10.244.0.7/32"), NextHop(17)).scope == RouteScope.LINK
    assert route_by(ip_network("fd00::7/128"), NextHop(17)).scope == RouteScope.UNIVERSE
    assert route_by(ip_network("10.244.1.0/24"), NextHop(3, W1)).scope == RouteScope.UNIVERSE
