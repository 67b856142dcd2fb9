"""src/ciliate/routing/route_mtus.py: which routes limit packets more than their device."""

from ipaddress import ip_network

from ciliate.datapath.layout import PrefixKey
from ciliate.net.link import Route
from ciliate.routing.route_mtus import route_mtu_entries
from ciliate.routing.show import route_mtu_rows


def entries(*routes: tuple[str, int | None]) -> dict[str, list[str]]:
    made = (Route(ip_network(prefix), link_index=2, mtu=mtu) for prefix, mtu in routes)
    return route_mtu_rows(route_mtu_entries(made).items())


def test_only_routes_with_an_mtu_limit_packets() -> None:
    assert entries(("10.9.0.0/16", 1400), ("10.8.0.0/16", None)) == {"10.9.0.0/16": ["mtu=1400"]}


def test_routes_of_both_families_limit_packets() -> None:
    assert entries(("2001:db8::/32", 1400)) == {"2001:db8::/32": ["mtu=1400"]}


def test_of_two_routes_to_one_destination_the_smaller_mtu_counts() -> None:
    both = ("10.9.0.0/16", 1400), ("10.9.0.0/16", 1300)

    assert entries(*both) == entries(*reversed(both)) == {"10.9.0.0/16": ["mtu=1300"]}


def test_a_default_route_limits_every_ipv4_destination() -> None:
    (key,) = route_mtu_entries([Route(ip_network("0.0.0.0/0"), mtu=1420)])

    assert key == PrefixKey(96, bytes(10) + b"\xff\xff" + bytes(4))
