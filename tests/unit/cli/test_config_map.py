"""`cli/config_map.py`: who reads a changed setting at once, and who must be restarted by hand."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from click.testing import CliRunner, Result
from tests.unit.kube.embedded_server import embedded_server
from tests.unit.operator.running_operator import configure

from ciliate.api.cilium_node import CILIUM_NODES, READY_ANNOTATION, CiliumNode
from ciliate.api.core import PODS
from ciliate.api.definitions import definition_files
from ciliate.api.metadata import ObjectMeta, format_time
from ciliate.cli.app import program
from ciliate.kube.client import ApiClient


async def add_agent(client: ApiClient, node: str) -> None:
    body = {
        "metadata": {"name": f"cilium-{node}", "labels": {"k8s-app": "cilium"}},
        "spec": {"nodeName": node, "containers": [{"name": "cilium-agent", "image": "agent:1"}]},
    }
    path = PODS.path(namespace="kube-system")
    await client.request("POST", path, body=msgspec.json.encode(body))


async def state_ready(client: ApiClient, node: str, *, for_s: float) -> None:
    until = format_time(datetime.now(UTC) + timedelta(seconds=for_s))
    meta = ObjectMeta(name=node, annotations={READY_ANNOTATION: until})
    await client.create(CILIUM_NODES, CiliumNode(metadata=meta))


async def test_agents_without_a_pod_are_named_where_pods_are_restarted(tmp_path: Path) -> None:
    async with (
        embedded_server(tmp_path, crd_files=definition_files()) as server,
        ApiClient.from_kubeconfig(server.kubeconfig) as client,
    ):
        await configure(client, {"mtu": "1500"})
        await add_agent(client, "with-pod")
        await state_ready(client, "with-pod", for_s=60)  # Its probe timed out a while ago.
        await state_ready(client, "process", for_s=60)
        await state_ready(client, "stopped", for_s=-60)

        def asked(*words: str) -> Result:
            given = [*words, "--kubeconfig", str(server.kubeconfig)]
            return CliRunner().invoke(program(), given)

        version = await asyncio.to_thread(asked, "version")
        done = await asyncio.to_thread(asked, "config", "set", "mtu", "1400")
        pods = [pod.metadata.deletion_timestamp for pod in (await client.list(PODS)).items]

    assert "cilium image (running): agent:1" in version.output
    assert "cilium agents without a pod: process (`cilium-dbg version`" in version.output
    assert done.exit_code == 0, done.output
    assert "Restarted Cilium pods" in done.output
    assert "Not restarted: the agent of process has no pod that could be replaced" in done.output
    assert None not in pods


async def test_change_of_the_routing_mode_says_what_it_will_do(tmp_path: Path) -> None:
    async with (
        embedded_server(tmp_path, crd_files=definition_files()) as server,
        ApiClient.from_kubeconfig(server.kubeconfig) as client,
    ):
        native = {"routing-mode": "native", "ipv4-native-routing-cidr": "10.0.0.0/8"}
        await configure(client, native | {"enable-endpoint-routes": "true"})
        words = ["config", "set", "routing-mode", "tunnel", "--no-restart"]
        given = [*words, "--kubeconfig", str(server.kubeconfig)]
        done = await asyncio.to_thread(CliRunner().invoke, program(), given)

    assert done.exit_code == 0, done.output
    assert "Note: pods of other nodes: by a vxlan tunnel" in done.output
