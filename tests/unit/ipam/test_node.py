"""`ipam/node.py`: all families or none."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest

from ciliate.ipam.allocator import Block
from ciliate.ipam.errors import AddressTakenError, BlockExhaustedError, FamilyDisabledError
from ciliate.ipam.node import NodeAddresses


def dual_stack() -> NodeAddresses:
    return NodeAddresses([Block(IPv4Network("10.0.0.0/30")), Block(IPv6Network("fd00::/64"))])


def test_pod_gets_one_address_of_each_family_ipv6_first() -> None:
    given = dual_stack().allocate("default/a")

    assert [type(address) for address in given] == [IPv6Address, IPv4Address]


def test_full_family_leaves_the_other_untouched() -> None:
    node = dual_stack()
    node.allocate("default/a")
    node.allocate("default/b")
    before = dict(node.allocations())

    with pytest.raises(BlockExhaustedError):
        node.allocate("default/c")

    assert dict(node.allocations()) == before


def test_node_ip_is_never_given() -> None:
    node = NodeAddresses([Block(IPv4Network("10.0.0.0/30"))], excluded=[IPv4Address("10.0.0.1")])

    assert node.allocate("default/a") == (IPv4Address("10.0.0.2"),)


def test_taking_is_all_or_none() -> None:
    node = dual_stack()
    node.take([IPv4Address("10.0.0.1")], "default/a")

    with pytest.raises(AddressTakenError):
        node.take([IPv6Address("fd00::5"), IPv4Address("10.0.0.1")], "default/b")

    assert dict(node.allocations()) == {IPv4Address("10.0.0.1"): "default/a"}


def test_failed_taking_does_not_release_what_the_owner_had() -> None:
    node = dual_stack()
    mine = [IPv6Address("fd00::5")]
    node.take(mine, "default/a")
    node.take([IPv4Address("10.0.0.1")], "default/b")

    with pytest.raises(AddressTakenError):
        node.take([*mine, IPv4Address("10.0.0.1")], "default/a")

    assert dict(node.allocations())[mine[0]] == "default/a"


def test_family_without_block_is_named() -> None:
    node = NodeAddresses([Block(IPv4Network("10.0.0.0/30"))])

    with pytest.raises(FamilyDisabledError, match="IPv6 allocation disabled"):
        node.take([IPv6Address("fd00::5")], "default/a")
