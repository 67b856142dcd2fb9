"""What do many Services cost an agent: its start, its memory, and a change of one endpoint?

Two labs of one node: one with its own Services alone, one with 10,000 more of ten endpoints each.
Agents have interpreters of their own and take turns. At a `first start` the node's maps and programs
are gone before, so that all is written; at a `restart` the agent takes over what stands. A start has
ended when CNI is served and every frontend is in the map.

Then one endpoint after the other changes in the full lab: another address, gone, back again. Each is
timed from the API server's answer until the agent's maps have it, and looked for about each half
millisecond. How many entries the agent writes for each, strace counts, in changes that are not timed.
"""

import asyncio
import contextlib
import random
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.agent_process import Memory, ProcessId, Start, observe_memory, own_start
from benchmarks.cluster import Cluster, cluster
from benchmarks.machine import run
from benchmarks.options import Options
from benchmarks.pairing import Better, Budget, Candidate, Measurement, Metric, interleave
from benchmarks.report import Answer
from benchmarks.service_maps import ServiceMaps, await_frontends, open_service_maps
from benchmarks.service_objects import (
    MAPS_SETTING,
    NAMESPACE,
    ServedService,
    create_services,
    simulated,
)

from ciliate.api.endpoint_slice import ENDPOINT_SLICES
from ciliate.errors import CiliateError
from ciliate.kube.client import ApiClient

QUESTION: Final = "what do many Services cost an agent?"

#: Of a simulated Service: its address and port, and all its other ports.
_FRONTENDS_A_SERVICE: Final = 2

#: Changes that are timed, and those whose writes are counted, of each kind.
_CHANGES: Final = 100
_COUNTED: Final = 10

#: Between changes, at most, so that they meet the agent's settle time anywhere; and between looks.
_PAUSE_MAX_S: Final = 0.05
_POLL_EVERY_S: Final = 0.0005
_ARRIVAL_TIMEOUT_S: Final = 30.0

#: Before the last call that a change caused has been counted.
_SETTLE_S: Final = 0.3

_KINDS: Final = ("another address", "gone", "back")

_WRITE: Final = re.compile(r"BPF_MAP_(?:UPDATE|DELETE)_(?:ELEM|BATCH)(?:.*?count=(\d+))?")


class NotArrivedError(CiliateError):
    """A change does not arrive in the maps."""

    def __init__(self, service: ServedService) -> None:
        super().__init__(f"{service.name} is not as it should be after {_ARRIVAL_TIMEOUT_S:g} s")


@dataclass(frozen=True, slots=True)
class _Full:
    """A start of an agent until all Services are served; memory then."""

    served_s: float
    memory: Memory


@dataclass(frozen=True, slots=True)
class _Place:
    """A lab of one node, and how many frontends its agent is to have."""

    lab: Cluster
    frontends: int

    def start(self, *, first: bool) -> _Full:
        """Start an agent and end it; `first`: on a node that never had one."""
        if first:
            self._forget()
        with own_start(self.lab, self.lab.nodes[0]) as start:
            return self._served(start)

    def _served(self, start: Start) -> _Full:
        began = time.perf_counter()
        with open_service_maps(start.process) as maps:
            await_frontends(maps, self.frontends)
        late_s = time.perf_counter() - began
        return _Full(start.ready_s + late_s, observe_memory(start.process))

    def _forget(self) -> None:
        """Remove what the last agent pinned."""
        gone = "rm -rf /sys/fs/bpf/tc/globals/* /sys/fs/bpf/ciliate/programs/*"
        run([*self.lab.nodes[0].inside(), "sh", "-c", gone])


@contextlib.contextmanager
def _place(services: Sequence[ServedService]) -> Iterator[_Place]:
    """Bring up a lab with these Services beside its own, and stop the lab's agents."""
    with cluster(nodes=1, settings=(MAPS_SETTING,)) as lab:
        lab.withdraw_agents()
        lab.withdraw_operator()
        with own_start(lab, lab.nodes[0]) as start, open_service_maps(start.process) as maps:
            known = maps.frontends.count()
        create_services(lab.directory / "kubeconfig", services)
        yield _Place(lab, known + _FRONTENDS_A_SERVICE * len(services))


def _starts(empty: _Place, full: _Place, options: Options) -> Mapping[str, tuple[_Full, ...]]:
    options.show("service_agent: starts")
    places = {"without": empty, "with": full}
    candidates = [
        Candidate(f"{name}, {kind}", lambda p=place, f=first: p.start(first=f))  # type: ignore[misc] # its own.
        for name, place in places.items()
        for kind, first in (("first start", True), ("restart", False))
    ]
    return interleave(candidates, rounds=options.rounds)


