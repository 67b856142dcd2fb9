"""The ranges of Services: ServiceCIDRs where the API has them (here a small fake)."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from tests.unit.kube.conftest import FakeApi, eventually

from ciliate.ipam.cluster import ClusterAllocator
from ciliate.ipam.operator.service_range import ServiceRangeWatch
from ciliate.kube.client import ApiClient
from ciliate.kube.credentials import Credentials
from ciliate.kube.transport import Limits

PATH = "/apis/networking.k8s.io/v1/servicecidrs"


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    server = FakeApi()
    await server.start()
    yield server
    await server.stop()


async def test_service_cidrs_come_and_go(api: FakeApi) -> None:
    limits = Limits(request_s=2.0, connect_s=0.5, silence_s=0.2, probe_s=0.2)
    allocator = ClusterAllocator()
    allocator.define("default", 4, 24, ["10.96.0.0/22"])
    await api.put(f"{PATH}/kubernetes", {"spec": {"cidrs": ["10.96.0.0/24"]}})
    seen = asyncio.Event()
    async with ApiClient(Credentials(api.url), limits=limits) as client:

        async def follow() -> None:
            async with asyncio.TaskGroup() as tasks:
                await ServiceRangeWatch(client, allocator, changed=seen.set).start(tasks)

        task = asyncio.ensure_future(follow())
        await eventually(lambda: allocator.free("default", 4) == 3)
        await api.put(f"{PATH}/more", {"spec": {"cidrs": ["10.96.2.0/23"]}})
        await eventually(lambda: allocator.free("default", 4) == 1)
        seen.clear()
        await api.remove(f"{PATH}/more")
        await eventually(lambda: allocator.free("default", 4) == 3)
        assert seen.is_set(), "nodes may wait for those blocks"
        task.cancel()
        await asyncio.wait([task])


async def test_services_that_may_be_listed_later_are_compared_from_then_on(api: FakeApi) -> None:
    """The role is bound after the operator has started: it goes on, and asks again."""
    forbidden = (403, {"kind": "Status", "reason": "Forbidden", "message": "not yet"})
    api.faults = [forbidden, forbidden]  # ServiceCIDRs, then Services.
    allocator = ClusterAllocator()
    allocator.define("default", 4, 24, ["10.96.0.0/22"])
    await api.put(f"{PATH}/kubernetes", {"spec": {"cidrs": ["10.96.0.0/24"]}})
    async with ApiClient(Credentials(api.url)) as client:
        started = asyncio.Event()

        async def follow() -> None:
            async with asyncio.TaskGroup() as tasks:
                await ServiceRangeWatch(client, allocator, changed=lambda: None).start(tasks)
                started.set()

        task = asyncio.ensure_future(follow())
        await asyncio.wait_for(started.wait(), 10)
        assert allocator.free("default", 4) == 4
        await eventually(lambda: allocator.free("default", 4) == 3)
        task.cancel()
        await asyncio.wait([task])


async def follow_until(
    client: ApiClient, allocator: ClusterAllocator, condition: Callable[[], bool]
) -> None:
    """Follow the ranges until `condition()` holds, and fail where following ends before."""

    async def follow() -> None:
        async with asyncio.TaskGroup() as tasks:
            await ServiceRangeWatch(client, allocator, changed=lambda: None).start(tasks)

    task = asyncio.ensure_future(follow())
    try:
        await eventually(lambda: task.done() or condition())
        assert not task.done(), task.result()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_object_that_cannot_be_read_harms_no_other(
    api: FakeApi, caplog: pytest.LogCaptureFixture
) -> None:
    """One text ended the watch, and with it the operator, for as long as the object stood."""
    allocator = ClusterAllocator()
    allocator.define("default", 4, 24, ["10.96.0.0/22"])
    await api.put(f"{PATH}/a", {"spec": {"cidrs": ["nonsense", "10.96.1.0/24"]}})
    await api.put(f"{PATH}/b", {"spec": {"cidrs": ["10.96.0.0/24"]}})

    async with ApiClient(Credentials(api.url)) as client:
        await follow_until(client, allocator, lambda: allocator.free("default", 4) == 2)

    assert "ServiceCIDR a: 'nonsense'" in caplog.text


async def test_service_that_cannot_be_read_harms_no_other(
    api: FakeApi, caplog: pytest.LogCaptureFixture
) -> None:
    allocator = ClusterAllocator()
    allocator.define("default", 4, 24, ["10.96.0.0/22"])
    below = "/api/v1/services"
    await api.put(f"{below}/bad", {"spec": {"clusterIPs": ["nonsense", "10.96.0.1"]}})
    await api.put(f"{below}/good", {"spec": {"clusterIPs": ["10.96.1.1"]}})

    async with ApiClient(Credentials(api.url)) as client:
        await follow_until(client, allocator, lambda: allocator.free("default", 4) == 2)

    assert "bad: 'nonsense'" in caplog.text
