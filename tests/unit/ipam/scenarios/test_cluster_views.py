"""`ipam/cluster.py`: what it says of nodes, pods and pools while they change, step by step."""

from ipaddress import ip_network

import pytest

from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.cluster import Claim, ClusterAllocator
from ciliate.ipam.pool_errors import PoolBlocksExhaustedError, PoolMissingError

AT = "192.0.2.1"


def cluster(*cidrs: str, length: int = 24) -> ClusterAllocator:
    allocator = ClusterAllocator()
    version = ip_network(cidrs[0]).version
    assert allocator.define("default", version, length, cidrs) == []
    return allocator


def test_grant_is_seen_as_one_until_the_api_shows_it_or_it_is_withdrawn() -> None:
    allocator = cluster("10.0.0.0/22")
    block = allocator.grant("a", "default", 4)
    assert allocator.granted("a") == [block]
    assert allocator.claims("a") == {block: Claim.GRANTED}

    allocator.learn("a", [], [])
    assert allocator.granted("a") == [block], "what was not seen is kept"

    allocator.learn("a", [str(block)], [])
    assert allocator.granted("a") == []
    assert allocator.claims("a") == {block: Claim.CURRENT}
    allocator.withdraw("a", block)
    assert allocator.claims("a") == {block: Claim.CURRENT}, "it is in the API"

    second = allocator.grant("a", "default", 4, listed=[block])
    allocator.withdraw("a", second)
    assert second not in allocator.claims("a")
    assert allocator.granted("a") == []


def test_nothing_is_withdrawn_from_a_node_nobody_knows() -> None:
    allocator = cluster("10.0.0.0/22")

    allocator.withdraw("nobody", Cidr.parse("10.0.0.0/24"))

    assert allocator.claims("nobody") == {}
    assert allocator.granted("nobody") == []
    assert list(allocator.nodes) == []
    assert not allocator.has_uses("nobody")
    assert allocator.displaced_blocks("nobody") == []


def test_claim_that_is_no_longer_listed_is_free_and_the_others_stay() -> None:
    allocator = cluster("10.0.0.0/22")
    allocator.learn("a", ["10.0.0.0/24", "10.0.1.0/24"], ["10.0.2.0/24"])

    allocator.learn("a", ["10.0.1.0/24"], ["10.0.2.0/24"])

    assert allocator.claims("a") == {
        Cidr.parse("10.0.1.0/24"): Claim.CURRENT,
        Cidr.parse("10.0.2.0/24"): Claim.DRAINING,
    }
    assert allocator.free("default", 4) == 2


def test_pods_that_no_claim_covers_are_reported_by_their_block_or_by_themselves() -> None:
    allocator = cluster("10.0.0.0/22")
    allocator.place("a", [AT])
    for address in ("10.0.0.7", "10.0.1.7", "10.0.1.8", "172.16.0.1"):
        allocator.pod_appeared(AT, address)
    allocator.learn("a", ["10.0.0.0/24"], [])

    assert list(map(str, allocator.displaced_blocks("a"))) == ["10.0.1.0/24", "172.16.0.1/32"]
    assert allocator.covers("a", "10.0.0.7")
    assert not allocator.covers("a", "10.0.1.7")
    assert not allocator.covers("nobody", "10.0.1.7")
    assert allocator.covers("a", "no address"), "what is no address needs no cover"


def test_address_is_in_use_by_a_claim_or_by_a_pod() -> None:
    allocator = cluster("10.0.0.0/22")
    allocator.learn("a", ["10.0.0.0/25"], [])
    allocator.pod_appeared(AT, "10.0.1.7")

    used = [
        cidr for cidr in (f"10.0.{n}.0/24" for n in range(4)) if allocator.in_use(Cidr.parse(cidr))
    ]

    assert used == ["10.0.0.0/24", "10.0.1.0/24"]


def test_node_has_uses_by_a_claim_or_by_a_pod() -> None:
    allocator = cluster("10.0.0.0/22")
    allocator.learn("a", ["10.0.0.0/24"], [])
    allocator.learn("b", [], [])
    allocator.place("c", [AT])
    assert [node for node in "abc" if allocator.has_uses(node)] == ["a"]

    allocator.pod_appeared(AT, "10.0.1.7")

    assert [node for node in "abc" if allocator.has_uses(node)] == ["a", "c"]
    assert allocator.node_at(AT) == "c"


def test_node_whose_conflict_comes_or_goes_is_reported_once() -> None:
    allocator = cluster("10.0.0.0/22")
    allocator.learn("a", ["10.0.0.0/24"], [])
    allocator.learn("b", ["10.0.0.0/24"], [])
    allocator.learn("c", ["10.0.0.0/24"], [])
    assert allocator.take_touched() == {"b", "c"}
    assert allocator.take_touched() == set()
    assert allocator.conflicts == 2

    allocator.forget("a")
    assert allocator.take_touched() == {"b", "c"}, "b has it now, c stands against b"
    assert [conflict.owner for conflict in allocator.conflicts_of("c")] == ["b"]

    allocator.forget("c")
    assert allocator.take_touched() == set()
    assert allocator.conflicts == 0


