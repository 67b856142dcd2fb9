"""`ciliate ipam migrate` where agent and operator are plain processes: their administrator acts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.cli.ipam.migration.living_cluster import TO_MULTI_POOL, LivingCluster
from tests.unit.kube.embedded_server import embedded_server

from ciliate.api.definitions import definition_files
from ciliate.kube.client import ApiClient

UNIT = "restart the unit that runs it"


@pytest.fixture
async def mixed(tmp_path: Path) -> AsyncIterator[LivingCluster]:
    """The operator and the agent of node b have no pod."""
    async with (
        embedded_server(tmp_path, crd_files=definition_files()) as server,
        ApiClient.from_kubeconfig(server.kubeconfig) as client,
    ):
        living = LivingCluster(client, server.kubeconfig)
        living.without_pod = {"operator", "b"}
        async with living.run():
            yield living


async def test_migration_waits_for_who_restarts_what_has_no_pod(mixed: LivingCluster) -> None:
    """It stops where nobody does, says what to do, and goes on once that is done."""
    shown = await mixed.migrate(*TO_MULTI_POOL, "--dry-run")
    assert "node b: this command cannot restart its agent: do it when" in shown.output
    assert shown.exit_code == 0

    stopped = await mixed.migrate(*TO_MULTI_POOL)
    assert "the operator, which has no pod" in str(stopped.exception)
    assert UNIT in str(stopped.exception)
    await mixed.restart_process("operator")

    stopped = await mixed.migrate("--resume")
    assert "node b: not restarted after 1 s" in str(stopped.exception)
    assert UNIT in str(stopped.exception)
    assert mixed.modes == {"a": "multi-pool", "b": "cluster-pool"}
    await mixed.restart_process("b")

    done = await mixed.migrate("--resume")
    assert (done.exit_code, done.output.count("on 2 nodes")) == (0, 1)
    assert mixed.modes == {"a": "multi-pool", "b": "multi-pool"}
