"""What do routes to many nodes cost an agent?

A lab of one node, whose agent has an interpreter of its own; the other nodes are CiliumNodes on the
API server, on the node's own layer 2 and with a pod CIDR each. Routes are read in the node's kernel.

First all nodes come at once. Then all their routes are taken away, as a user might (`ip route flush`):
until they stand again is a full reconcile, with what the agent's processor does. At last nodes come one
by one: from the API server's answer until the route of each stands.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from benchmarks.agent_process import ProcessId, observe_cpu_s, observe_memory, own_start
from benchmarks.cluster import Cluster, cluster
from benchmarks.control_plane import spread
from benchmarks.options import Options
from benchmarks.pairing import Better, Budget, Measurement, Metric
from benchmarks.report import Answer

from ciliate.api.cilium_node import (
    CILIUM_NODES,
    CiliumNode,
    CiliumNodeAddress,
    CiliumNodeSpec,
    NodeIPAM,
)
from ciliate.api.metadata import ObjectMeta
from ciliate.kube.client import ApiClient
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.monitor import Monitor
from ciliate.netlink.routes import list_routes

QUESTION: Final = "what do routes to many nodes cost an agent?"

#: Nodes that are there, and how many more come one by one, every so many seconds.
_NODES: Final = 5000
_COMERS: Final = 200
_PAUSE_S: Final = 0.05

#: The nodes' network, in which this one gets an address, and where their pod CIDRs begin.
_NETWORK: Final = IPv4Network("172.31.0.0/16")
_CIDRS: Final = IPv4Network("10.128.0.0/9")
_CIDR_PREFIX: Final = 24

_WRITERS: Final = 16
_IDLE_S: Final = 5.0
_DEADLINE_S: Final = 120.0
_POLL_EVERY_S: Final = 0.02
#: What the agent does behind its last route is that change's as well.
_SETTLE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Place:
    """The lab's node, its agent, and its network."""

    lab: Cluster
    agent: ProcessId
    rtnl: Rtnetlink
    client: ApiClient

    @property
    def netns(self) -> str:
        """The path of the node's network namespace."""
        return self.lab.nodes[0].machine.netns

    @property
    def rss_mib(self) -> float:
        """Resident memory of the agent now."""
        return observe_memory(self.agent).rss_kib / 1024

    async def await_routes(self, count: int) -> float:
        """Wait until so many simulated nodes have a route; return how long that took, in seconds."""
        begin = time.perf_counter()
        while True:
            routes = await self.rtnl.run(list_routes)
            found = sum(1 for each in routes if _is_simulated(each.destination))
            passed = time.perf_counter() - begin
            if found >= count:
                return passed
            if passed > _DEADLINE_S:
                raise TimeoutError(f"{found} of {count} routes after {_DEADLINE_S:g} s")
            await asyncio.sleep(_POLL_EVERY_S)


def _is_simulated(destination: object) -> bool:
    return isinstance(destination, IPv4Network) and destination.subnet_of(_CIDRS)


def _cidr(number: int) -> IPv4Network:
    start = _CIDRS.network_address + (number << (32 - _CIDR_PREFIX))
    return IPv4Network((start, _CIDR_PREFIX))


def _node(number: int) -> CiliumNode:
    address: IPv4Address = _NETWORK.network_address + 256 + number
    return CiliumNode(
        metadata=ObjectMeta(name=f"simulated-{number}"),
        spec=CiliumNodeSpec(
            addresses=(CiliumNodeAddress(type="InternalIP", ip=str(address)),),
            ipam=NodeIPAM(pod_cidrs=(str(_cidr(number)),)),
        ),
    )


@asynccontextmanager
async def _place(lab: Cluster) -> AsyncIterator[_Place]:
    """Put an agent of its own on the lab's node, and give the node an address on the others' network."""
    lab.withdraw_agents()
    lab.withdraw_operator()
    node = lab.nodes[0]
    own = f"{_NETWORK.network_address + 1}/{_NETWORK.prefixlen}"
    node.machine.run("ip", "address", "add", own, "dev", "eth1")
    client = ApiClient.from_kubeconfig(lab.directory / "kubeconfig")
    with own_start(lab, node) as start:
        async with Rtnetlink.open(node.machine.netns) as rtnl, client:
            yield _Place(lab, start.process, rtnl, client)


@dataclass(frozen=True, slots=True)
class _Arrival:
    """All nodes at once: seconds until the last route, MiB of the agent before and after."""

    seconds: float
    before_mib: float
    after_mib: float


