"""Unused identities go in two steps, used ones stay, against the embedded API server."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from tests.unit.cluster.watched_cluster import WatchedCluster, until_seen
from tests.unit.kube.conftest import eventually

from ciliate.api.cilium_endpoint import (
    CILIUM_ENDPOINTS,
    CiliumEndpoint,
    EndpointIdentity,
    EndpointStatus,
)
from ciliate.api.cilium_identity import CILIUM_IDENTITIES, CiliumIdentity
from ciliate.api.metadata import ObjectMeta
from ciliate.identity.operator.feature import IdentityGC
from ciliate.identity.operator.plan import MARK
from ciliate.identity.operator.settings import IdentityGCSettings
from ciliate.kube.client import ApiClient

SETTINGS = IdentityGCSettings(interval_s=900, timeout_s=1800)


@dataclass
class Bench:
    """The collection, on tables that run."""

    cluster: WatchedCluster
    gc: IdentityGC

    async def marked(self) -> dict[str, bool]:
        """Return every identity there is, and whether it is marked."""
        found = await self.cluster.client.list(CILIUM_IDENTITIES)
        return {i.metadata.name: MARK in i.metadata.annotations for i in found.items}

    async def add(self, number: int) -> None:
        identity = CiliumIdentity(
            metadata=ObjectMeta(name=str(number)), security_labels={"k8s:app": "web"}
        )
        made = await self.cluster.client.create(CILIUM_IDENTITIES, identity)
        await until_seen(self.cluster.tables.identities, made)

    async def use(self, number: int) -> None:
        status = EndpointStatus(id=1, identity=EndpointIdentity(number), state="ready")
        meta = ObjectMeta(name="web", namespace="default")
        endpoint = CiliumEndpoint(metadata=meta, status=status)
        made = await self.cluster.client.create(CILIUM_ENDPOINTS, endpoint)
        await until_seen(self.cluster.tables.endpoints, made)

    def seen(self, number: int) -> CiliumIdentity:
        return self.cluster.tables.identities.objects["", str(number)]

    async def until_mark_is_seen(self, number: int) -> None:
        await eventually(lambda: MARK in self.seen(number).metadata.annotations)


@pytest.fixture
async def bench(client: ApiClient) -> AsyncIterator[Bench]:
    cluster = WatchedCluster(client)
    made = Bench(cluster, IdentityGC(cluster.context, SETTINGS, clock=cluster.clock))
    async with cluster.watching():
        yield made


async def test_an_unused_identity_is_marked_then_deleted_and_a_used_one_stays(
    bench: Bench,
) -> None:
    await bench.use(1001)
    for number in (1001, 1002):
        await bench.add(number)

    await bench.gc.collect()
    assert await bench.marked() == {"1001": False, "1002": False}

    bench.cluster.now_s = 1800
    await bench.gc.collect()
    assert await bench.marked() == {"1001": False, "1002": True}
    await bench.until_mark_is_seen(1002)

    bench.cluster.now_s = 2700
    await bench.gc.collect()
    assert await bench.marked() == {"1001": False}


async def test_an_agent_that_takes_a_marked_identity_back_saves_it(bench: Bench) -> None:
    """The deletion is decided on the marked version; the agent's write made another."""
    await bench.add(1002)
    bench.cluster.now_s = 1800
    await bench.gc.collect()
    await bench.until_mark_is_seen(1002)
    marked = bench.seen(1002)
    await bench.cluster.client.patch(
        CILIUM_IDENTITIES, "1002", {"metadata": {"annotations": {MARK: None}}}
    )
    await eventually(lambda: bench.seen(1002) is not marked)
    bench.cluster.tables.identities._objects["", "1002"] = marked

    bench.cluster.now_s = 2700
    await bench.gc.collect()

    assert await bench.marked() == {"1002": False}


async def test_a_marked_identity_that_is_used_again_is_unmarked(bench: Bench) -> None:
    await bench.add(1002)
    bench.cluster.now_s = 1800
    await bench.gc.collect()
    await bench.until_mark_is_seen(1002)

    await bench.use(1002)
    await bench.gc.collect()

    assert await bench.marked() == {"1002": False}
