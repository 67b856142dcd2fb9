"""`ipam/node.py`: all families or none; a block that is taken away drains."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest

from ciliate.ipam.errors import (
    AddressOutOfRangeError,
    AddressTakenError,
    BlockExhaustedError,
    PoolExhaustedError,
    PoolNotReadyError,
)
from ciliate.ipam.node import NodeAddresses, PoolUse
from ciliate.net.address import IPAddress


def node(*cidrs: str, versions: Sequence[int] = (4,)) -> NodeAddresses:
    addresses = NodeAddresses(versions)
    addresses.set_current({"default": list(map(ip_network, cidrs))})
    return addresses


def dual_stack() -> NodeAddresses:
    return node("10.0.0.0/30", "fd00::/64", versions=(4, 6))


def owners(addresses: NodeAddresses) -> dict[IPAddress, str]:
    return {address: owner for address, owner, _ in addresses.allocations()}


def test_pod_gets_one_address_of_each_family_ipv6_first() -> None:
    allocated = dual_stack().allocate("default/a")

    assert [type(address) for address in allocated] == [IPv6Address, IPv4Address]


def test_full_family_leaves_the_other_untouched() -> None:
    addresses = dual_stack()
    addresses.allocate("default/a")
    addresses.allocate("default/b")
    before = owners(addresses)

    with pytest.raises(BlockExhaustedError):
        addresses.allocate("default/c")

    assert owners(addresses) == before


def test_node_ip_is_never_given() -> None:
    addresses = NodeAddresses((4,))
    addresses.reserve(IPv4Address("10.0.0.1"), "node-ip (excluded)")
    addresses.set_current({"default": [ip_network("10.0.0.0/30")]})

    assert addresses.allocate("default/a") == (IPv4Address("10.0.0.2"),)


def test_taking_is_all_or_none() -> None:
    addresses = dual_stack()
    addresses.take([IPv4Address("10.0.0.1")], "default/a")

    with pytest.raises(AddressTakenError):
        addresses.take([IPv6Address("fd00::5"), IPv4Address("10.0.0.1")], "default/b")

    assert owners(addresses) == {IPv4Address("10.0.0.1"): "default/a"}


def test_failed_taking_does_not_release_what_the_owner_had() -> None:
    addresses = dual_stack()
    mine = [IPv6Address("fd00::5")]
    addresses.take(mine, "default/a")
    addresses.take([IPv4Address("10.0.0.1")], "default/b")

    with pytest.raises(AddressTakenError):
        addresses.take([*mine, IPv4Address("10.0.0.1")], "default/a")

    assert owners(addresses)[mine[0]] == "default/a"


def test_address_of_no_block_is_named_with_the_ranges() -> None:
    with pytest.raises(AddressOutOfRangeError, match=r"fd00::5 .* is empty"):
        node("10.0.0.0/30").take([IPv6Address("fd00::5")], "default/a")


def test_pool_without_a_cidr_is_not_ready() -> None:
    with pytest.raises(PoolNotReadyError, match=r'pool "mars" \(family ipv4\): pool not \(yet\)'):
        node("10.0.0.0/30").allocate("default/a", {4: "mars"})


def test_second_cidr_of_a_pool_serves_when_the_first_is_full() -> None:
    addresses = node("10.0.0.0/30", "10.0.1.0/30")

    allocated = [addresses.allocate(name)[0] for name in "abcd"]

    assert [str(address) for address in allocated] == [
        "10.0.0.1",
        "10.0.0.2",
        "10.0.1.1",
        "10.0.1.2",
    ]
    with pytest.raises(PoolExhaustedError, match=r"10\.0\.0\.0/30, 10\.0\.1\.0/30"):
        addresses.allocate("e")


def test_block_that_is_taken_away_drains_until_its_last_pod_is_gone() -> None:
    addresses = node("10.0.0.0/24")
    old = addresses.allocate("default/old")

    addresses.set_current({"default": [ip_network("10.0.1.0/24")]})
    new = addresses.allocate("default/new")

    assert new[0] in ip_network("10.0.1.0/24")
    assert (addresses.cidrs, addresses.draining) == (
        (ip_network("10.0.1.0/24"),),
        (ip_network("10.0.0.0/24"),),
    )
    addresses.release(old)
    assert addresses.draining == ()


def test_block_nobody_uses_goes_at_once() -> None:
    addresses = node("10.0.0.0/24")

    addresses.set_current({})

    assert addresses.held == ()


def test_block_that_comes_back_knows_its_pods() -> None:
    addresses = node("10.0.0.0/30")
    addresses.allocate("default/a")

    addresses.set_current({})
    addresses.set_current({"default": [ip_network("10.0.0.0/30")]})

    assert addresses.allocate("default/b") == (IPv4Address("10.0.0.2"),)
    assert addresses.draining == ()


def test_smaller_block_of_the_same_range_keeps_the_pods_of_the_former() -> None:
    """Another mask size: the new block must not give addresses that pods of the old one have."""
    addresses = node("10.0.0.0/24")
    old = addresses.allocate("default/old")

    addresses.set_current({"default": [ip_network("10.0.0.0/30")]})

    assert addresses.allocate("default/new") != old
    with pytest.raises(BlockExhaustedError):
        addresses.allocate("default/third")
    addresses.release(old)
    assert addresses.allocate("default/third") == old


def test_range_that_comes_back_after_a_smaller_one_knows_what_that_gave() -> None:
    addresses = node("10.0.0.0/29")
    addresses.allocate("default/a")
    addresses.set_current({"default": [ip_network("10.0.0.0/30")]})
    allocated = addresses.allocate("default/b")

    addresses.set_current({"default": [ip_network("10.0.0.0/29")]})

    later = {addresses.allocate(f"default/{n}") for n in range(4)}
    assert allocated not in later
    assert len(set(owners(addresses))) == 6


def test_former_life_is_held_until_it_is_known_who_lives() -> None:
    addresses = NodeAddresses((4,))
    addresses.hold("default", [ip_network("10.0.0.0/24"), ip_network("10.0.9.0/24")])
    addresses.take([ip_address("10.0.0.7")], "default/a [restored]")

    addresses.set_current({"default": [ip_network("10.0.1.0/24")]})

    assert addresses.draining == (ip_network("10.0.0.0/24"),)


def test_addresses_held_one_by_one_are_no_blocks_once_the_block_is_there() -> None:
    """An agent that lost its state, and its CiliumNode with it, gets its CIDR back."""
    addresses = NodeAddresses((4,))
    held = [ip_address("10.0.0.1"), ip_address("10.0.0.7"), ip_address("10.9.0.7")]
    addresses.hold("default", [ip_network(address) for address in held])
    for address in held:
        addresses.take((address,), f"default/{address}")

    addresses.set_current({"default": [ip_network("10.0.0.0/29")]})

    # The last address of the block is no pod's in it.
    assert addresses.draining == (ip_network("10.0.0.7/32"), ip_network("10.9.0.7/32"))
    assert owners(addresses) == {address: f"default/{address}" for address in held}
    allocated = {addresses.allocate(f"default/new-{number}")[0] for number in range(5)}
    assert not allocated & set(held)


def test_address_of_a_pod_elsewhere_is_given_to_nobody_here() -> None:
    addresses = node("10.0.0.0/30")
    addresses.reserve(ip_address("10.0.0.1"), "default/far (on 192.168.10.101)")

    assert addresses.allocate("default/a") == (IPv4Address("10.0.0.2"),)
    addresses.unreserve(ip_address("10.0.0.1"), "default/far (on 192.168.10.101)")
    assert addresses.allocate("default/b") == (IPv4Address("10.0.0.1"),)


def test_address_used_here_and_elsewhere_is_reported_and_stays_reserved_afterwards() -> None:
    addresses = node("10.0.0.0/30")
    mine = addresses.allocate("default/a")

    assert addresses.reserve(mine[0], "default/far (on 192.168.10.101)") == "default/a"

    addresses.release(mine)
    assert owners(addresses) == {mine[0]: "default/far (on 192.168.10.101)"}


def test_reserved_addresses_keep_no_block_from_going() -> None:
    addresses = node("10.0.0.0/30")
    addresses.reserve(ip_address("10.0.0.1"), "node-ip (excluded)")

    addresses.set_current({})

    assert addresses.held == ()


def test_pod_whose_address_is_borne_elsewhere_too_keeps_it_when_its_range_comes_back() -> None:
    """An agent that lost its state holds pods one by one; an endpoint elsewhere claims one."""
    addresses, mine = NodeAddresses((4,)), ip_address("10.0.0.7")
    addresses.hold("default", [ip_network(mine)])
    addresses.take([mine], "default/old")
    addresses.reserve(mine, "default/far (on 192.168.10.101)")

    addresses.set_current({"default": [ip_network("10.0.0.0/28")]})
    addresses.unreserve(mine, "default/far (on 192.168.10.101)")

    assert owners(addresses) == {mine: "default/old"}
    assert mine not in {addresses.allocate(f"default/new-{number}")[0] for number in range(13)}


def test_address_kept_by_several_is_free_when_the_last_of_them_is_gone() -> None:
    """A wrong CiliumEndpoint that names the node's own address comes and goes."""
    addresses, its_own = node("10.0.0.0/30"), ip_address("10.0.0.1")
    addresses.reserve(its_own, "node-ip (excluded)")
    addresses.reserve(its_own, "default/wrong (on 192.168.10.101)")

    addresses.unreserve(its_own, "default/wrong (on 192.168.10.101)")

    assert owners(addresses) == {its_own: "node-ip (excluded)"}
    addresses.unreserve(its_own, "node-ip (excluded)")
    assert owners(addresses) == {}


