"""`cli/ipam/migration/plan.py` and `problems.py`: what a change of mode does."""

from dataclasses import replace

import pytest
from tests.unit.cli.ipam.migration.planned_cluster import (
    AUTO,
    CONFIG,
    DUAL,
    POOL,
    node,
    plan,
    pool,
    refusals,
    state,
)

from ciliate.cli.ipam.migration.errors import OperatorNotReadyError
from ciliate.cli.ipam.migration.model import ClusterState
from ciliate.cli.ipam.migration.plan import awaited, plan_migration, to_empty
from ciliate.cli.ipam.migration.text import render_plan
from ciliate.config.installation import Installation

# What happens on a node.


def test_cidr_outside_the_pool_is_given_up_and_drains_under_its_pods() -> None:
    cluster = state(node(1, "10.244.0.0/24", pods={"default/web": ("10.244.0.7",)}))

    (step,) = plan_migration(cluster, "cluster-pool", {"ipam": "cluster-pool", **POOL}).steps

    assert step.empties == step.drains == ("10.244.0.0/24",)
    assert step.keeps == {"default/web": ("10.244.0.7",)}
    assert step.after == "a /24 of 10.20.0.0/16 (cluster-pool)"


def test_cidr_that_is_a_block_of_the_pool_stays_the_nodes() -> None:
    cluster = state(node(1, "10.244.0.0/24", pods={"default/web": ("10.244.0.7",)}))
    changes = {"ipam": "cluster-pool", "cluster-pool-ipv4-cidr": "10.20.0.0/16 10.244.0.0/16"}

    (step,) = plan_migration(cluster, "cluster-pool", changes).steps

    assert (step.empties, step.drains, step.keeps) == ((), (), {})


def test_cidr_of_another_size_than_the_pools_blocks_is_given_up() -> None:
    changes = {"ipam": "cluster-pool", "cluster-pool-ipv4-cidr": "10.244.0.0/16"}
    changes["cluster-pool-ipv4-mask-size"] = "25"

    (step,) = plan_migration(state(node(1, "10.244.0.0/24")), "cluster-pool", changes).steps

    assert step.empties == ("10.244.0.0/24",)


def test_both_families_are_given_up_where_one_is_outside() -> None:
    config = {**CONFIG, **DUAL, "ipam": "cluster-pool", "cluster-pool-ipv4-cidr": "10.244.0.0/16"}

    given_up = to_empty(config, node(1, "10.244.0.0/24", "fd00:10:244::/64"))

    assert given_up == ("10.244.0.0/24", "fd00:10:244::/64")


@pytest.mark.parametrize("target", ["kubernetes", "multi-pool"])
def test_only_cluster_pools_operator_needs_an_empty_list(target: str) -> None:
    assert to_empty({**CONFIG, "ipam": target}, node(1, "10.244.0.0/24")) == ()


def test_to_kubernetes_nodes_get_what_kubernetes_gave_them() -> None:
    cluster = state(
        node(
            1,
            "10.20.3.0/24",
            kubernetes=("10.244.0.0/24", "fd00:10:244::/64"),
            pods={"default/web": ("10.20.3.7",)},
        ),
        ipam="cluster-pool",
        cluster_pool_ipv4_cidr="10.20.0.0/16",
    )

    (step,) = plan(cluster, "kubernetes").steps

    assert step.after == "10.244.0.0/24 (Node.spec.podCIDRs)", "IPv6 is off"
    assert step.drains == ("10.20.3.0/24",)


def test_cidrs_without_pods_do_not_drain() -> None:
    (step,) = plan_migration(
        state(node(1, "10.244.0.0/24")), "multi-pool", {"ipam": "multi-pool", **AUTO}
    ).steps

    assert (step.drains, step.keeps) == ((), {})


