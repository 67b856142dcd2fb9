"""`ciliate ipam migrate --back`: after any failure before, every agent runs the former mode."""

from tests.unit.cli.ipam.migration.living_cluster import TO_MULTI_POOL, LivingCluster

FORMER = {"a": "cluster-pool", "b": "cluster-pool"}


async def test_nodes_that_were_through_before_settings_were_corrected_go_back(
    cluster: LivingCluster,
) -> None:
    cluster.never_ready = {"b"}
    stopped = await cluster.migrate(*TO_MULTI_POOL)
    assert "node b: its agent" in str(stopped.exception)
    cluster.never_ready = {"operator"}
    stopped = await cluster.migrate("--resume", "--set=debug.enabled=true")
    assert "cilium-operator is not ready" in str(stopped.exception)
    assert cluster.modes == {"a": "multi-pool", "b": "multi-pool"}
    cluster.never_ready = set()

    back = await cluster.migrate("--back")

    assert (back.exit_code, cluster.modes) == (0, FORMER)
    assert "on 2 nodes" in back.output


async def test_agent_that_restarted_inside_its_pod_goes_back(cluster: LivingCluster) -> None:
    cluster.never_ready = {"operator"}
    stopped = await cluster.migrate(*TO_MULTI_POOL)
    assert "cilium-operator is not ready" in str(stopped.exception)
    await cluster.restart_container("a")
    assert cluster.modes["a"] == "multi-pool"
    cluster.never_ready = set()

    back = await cluster.migrate("--back")

    assert (back.exit_code, cluster.modes) == (0, FORMER)


async def test_node_that_joined_in_the_new_mode_goes_back(cluster: LivingCluster) -> None:
    moved = await cluster.migrate(*TO_MULTI_POOL)
    assert moved.exit_code == 0
    await cluster.add_node("c", 2)
    assert cluster.modes["c"] == "multi-pool"

    back = await cluster.migrate("--back")

    assert (back.exit_code, cluster.modes) == (0, {**FORMER, "c": "cluster-pool"})