def test_conflict_names_both_claims_and_both_nodes() -> None:
    allocator = cluster("10.0.0.0/22")
    allocator.learn("a", ["10.0.0.0/23"], [])

    [conflict] = allocator.learn("b", ["10.0.1.0/24"], []).conflicts

    assert (conflict.node, conflict.owner) == ("b", "a")
    assert (str(conflict.cidr), str(conflict.held)) == ("10.0.1.0/24", "10.0.0.0/23")


def test_what_freed_a_block_or_changed_a_range_counts() -> None:
    allocator = cluster("10.0.0.0/22")
    counts = [allocator.freed]

    def count() -> bool:
        """Return whether it grew since the last time."""
        counts.append(allocator.freed)
        return counts[-1] > counts[-2]

    allocator.define("default", 4, 24, ["10.0.0.0/22"])
    assert not count()
    allocator.define("default", 4, 24, ["10.0.0.0/22", "10.1.0.0/24"])
    assert count()
    allocator.learn("a", ["10.0.0.0/24"], [])
    assert not count()
    allocator.forget("a")
    assert count()
    allocator.place("a", ["10.0.0.7"])
    assert not count()
    allocator.place("a", [])
    assert count()
    allocator.drop("nobody's")
    assert not count()
    allocator.drop("default", 4)
    assert count()


def test_two_pools_defined_one_after_the_other_both_learn_what_is_used() -> None:
    allocator = ClusterAllocator()
    allocator.learn("a", ["10.0.0.0/24", "10.1.0.0/24"], [])
    allocator.define("default", 4, 24, ["10.0.0.0/23"])
    allocator.define("mars", 4, 24, ["10.1.0.0/23"])

    assert str(allocator.grant("b", "default", 4)) == "10.0.1.0/24"
    assert str(allocator.grant("c", "mars", 4)) == "10.1.1.0/24"


def test_pool_or_family_that_is_not_there_is_distinguished() -> None:
    allocator = cluster("10.0.0.0/24")

    with pytest.raises(PoolMissingError) as family:
        allocator.grant("a", "default", 6)
    with pytest.raises(PoolMissingError) as pool:
        allocator.grant("a", "mars", 4)

    assert (family.value.pool, family.value.version, family.value.exists) == ("default", 6, True)
    assert (pool.value.pool, pool.value.version, pool.value.exists) == ("mars", 4, False)


def test_exhaustion_says_of_which_pool_how_many_and_how_many_are_kept() -> None:
    allocator = cluster("10.0.0.0/23")
    allocator.place("a", ["10.0.0.7"])
    allocator.grant("b", "default", 4)

    with pytest.raises(PoolBlocksExhaustedError) as caught:
        allocator.grant("c", "default", 4)

    error = caught.value
    assert (error.pool, error.version, error.block_length) == ("default", 4, 24)
    assert (error.blocks, error.reserved) == (2, 1)
    assert allocator.reserved("default", 4) == 1
    assert allocator.reserved("mars", 4) == 0
    assert allocator.reserved("default", 6) == 0


def test_block_in_which_most_pods_live_is_given_first() -> None:
    allocator = cluster("10.0.0.0/22")
    allocator.place("a", [AT])
    for address in ("10.0.0.7", "10.0.1.7", "10.0.1.8", "10.0.2.7", "10.0.1.9", "10.0.2.8"):
        allocator.pod_appeared(AT, address)

    first = allocator.grant("a", "default", 4)
    again = allocator.grant("a", "default", 4)
    second = allocator.grant("a", "default", 4, listed=[first])

    assert list(map(str, (first, again, second))) == ["10.0.1.0/24", "10.0.1.0/24", "10.0.2.0/24"]
    assert allocator.granted("a") == [first, second]


def test_range_with_addresses_that_are_kept_is_reported_by_pool_and_kind() -> None:
    allocator = cluster("10.0.0.0/23")
    allocator.define("mars", 4, 24, ["10.1.0.0/23"])
    allocator.reserve(Cidr.parse("10.1.1.0/24"), "Services in 10.1.1.0/24")
    allocator.reserve(Cidr.parse("10.1.1.0/24"), "Services in 10.1.1.0/24")

    problems = allocator.reservation_problems()

    assert {pool: list(found) for pool, found in problems.items()} == {
        "mars": ["10.1.0.0/23 Services"]
    }
    allocator.reserve(Cidr.parse("10.1.1.0/24"), "Services in 10.1.1.0/24", times=-1)
    assert allocator.reserved("mars", 4) == 1, "it was noted twice"
    allocator.reserve(Cidr.parse("10.1.1.0/24"), "Services in 10.1.1.0/24", times=-1)
    assert allocator.reserved("mars", 4) == 0
    assert allocator.reservation_problems() == {}