def test_addresses_given_and_freed_are_counted_by_family() -> None:
    addresses = node("10.0.0.0/29", "fd00::/64", versions=(4, 6))
    assert (addresses.allocated, addresses.freed) == ({4: 0, 6: 0}, {4: 0, 6: 0})
    first = addresses.allocate("default/a")
    addresses.allocate("default/b")
    addresses.take([IPv4Address("10.0.0.6")], "default/c")
    addresses.take([IPv4Address("10.0.0.6")], "default/c")  # It had it already.

    addresses.release(first)
    addresses.release(first)  # Nobody's any more.
    addresses.release([IPv4Address("10.0.0.6")])

    assert addresses.allocated == {4: 3, 6: 2}
    assert addresses.freed == {4: 2, 6: 1}


def test_listener_hears_of_blocks_that_come_drain_and_go_and_of_nothing_else() -> None:
    addresses = NodeAddresses((4,))
    heard: list[int] = []
    addresses.listen(lambda: heard.append(len(addresses.held)))
    cidr = ip_network("10.0.0.0/29")

    assert addresses.set_current({"default": [cidr]})
    assert heard == [1]
    assert addresses.is_current(cidr)
    assert not addresses.is_current(ip_network("10.0.1.0/29"))

    assert not addresses.set_current({"default": [cidr]})
    allocated = addresses.allocate("default/a")
    assert heard == [1]

    assert addresses.set_current({})
    assert heard == [1, 1]
    assert not addresses.is_current(cidr)

    addresses.release(allocated)
    assert heard == [1, 1, 0]


