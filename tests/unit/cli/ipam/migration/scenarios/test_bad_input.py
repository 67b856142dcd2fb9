"""`ciliate ipam migrate` on what cannot be read: object, field, value and remedy are named."""

import pytest
from tests.unit.cli.ipam.migration.living_cluster import TO_MULTI_POOL, LivingCluster
from tests.unit.cli.ipam.migration.planned_cluster import (
    AUTO,
    CONFIG,
    POOL,
    node,
    plan,
    pool,
    refusals,
    state,
)

from ciliate.api.metadata import ObjectMeta
from ciliate.api.pod_ip_pool import CiliumPodIPPool, PodIPPoolSpec, PoolCIDRs
from ciliate.cli.ipam.migration.plan import awaited, plan_migration
from ciliate.cli.ipam.migration.text import render_plan

WEB: dict[str, tuple[str, ...]] = {"default/web": ("10.77.0.9",)}
CHANGES = {"cluster-pool": POOL, "multi-pool": AUTO, "kubernetes": {}}


@pytest.mark.parametrize(
    ("target", "key", "text", "said"),
    [
        ("multi-pool", "ipam-multi-pool-pre-allocation", "default:8", "no pool with a count"),
        (
            "multi-pool",
            "auto-create-cilium-pod-ip-pools",
            "default=ipv4-cidrs:10.60.0.1/16;ipv4-mask-size:26",
            "is no prefix",
        ),
        ("cluster-pool", "enable-ipv6", "maybe", "is no boolean"),
    ],
)
def test_setting_that_cannot_be_read_is_all_that_is_reported(
    target: str, key: str, text: str, said: str
) -> None:
    found = plan_migration(
        state(node(1, "10.244.0.0/24", pods=WEB)),
        target,
        {**CHANGES[target], "ipam": target, key: text},
    )

    (problem,) = refusals(found)
    assert problem.startswith(f"cilium-config: {key}: {text!r}")
    assert said in problem
    shown = render_plan(found)
    assert f"{key}: {text}" in shown
    assert "restarts" not in shown, "what these settings would do is not known"


@pytest.mark.parametrize("target", list(CHANGES))
@pytest.mark.parametrize("text", ["10.77.0.1/24", "garbage"])
def test_cidr_of_a_cilium_node_that_agents_ignore_is_corrected_first(
    target: str, text: str
) -> None:
    cluster = state(node(1, text, kubernetes=("10.244.0.0/24",), pods=WEB))

    found = plan_migration(cluster, target, {**CHANGES[target], "ipam": target})

    (problem,) = refusals(found)
    assert problem == (
        f"CiliumNode n1: spec.ipam.podCIDRs: {text!r} is no CIDR without host bits: agents ignore"
        " it: correct it: kubectl edit ciliumnode n1"
    )


@pytest.mark.parametrize("text", ["10.50.0.1/26", "garbage"])
def test_cidrs_of_pools_and_draining_ones_are_read_as_well(text: str) -> None:
    allocated = node(1, kubernetes=("10.244.0.0/24",), allocated=(text,), pods=WEB)
    draining = node(2, "10.244.1.0/24", draining=text)

    found = refusals(plan(state(allocated, draining), "kubernetes"))

    assert [each.partition(f": {text!r}")[0] for each in found] == [
        "CiliumNode n1: spec.ipam.pools.allocated",
        "CiliumNode n2: ipam.ciliate.io/draining-cidrs",
    ]


def test_node_that_was_allocated_something_unreadable_waits_for_a_cidr() -> None:
    config = {**CONFIG, **AUTO, "ipam": "multi-pool"}

    assert awaited(config, node(1, allocated=("garbage",))) == "an IPv4 CIDR of pool default"


def test_block_with_host_bits_is_not_yet_a_block_of_the_pool() -> None:
    config = {**CONFIG, **POOL, "ipam": "cluster-pool"}

    assert awaited(config, node(1, "10.20.0.1/24")) == "an IPv4 CIDR of the cluster's pool"


@pytest.mark.parametrize("text", ["10.60.0.1/16", "garbage", "fd00:60::/64"])
def test_range_of_a_pool_that_is_none_of_its_family(text: str) -> None:
    there = (pool("default", "10.50.0.0/16"), pool("mars", text))

    (problem,) = (
        each
        for each in refusals(plan(state(node(1), pools=there), "multi-pool"))
        if "no CIDR" in each
    )

    assert problem.startswith(f"CiliumPodIPPool mars: spec.ipv4.cidrs: {text!r}")
    assert problem.endswith("kubectl edit ciliumpodippool mars")


def test_pool_of_one_family_whose_range_is_of_the_other() -> None:
    mixed = CiliumPodIPPool(
        ObjectMeta(name="default"), PodIPPoolSpec(ipv6=PoolCIDRs(("10.50.0.0/16",), 64))
    )

    found = refusals(plan(state(node(1), pools=(mixed,)), "multi-pool"))

    assert any("spec.ipv6.cidrs: '10.50.0.0/16'" in each for each in found)
    assert any("has no IPv4 range" in each for each in found)


async def test_settings_that_would_be_refused_do_not_resume_a_migration(
    cluster: LivingCluster,
) -> None:
    cluster.never_ready = {"operator"}
    await cluster.migrate(*TO_MULTI_POOL)
    before = await cluster.settings()

    stopped = await cluster.migrate("--resume", "--set=ipam.multiPoolPreAllocation=default:8")

    assert "nothing was changed" in str(stopped.exception)
    assert "'default:8'" in str(stopped.exception)
    assert await cluster.settings() == before
