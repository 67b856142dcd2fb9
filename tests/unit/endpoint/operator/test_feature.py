"""CiliumEndpoints without a pod go, the others stay, against the embedded API server."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from tests.unit.cluster.watched_cluster import WatchedCluster, until_seen
from tests.unit.kube.conftest import eventually

from ciliate.api.cilium_endpoint import CILIUM_ENDPOINTS, CiliumEndpoint, EndpointStatus
from ciliate.api.core import PODS, Container, Pod, PodSpec
from ciliate.api.metadata import ObjectMeta
from ciliate.endpoint.operator.feature import EndpointGC
from ciliate.endpoint.operator.settings import EndpointGCSettings
from ciliate.kube.client import ApiClient


@dataclass
class Bench:
    """The collection, on tables that run."""

    cluster: WatchedCluster
    gc: EndpointGC


@pytest.fixture
async def bench(client: ApiClient) -> AsyncIterator[Bench]:
    cluster = WatchedCluster(client)
    made = Bench(cluster, EndpointGC(cluster.context, EndpointGCSettings(interval_s=300)))
    async with cluster.watching():
        yield made


def endpoint(name: str) -> CiliumEndpoint:
    status = EndpointStatus(id=1, state="ready")
    return CiliumEndpoint(metadata=ObjectMeta(name=name, namespace="default"), status=status)


def pod(name: str) -> Pod:
    spec = PodSpec(node_name="w1", containers=(Container("c", "image"),))
    return Pod(metadata=ObjectMeta(name=name, namespace="default"), spec=spec)


async def test_the_endpoint_of_a_vanished_pod_is_deleted(bench: Bench, client: ApiClient) -> None:
    made = await client.create(PODS, pod("web"))
    await until_seen(bench.cluster.tables.pods, made)
    for name in ("web", "gone"):
        published = await client.create(CILIUM_ENDPOINTS, endpoint(name))
        await until_seen(bench.cluster.tables.endpoints, published)

    await bench.gc.collect()

    left = await client.list(CILIUM_ENDPOINTS)
    assert [item.metadata.name for item in left.items] == ["web"]


async def test_an_endpoint_stays_when_only_the_table_of_pods_is_late(
    bench: Bench, client: ApiClient
) -> None:
    made = await client.create(CILIUM_ENDPOINTS, endpoint("web"))
    await until_seen(bench.cluster.tables.endpoints, made)
    await client.create(PODS, pod("web"))
    # As if the watch of pods had not reported it yet.
    bench.cluster.tables.pods._objects.clear()

    await bench.gc.collect()

    assert await client.get(CILIUM_ENDPOINTS, "web", namespace="default")


async def test_who_does_not_lead_any_more_deletes_nothing(bench: Bench, client: ApiClient) -> None:
    made = await client.create(CILIUM_ENDPOINTS, endpoint("gone"))
    await until_seen(bench.cluster.tables.endpoints, made)
    bench.cluster.may_act = False

    await bench.gc.collect()

    assert await client.get(CILIUM_ENDPOINTS, "gone", namespace="default")


async def test_an_endpoint_touched_meanwhile_is_kept(bench: Bench, client: ApiClient) -> None:
    table = bench.cluster.tables.endpoints
    made = await client.create(CILIUM_ENDPOINTS, endpoint("gone"))
    await until_seen(table, made)
    old = table.objects["default", "gone"]
    await client.patch(
        CILIUM_ENDPOINTS, "gone", {"status": {"state": "ready", "id": 2}}, namespace="default"
    )
    await eventually(lambda: table.objects["default", "gone"] is not old)
    table._objects["default", "gone"] = old

    await bench.gc.collect()

    assert await client.get(CILIUM_ENDPOINTS, "gone", namespace="default")
