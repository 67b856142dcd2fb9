"""The operator's whole life against the embedded API server."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.kube.conftest import eventually
from tests.unit.kube.embedded_server import EmbeddedServer, embedded_server
from tests.unit.operator.running_operator import health, invocation
from tests.unit.readiness.marked_nodes import add_agent, add_node, set_ready, until_shown

from ciliate.api.cilium_node import CILIUM_NODES, CiliumNode
from ciliate.api.coordination import LEASES
from ciliate.api.core import CONFIG_MAPS, ConfigMap
from ciliate.api.metadata import ObjectMeta
from ciliate.errors import SettingError
from ciliate.kube.client import ApiClient
from ciliate.operator.health import HealthSocketError
from ciliate.operator.process import run_operator

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


async def until_leading(socket: Path) -> dict[str, Any]:
    await eventually(socket.exists)
    async with asyncio.timeout(10):
        while True:
            status, document = await health(socket, "/readyz")
            if status == 200 and document["leader"]:
                return document
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("config")
async def test_the_process_runs_what_features_bring(
    server: EmbeddedServer, client: ApiClient, tmp_path: Path
) -> None:
    """A reconciler of one; the tasks of another are seen where a standby takes over."""
    await add_node(client, "w1", KEY)
    await add_agent(client, "w1")
    await set_ready(client, "w1", ready=True)
    task = asyncio.ensure_future(run_operator(invocation(server, tmp_path / "operator.sock")))

    await until_shown(client, "w1", [], ["NetworkUnavailable=False CiliumIsUp"])

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


async def test_names_before_the_subcommand_are_the_operators_too(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    words = ("-n", "net", "operator", "--config-map", "settings")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ciliate.cli.main"),
        *(*words, f"--health-socket={tmp_path / 'operator.sock'}"),
        env={**os.environ, "KUBECONFIG": str(server.kubeconfig)},
        stderr=asyncio.subprocess.PIPE,
    )

    _, said = await process.communicate()

    assert process.returncode == 1
    assert b"config-map: 'net/settings' does not exist" in said
