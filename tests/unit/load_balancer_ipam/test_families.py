"""Pools and Services as metrics."""

from tests.unit.load_balancer_ipam.objects import pool, request

from ciliate.load_balancer_ipam.allocator import Allocator
from ciliate.load_balancer_ipam.families import families
from ciliate.load_balancer_ipam.pools import read_pool


def test_numbers_of_pools_and_services_have_the_names_of_cilium() -> None:
    book = Allocator()
    pools = (pool("192.0.2.0/31"), pool("192.0.2.1 - 192.0.2.3", name="late", second=1))
    found = {made.key: (made, ()) for made in (request(f"s{number}") for number in range(3))}
    book.load([read_pool(each) for each in pools], found)

    shown = {each.name: dict(each.samples) for each in families(book)}

    assert {each.name[23:]: each.labels for each in families(book)} == {
        "conflicting_pools": (),
        "ips_available": ("pool",),
        "ips_used": ("pool",),
        "services_matching": (),
        "services_unsatisfied": (),
    }
    prefix = "cilium_operator_lbipam"
    assert shown == {
        f"{prefix}_conflicting_pools": {(): 1.0},
        f"{prefix}_ips_available": {("blue",): 0.0, ("late",): 2.0},
        f"{prefix}_ips_used": {("blue",): 2.0, ("late",): 1.0},
        f"{prefix}_services_matching": {(): 3.0},
        f"{prefix}_services_unsatisfied": {(): 1.0},
    }
