"""`routing/service_ranges.py`: the ranges are known before the first route is written."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest
from tests.unit.identity.identity_api import publish
from tests.unit.kube.conftest import FakeApi, eventually
from tests.unit.node.cluster_tables import all_listed
from tests.unit.reconcile.memory_target import until
from tests.unit.routing.route_kernel import RoutingNode, worker

from ciliate.kube.client import ApiClient
from ciliate.kube.credentials import Credentials
from ciliate.net.address import IPNetwork
from ciliate.routing import service_ranges
from ciliate.routing.service_ranges import ServiceRanges

PATH = "/apis/networking.k8s.io/v1/servicecidrs"
FORBIDDEN = (403, {"kind": "Status", "reason": "Forbidden", "message": "not yet"})


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    server = FakeApi()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def client(api: FakeApi) -> AsyncIterator[ApiClient]:
    async with ApiClient(Credentials(api.url)) as made:
        yield made


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch, client: ApiClient) -> AsyncIterator[RoutingNode]:
    """A node that is to start; another one claims what is the Services'."""
    made = RoutingNode(monkeypatch)
    made.be_of(client)
    all_listed(made.cluster)
    publish(made.cluster.nodes, worker(1, "10.96.1.0/24", "10.244.1.0/24"))
    yield made
    await made.stop()


async def test_no_route_into_the_services_range_is_written_at_a_start(
    api: FakeApi, node: RoutingNode
) -> None:
    """It stood until the watch had listed: what went to a Service went to that node instead."""
    await api.put(f"{PATH}/kubernetes", {"spec": {"cidrs": ["10.96.0.0/16"]}})

    for _ in range(2):
        await node.restart()
        await node.feature._reachability.ask()
        await node.sync.run_once()

    assert node.kernel.held().keys() == {"10.244.1.0/24"}
    assert "put 10.96.1.0/24" not in node.kernel.written
    assert "the Services' range" in node.sync.status.failing_keys["10.96.1.0/24"].message


async def test_silent_server_holds_a_start_up_for_a_moment_only(
    api: FakeApi,
    node: RoutingNode,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await api.put(f"{PATH}/kubernetes", {"spec": {"cidrs": ["10.96.0.0/16"]}})
    monkeypatch.setattr(service_ranges, "_START_S", 0.05)
    api.running.clear()

    async with asyncio.timeout(5):
        await node.restart()
    assert "ServiceCIDRs are not known after 0.05 s" in caplog.text

    async with node.running():
        await until(lambda: "10.96.1.0/24" in node.kernel.held())
        api.running.set()
        await until(lambda: node.kernel.held().keys() == {"10.244.1.0/24"})


async def test_cluster_without_such_objects_waits_for_nothing(
    node: RoutingNode, caplog: pytest.LogCaptureFixture
) -> None:
    await node.restart()

    assert "pod CIDRs are not compared with the Services' range" in caplog.text
    assert "are not known after" not in caplog.text


async def test_ranges_come_and_go_and_one_that_cannot_be_read_harms_no_other(
    api: FakeApi, client: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[frozenset[IPNetwork]] = []
    ranges = ServiceRanges(client, told.append)
    await api.put(f"{PATH}/kubernetes", {"spec": {"cidrs": ["10.96.0.0/16", "nonsense"]}})
    task = asyncio.ensure_future(ranges.run())
    try:
        await ranges.answered()
        assert told[-1] == {ip_network("10.96.0.0/16")}
        assert "ServiceCIDR kubernetes: 'nonsense'" in caplog.text

        await api.put(f"{PATH}/more", {"spec": {"cidrs": ["fd00:96::/108"]}})
        await eventually(lambda: ip_network("fd00:96::/108") in told[-1])
        await api.remove(f"{PATH}/kubernetes")
        await eventually(lambda: told[-1] == {ip_network("fd00:96::/108")})
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_right_that_is_given_later_is_noticed(
    api: FakeApi, client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_ranges, "_ASK_FIRST_S", 0.01)
    api.faults = [FORBIDDEN, FORBIDDEN]
    await api.put(f"{PATH}/kubernetes", {"spec": {"cidrs": ["10.96.0.0/16"]}})
    told: list[frozenset[IPNetwork]] = []
    ranges = ServiceRanges(client, told.append)
    task = asyncio.ensure_future(ranges.run())
    try:
        await ranges.answered()
        assert told == []
        await eventually(lambda: told == [{ip_network("10.96.0.0/16")}])
    finally:
        task.cancel()
        await asyncio.wait([task])
