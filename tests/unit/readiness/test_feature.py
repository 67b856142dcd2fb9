"""Nodes show whether their agent is ready, against the embedded API server."""

import asyncio
from datetime import UTC, datetime, timedelta

from tests.unit.cluster.watched_cluster import WatchedCluster
from tests.unit.readiness.marked_nodes import (
    add_agent,
    add_node,
    set_ready,
    state_ready,
    until_shown,
)

from ciliate.kube.client import ApiClient
from ciliate.readiness.feature import ReadinessFeature
from ciliate.readiness.settings import ReadinessSettings

KEY = "node.cilium.io/agent-not-ready"
ALL = ReadinessSettings(KEY, set_taint=True, remove_taint=True, set_condition=True)
NONE = ReadinessSettings(KEY, set_taint=False, remove_taint=False, set_condition=False)


async def test_a_ready_agent_frees_its_node(client: ApiClient) -> None:
    await add_node(client, "w1", "other", KEY)
    await add_agent(client, "w1")
    cluster = WatchedCluster(client)
    [marks] = ReadinessFeature(cluster.context, ALL).reconcilers()
    async with cluster.watching():
        task = asyncio.ensure_future(marks.run())

        await set_ready(client, "w1", ready=True)
        await until_shown(client, "w1", ["other"], ["NetworkUnavailable=False CiliumIsUp"])
        await set_ready(client, "w1", ready=False)
        await until_shown(client, "w1", ["other", KEY], ["NetworkUnavailable=False CiliumIsUp"])

        task.cancel()
        await asyncio.wait([task])


async def test_an_agent_without_a_pod_frees_its_node_by_its_own_statement(
    client: ApiClient,
) -> None:
    """It runs as a plain process, and says later that it is not ready."""
    await add_node(client, "w1", "other", KEY)
    cluster = WatchedCluster(client)
    [marks] = ReadinessFeature(cluster.context, ALL).reconcilers()
    async with cluster.watching():
        task = asyncio.ensure_future(marks.run())

        await state_ready(client, "w1", datetime.now(UTC) + timedelta(hours=1))
        await until_shown(client, "w1", ["other"], ["NetworkUnavailable=False CiliumIsUp"])
        await state_ready(client, "w1", datetime.now(UTC))
        await until_shown(client, "w1", ["other", KEY], ["NetworkUnavailable=False CiliumIsUp"])

        task.cancel()
        await asyncio.wait([task])


async def test_statement_that_ends_taints_its_node_at_once(client: ApiClient) -> None:
    """The next look at all marks is 11 s away, and more."""
    await add_node(client, "w1")
    cluster = WatchedCluster(client)
    [marks] = ReadinessFeature(cluster.context, ALL).reconcilers()
    async with cluster.watching():
        task = asyncio.ensure_future(marks.run())

        await state_ready(client, "w1", datetime.now(UTC) + timedelta(hours=1))
        await until_shown(client, "w1", [], ["NetworkUnavailable=False CiliumIsUp"])
        await state_ready(client, "w1", datetime.now(UTC) + timedelta(seconds=2))  # Its last.
        await until_shown(client, "w1", [KEY], ["NetworkUnavailable=False CiliumIsUp"])

        task.cancel()
        await asyncio.wait([task])


def test_settings_that_leave_every_mark_to_others_make_no_reconciler(client: ApiClient) -> None:
    assert not ReadinessFeature(WatchedCluster(client).context, NONE).reconcilers()
