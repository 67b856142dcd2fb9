"""`ipam/sizing.py`: the plan promises what operator and agent will give."""

import re
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.ipam.allocator import Block
from ciliate.ipam.demand import needed
from ciliate.ipam.node import NodeAddresses
from ciliate.ipam.sizing import GrowthUnit, Mode, SizingRequest, evaluate, find_overlaps, plan
from ciliate.net.address import IPNetwork


def _nets(*texts: str) -> tuple[IPNetwork, ...]:
    return tuple(ip_network(text) for text in texts)


def _wanted(
    nodes: int = 100,
    pods: int = 110,
    mode: Mode = Mode.CLUSTER_POOL,
    *,
    growth: float = 0.0,
    unit: GrowthUnit = GrowthUnit.NODES,
) -> SizingRequest:
    return SizingRequest(mode, nodes, pods, growth_per_day=growth, growth_unit=unit)


@pytest.mark.parametrize(
    ("mask_size", "pods"), [(24, 253), (25, 125), (26, 61), (27, 29), (28, 13), (29, 5), (30, 1)]
)
def test_pods_of_a_node_are_those_of_the_reference(mask_size: int, pods: int) -> None:
    found = evaluate(_wanted(), _nets("10.0.0.0/16"), mask_size)

    assert found.pods_per_node_max == pods
    assert found.pods_per_node_max == Block(ip_network(f"10.0.0.0/{mask_size}")).usable - 1


@pytest.mark.parametrize(("mask_size", "pods"), [(31, 1), (32, 0)])
def test_blocks_of_one_or_two_addresses_are_given_whole(mask_size: int, pods: int) -> None:
    addresses = NodeAddresses((4,))
    addresses.set_current({"default": [ip_network(f"10.0.0.0/{mask_size}")]})

    found = evaluate(_wanted(), _nets("10.0.0.0/16"), mask_size)

    assert found.usable_per_block == addresses.usage("default", 4).usable
    assert found.pods_per_node_max == pods


def test_blocks_of_several_pools_add_up_and_too_short_pools_give_none() -> None:
    found = evaluate(_wanted(), _nets("10.0.0.0/22", "10.1.0.0/23", "10.2.0.0/25"), 24)

    assert found.blocks == found.nodes_max == 4 + 2


def test_families_are_judged_each_for_itself() -> None:
    answer = plan(
        _wanted(nodes=300), _nets("10.0.0.0/8", "fd00::/112"), mask_sizes={4: 24, 6: 120}
    )

    assert [(each.family, each.fits) for each in answer.families] == [
        ("ipv4", True),
        ("ipv6", False),
    ]
    assert not answer.fits
    assert answer.remedy == (
        "IPv6 with mask size 120 is enough for 256 nodes and 253 pods on each, not for 300 and"
        " 110: use mask size 121 (512 nodes, 125 pods on each)"
    )


@pytest.mark.parametrize("mode", list(Mode))
def test_ipv6_is_not_cut_beyond_sixteen_bits(mode: Mode) -> None:
    """The operator refuses such a range; a plan that counts its blocks would be wrong."""
    answer = plan(_wanted(mode=mode), _nets("fd00::/40", "fd01::/48"), {6: 64})

    assert answer.families[0].chosen.blocks == 1 << 16
    assert answer.notes == (
        "a mask size more than 16 bits longer than its IPv6 range is refused: fd00::/40",
    )


def test_more_nodes_than_one_range_can_have_ask_for_several() -> None:
    answer = plan(_wanted(nodes=100_000), _nets("fd00::/104"), {6: 120})

    assert answer.remedy.endswith("for so many nodes add several pools, mask size 121")


def test_multi_pool_gives_a_node_as_many_blocks_as_its_demand_takes() -> None:
    """30 pods, a router and the reserve ask for 40: three blocks of 14."""
    found = evaluate(_wanted(10, 30, Mode.MULTI_POOL), _nets("10.0.0.0/24"), 28)

    assert (found.blocks, found.blocks_per_node, found.nodes_max) == (16, 3, 5)
    assert not found.fits


def test_multi_pool_uses_every_address_of_the_smallest_blocks() -> None:
    found = evaluate(_wanted(1, 1, Mode.MULTI_POOL), _nets("10.0.0.0/24"), 32)

    assert (found.usable_per_block, found.blocks_per_node, found.nodes_max) == (1, 16, 16)