async def _arrive(place: _Place) -> _Arrival:
    before, begin = place.rss_mib, time.perf_counter()
    numbers = iter(range(_NODES))

    async def write() -> None:
        for number in numbers:
            await place.client.create(CILIUM_NODES, _node(number))

    await spread(write, _WRITERS)
    await place.await_routes(_NODES)
    seconds = time.perf_counter() - begin
    await asyncio.sleep(_SETTLE_S)
    return _Arrival(seconds, before, place.rss_mib)


@dataclass(frozen=True, slots=True)
class _Flush:
    """A flush: until all routes stood again, and the agent's seconds of processor."""

    seconds: float
    cpu_s: float


async def _flush(place: _Place) -> _Flush:
    before = observe_cpu_s(place.agent)
    words = ("ip", "route", "flush", "root", str(_CIDRS), "proto", "kernel")
    await asyncio.to_thread(place.lab.nodes[0].machine.run, *words)
    seconds = await place.await_routes(_NODES)
    await asyncio.sleep(_SETTLE_S)
    return _Flush(seconds, observe_cpu_s(place.agent) - before)


@dataclass(frozen=True, slots=True)
class _Comers:
    """Nodes one by one: until the route of each stood, and what each cost the agent's processor."""

    seconds: tuple[float, ...]
    cpu_ms: float


async def _come(place: _Place) -> _Comers:
    idle = observe_cpu_s(place.agent)
    await asyncio.sleep(_IDLE_S)
    idle = (observe_cpu_s(place.agent) - idle) / _IDLE_S
    arrived: dict[object, float] = {}

    async def follow(monitor: Monitor) -> None:
        async for change in monitor:
            if change.route is not None and not change.removed:
                arrived.setdefault(change.route.destination, time.perf_counter())

    async with Monitor.open(place.netns) as monitor:
        following = asyncio.create_task(follow(monitor))
        before, begin = observe_cpu_s(place.agent), time.perf_counter()
        created = {}
        for number in range(_NODES, _NODES + _COMERS):
            await place.client.create(CILIUM_NODES, _node(number))
            created[_cidr(number)] = time.perf_counter()
            await asyncio.sleep(_PAUSE_S)
        await place.await_routes(_NODES + _COMERS)
        await asyncio.sleep(_SETTLE_S)
        used = observe_cpu_s(place.agent) - before - idle * (time.perf_counter() - begin)
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
    seconds = (arrived[cidr] - at for cidr, at in created.items())
    return _Comers(tuple(max(0.0, each) for each in seconds), used / _COMERS * 1e3)


async def _measure(lab: Cluster, options: Options) -> tuple[Measurement, ...]:
    async with _place(lab) as place:
        options.show(f"node_routes: {_NODES} nodes at once")
        arrival = await _arrive(place)
        options.show(f"node_routes: {options.rounds} times all routes taken away")
        flushes = [await _flush(place) for _round in range(options.rounds)]
        options.show(f"node_routes: {_COMERS} nodes one by one")
        comers = await _come(place)
        return _figures(arrival, flushes, comers)


def _figures(arrival: _Arrival, flushes: list[_Flush], comers: _Comers) -> tuple[Measurement, ...]:
    ordered = sorted(comers.seconds)
    p99 = ordered[len(ordered) * 99 // 100]
    growth = arrival.after_mib - arrival.before_mib
    return (
        Measurement(
            Metric(f"{_NODES} nodes created until all routes stand", "s", Better.LOWER),
            {"agent": (arrival.seconds,)},
        ),
        Measurement(
            Metric(f"agent RSS, {_NODES} nodes more", "MiB", Better.LOWER),
            {"growth": (growth,)},
            budgets=(Budget("growth", None, 30.0),),
        ),
        Measurement(
            Metric(f"{_NODES} routes taken away until all stand again", "s", Better.LOWER),
            {
                "passed": tuple(each.seconds for each in flushes),
                "processor": tuple(each.cpu_s for each in flushes),
            },
            budgets=(Budget("passed", None, 2.0),),
        ),
        Measurement(
            Metric("a node more: acknowledged until its route stands", "s", Better.LOWER),
            {"median": (ordered[len(ordered) // 2],), "p99": (p99,), "most": (ordered[-1],)},
            budgets=(Budget("p99", None, 0.3),),
        ),
        Measurement(
            Metric("a node more: agent's processor beyond idle", "ms", Better.LOWER),
            {"agent": (comers.cpu_ms,)},
            budgets=(Budget("agent", None, 5.0),),
        ),
    )


def measure(options: Options) -> Answer:
    """Measure all at once, then flushes, then nodes one by one."""
    if not options.ciliate:
        return Answer("node_routes", QUESTION, ())
    with cluster(nodes=1) as lab:
        figures = asyncio.run(_measure(lab, options))
    notes = (f"one node; {_NODES} further CiliumNodes, then {_COMERS} more every {_PAUSE_S:g} s",)
    return Answer("node_routes", QUESTION, figures, notes)
