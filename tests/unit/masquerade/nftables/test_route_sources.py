"""`masquerade/nftables/route_sources.py`: which routes name an address to send from."""

from ipaddress import ip_address, ip_network

from ciliate.masquerade.nftables.plan import RouteSource
from ciliate.masquerade.nftables.route_sources import sources_of
from ciliate.net.link import Route, RouteKind

LAN, WORLD = ip_network("192.168.10.0/24"), ip_network("0.0.0.0/0")
OWN, OTHER = ip_address("192.168.10.100"), ip_address("192.168.10.77")
NAMES = {2: "eth1"}


def test_routes_of_the_nodes_devices_with_a_source_count() -> None:
    routes = [
        Route(LAN, link_index=2, source=OWN),
        Route(WORLD, link_index=2),
        Route(WORLD, link_index=9, source=OTHER),
        Route(ip_network("10.0.0.0/8"), link_index=2, source=OTHER, table=255),
        Route(ip_network("10.1.0.0/16"), source=OTHER, kind=RouteKind.UNREACHABLE),
    ]

    assert sources_of(routes, NAMES) == (RouteSource("eth1", LAN, OWN),)


def test_of_two_routes_to_one_place_the_nearer_one_counts() -> None:
    routes = [
        Route(WORLD, link_index=2, source=OTHER, metric=200),
        Route(WORLD, link_index=2, source=OWN, metric=100),
    ]

    assert sources_of(routes, NAMES) == (RouteSource("eth1", WORLD, OWN),)
