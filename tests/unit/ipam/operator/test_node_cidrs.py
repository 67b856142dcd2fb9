"""Decisions about one node, without an API server."""

import msgspec
import pytest

from ciliate.api.cilium_node import (
    DRAINING_ANNOTATION,
    AllocatedPool,
    CiliumNode,
    CiliumNodeSpec,
    IPAMPools,
    NodeIPAM,
    PoolDemand,
    RequestedPool,
)
from ciliate.api.metadata import ObjectMeta
from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.cluster import ClusterAllocator
from ciliate.ipam.operator.node_cidrs import (
    BLOCKS_AT_ONCE_MAX,
    BLOCKS_PER_NODE_MAX,
    Decision,
    DemandTooLargeError,
    displaced_error,
    fill_pod_cidrs,
    satisfy_demand,
    usable_addresses,
)
from ciliate.ipam.operator.settings import CLUSTER_POOL


def node(
    *pod_cidrs: str, requested: dict[str, int] | None = None, **allocated: tuple[str, ...]
) -> CiliumNode:
    pools = IPAMPools(
        requested=tuple(
            RequestedPool(pool=pool, needed=PoolDemand(ipv4_addrs=count))
            for pool, count in (requested or {}).items()
        ),
        allocated=tuple(
            AllocatedPool(pool=pool, cidrs=cidrs) for pool, cidrs in allocated.items()
        ),
    )
    return CiliumNode(
        metadata=ObjectMeta(name="a"),
        spec=CiliumNodeSpec(ipam=NodeIPAM(pod_cidrs=pod_cidrs, pools=pools)),
    )


def decide(allocator: ClusterAllocator, item: CiliumNode, *, settled: bool = True) -> Decision:
    allocator.learn("a", item.current_cidrs, item.draining_cidrs)
    return fill_pod_cidrs(allocator, item, (4, 6), settled=settled)


def satisfy(allocator: ClusterAllocator, item: CiliumNode, *, settled: bool = True) -> Decision:
    allocator.learn("a", item.current_cidrs, item.draining_cidrs)
    return satisfy_demand(
        allocator,
        item,
        lambda _pool, cidr: usable_addresses(cidr, first=False, last=False),
        settled=settled,
    )


@pytest.fixture
def both() -> ClusterAllocator:
    allocator = ClusterAllocator()
    allocator.define(CLUSTER_POOL, 4, 24, ["10.0.0.0/16"])
    allocator.define(CLUSTER_POOL, 6, 120, ["fd00::/120"])
    return allocator


def test_an_empty_list_is_filled_with_all_families_or_none(both: ClusterAllocator) -> None:
    assert decide(both, node()).pod_cidrs == ("10.0.0.0/24", "fd00::/120")
    both.forget("a")
    both.learn("b", ["fd00::/120"], [])

    decision = decide(both, node())

    assert decision.pod_cidrs is None
    assert decision.short_of == {(CLUSTER_POOL, 6)}
    assert both.granted("a") == [], "the IPv4 block is given back"


def test_a_list_that_is_not_empty_is_never_rewritten(both: ClusterAllocator) -> None:
    decision = decide(both, node("10.244.0.0/24", "fd00::/120"))

    assert decision.pod_cidrs is None
    assert decision.error == "allocator not configured for the requested CIDR 10.244.0.0/24"


def test_a_cidr_of_a_family_that_is_off_is_reported() -> None:
    allocator = ClusterAllocator()
    allocator.define(CLUSTER_POOL, 4, 24, ["10.0.0.0/16"])
    item = node("10.0.0.0/24", "fd00::/120")
    allocator.learn("a", item.current_cidrs, ())

    decision = fill_pod_cidrs(allocator, item, (4,), settled=True)

    assert decision.error == (
        "unable to allocate CIDR [fd00::/120] since allocator for IPv6 addresses does not exist"
    )


def test_a_grant_that_may_yet_take_effect_is_not_taken_back(both: ClusterAllocator) -> None:
    decide(both, node())
    hers = node("10.0.9.0/24", "fd00::/120")

    decide(both, hers, settled=False)
    assert both.granted("a") == [Cidr.parse("10.0.0.0/24")]
    decide(both, hers, settled=True)
    assert both.granted("a") == []


def test_asked_again_the_same_blocks_come_out() -> None:
    allocator = ClusterAllocator()
    allocator.define("default", 4, 28, ["10.0.0.0/24"])
    item = node(requested={"default": 20})

    first = satisfy(allocator, item)

    assert first.allocated == (
        AllocatedPool(pool="default", cidrs=("10.0.0.0/28", "10.0.0.16/28")),
    )
    assert satisfy(allocator, item) == first


