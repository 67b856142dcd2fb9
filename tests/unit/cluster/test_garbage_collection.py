"""`cluster/garbage_collection.py`: when a round is made, and what ends it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.unit.cluster.watched_cluster import WatchedCluster
from tests.unit.kube.conftest import eventually

from ciliate.cluster.feature import Task
from ciliate.cluster.garbage_collection import collect_every
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import UnavailableError


@asynccontextmanager
async def running(task: Task) -> AsyncIterator[None]:
    started = asyncio.ensure_future(task())
    yield
    assert not started.done()
    started.cancel()
    await asyncio.wait([started])


async def test_no_round_is_made_while_a_watch_is_interrupted(
    client: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    async def collect() -> None:
        raise AssertionError

    [task] = collect_every(0.001, "Things", collect, WatchedCluster(client).tables)

    async with running(task):
        await eventually(lambda: caplog.text.count("Things: left out") > 2)


async def test_a_failure_ends_its_round_and_not_the_next_one(
    client: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = WatchedCluster(client)
    rounds = 0

    async def collect() -> None:
        nonlocal rounds
        rounds += 1
        raise UnavailableError(verb="delete", target="thing", detail="away")

    [task] = collect_every(0.001, "Things", collect, cluster.tables)

    async with cluster.watching():
        await eventually(lambda: cluster.tables.current)
        async with running(task):
            await eventually(lambda: rounds > 1)

    assert "garbage collection of Things" in caplog.text


def test_an_interval_of_zero_makes_no_round(client: ApiClient) -> None:
    async def collect() -> None: ...

    assert not collect_every(0, "Things", collect, WatchedCluster(client).tables)
