"""What a Service is told that has not what it asks for."""

from tests.unit.load_balancer_ipam.objects import pool, request

from ciliate.load_balancer_ipam.pools import read_pool
from ciliate.load_balancer_ipam.shortages import of_asked, of_family
from ciliate.net.address import ip_address


def test_message_names_some_pools_and_counts_the_others() -> None:
    pools = [read_pool(pool(f"192.0.2.{number}", name=f"p{number}")) for number in range(10)]

    assert of_family(request(), 4, pools[:1], "").message == (
        "every IPv4 address of pool p0 is given"
    )
    assert of_family(request(), 4, pools[:2], "").message == (
        "every IPv4 address of pools p0, p1 is given"
    )
    assert of_family(request(), 4, pools, "").message == (
        "every IPv4 address of pools p0, p1, p2, p3, p4, p5, p6, p7 and 2 more is given"
    )


def test_idle_pools_are_none_that_a_service_could_have_addresses_of() -> None:
    pools = [
        read_pool(pool("192.0.2.0/24", disabled=True)),
        read_pool(pool("2001:db8::/64", name="six")),
        read_pool(pool("198.51.100.0/24", name="red", selector={"color": "red"})),
    ]

    assert of_family(request(), 4, pools, "").reason == "no_pool"
    assert of_family(request(), 6, pools, "").reason == "out_of_ips"


def test_nothing_is_said_of_an_address_that_can_be_had() -> None:
    pools = [read_pool(pool("192.0.2.0/24"))]

    assert of_asked(request(), ip_address("192.0.2.1"), pools, "").reason == ""