def test_demand_that_fell_takes_back_what_was_not_written() -> None:
    allocator = ClusterAllocator()
    allocator.define("default", 4, 28, ["10.0.0.0/24"])
    satisfy(allocator, node(requested={"default": 20}))

    decision = satisfy(allocator, node(requested={"default": 8}))

    assert decision.allocated == (AllocatedPool(pool="default", cidrs=("10.0.0.0/28",)),)
    assert allocator.free("default", 4) == 15


def test_a_demand_without_bounds_takes_nothing() -> None:
    allocator = ClusterAllocator()
    allocator.define("single", 4, 32, ["10.0.0.0/16"])

    decision = satisfy(allocator, node(requested={"single": BLOCKS_PER_NODE_MAX + 1}))

    assert decision.allocated is None
    assert allocator.free("single", 4) == 1 << 16
    assert "demand of 1025 IPv4 addresses of pool single" in decision.error
    assert not decision.short_of, "no other block would help"


def test_error_of_a_demand_that_is_too_large_has_its_facts() -> None:
    error = DemandTooLargeError("single", 6, 2000)

    assert (error.pool, error.version, error.count) == ("single", 6, 2000)


def test_displaced_pods_of_a_node_without_cidrs_conflict_with_none() -> None:
    error = displaced_error([Cidr.parse("10.0.0.0/24"), Cidr.parse("10.0.2.0/24")], node())

    assert "(10.0.0.0/24, 10.0.2.0/24) that conflict with requested CIDRs (none)" in error


def test_a_large_demand_is_met_step_by_step() -> None:
    allocator = ClusterAllocator()
    allocator.define("single", 4, 32, ["10.0.0.0/16"])
    held: tuple[str, ...] = ()
    for step in range(1, BLOCKS_PER_NODE_MAX // BLOCKS_AT_ONCE_MAX + 1):
        item = node(requested={"single": BLOCKS_PER_NODE_MAX}, single=held)
        [entry] = satisfy(allocator, item).allocated or ()
        assert len(entry.cidrs) == step * BLOCKS_AT_ONCE_MAX
        held = entry.cidrs

    item = node(requested={"single": BLOCKS_PER_NODE_MAX}, single=held)
    assert satisfy(allocator, item) == Decision()


def test_blocks_outside_the_pools_present_ranges_do_not_count() -> None:
    allocator = ClusterAllocator()
    allocator.define("default", 4, 28, ["10.1.0.0/24"])

    decision = satisfy(allocator, node(requested={"default": 8}, default=("10.0.0.0/28",)))

    assert decision.allocated == (
        AllocatedPool(pool="default", cidrs=("10.0.0.0/28", "10.1.0.0/28")),
    )
    assert decision.outside == (("default", Cidr.parse("10.0.0.0/28")),)


def test_blocks_of_a_pool_that_is_gone_are_reported() -> None:
    decision = satisfy(ClusterAllocator(), node(mars=("10.0.0.0/28",)))

    assert decision.error == "cannot reuse from non-existing pool: mars"
    assert decision.allocated is None


def test_blocks_of_a_pool_that_is_gone_are_no_error_while_the_node_drains_them() -> None:
    """Pods live in them: the agent gives them back with the last one."""
    held = node(mars=("10.0.0.0/28", "10.0.1.0/28"))

    def draining(text: str) -> CiliumNode:
        annotated = ObjectMeta(name="a", annotations={DRAINING_ANNOTATION: text})
        return msgspec.structs.replace(held, metadata=annotated)

    both = satisfy(ClusterAllocator(), draining("10.0.0.0/28,10.0.1.0/28"))
    one = satisfy(ClusterAllocator(), draining("10.0.0.0/28"))

    assert both.error == ""
    assert both.outside, "the pool's Event still counts them"
    assert one.error == "cannot reuse from non-existing pool: mars"


@pytest.mark.parametrize(
    ("text", "usable"),
    [("10.0.0.0/24", 254), ("10.0.0.0/30", 2), ("10.0.0.0/31", 2), ("10.0.0.0/32", 1)],
)
def test_first_and_last_address_are_nobodys_but_in_the_smallest_blocks(
    text: str, usable: int
) -> None:
    assert usable_addresses(Cidr.parse(text), first=False, last=False) == usable
