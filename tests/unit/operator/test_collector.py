"""What is left over goes, what is used stays, against the embedded API server."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.unit.kube.conftest import eventually

from ciliate.api.cilium_endpoint import (
    CILIUM_ENDPOINTS,
    CiliumEndpoint,
    EndpointIdentity,
    EndpointStatus,
)
from ciliate.api.cilium_identity import CILIUM_IDENTITIES, CiliumIdentity
from ciliate.api.cilium_node import CILIUM_NODES, CiliumNode
from ciliate.api.core import NODES, PODS, Container, Node, Pod, PodSpec
from ciliate.api.metadata import KubeObject, ObjectMeta
from ciliate.cluster.tables import Tables
from ciliate.kube.client import ApiClient
from ciliate.kube.document import key_of
from ciliate.kube.informer import Informer
from ciliate.operator.collection import MARK
from ciliate.operator.collector import Collector
from ciliate.operator.settings import CollectionSettings

SETTINGS = CollectionSettings(
    endpoints_every_s=300, nodes_every_s=300, identities_every_s=900, identity_timeout_s=1800
)


@dataclass
class Bench:
    """A collector with a clock of its own, its tables running."""

    client: ApiClient
    now_s: float = 0.0
    may_act: bool = True
    tables: Tables = field(init=False)
    collector: Collector = field(init=False)

    def __post_init__(self) -> None:
        self.tables = Tables(self.client, namespace="kube-system", agent_labels="k8s-app=cilium")
        self.collector = Collector(
            self.client,
            self.tables,
            SETTINGS,
            may_act=lambda: self.may_act,
            clock=lambda: self.now_s,
        )

    async def identities(self) -> dict[str, bool]:
        found = await self.client.list(CILIUM_IDENTITIES)
        return {i.metadata.name: MARK in i.metadata.annotations for i in found.items}


def seen(table: Informer[Any], item: KubeObject) -> bool:
    known = table.objects.get(key_of(item))
    return known is not None and (
        known.metadata.resource_version == item.metadata.resource_version
    )


@pytest.fixture
async def bench(client: ApiClient) -> AsyncIterator[Bench]:
    made = Bench(client)

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            made.tables.run(tasks)

    task = asyncio.ensure_future(run())
    await made.tables.synced()
    yield made
    task.cancel()
    await asyncio.wait([task])


def endpoint(name: str, identity: int = 0) -> CiliumEndpoint:
    status = EndpointStatus(id=1, identity=EndpointIdentity(identity), state="ready")
    return CiliumEndpoint(metadata=ObjectMeta(name=name, namespace="default"), status=status)


def pod(name: str) -> Pod:
    spec = PodSpec(node_name="w1", containers=(Container("c", "image"),))
    return Pod(metadata=ObjectMeta(name=name, namespace="default"), spec=spec)


def identity(number: int) -> CiliumIdentity:
    meta = ObjectMeta(name=str(number))
    return CiliumIdentity(metadata=meta, security_labels={"k8s:app": "web"})


async def test_the_endpoint_of_a_vanished_pod_is_deleted(bench: Bench) -> None:
    await bench.client.create(PODS, pod("web"))
    for name in ("web", "gone"):
        made = await bench.client.create(CILIUM_ENDPOINTS, endpoint(name))
        await eventually(lambda made=made: seen(bench.tables.endpoints, made))  # type: ignore[misc]
    await eventually(lambda: len(bench.tables.pods.objects) == 1)

    await bench.collector.collect_endpoints()

    left = await bench.client.list(CILIUM_ENDPOINTS)
    assert [item.metadata.name for item in left.items] == ["web"]


async def test_an_endpoint_stays_when_only_the_table_of_pods_is_late(bench: Bench) -> None:
    made = await bench.client.create(CILIUM_ENDPOINTS, endpoint("web"))
    await eventually(lambda: seen(bench.tables.endpoints, made))
    await bench.client.create(PODS, pod("web"))
    # As if the watch of pods had not told yet.
    bench.tables.pods._objects.clear()

    await bench.collector.collect_endpoints()

    assert await bench.client.get(CILIUM_ENDPOINTS, "web", namespace="default")


async def test_who_does_not_lead_any_more_deletes_nothing(bench: Bench) -> None:
    made = await bench.client.create(CILIUM_ENDPOINTS, endpoint("gone"))
    await eventually(lambda: seen(bench.tables.endpoints, made))
    bench.may_act = False

    await bench.collector.collect_endpoints()

    assert await bench.client.get(CILIUM_ENDPOINTS, "gone", namespace="default")


async def test_an_endpoint_touched_meanwhile_is_kept(bench: Bench) -> None:
    made = await bench.client.create(CILIUM_ENDPOINTS, endpoint("gone"))
    await eventually(lambda: seen(bench.tables.endpoints, made))
    old = bench.tables.endpoints.objects["default", "gone"]
    await bench.client.patch(
        CILIUM_ENDPOINTS, "gone", {"status": {"state": "ready", "id": 2}}, namespace="default"
    )
    await eventually(lambda: bench.tables.endpoints.objects["default", "gone"] is not old)
    bench.tables.endpoints._objects["default", "gone"] = old

    await bench.collector.collect_endpoints()

    assert await bench.client.get(CILIUM_ENDPOINTS, "gone", namespace="default")


async def test_the_cilium_node_of_a_vanished_node_is_deleted_after_an_interval(
    bench: Bench,
) -> None:
    await bench.client.create(NODES, Node(metadata=ObjectMeta(name="w1")))
    for name in ("w1", "gone"):
        made = await bench.client.create(CILIUM_NODES, CiliumNode(metadata=ObjectMeta(name=name)))
        await eventually(lambda made=made: seen(bench.tables.cilium_nodes, made))  # type: ignore[misc]
    await eventually(lambda: len(bench.tables.nodes.objects) == 1)

    await bench.collector.collect_nodes()
    assert len((await bench.client.list(CILIUM_NODES)).items) == 2
    bench.now_s = 300
    await bench.collector.collect_nodes()

    left = await bench.client.list(CILIUM_NODES)
    assert [item.metadata.name for item in left.items] == ["w1"]


async def test_an_unused_identity_is_marked_then_deleted_and_a_used_one_stays(
    bench: Bench,
) -> None:
    await bench.client.create(CILIUM_ENDPOINTS, endpoint("web", 1001))
    for number in (1001, 1002):
        made = await bench.client.create(CILIUM_IDENTITIES, identity(number))
        await eventually(lambda made=made: seen(bench.tables.identities, made))  # type: ignore[misc]
    await eventually(lambda: len(bench.tables.endpoints.objects) == 1)

    await bench.collector.collect_identities()
    assert await bench.identities() == {"1001": False, "1002": False}

    bench.now_s = 1800
    await bench.collector.collect_identities()
    assert await bench.identities() == {"1001": False, "1002": True}
    await eventually(
        lambda: MARK in bench.tables.identities.objects["", "1002"].metadata.annotations
    )

    bench.now_s = 2700
    await bench.collector.collect_identities()
    assert await bench.identities() == {"1001": False}


async def test_an_agent_that_takes_a_marked_identity_back_saves_it(bench: Bench) -> None:
    """The deletion is decided on the marked version; the agent's write made another."""
    made = await bench.client.create(CILIUM_IDENTITIES, identity(1002))
    await eventually(lambda: seen(bench.tables.identities, made))
    bench.now_s = 1800
    await bench.collector.collect_identities()
    await eventually(
        lambda: MARK in bench.tables.identities.objects["", "1002"].metadata.annotations
    )
    marked = bench.tables.identities.objects["", "1002"]
    await bench.client.patch(
        CILIUM_IDENTITIES, "1002", {"metadata": {"annotations": {MARK: None}}}
    )
    await eventually(lambda: bench.tables.identities.objects["", "1002"] is not marked)
    bench.tables.identities._objects["", "1002"] = marked

    bench.now_s = 2700
    await bench.collector.collect_identities()

    assert await bench.identities() == {"1002": False}


async def test_a_marked_identity_that_is_used_again_is_unmarked(bench: Bench) -> None:
    made = await bench.client.create(CILIUM_IDENTITIES, identity(1002))
    await eventually(lambda: seen(bench.tables.identities, made))
    bench.now_s = 1800
    await bench.collector.collect_identities()
    await eventually(
        lambda: MARK in bench.tables.identities.objects["", "1002"].metadata.annotations
    )

    await bench.client.create(CILIUM_ENDPOINTS, endpoint("web", 1002))
    await eventually(lambda: len(bench.tables.endpoints.objects) == 1)
    await bench.collector.collect_identities()

    assert await bench.identities() == {"1002": False}
