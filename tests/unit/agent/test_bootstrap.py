"""`agent/bootstrap.py` and the first watches: no refusal of the API server ends an agent."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.unit.kube.doorman import ALL, BUSY, FORBIDDEN, Refusal, doorman
from tests.unit.kube.embedded_server import EmbeddedServer, embedded_server

from ciliate.agent.bootstrap import load_config, wait_for_node
from ciliate.agent.shutdown import has_daemon_set
from ciliate.api.core import CONFIG_MAPS, NODES, ConfigMap
from ciliate.api.definitions import definition_files
from ciliate.api.metadata import ObjectMeta
from ciliate.config.installation import Installation
from ciliate.kube.client import ApiClient
from ciliate.node.cluster import Cluster
from ciliate.node.progress import Progress

DEADLINE_S = 60.0
NAMES = Installation()
NAMESPACE = NAMES.namespace
NODE = (
    b'{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "w1"},'
    b' "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]}}'
)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with embedded_server(tmp_path, crd_files=definition_files()) as running:
        async with ApiClient.from_kubeconfig(running.kubeconfig) as client:
            meta = ObjectMeta(name="cilium-config", namespace=NAMESPACE)
            await client.create(CONFIG_MAPS, ConfigMap(metadata=meta, data={"debug": "true"}))
            await client.request("POST", NODES.path(), body=NODE)
        yield running


@pytest.mark.parametrize("refusal", ALL, ids=lambda each: str(each.status))
async def test_agent_that_is_refused_at_first_gets_its_settings_its_node_and_its_tables(
    server: EmbeddedServer,
    tmp_path: Path,
    refusal: Refusal,
    caplog: pytest.LogCaptureFixture,
) -> None:
    progress = Progress()
    caplog.set_level(logging.INFO)
    async with (
        asyncio.timeout(DEADLINE_S),
        doorman(server, tmp_path, refusal) as guard,
        guard.client() as client,
        asyncio.TaskGroup() as tasks,
    ):
        began_at = asyncio.get_running_loop().time()
        config = await load_config(client, NAMES, {}, progress)
        own = await wait_for_node(client, "w1", progress)
        cluster = Cluster(client, own, with_pools=True)
        running = [tasks.create_task(each.run()) for each in cluster.informers]
        await cluster.listed(progress)
        for informer in cluster.informers:
            await informer.synced()
        spent_s = asyncio.get_running_loop().time() - began_at
        for task in running:
            task.cancel()

    assert config["debug"] == "true"
    assert own.node_ip == ip_address("192.0.2.1")
    # Two refusals each of ConfigMap and Node, and of each list: 0.1 and 0.2, 0.2 and 0.4 s. A pause of
    # half a minute, which is what follows many refusals, would show on busy cores too.
    assert spent_s < 20
    told = [each.message for each in caplog.records if "ConfigMap" in each.message]
    told += [each.message for each in caplog.records if "get configmaps" in each.message]
    assert len(told) == 1, "a refusal is told once, though it comes twice"


async def test_what_a_refused_agent_waits_for_is_told_with_the_remedy_and_since_when(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    progress = Progress()
    before = datetime.now(UTC)
    async with (
        asyncio.timeout(DEADLINE_S),
        doorman(server, tmp_path, FORBIDDEN) as guard,
        guard.client() as client,
    ):
        guard.closed = True
        loading = asyncio.create_task(load_config(client, NAMES, {}, progress))
        while "HTTP 403" not in progress.text:
            await asyncio.sleep(0.01)
        since = progress.since
        asked = guard.asked["GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps/cilium-config"]
        while len(asked) < 3:
            await asyncio.sleep(0.01)
        assert "get configmaps kube-system/cilium-config" in progress.text
        assert progress.text.endswith("check our credentials and role")
        assert before <= since == progress.since
        guard.closed = False
        assert await loading


async def test_servers_wish_for_a_pause_is_granted(server: EmbeddedServer, tmp_path: Path) -> None:
    wish = Refusal(429, "TooManyRequests", retry_after_s=1)
    async with (
        asyncio.timeout(DEADLINE_S),
        doorman(server, tmp_path, wish, times=1) as guard,
        guard.client() as client,
    ):
        await load_config(client, NAMES, {}, Progress())

    first, second = guard.asked["GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps/cilium-config"]
    assert second - first >= 1


async def test_watch_that_is_refused_later_is_told_since_when_and_goes_on(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    async with (
        asyncio.timeout(DEADLINE_S),
        doorman(server, tmp_path, FORBIDDEN, times=0) as guard,
        guard.client() as client,
        asyncio.TaskGroup() as tasks,
    ):
        own = await wait_for_node(client, "w1", Progress())
        cluster = Cluster(client, own, with_pools=False)
        guard.closed = True
        running = [tasks.create_task(each.run()) for each in cluster.informers]
        while not cluster.problem:
            await asyncio.sleep(0.01)
        assert "watch of nodes: watch nodes: " in cluster.problem
        assert f"(since {datetime.now(UTC):%Y-%m-%dT}" in cluster.problem
        guard.closed = False
        while cluster.problem or not all(each.has_synced for each in cluster.informers):
            await asyncio.sleep(0.01)
        for task in running:
            task.cancel()


async def test_refusal_says_nothing_about_the_daemon_set(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    async with (
        asyncio.timeout(DEADLINE_S),
        doorman(server, tmp_path, BUSY) as guard,
        guard.client() as client,
    ):
        assert not await has_daemon_set(client, NAMES)
        [asked] = guard.asked.values()
        assert len(asked) == 3
