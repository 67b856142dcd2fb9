"""How fast does the operator give nodes their CIDRs, and what does it cost?

An API server and an operator of cluster-pool mode, as processes of their own; nodes are only
CiliumNodes, created here as agents would. Measured: the time until nodes that join at once
all have CIDRs; the time from the restart of a killed operator until it serves a new node (no CIDR
may change); how long nodes wait that join one by one at an even pace; and the allocator alone, in
this process.
"""

import asyncio
import gc
import time
from dataclasses import dataclass, field
from typing import Final

import msgspec
from benchmarks.control_plane import ControlPlane, control_plane, spread
from benchmarks.options import Options
from benchmarks.pairing import Better, Budget, Measurement, Metric
from benchmarks.report import Answer

from ciliate.api.cilium_node import CILIUM_NODES, CiliumNode
from ciliate.api.core import CONFIG_MAPS, ConfigMap
from ciliate.api.metadata import ObjectMeta
from ciliate.errors import CiliateError
from ciliate.ipam.cluster import ClusterAllocator
from ciliate.kube.client import ApiClient
from ciliate.kube.informer import Informer

QUESTION: Final = "how fast does the operator give nodes their CIDRs?"

_CONFIG: Final = {
    "ipam": "cluster-pool",
    "cluster-pool-ipv4-cidr": "10.0.0.0/8",
    "enable-ipv6": "true",
    "cluster-pool-ipv6-cidr": "fd00::/104",
}
_NODES: Final = 10_000
_PACED_NODES: Final = 1_000
_PACED_S: Final = 30.0
_WRITERS: Final = 16
_TIMEOUT_S: Final = 300.0
_ALONE_CIDRS: Final = 50_000


class CIDRsChangedError(CiliateError):
    """A restart changed what it must not, or two nodes have one CIDR."""


@dataclass(slots=True)
class _Watcher:
    """When each node was created and when its CIDRs were seen, in seconds of perf_counter."""

    wanted: int
    created: dict[str, float] = field(default_factory=dict)
    served: dict[str, float] = field(default_factory=dict)
    cidrs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def changed(self, _old: CiliumNode | None, new: CiliumNode | None) -> None:
        """Note a node's CIDRs."""
        if new is None or not new.spec.ipam.pod_cidrs:
            return
        name = new.metadata.name
        self.served.setdefault(name, time.perf_counter())
        self.cidrs[name] = new.spec.ipam.pod_cidrs
        if len(self.served) >= self.wanted:
            self.done.set()


async def _create(client: ApiClient, name: str, number: int) -> None:
    address = f"192.168.{number >> 8 & 255}.{number & 255}"
    document = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNode",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {"addresses": [{"type": "InternalIP", "ip": address}], "ipam": {"pools": {}}},
    }
    await client.request("POST", CILIUM_NODES.path(), body=msgspec.json.encode(document))


def _judge(cidrs: dict[str, tuple[str, ...]]) -> None:
    """Check that no two nodes have one CIDR.

    Raises:
        CIDRsChangedError: There are such.
    """
    every = [cidr for of_node in cidrs.values() for cidr in of_node]
    if len(set(every)) != len(every):
        raise CIDRsChangedError("two nodes have one CIDR")


async def _join_at_once(plane: ControlPlane) -> tuple[float, dict[str, tuple[str, ...]]]:
    """Create all nodes as fast as it goes; return the seconds until all have CIDRs, and those."""
    async with ApiClient.from_kubeconfig(plane.kubeconfig) as client:
        seen = _Watcher(_NODES)
        watch: Informer[CiliumNode] = Informer(client, CILIUM_NODES, on_change=seen.changed)
        watching = asyncio.ensure_future(watch.run())
        numbers = iter(range(_NODES))
        begin = time.perf_counter()

        async def write() -> None:
            for number in numbers:
                await _create(client, f"node-{number}", number)

        await spread(write, _WRITERS)
        async with asyncio.timeout(_TIMEOUT_S):
            await seen.done.wait()
        watching.cancel()
        return max(seen.served.values()) - begin, seen.cidrs


async def _join_paced(plane: ControlPlane, first: int) -> tuple[float, ...]:
    """Create nodes at an even pace; return for how many seconds each waited."""
    async with ApiClient.from_kubeconfig(plane.kubeconfig) as client:
        seen = _Watcher(_PACED_NODES)

        def changed(old: CiliumNode | None, new: CiliumNode | None) -> None:
            if new is not None and new.metadata.name.startswith("paced-"):
                seen.changed(old, new)

        watch: Informer[CiliumNode] = Informer(client, CILIUM_NODES, on_change=changed)
        watching = asyncio.ensure_future(watch.run())
        await watch.synced()
        begin = time.perf_counter()

        async def join(number: int) -> None:
            name = f"paced-{number}"
            await asyncio.sleep(begin + number * _PACED_S / _PACED_NODES - time.perf_counter())
            seen.created[name] = time.perf_counter()
            await _create(client, name, first + number)

        async with asyncio.TaskGroup() as tasks:
            for number in range(_PACED_NODES):
                tasks.create_task(join(number))
        async with asyncio.timeout(_TIMEOUT_S):
            await seen.done.wait()
        watching.cancel()
        return tuple(seen.served[name] - at for name, at in seen.created.items())


