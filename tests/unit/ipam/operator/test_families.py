"""`ipam/operator/families.py`: what Prometheus reads of pools and nodes as they fill up."""

import math
from pathlib import Path

import pytest
from tests.unit.kube.embedded_server import EmbeddedServer
from tests.unit.operator.running_operator import add_node, configure, operator
from tests.unit.operator.scraping import Key, until_series

from ciliate.api.cilium_node import CILIUM_NODES
from ciliate.ipam.cluster import ClusterAllocator
from ciliate.ipam.operator.families import node_families, pool_families, problem_family
from ciliate.ipam.operator.node_cidrs import Decision
from ciliate.ipam.operator.node_states import NodeStates
from ciliate.ipam.operator.settings import CLUSTER_POOL
from ciliate.kube.client import ApiClient
from ciliate.metrics.family import FamilyKind


@pytest.fixture
async def _config(client: ApiClient) -> None:
    await configure(client, {"cluster-pool-ipv4-cidr": "10.0.0.0/22"})


def _pool_series(name: str) -> Key:
    return f"ciliate_operator_ipam_{name}", (("family", "ipv4"), ("pool", CLUSTER_POOL))


@pytest.mark.usefixtures("_config")
async def test_pools_and_nodes_are_shown_as_they_fill_up(
    server: EmbeddedServer, client: ApiClient, tmp_path: Path
) -> None:
    """10.0.0.0/22 has four blocks: the fifth node waits."""
    path = tmp_path / "operator.sock"
    async with operator(server, path):
        await add_node(client, "n0", pod_cidrs=("10.0.0.0/24",), draining="10.0.1.0/24")
        for number in (1, 2):
            await add_node(client, f"n{number}")
        await until_series(path, _pool_series("pool_blocks_left"), 0)
        await add_node(client, "late")
        found = await until_series(path, ("ciliate_operator_ipam_nodes_waiting", ()), 1)

        assert found[_pool_series("pool_blocks")] == 4
        assert found[_pool_series("pool_blocks_used")] == 4
        assert found[_pool_series("pool_blocks_draining")] == 1
        assert found[_pool_series("pool_blocks_reserved")] == 0
        assert found[_pool_series("pool_exhausted")] == 1
        assert found[_pool_series("pool_seconds_to_exhaustion")] == 0
        assert found[_node_cidrs("n0", "current")] == found[_node_cidrs("n0", "draining")] == 1
        assert found["ciliate_operator_ipam_nodes", ()] == 4
        assert found["ciliate_operator_ipam_conflicts", ()] == 0
        assert found["ciliate_operator_ipam_grants_total", ()] == 2
        await until_series(path, ("ciliate_operator_ipam_node_error", (("node", "late"),)), 1)

        await client.delete(CILIUM_NODES, "n1")
        served = await until_series(path, ("ciliate_operator_ipam_nodes_waiting", ()), 0)
        assert served[_pool_series("pool_exhausted")] == 0


@pytest.mark.usefixtures("_config")
async def test_conflict_of_two_nodes_is_counted(
    server: EmbeddedServer, client: ApiClient, tmp_path: Path
) -> None:
    path = tmp_path / "operator.sock"
    async with operator(server, path):
        await until_series(path, _pool_series("pool_blocks_left"), 4)
        await add_node(client, "n0", pod_cidrs=("10.0.0.0/24",))
        await add_node(client, "n1", pod_cidrs=("10.0.0.0/24",))

        found = await until_series(path, ("ciliate_operator_ipam_conflicts", ()), 1)

    assert found[_pool_series("pool_blocks_used")] == 1


def test_pool_that_does_not_grow_has_no_end() -> None:
    """+Inf, so that an alert on few seconds left needs no second case."""
    pool = {"pool": "default", "family": "ipv6", "seconds_to_exhaustion": None}
    numbers = dict.fromkeys(("blocks", "used", "free", "reserved", "draining", "exhausted"), 1)

    families = pool_families([pool | numbers])

    ends = [each for each in families if each.name.endswith("seconds_to_exhaustion")]
    assert [list(each.samples) for each in ends] == [[(("default", "ipv6"), math.inf)]]


def test_node_families_count_cidrs_by_state_and_name_what_only_grows() -> None:
    allocator, states = ClusterAllocator(), NodeStates()
    allocator.learn("a", ["10.0.0.0/24", "10.0.1.0/24", "fd00::/96"], ["10.0.2.0/24"])
    allocator.learn("b", ["10.0.0.0/24"], [])
    states.record("b", Decision(error="no block", short_of=frozenset({("default", 4)})))
    states.granted, states.failed_writes = 3, 4

    families = {
        each.name.removeprefix("ciliate_operator_ipam_"): each
        for each in node_families(allocator, states)
    }

    assert set(families["node_cidrs"].samples) == {
        (("a", "ipv4", "current"), 2.0),
        (("a", "ipv6", "current"), 1.0),
        (("a", "ipv4", "draining"), 1.0),
        (("b", "ipv4", "current"), 1.0),
    }
    assert families["node_error"].samples == [(("b",), 1.0)]
    sums = {name: each.samples for name, each in families.items() if not each.labels}
    assert sums == {
        "nodes": [((), 2.0)],
        "nodes_waiting": [((), 1.0)],
        "conflicts": [((), 1.0)],
        "grants_total": [((), 3.0)],
        "failed_writes_total": [((), 4.0)],
    }
    kinds = {name: each.kind for name, each in families.items()}
    counters = {"grants_total", "failed_writes_total"}
    assert kinds == {
        name: FamilyKind.COUNTER if name in counters else FamilyKind.GAUGE for name in families
    }


def test_problems_are_a_gauge_that_falls_when_they_are_solved() -> None:
    family = problem_family(2)

    assert (family.name, family.kind) == ("ciliate_operator_ipam_problems", FamilyKind.GAUGE)
    assert family.samples == [((), 2.0)]


def _node_cidrs(node: str, state: str) -> Key:
    labels = (("family", "ipv4"), ("node", node), ("state", state))
    return "ciliate_operator_ipam_node_cidrs", labels
