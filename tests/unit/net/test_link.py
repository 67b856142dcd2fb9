"""`net/link.py`: values of the kernel, written the way `ip` writes them."""

from ipaddress import ip_address, ip_network

import pytest

from ciliate.net.address import Mac
from ciliate.net.link import Link, LinkAddress, LinkFlag, Neighbour, Route

W1 = ip_address("192.168.10.101")
CIDR = ip_network("10.244.1.0/24")


@pytest.mark.parametrize(
    ("route", "text"),
    [
        (Route(CIDR, 3, W1), "10.244.1.0/24 via 192.168.10.101 dev 3"),
        (Route(CIDR, 3, W1, link_name="eth1"), "10.244.1.0/24 via 192.168.10.101 dev eth1"),
        (Route(CIDR, 3), "10.244.1.0/24 dev 3"),
        (Route(CIDR, gateway=W1, table=99), "10.244.1.0/24 via 192.168.10.101 table 99"),
        (Route(CIDR), "10.244.1.0/24"),
    ],
)
def test_route_is_written_as_ip_route_does(route: Route, text: str) -> None:
    assert str(route) == text


def test_routes_of_a_link_that_is_named_and_one_that_is_not_are_equal() -> None:
    assert Route(CIDR, 3, W1, link_name="eth1") == Route(CIDR, 3, W1)


@pytest.mark.parametrize(
    ("destination", "default"), [("0.0.0.0/0", True), ("::/0", True), ("0.0.0.0/1", False)]
)
def test_default_route_is_that_of_every_destination(*, destination: str, default: bool) -> None:
    assert Route(ip_network(destination)).is_default is default


def test_link_is_up_by_its_flag_whatever_its_carrier_says() -> None:
    assert Link(2, "eth0", LinkFlag.UP, 1500).is_up
    assert not Link(2, "eth0", LinkFlag.LOWER_UP | LinkFlag.RUNNING, 1500).is_up


def test_address_and_neighbour_name_their_link() -> None:
    neighbour = Neighbour(3, W1, Mac("ee:0a:00:00:00:01"), 128)

    assert str(LinkAddress(3, W1, 24)) == "192.168.10.101/24 on link 3"
    assert str(neighbour) == "192.168.10.101 lladdr ee:0a:00:00:00:01 on link 3"