def test_keys_that_stay_are_not_listed() -> None:
    found = plan_migration(
        state(node(1), cluster_pool_ipv4_cidr="10.20.0.0/16"),
        "cluster-pool",
        {"ipam": "cluster-pool", **POOL},
    )

    assert [(key.key, key.before, key.after) for key in found.keys] == [
        ("ipam", "kubernetes", "cluster-pool")
    ]


# When a node has arrived.


def test_node_waits_for_every_family_out_of_the_pool() -> None:
    config = {**CONFIG, **DUAL, **POOL, "ipam": "cluster-pool"}
    config["cluster-pool-ipv6-cidr"] = "fd00:20::/104"

    assert awaited(config, node(1)) == "an IPv4 and IPv6 CIDR of the cluster's pool"
    assert awaited(config, node(1, "10.244.0.0/24")).startswith("an IPv4 and IPv6")
    assert awaited(config, node(1, "10.20.0.0/24")).startswith("an IPv6 CIDR")
    assert awaited(config, node(1, "10.20.0.0/24", "fd00:20::/120")) == ""


def test_node_has_arrived_when_nothing_of_the_former_mode_is_reported() -> None:
    multi = {**CONFIG, **AUTO, "ipam": "multi-pool"}
    cluster_pool = {**CONFIG, **POOL, "ipam": "cluster-pool"}
    both = node(1, "10.20.0.0/24", allocated=("10.50.0.0/26",))

    assert awaited(multi, both) == "the end of its former podCIDRs"
    assert awaited(multi, node(1)) == "an IPv4 CIDR of pool default"
    assert awaited(multi, node(1, allocated=("10.50.0.0/26",))) == ""
    assert awaited(cluster_pool, both) == "the end of what multi-pool allocated"


def test_node_awaits_the_cidrs_of_kubernetes_in_its_cilium_node() -> None:
    assert awaited(CONFIG, node(1, "10.20.0.0/24", kubernetes=("10.244.0.0/24",)))
    assert awaited(CONFIG, node(1, "10.244.0.0/24")) == ""


# What stands in the way.


def test_pool_with_fewer_blocks_than_nodes_is_refused() -> None:
    found = plan(
        state(node(1), node(2), node(3)), "cluster-pool", cluster_pool_ipv4_cidr="10.20.0.0/23"
    )

    (problem,) = refusals(found)
    assert problem == (
        "cilium-config: cluster-pool-ipv4-cidr: 10.20.0.0/23 has 2 blocks of /24 for 3 nodes:"
        " add a range, or make the blocks smaller"
    )


@pytest.mark.parametrize(
    ("cidr", "owner"),
    [("10.96.0.0/20", "Services' 10.96.0.0/16"), ("192.168.0.0/16", "own address 192.168.10.1")],
)
def test_pool_over_services_or_nodes_is_refused(cidr: str, owner: str) -> None:
    (problem,) = refusals(plan(state(node(1)), "cluster-pool", cluster_pool_ipv4_cidr=cidr))

    assert owner in problem


def test_kubernetes_needs_a_cidr_of_each_family_on_each_node() -> None:
    cluster = state(node(1, "10.244.0.0/24"), node(2), ipam="cluster-pool")
    cluster = ClusterState({**cluster.config, **DUAL}, cluster.nodes)

    found = refusals(plan(cluster, "kubernetes"))

    assert [text.partition(" (")[0] for text in found] == [
        "node n1: Kubernetes has given it no IPv6 CIDR",
        "node n2: Kubernetes has given it no IPv4 CIDR",
        "node n2: Kubernetes has given it no IPv6 CIDR",
    ]


def test_multi_pool_needs_its_default_pool_or_the_words_to_make_it() -> None:
    cluster = state(node(1))

    assert "CiliumPodIPPool default: does not exist" in refusals(plan(cluster, "multi-pool"))[0]
    changes = {"ipam": "multi-pool", **AUTO}
    assert refusals(plan_migration(cluster, "multi-pool", changes)) == []
    there = state(node(1), pools=(pool("default", "10.50.0.0/16"),))
    assert refusals(plan(there, "multi-pool")) == []


