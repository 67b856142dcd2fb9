"""`ciliate ipam check`: what it says when it is through, and how it ends."""

import asyncio
from pathlib import Path

from click.testing import CliRunner, Result
from tests.unit.kube.embedded_server import embedded_server
from tests.unit.operator.cluster import add_node, configure

from ciliate.api.core import NODES, Node
from ciliate.api.definitions import definition_files
from ciliate.api.metadata import ObjectMeta
from ciliate.cli.ipam.check import command
from ciliate.kube.client import ApiClient


async def check(tmp_path: Path, pool: str, address: str) -> Result:
    """Return how `check --no-agents` ends on a node of this address."""
    async with (
        embedded_server(tmp_path, crd_files=definition_files()) as server,
        ApiClient.from_kubeconfig(server.kubeconfig) as client,
    ):
        await configure(client, {"ipam": "cluster-pool", "cluster-pool-ipv4-cidr": pool})
        await client.create(NODES, Node(metadata=ObjectMeta(name="a")))
        await add_node(client, "a", address=address, pod_cidrs=("10.50.0.0/24",))
        words = ["--no-agents", "--grace=10ms", f"--kubeconfig={server.kubeconfig}"]
        return await asyncio.to_thread(CliRunner().invoke, command, words)


async def test_info_alone_is_no_failure(tmp_path: Path) -> None:
    done = await check(tmp_path, "10.0.0.0/8", "10.1.0.1")

    assert done.exit_code == 0
    assert "info" in done.output
    assert "pool-overlaps-nodes" in done.output


async def test_error_is_a_failure(tmp_path: Path) -> None:
    done = await check(tmp_path, "10.0.0.0/8", "10.50.0.1")

    assert done.exit_code == 1
    assert "1 error, 0 warnings" in str(done.exception)
    assert "cidr-over-node" in done.output