def test_growth_of_nodes_ends_with_the_last_block() -> None:
    answer = plan(_wanted(growth=2.0), _nets("10.0.0.0/16"), {4: 24})

    growth = answer.families[0].growth
    assert growth is not None
    assert growth.days == (256 - 100) / 2


def test_growth_of_pods_ends_on_these_nodes_and_with_more_nodes() -> None:
    answer = plan(
        _wanted(growth=100.0, unit=GrowthUnit.PODS), _nets("10.0.0.0/16"), mask_sizes={4: 24}
    )

    growth = answer.families[0].growth
    assert growth is not None
    assert growth.days == (100 * 253 - 100 * 110) / 100
    assert growth.days_with_more_nodes == (256 * 253 - 100 * 110) / 100


def test_growth_says_in_which_unit_and_how_fast() -> None:
    nets = _nets("10.0.0.0/16")
    pods = plan(_wanted(growth=2.0, unit=GrowthUnit.PODS), nets, {4: 24})
    nodes = plan(_wanted(growth=2.0), nets, {4: 24})
    full = plan(_wanted(nodes=300, growth=2.0), _nets("10.0.0.0/16"), {4: 24})

    found = [each.families[0].growth for each in (pods, nodes, full)]

    assert [(growth.unit, growth.per_day) for growth in found if growth] == [
        (GrowthUnit.PODS, 2.0),
        (GrowthUnit.NODES, 2.0),
        (GrowthUnit.NODES, 2.0),
    ]
    assert pods.families[0].pools == ("10.0.0.0/16",)


def test_growth_of_pods_in_multi_pool_ends_with_the_last_block_of_the_pool() -> None:
    """Nodes that are added hold as many pods as is wanted of each."""
    wanted = SizingRequest(
        Mode.MULTI_POOL, 10, 30, growth_per_day=10.0, growth_unit=GrowthUnit.PODS
    )

    [family] = plan(wanted, _nets("10.0.0.0/20"), {4: 26}).families

    assert family.growth is not None
    assert family.chosen.nodes_max == 64
    here = 10 * family.chosen.pods_per_node_max
    assert family.growth.days == (here - 300) / 10
    assert family.growth.days_with_more_nodes == (max(here, 64 * 30) - 300) / 10


def test_exactly_enough_is_enough() -> None:
    found = evaluate(_wanted(nodes=256, pods=253), _nets("10.0.0.0/16"), 24)

    assert (found.nodes_max, found.pods_per_node_max, found.blocks_per_node) == (256, 253, 1)
    assert found.fits
    assert not evaluate(_wanted(nodes=257, pods=253), _nets("10.0.0.0/16"), 24).fits
    assert not evaluate(_wanted(nodes=256, pods=254), _nets("10.0.0.0/16"), 24).fits


def test_multi_pools_blocks_are_shared_out_whole() -> None:
    """Of 16 blocks each of three nodes gets five, and the reserve of eight is kept."""
    found = evaluate(_wanted(3, 10, Mode.MULTI_POOL), _nets("10.0.0.0/24"), 28)

    assert found.pods_per_node_max == 5 * 14 // 8 * 8 - 8 - 1


def test_larger_range_is_asked_for_by_what_is_missing() -> None:
    extended = plan(_wanted(nodes=300), _nets("10.0.0.0/24"), {4: 24})
    replaced = plan(_wanted(nodes=300, mode=Mode.KUBERNETES), _nets("10.0.0.0/24"), {4: 24})

    assert extended.remedy.endswith("add a pool of at least /16, with mask size 25")
    assert replaced.remedy.endswith("use a cluster CIDR of at least /16, with mask size 25")


@pytest.mark.parametrize(("pods", "mask_size"), [(125, 25), (126, 24), (61, 26), (62, 25)])
def test_range_that_is_asked_for_has_the_smallest_blocks_that_are_enough(
    pods: int, mask_size: int
) -> None:
    answer = plan(_wanted(nodes=300, pods=pods), _nets("10.0.0.0/28"), {4: 28})

    assert answer.remedy.endswith(f"with mask size {mask_size}")


def test_block_that_is_just_enough_for_a_demand_is_enough() -> None:
    wanted = SizingRequest(Mode.MULTI_POOL, 300, 10, pre_allocation=2)
    assert needed(10 + 1, 2) == 14

    assert plan(wanted, _nets("10.0.0.0/28"), {4: 28}).remedy.endswith("with mask size 28")