def test_multi_pool_needs_every_pool_that_nodes_keep_addresses_of() -> None:
    there = state(node(1), pools=(pool("default", "10.50.0.0/16"),))

    (problem,) = refusals(
        plan(there, "multi-pool", ipam_multi_pool_pre_allocation="default=8,mars=4")
    )

    assert "CiliumPodIPPool mars: does not exist" in problem


def test_pool_without_a_family_that_is_on_is_refused() -> None:
    there = state(node(1), pools=(pool("default", "10.50.0.0/16"),))
    there = ClusterState({**there.config, **DUAL}, there.nodes, there.pools)

    (problem,) = refusals(plan(there, "multi-pool"))

    assert "has no IPv6 range" in problem


def test_settings_that_agents_or_operator_refuse_are_found_once() -> None:
    found = plan(state(node(1)), "cluster-pool", cluster_pool_ipv4_cidr="10.20.0.0/99")
    crossed = plan(state(node(1)), "cluster-pool", routing_mode="bridged")

    assert len(refusals(found)) == 1
    assert "10.20.0.0/99" in refusals(found)[0]
    assert any("routing-mode" in text for text in refusals(crossed))


def test_node_whose_agent_is_not_ready_is_repaired_first() -> None:
    (problem,) = refusals(
        plan(state(node(1, ready=False)), "cluster-pool", cluster_pool_ipv4_cidr="10.20.0.0/16")
    )

    assert problem == "node n1: its agent cilium-1 is not ready: CrashLoop: repair it first"


def test_problems_and_steps_name_what_the_installation_is_called() -> None:
    names = Installation(
        namespace="net",
        config_map="settings",
        agent_daemonset_name="agents",
        operator_deployment_name="boss",
    )
    lonely = replace(state(replace(node(1), agent=None)), installation=names)

    found = plan(lonely, "cluster-pool", cluster_pool_ipv4_cidr="10.96.0.0/16")
    wrong = plan(lonely, "cluster-pool", enable_ipv6="maybe")

    assert "see `kubectl -n net get ds agents`" in " ".join(refusals(found))
    assert "settings: cluster-pool-ipv4-cidr: 10.96.0.0/16 overlaps" in " ".join(refusals(found))
    assert "settings: enable-ipv6: 'maybe'" in " ".join(refusals(wrong))
    shown = render_plan(found, names)
    assert "1. settings" in shown
    assert "2. boss restarts" in shown
    assert "logs deploy/boss" in str(OperatorNotReadyError(names, 1))


def test_range_outside_of_native_routing_is_noted_and_stops_nothing() -> None:
    found = plan(state(node(1)), "cluster-pool", cluster_pool_ipv4_cidr="172.20.0.0/16")

    assert refusals(found) == []
    (note,) = found.problems
    assert "--set ipv4-native-routing-cidr=172.20.0.0/16" in str(note)


def test_plan_reads_as_the_steps_in_their_order() -> None:
    cluster = state(node(1, "10.244.0.0/24", pods={"default/web": ("10.244.0.7",)}))
    found = plan_migration(cluster, "cluster-pool", {"ipam": "cluster-pool", **POOL})

    assert (
        render_plan(found)
        == """\
kubernetes -> cluster-pool, 1 node

1. cilium-config
     cluster-pool-ipv4-cidr: 10.20.0.0/16 (was: -)
     ipam: cluster-pool (was: kubernetes)
2. cilium-operator restarts
3. n1
     its agent restarts
     CiliumNode: podCIDRs 10.244.0.0/24 given up
     CIDRs: 10.244.0.0/24 -> a /24 of 10.20.0.0/16 (cluster-pool)
     1 pod keeps its addresses: default/web
     drains until they are gone: 10.244.0.0/24
"""
    )