async def _serve_one(plane: ControlPlane, name: str, number: int) -> None:
    """Create a node and wait for its CIDRs."""
    async with ApiClient.from_kubeconfig(plane.kubeconfig) as client:
        await _create(client, name, number)
        async with asyncio.timeout(_TIMEOUT_S):
            seen = _Watcher(1)

            def changed(old: CiliumNode | None, new: CiliumNode | None) -> None:
                if new is not None and new.metadata.name == name:
                    seen.changed(old, new)

            watch = Informer(
                client,
                CILIUM_NODES,
                field_selector=f"metadata.name={name}",
                on_change=changed,
            )
            watching = asyncio.ensure_future(watch.run())
            await seen.done.wait()
            watching.cancel()


async def _listed(plane: ControlPlane) -> dict[str, tuple[str, ...]]:
    async with ApiClient.from_kubeconfig(plane.kubeconfig) as client:
        found = await client.list(CILIUM_NODES)
    return {item.metadata.name: item.spec.ipam.pod_cidrs for item in found.items}


async def _configure(plane: ControlPlane) -> None:
    async with ApiClient.from_kubeconfig(plane.kubeconfig) as client:
        meta = ObjectMeta(name="cilium-config", namespace="kube-system")
        await client.create(CONFIG_MAPS, ConfigMap(metadata=meta, data=_CONFIG))


def allocator_rate() -> float:
    """Return how many CIDRs a second the allocator gives to nodes that it knows nothing of."""
    allocator = ClusterAllocator()
    allocator.define("default", 4, 24, ["10.0.0.0/8"])
    names = [f"node-{number}" for number in range(_ALONE_CIDRS)]
    gc.collect()
    begin = time.perf_counter()
    for name in names:
        allocator.grant(name, "default", 4)
    return _ALONE_CIDRS / (time.perf_counter() - begin)


@dataclass(slots=True)
class _Samples:
    join_s: list[float] = field(default_factory=list)
    rss_mib: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)
    restart_s: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    median_ms: list[float] = field(default_factory=list)


def _round(samples: _Samples, options: Options) -> None:
    """Take one sample of everything, on a fresh control plane."""
    with control_plane() as plane:
        asyncio.run(_configure(plane))
        with plane.operator() as operator:
            operator.await_leading()
            options.show(f"ipam_operator: {_NODES} nodes at once")
            join_s, cidrs = asyncio.run(_join_at_once(plane))
            _judge(cidrs)
            samples.join_s.append(join_s)
            samples.rss_mib.append(operator.rss_kib / 1024)
            samples.peak_mib.append(operator.peak_kib / 1024)
        options.show("ipam_operator: restart")
        _free_lease(plane)
        begin = time.perf_counter()
        with plane.operator() as operator:
            asyncio.run(_serve_one(plane, "after-restart", _NODES))
            samples.restart_s.append(time.perf_counter() - begin)
            operator.await_leading()
            after = asyncio.run(_listed(plane))
            if any(after[name] != before for name, before in cidrs.items()):
                raise CIDRsChangedError("a node has another CIDR after the operator's restart")
            _judge(after)
            options.show(f"ipam_operator: {_PACED_NODES} nodes in {_PACED_S:g} s")
            waits = sorted(asyncio.run(_join_paced(plane, _NODES + 1)))
            samples.p99_ms.append(waits[len(waits) * 99 // 100] * 1000)
            samples.median_ms.append(waits[len(waits) // 2] * 1000)


def _free_lease(plane: ControlPlane) -> None:
    """Take the killed operator's lease away: its term is no part of what a restart costs."""

    async def delete() -> None:
        async with ApiClient.from_kubeconfig(plane.kubeconfig) as client:
            path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
            await client.request("DELETE", f"{path}/cilium-operator-resource-lock")

    asyncio.run(delete())


def measure(options: Options) -> Answer:
    """Measure the allocator alone, then the operator."""
    samples = _Samples()
    rates = tuple(allocator_rate() for _round_number in range(options.rounds))
    for _round_number in range(options.rounds):
        _round(samples, options)

    def figure(name: str, unit: str, values: list[float], limit: float | None) -> Measurement:
        budgets = (Budget("operator", None, limit),) if limit is not None else ()
        metric = Metric(name, unit, Better.LOWER)
        return Measurement(metric, {"operator": tuple(values)}, budgets=budgets)

    return Answer(
        "ipam_operator",
        QUESTION,
        (
            Measurement(
                Metric("CIDRs given by the allocator alone", "1/s", Better.HIGHER),
                {"allocator": rates},
                budgets=(Budget("allocator", None, 200_000),),
            ),
            figure(f"{_NODES} nodes join, all have CIDRs", "s", samples.join_s, 60),
            figure(f"RSS with {_NODES} nodes", "MiB", samples.rss_mib, 250),
            figure("peak RSS until then", "MiB", samples.peak_mib, 250),
            figure(f"restart with {_NODES} nodes, serves again", "s", samples.restart_s, 10),
            figure(
                f"grant, median of {_PACED_NODES} in {_PACED_S:g} s", "ms", samples.median_ms, None
            ),
            figure(f"grant, p99 of {_PACED_NODES} in {_PACED_S:g} s", "ms", samples.p99_ms, 200),
        ),
        notes=(
            "API server, operator and the nodes' simulation share the machine; TLS everywhere",
            "both families; a grant: from before the creation to the watch event with the CIDRs",
            "restart: killed, its lease removed; from the process's start to a new node's CIDRs",
        ),
    )