def test_overlap_says_what_would_come_of_it() -> None:
    [with_nodes] = find_overlaps(_nets("10.0.0.0/8"), node_cidrs=_nets("10.1.0.0/24"))

    assert "traffic to nodes" in with_nodes.consequence


def test_what_does_not_fit_has_no_time_left() -> None:
    answer = plan(_wanted(nodes=300, growth=1.0), _nets("10.0.0.0/16"), {4: 24})

    assert answer.families[0].growth is not None
    assert answer.families[0].growth.days == 0


def test_overlaps_are_found_among_pools_and_with_services_and_nodes() -> None:
    found = find_overlaps(
        _nets("10.0.0.0/8", "10.4.0.0/16", "fd00::/104"),
        service_cidrs=_nets("10.96.0.0/12", "fd01::/112"),
        node_cidrs=_nets("192.168.0.0/24", "fd00::/64"),
    )

    assert [(each.first, each.second) for each in found] == [
        ("pool 10.0.0.0/8", "pool 10.4.0.0/16"),
        ("pool 10.0.0.0/8", "service CIDR 10.96.0.0/12"),
        ("pool fd00::/104", "node CIDR fd00::/64"),
    ]


def test_overlap_means_that_the_plan_does_not_stand() -> None:
    answer = plan(_wanted(), _nets("10.0.0.0/8"), {4: 24}, service_cidrs=_nets("10.96.0.0/12"))

    assert not answer.fits
    assert answer.remedy.startswith("pool 10.0.0.0/8 overlaps service CIDR 10.96.0.0/12: ")


def test_best_mask_size_wastes_no_nodes_on_pods_that_no_kubelet_runs() -> None:
    """Of a /8, a /20 for each node would have more addresses than its pods can use."""
    assert plan(_wanted(), _nets("10.0.0.0/8"), {4: 24}).families[0].best == 24


def test_more_pods_than_a_kubelet_runs_are_noted() -> None:
    assert plan(_wanted(pods=110), _nets("10.0.0.0/8"), {4: 24}).notes == ()
    assert "maxPods" in plan(_wanted(pods=111), _nets("10.0.0.0/8"), {4: 24}).notes[0]


POOLS = st.lists(st.integers(8, 28), min_size=1, max_size=4).map(
    lambda lengths: tuple(
        ip_network((n << 24, length)) for n, length in enumerate(lengths, start=10)
    )
)
MODES = st.sampled_from(list(Mode))


@given(POOLS, st.integers(1, 3000), st.integers(1, 600), st.integers(8, 32), MODES)
def test_what_fits_can_be_given_block_by_block(
    pools: tuple[IPNetwork, ...], nodes: int, pods: int, mask_size: int, mode: Mode
) -> None:
    """The plan against the arithmetic of the operator and the agent, done once more by hand."""
    found = evaluate(_wanted(nodes, pods, mode), pools, mask_size)

    blocks = sum(
        pool.num_addresses // (1 << (32 - mask_size))
        for pool in pools
        if pool.prefixlen <= mask_size
    )
    size = 1 << (32 - mask_size)
    multi = mode is Mode.MULTI_POOL
    give = size if size <= 2 else size - 2
    if multi:
        asked = needed(pods + 1, 8)
        each = next(n for n in range(1, asked + 1) if n * give >= asked)
        fits = each * nodes <= blocks
    else:
        fits = nodes <= blocks and pods + 1 <= give
    assert found.fits == fits
    assert found.nodes_max >= nodes if fits else True
    assert (found.pods_per_node_max >= pods) >= fits


@given(POOLS, st.integers(1, 3000), st.integers(1, 600), st.integers(8, 32), MODES)
def test_remedy_works(
    pools: tuple[IPNetwork, ...], nodes: int, pods: int, mask_size: int, mode: Mode
) -> None:
    wanted = _wanted(nodes, pods, mode)
    answer = plan(wanted, pools, {4: mask_size})
    if answer.fits:
        assert answer.remedy == ""
        return
    better = re.search(r"use mask size (\d+) ", answer.remedy)
    if better is not None:
        assert plan(wanted, pools, {4: int(better[1])}).fits
        return
    larger = re.search(r"at least /(\d+), with mask size (\d+)$", answer.remedy)
    assert larger is not None
    added = ip_network((64 << 24, int(larger[1])), strict=False)
    all_pools = (added,) if mode is Mode.KUBERNETES else (*pools, added)
    assert evaluate(wanted, all_pools, int(larger[2])).fits
