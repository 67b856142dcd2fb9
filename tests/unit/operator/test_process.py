"""The operator's whole life against the embedded API server."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from tests.unit.kube.conftest import eventually
from tests.unit.kube.embedded_server import EmbeddedServer, embedded_server

from ciliate.api.cilium_node import CILIUM_NODES, CiliumNode
from ciliate.api.coordination import LEASES
from ciliate.api.core import CONFIG_MAPS, NODES, ConfigMap
from ciliate.api.definitions import (
    CUSTOM_RESOURCE_DEFINITIONS,
    SCHEMA_VERSION_LABEL,
    custom_resource_definitions,
)
from ciliate.api.metadata import ObjectMeta
from ciliate.errors import SettingError
from ciliate.kube.client import ApiClient
from ciliate.kube.options import PatchKind
from ciliate.operator.definitions import install
from ciliate.operator.health import HealthSocketError
from ciliate.operator.process import Invocation, run_operator

KEY = "node.cilium.io/agent-not-ready"
RUN = "from ciliate.operator.command import command; command()"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A server without our definitions: installing them is the operator's."""
    async with embedded_server(tmp_path) as running:
        yield running


@pytest.fixture
async def config(client: ApiClient) -> None:
    meta = ObjectMeta(name="cilium-config", namespace="kube-system")
    data = {"debug": "true", "set-cilium-node-taints": "true"}
    await client.create(CONFIG_MAPS, ConfigMap(metadata=meta, data=data))


def invocation(server: EmbeddedServer, socket: Path, **flags: str) -> Invocation:
    return Invocation(
        kubeconfig=str(server.kubeconfig),
        namespace="kube-system",
        config_map="cilium-config",
        agent_labels="k8s-app=cilium",
        lease="cilium-operator-resource-lock",
        health_socket=socket,
        flags=flags,
    )


async def health(socket: Path, path: str = "/healthz") -> tuple[int, dict[str, Any]]:
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as session,
        session.get(f"http://operator{path}") as response,
    ):
        document: dict[str, Any] = await response.json()
        return response.status, document


async def until_leading(socket: Path) -> dict[str, Any]:
    await eventually(socket.exists)
    async with asyncio.timeout(10):
        while True:
            status, document = await health(socket, "/readyz")
            if status == 200 and document["leader"]:
                return document
            await asyncio.sleep(0.01)


async def add_node(client: ApiClient, name: str, *taints: str) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {"taints": [{"key": key, "effect": "NoSchedule"} for key in taints]},
    }
    await client.request("POST", NODES.path(), body=msgspec.json.encode(document))


async def add_agent(client: ApiClient, node: str) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"cilium-{node}",
            "namespace": "kube-system",
            "labels": {"k8s-app": "cilium"},
        },
        "spec": {"nodeName": node, "containers": [{"name": "cilium-agent", "image": "i"}]},
    }
    path = "/api/v1/namespaces/kube-system/pods"
    await client.request("POST", path, body=msgspec.json.encode(document))


async def set_ready(client: ApiClient, node: str, *, ready: bool) -> None:
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    await client.request(
        "PATCH",
        f"/api/v1/namespaces/kube-system/pods/cilium-{node}/status",
        body=msgspec.json.encode({"status": {"conditions": [condition]}}),
        content_type=PatchKind.STRATEGIC,
    )


async def shown(client: ApiClient, name: str) -> tuple[list[str], list[str]]:
    node = await client.get(NODES, name)
    conditions = [f"{c.type}={c.status} {c.reason}" for c in node.status.conditions]
    return [taint.key for taint in node.spec.taints], conditions


async def until_shown(
    client: ApiClient, name: str, taints: list[str], conditions: list[str]
) -> None:
    async with asyncio.timeout(5):
        while await shown(client, name) != (taints, conditions):
            await asyncio.sleep(0.02)


async def test_definitions_are_installed_once_and_served(client: ApiClient) -> None:
    ours = custom_resource_definitions()

    await install(client, ours)
    before = (await client.list(CUSTOM_RESOURCE_DEFINITIONS)).items
    await install(client, ours)

    after = (await client.list(CUSTOM_RESOURCE_DEFINITIONS)).items
    assert {item.metadata.name for item in before} >= {definition.name for definition in ours}
    assert before == after
    assert (await client.list(CILIUM_NODES)).items == ()


async def test_an_older_definition_is_replaced_and_a_newer_one_left_alone(
    client: ApiClient,
) -> None:
    ours = custom_resource_definitions()
    await install(client, ours)

    async def relabel(name: str, version: str) -> None:
        body = {"metadata": {"labels": {SCHEMA_VERSION_LABEL: version}}}
        await client.patch(CUSTOM_RESOURCE_DEFINITIONS, name, body)

    await relabel("ciliumnodes.cilium.io", "1.20.9")
    await relabel("ciliumendpoints.cilium.io", "99.0.0")
    await install(client, ours)

    versions = {
        item.metadata.name: item.metadata.labels[SCHEMA_VERSION_LABEL]
        for item in (await client.list(CUSTOM_RESOURCE_DEFINITIONS)).items
    }
    assert versions["ciliumnodes.cilium.io"] == "1.31.0"
    assert versions["ciliumendpoints.cilium.io"] == "99.0.0"