def test_block_that_moves_to_another_pool_is_a_change() -> None:
    addresses = node("10.0.0.0/29")
    allocated = addresses.allocate("default/a")

    assert addresses.set_current({"mars": [ip_network("10.0.0.0/29")]})

    assert addresses.usage("default", 4) == PoolUse(0, 0)
    assert addresses.usage("mars", 4) == PoolUse(1, 6)
    assert addresses.owner(allocated[0]) == "default/a"


def test_pool_says_whether_its_blocks_give_their_edges_and_where_they_begin() -> None:
    asked: list[str] = []

    def edges(pool: str) -> tuple[bool, bool]:
        asked.append(pool)
        return (pool == "first", pool == "last")

    addresses = NodeAddresses((4,), edges=edges, start=lambda: 1)
    addresses.set_current(
        {"first": [ip_network("10.0.0.0/30")], "last": [ip_network("10.0.1.0/30")]}
    )

    first = [str(addresses.allocate_one("default/a", "first", 4)) for _ in range(3)]
    last = [str(addresses.allocate_one("default/a", "last", 4)) for _ in range(3)]

    assert asked == ["first", "last"]
    assert first == ["10.0.0.1", "10.0.0.2", "10.0.0.0"]
    assert last == ["10.0.1.2", "10.0.1.3", "10.0.1.1"]


def test_refusals_carry_what_was_asked_for() -> None:
    addresses = node("10.0.0.0/30")
    addresses.take([IPv4Address("10.0.0.1")], "default/a")
    addresses.take([IPv4Address("10.0.0.2")], "default/b")

    with pytest.raises(BlockExhaustedError) as full:
        addresses.allocate("default/c")
    with pytest.raises(AddressTakenError) as taken:
        addresses.take([IPv4Address("10.0.0.1")], "default/c")
    with pytest.raises(PoolNotReadyError) as missing:
        addresses.allocate_one("default/c", "mars", 4)

    assert (full.value.cidr, full.value.usable) == (ip_network("10.0.0.0/30"), 2)
    assert (taken.value.address, taken.value.owner) == (IPv4Address("10.0.0.1"), "default/a")
    assert (missing.value.pool, missing.value.version) == ("mars", 4)


def test_release_of_an_address_that_is_kept_frees_nothing_and_counts_nothing() -> None:
    addresses = node("10.0.0.0/29")
    addresses.reserve(IPv4Address("10.0.0.3"), "node-ip")

    addresses.release([IPv4Address("10.0.0.3")])

    assert addresses.owner(IPv4Address("10.0.0.3")) == "node-ip"
    assert addresses.is_reserved(IPv4Address("10.0.0.3"))
    assert addresses.freed[4] == 0


def test_release_of_the_last_kept_address_of_a_former_block_lets_it_go() -> None:
    addresses = node("10.0.0.0/29")
    addresses.reserve(IPv4Address("10.0.0.3"), "node-ip")
    pod = addresses.allocate("default/a")
    addresses.set_current({"default": [ip_network("10.0.1.0/29")]})
    assert addresses.draining == (ip_network("10.0.0.0/29"),)

    addresses.release(pod)

    assert list(addresses.draining) == []
    addresses.unreserve(IPv4Address("10.0.0.3"), "node-ip")
    assert not addresses.is_reserved(IPv4Address("10.0.0.3"))


def test_address_given_while_two_ranges_overlap_is_known_to_both() -> None:
    addresses = node("10.0.0.0/28")
    outside = IPv4Address("10.0.0.9")
    addresses.take([outside], "default/a")
    addresses.set_current({"default": [ip_network("10.0.0.0/29")]})

    second = addresses.allocate("default/b")

    assert {held.block.owner(second[0]) for held in addresses.held} == {"default/b"}
    assert len(addresses.held) == 2
    assert addresses.owner(outside) == "default/a"