class _Changes:
    """Makes changes of endpoints, one after the other, and waits for each in the maps."""

    def __init__(
        self, client: ApiClient, maps: ServiceMaps, services: list[ServedService]
    ) -> None:
        self._client = client
        self._maps = maps
        self._services = services
        self._fresh = 0

    async def make(self, count: int) -> dict[str, list[float]]:
        """Make `count` changes of each kind; return the seconds until each had arrived."""
        taken: dict[str, list[float]] = {kind: [] for kind in _KINDS}
        for _number in range(count):
            at = random.randrange(len(self._services))
            for kind in _KINDS:
                before = self._services[at]
                taken[kind].append(await self._change(at, self._changed(before, kind)))
                await asyncio.sleep(random.uniform(0, _PAUSE_MAX_S))
        return taken

    def _changed(self, service: ServedService, kind: str) -> ServedService:
        endpoints = [*service.endpoints]
        if kind == "gone":
            endpoints.pop(random.randrange(len(endpoints)))
            return replace(service, endpoints=tuple(endpoints))
        self._fresh += 1
        fresh = (f"10.192.{self._fresh >> 8}.{self._fresh & 255}", endpoints[0][1])
        if kind == "back":
            return replace(service, endpoints=(*endpoints, fresh))
        endpoints[random.randrange(len(endpoints))] = fresh
        return replace(service, endpoints=tuple(endpoints))

    async def _change(self, at: int, changed: ServedService) -> float:
        """Write a Service's slice and wait until the maps have it."""
        (wanted,) = changed.slices()
        number = self._maps.set_of(changed.address, changed.port)
        assert number is not None, "it is served"
        patch = {"endpoints": wanted.endpoints}
        await self._client.patch(ENDPOINT_SLICES, wanted.metadata.name, patch, namespace=NAMESPACE)
        acknowledged = time.perf_counter()
        self._await(number, changed)
        self._services[at] = changed
        return time.perf_counter() - acknowledged

    def _await(self, number: int, changed: ServedService) -> None:
        """Wait until the maps have a Service's endpoints; nothing else of this process is to run."""
        deadline = time.perf_counter() + _ARRIVAL_TIMEOUT_S
        while not self._maps.are(number, changed.endpoints):
            if time.perf_counter() > deadline:
                raise NotArrivedError(changed)
            time.sleep(_POLL_EVERY_S)


@dataclass(frozen=True, slots=True)
class _Arrivals:
    """Seconds until changes had arrived, by kind; entries written for one, the mean of all kinds."""

    seconds: Mapping[str, list[float]]
    writes: float


async def _change(kubeconfig: Path, agent: ProcessId, services: list[ServedService]) -> _Arrivals:
    with open_service_maps(agent) as maps:
        async with ApiClient.from_kubeconfig(kubeconfig) as client:
            changes = _Changes(client, maps, services)
            await changes.make(1)  # What is slow only the first time.
            seconds = await changes.make(_CHANGES)
            with _counting(agent) as writes:
                await changes.make(_COUNTED)
                await asyncio.sleep(_SETTLE_S)
    return _Arrivals(seconds, len(writes) / (_COUNTED * len(_KINDS)))


@contextlib.contextmanager
def _counting(agent: ProcessId) -> Iterator[list[str]]:
    """Count meanwhile which entries of maps the agent writes: one line each, at the end."""
    writes: list[str] = []
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as log:
        command = ["strace", "--follow-forks", "--trace=bpf", f"--output={log.name}"]
        with subprocess.Popen([*command, f"--attach={agent}"], stderr=subprocess.PIPE) as tracer:
            assert tracer.stderr is not None
            tracer.stderr.readline()  # It is attached.
            yield writes
            tracer.terminate()
        for line in log:
            if (found := _WRITE.search(line)) is not None:
                writes.extend([line] * int(found[1] or 1))


def _figures(
    starts: Mapping[str, tuple[_Full, ...]], arrivals: _Arrivals
) -> Iterator[Measurement]:
    seconds = {name: tuple(each.served_s for each in taken) for name, taken in starts.items()}
    rss = {
        name: tuple(each.memory.rss_kib / 1024 for each in taken) for name, taken in starts.items()
    }
    for name, unit, samples, limit in (
        ("start until all are served", "s", seconds, 3.0),
        ("RSS then", "MiB", rss, 50.0),
    ):
        yield Measurement(Metric(name, unit, Better.LOWER), samples)
        more = {
            kind: tuple(
                full - empty
                for empty, full in zip(
                    samples[f"without, {kind}"], samples[f"with, {kind}"], strict=True
                )
            )
            for kind in ("first start", "restart")
        }
        budgets = tuple(Budget(kind, None, limit) for kind in more)
        metric = Metric(f"{name}: more than without", unit, Better.LOWER)
        yield Measurement(metric, more, budgets=budgets)
    every = sorted(each for taken in arrivals.seconds.values() for each in taken)
    milliseconds = {
        **{kind: tuple(each * 1e3 for each in taken) for kind, taken in arrivals.seconds.items()},
        "p99 of all": (every[len(every) * 99 // 100] * 1e3,),
    }
    yield Measurement(
        Metric("endpoint changed until in the maps", "ms", Better.LOWER),
        milliseconds,
        budgets=(Budget("p99 of all", None, 50.0),),
    )
    yield Measurement(
        Metric("entries written a change", "entries", Better.LOWER),
        {"mean of the three kinds": (arrivals.writes,)},
        budgets=(Budget("mean of the three kinds", None, 2.0),),
    )


def measure(options: Options) -> Answer:
    """Measure starts in turns, then changes."""
    if not options.ciliate:
        return Answer("service_agent", QUESTION, ())
    services = simulated(options.services)
    with _place(()) as empty, _place(services) as full:
        starts = _starts(empty, full, options)
        options.show("service_agent: changes of endpoints")
        with own_start(full.lab, full.lab.nodes[0]) as start:
            kubeconfig = full.lab.directory / "kubeconfig"
            arrivals = asyncio.run(_change(kubeconfig, start.process, services))
    notes = (
        f"{options.services:,} Services of 10 endpoints; the maps hold 262,144 entries each",
        f"{_CHANGES} changes of each kind, one at a time; {len(_KINDS) * _COUNTED} counted",
    )
    return Answer("service_agent", QUESTION, tuple(_figures(starts, arrivals)), notes)
