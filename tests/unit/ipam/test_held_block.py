"""`ipam/held_block.py`: reservations do not count as pods, nor take an address from one."""

from ipaddress import ip_address, ip_network

from ciliate.ipam.allocator import Block
from ciliate.ipam.held_block import HeldBlock

FIRST, OUTSIDE = ip_address("10.0.0.1"), ip_address("10.0.1.1")


def held() -> HeldBlock:
    return HeldBlock("default", Block(ip_network("10.0.0.0/29")), draining=False)


def test_reserved_address_is_in_no_pods_use() -> None:
    block = held()

    block.reserve(FIRST, "node-ip")

    assert block.block.owner(FIRST) == "node-ip"
    assert (block.kept, block.reserved, block.in_use) == (1, 1, 0)


def test_pod_keeps_an_address_that_is_reserved_later() -> None:
    block = held()
    block.block.take(FIRST, "default/a")

    block.reserve(FIRST, "default/b (on another)")

    assert block.block.owner(FIRST) == "default/a"
    assert (block.kept, block.reserved, block.in_use) == (0, 1, 1)


def test_address_outside_changes_nothing() -> None:
    block = held()

    block.reserve(OUTSIDE, "node-ip")

    assert (block.kept, block.reserved, block.block.used) == (0, 0, 0)


def test_every_reservation_is_counted() -> None:
    block = held()

    block.reserve(FIRST, "node-ip")
    block.reserve(ip_address("10.0.0.2"), "service")

    assert (block.kept, block.reserved, block.in_use) == (2, 2, 0)
