"""Changes of simulated pods, against an API and an ipcache that are dictionaries."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from benchmarks.change_stream import Arrivals, Population
from benchmarks.ipcache_map import IpcacheMap
from benchmarks.simulated_pods import SimulatedPod, identity_number

from ciliate.api.cilium_endpoint import CiliumEndpoint, EndpointIdentity
from ciliate.datapath.layout import IpcacheEntry, IpcacheFlag, PrefixKey
from ciliate.kube.client import ApiClient

PODS = 20

#: What a look-up of a pod's address finds when the pod has no entry: its node's CIDR.
OF_CIDR = IpcacheEntry(identity=2, flags=IpcacheFlag.IPCACHE_CLUSTER, node=bytes(16))


@dataclass
class Cluster:
    """An API server whose every change is at once in the ipcache, or never."""

    loses: str = ""
    addresses: dict[str, PrefixKey] = field(default_factory=dict)
    entries: dict[PrefixKey, IpcacheEntry] = field(default_factory=dict)
    verbs: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        for pod in map(SimulatedPod.initial, range(PODS)):
            self.addresses[pod.name] = pod.ipcache_key
            self._put(pod.name, identity_number(pod.identity))

    def _put(self, name: str, number: int) -> None:
        self.entries[self.addresses[name]] = OF_CIDR._replace(identity=number)

    def get(self, key: PrefixKey) -> IpcacheEntry:
        return self.entries.get(key, OF_CIDR)

    async def patch(
        self, _resource: object, name: str, body: dict[str, dict[str, Any]], *, namespace: str
    ) -> None:
        assert namespace == "default"
        identity: EndpointIdentity = body["status"]["identity"]
        self.verbs["patch"] += 1
        self._put(name, identity.id)

    async def delete(self, _resource: object, name: str, *, namespace: str) -> None:
        assert namespace == "default"
        self.verbs["delete"] += 1
        if self.loses != "delete":
            del self.entries[self.addresses.pop(name)]

    async def create(self, _resource: object, endpoint: CiliumEndpoint) -> None:
        self.verbs["create"] += 1
        status, name = endpoint.status, endpoint.metadata.name
        assert status.networking is not None
        assert status.identity is not None
        pod = next(
            pod
            for pod in (SimulatedPod(0, place, 0) for place in range(PODS * 1000))
            if str(pod.address) == status.networking.addressing[0].ipv4
        )
        assert pod.ipcache_key not in self.addresses.values(), "an address of two pods"
        self.addresses[name] = pod.ipcache_key
        self._put(name, status.identity.id)


@contextlib.asynccontextmanager
async def population(cluster: Cluster, *, timeout_s: float = 10.0) -> AsyncIterator[Population]:
    arrivals = Arrivals(cast("IpcacheMap", cluster))
    polling = asyncio.create_task(arrivals.poll())
    yield Population(cast("ApiClient", cluster), arrivals, pods=PODS, arrival_timeout_s=timeout_s)
    polling.cancel()


async def stop_after(cluster: Cluster, changes: int) -> bytes:
    while cluster.verbs.total() < changes:
        await asyncio.sleep(0)
    return b"stop\n"


async def test_half_of_the_changes_relabel_a_quarter_deletes_a_quarter_creates() -> None:
    cluster = Cluster()
    async with population(cluster) as pods:
        stopping = asyncio.ensure_future(stop_after(cluster, 400))
        changes = await pods.change_until(stopping, rate=4000)

    made = cluster.verbs
    assert len(changes.arrival_s) == made.total() >= 400
    assert made["patch"] - made["delete"] - made["create"] in {-1, 0, 1}
    assert made["delete"] - made["create"] in {0, 1}
    assert len(cluster.entries) == PODS - made["delete"] + made["create"]


async def test_an_arrival_seen_before_the_answer_took_no_time() -> None:
    cluster = Cluster()
    async with population(cluster) as pods:
        stopping = asyncio.ensure_future(stop_after(cluster, 8))
        changes = await pods.change_until(stopping, rate=1000)

    assert min(changes.arrival_s) >= 0.0
    assert changes.arrived_s >= changes.written_s


async def test_each_run_tells_only_of_its_own_changes() -> None:
    cluster = Cluster()
    async with population(cluster) as pods:
        first = asyncio.ensure_future(stop_after(cluster, 8))
        before = len((await pods.change_until(first, rate=1000)).arrival_s)
        second = asyncio.ensure_future(stop_after(cluster, before + 8))
        after = len((await pods.change_until(second, rate=1000)).arrival_s)

    assert before + after == cluster.verbs.total()


async def test_a_change_that_never_arrives_ends_the_measurement() -> None:
    cluster = Cluster(loses="delete")
    async with population(cluster, timeout_s=0.5) as pods:
        stopping = asyncio.ensure_future(stop_after(cluster, 4))
        with pytest.raises(ExceptionGroup) as failed:
            await pods.change_until(stopping, rate=1000)

    assert "has not become nobody in the ipcache" in str(failed.value.exceptions[0])