@pytest.mark.usefixtures("config")
async def test_a_ready_agent_frees_its_node(
    server: EmbeddedServer, client: ApiClient, tmp_path: Path
) -> None:
    socket = tmp_path / "operator.sock"
    await add_node(client, "w1", "other", KEY)
    await add_agent(client, "w1")
    task = asyncio.ensure_future(run_operator(invocation(server, socket)))
    await until_leading(socket)

    await set_ready(client, "w1", ready=True)
    await until_shown(client, "w1", ["other"], ["NetworkUnavailable=False CiliumIsUp"])
    await set_ready(client, "w1", ready=False)
    await until_shown(client, "w1", ["other", KEY], ["NetworkUnavailable=False CiliumIsUp"])

    task.cancel()
    await asyncio.wait([task])


@pytest.mark.usefixtures("config")
async def test_the_health_socket_is_roots_alone_and_tells_who_leads(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    socket = tmp_path / "operator.sock"
    task = asyncio.ensure_future(run_operator(invocation(server, socket)))

    document = await until_leading(socket)

    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert document["holder"] == document["identity"]
    assert {watch["name"]: watch["synced"] for watch in document["watches"]} == {
        "nodes": True,
        "ciliumnodes": True,
        "pods": True,
        "pods kube-system": True,
        "ciliumendpoints": True,
        "ciliumidentities": True,
    }
    with pytest.raises(HealthSocketError, match="another operator"):
        await run_operator(invocation(server, socket))
    task.cancel()
    await asyncio.wait([task])
    assert not socket.exists()


@pytest.mark.usefixtures("config")
async def test_a_second_operator_waits_and_takes_over(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    sockets = [tmp_path / "first.sock", tmp_path / "second.sock"]
    first = asyncio.ensure_future(run_operator(invocation(server, sockets[0])))
    await until_leading(sockets[0])
    second = asyncio.ensure_future(run_operator(invocation(server, sockets[1])))
    await eventually(sockets[1].exists)
    async with asyncio.timeout(5):
        while (await health(sockets[1], "/readyz"))[0] != 200:
            await asyncio.sleep(0.01)
    assert not (await health(sockets[1]))[1]["leader"]

    first.cancel()
    await until_leading(sockets[1])

    second.cancel()
    await asyncio.wait((first, second))


@pytest.mark.usefixtures("config")
async def test_a_standby_takes_over_with_the_settings_of_that_time(
    server: EmbeddedServer, client: ApiClient, tmp_path: Path
) -> None:
    sockets = [tmp_path / "first.sock", tmp_path / "second.sock"]
    body = {"data": {"ipam": "kubernetes"}}
    await client.patch(CONFIG_MAPS, "cilium-config", body, namespace="kube-system")
    first = asyncio.ensure_future(run_operator(invocation(server, sockets[0])))
    await until_leading(sockets[0])
    second = asyncio.ensure_future(run_operator(invocation(server, sockets[1])))
    await eventually(sockets[1].exists)
    async with asyncio.timeout(5):
        while (await health(sockets[1], "/readyz"))[0] != 200:
            await asyncio.sleep(0.01)
    body = {"data": {"ipam": "cluster-pool", "cluster-pool-ipv4-cidr": "10.99.0.0/16"}}
    await client.patch(CONFIG_MAPS, "cilium-config", body, namespace="kube-system")
    first.cancel()
    await eventually(first.done)

    await client.create(CILIUM_NODES, CiliumNode(metadata=ObjectMeta(name="a")))
    async with asyncio.timeout(15):
        while not (await client.get(CILIUM_NODES, "a")).spec.ipam.pod_cidrs:
            await asyncio.sleep(0.02)
    assert (await client.get(CILIUM_NODES, "a")).spec.ipam.pod_cidrs == ("10.99.0.0/24",)
    second.cancel()
    await asyncio.wait((first, second))


async def test_a_missing_config_map_stops_the_operator_with_a_remedy(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match="kube-system/cilium-config' does not exist"):
        await run_operator(invocation(server, tmp_path / "operator.sock"))


@pytest.mark.usefixtures("config")
async def test_a_flag_wins_over_the_config_map(server: EmbeddedServer, tmp_path: Path) -> None:
    flags = {"nodes-gc-interval": "soon"}

    with pytest.raises(SettingError, match="nodes-gc-interval: 'soon' is no duration"):
        await run_operator(invocation(server, tmp_path / "operator.sock", **flags))


@pytest.mark.usefixtures("config")
async def test_the_process_ends_on_sigterm_and_releases_the_lease(
    server: EmbeddedServer, client: ApiClient, tmp_path: Path
) -> None:
    socket = tmp_path / "operator.sock"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        RUN,
        f"--health-socket={socket}",
        env={**os.environ, "KUBECONFIG": str(server.kubeconfig)},
        stderr=asyncio.subprocess.PIPE,
    )
    await eventually(socket.exists, within_s=20)
    await until_leading(socket)

    process.send_signal(signal.SIGTERM)
    _, log = await process.communicate()

    assert process.returncode == 0, log.decode()
    lease = await client.get(LEASES, "cilium-operator-resource-lock", namespace="kube-system")
    assert lease.spec.holder_identity == ""
    assert b'msg="lease kube-system/cilium-operator-resource-lock: released"' in log
    assert b"Traceback" not in log
    assert not socket.exists()
