"""`ciliate ipam check`: its summary line and its exit code."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import click
from click.testing import CliRunner, Result
from tests.unit.kube.embedded_server import embedded_server
from tests.unit.operator.running_operator import add_node, configure

from ciliate.api.core import NODES, Node
from ciliate.api.definitions import definition_files
from ciliate.api.ipam_audit import CheckReport
from ciliate.api.metadata import ObjectMeta
from ciliate.cli.ipam.check import command, merge, summary
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


async def test_without_agents_it_does_not_speak_for_allocators_and_kernels(tmp_path: Path) -> None:
    done = await check(tmp_path, "10.50.0.0/16", "192.0.2.1")

    assert done.exit_code == 0
    assert done.output == (
        "The API agrees with itself: 1 node; no agent reported its allocator and kernel.\n"
    )


def test_with_agents_it_counts_what_they_compared() -> None:
    reports = {
        name: CheckReport(
            node=name, now=datetime(2026, 1, 1, tzinfo=UTC), addresses=3, endpoints=2, young=young
        )
        for name, young in (("a", 0), ("b", 1))
    }

    found = merge((), reports, {}, reports, node="")
    silent = merge((), {"a": reports["a"]}, {"b": "away"}, reports, node="")

    assert click.unstyle(summary(found)) == (
        "Allocators, kernels and API agree: 6 addresses and 4 endpoints on 2 of 2 nodes; 1 difference too young to count."
    )
    assert summary(silent) == "Compared 3 addresses and 2 endpoints on 1 of 2 nodes."


async def test_error_is_a_failure(tmp_path: Path) -> None:
    done = await check(tmp_path, "10.0.0.0/8", "10.50.0.1")

    assert done.exit_code == 1
    assert "1 error, 0 warnings" in str(done.exception)
    assert "cidr-over-node" in done.output
