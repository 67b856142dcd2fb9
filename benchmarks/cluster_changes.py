"""What do pods of other nodes cost an agent, when they are many and change all the time?

Two labs of one node each: one is the whole cluster, in the other an agent hears of 60 further nodes
and their pods, which only the API server knows. Agents have interpreters of their own, as on a real
node; operators are stopped, since they would delete CiliumEndpoints without a pod.

First the pods change, a hundred times a second, while nothing else happens: the agent's share of a
processor beyond what it takes when idle, and how long after the API server's answer each change is
in the agent's ipcache. Then CNI ADDs of both labs take turns, with changes and without. Beside an
empty cluster the other's changes run too: what the simulation takes of the machine is in both.
"""

import contextlib
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.agent_process import (
    ProcessId,
    observe_cpu_s,
    observe_memory,
    own_start,
    processes_titled,
)
from benchmarks.change_stream import Changes, Stream, stream
from benchmarks.cluster import Cluster, cluster
from benchmarks.invocation import perform
from benchmarks.ipcache_map import await_entries, open_ipcache
from benchmarks.options import Options
from benchmarks.pairing import Better, Budget, Candidate, Measurement, Metric, interleave
from benchmarks.report import Answer, busy_s
from benchmarks.simulated_pods import NODES, SimulatedPod, create_all, identities, nodes

from ciliate.api.cilium_endpoint import CILIUM_ENDPOINTS
from ciliate.api.cilium_identity import CILIUM_IDENTITIES
from ciliate.api.cilium_node import CILIUM_NODES

QUESTION: Final = "what do pods of other nodes cost an agent, when they are many and change?"

#: Changes a second, for how many seconds, and how often; before the first, how long it idles.
_RATE: Final = 100
_RUN_S: Final = 20.0
_RUNS: Final = 3
_IDLE_S: Final = 10.0

#: Before a run, and before a sample beside changes: what is slow only the first time is over.
_WARM_UP_S: Final = 0.5

#: CNI ADDs a sample, and for how many seconds after them the agent's work is still theirs.
_ADDED_PODS: Final = 48
_SETTLE_S: Final = 0.4

#: Makes container ids that never come twice: a number for each sample.
_NUMBERS: Final = itertools.count()


@dataclass(frozen=True, slots=True)
class _Place:
    """A lab of one node and its agent."""

    lab: Cluster
    agent: ProcessId

    @property
    def kubeconfig(self) -> Path:
        """How to reach the lab's API server from here."""
        return self.lab.directory / "kubeconfig"

    @property
    def rss_mib(self) -> float:
        """Resident memory of the agent now."""
        return observe_memory(self.agent).rss_kib / 1024

    def add(self) -> "_Adds":
        """Add pods by CNI, one after the other, and delete them."""
        prefix = f"bench{next(_NUMBERS)}"
        order = self.lab.order(container_prefix=prefix, pods=_ADDED_PODS, parallel=1)
        before = observe_cpu_s(self.agent)
        times = perform(order, self.lab.nodes[0].inside())
        time.sleep(_SETTLE_S)
        return _Adds(
            median_ms=statistics.median(times.add_s) * 1e3,
            mean_ms=statistics.mean(times.add_s) * 1e3,
            cpu_ms=(observe_cpu_s(self.agent) - before) / _ADDED_PODS * 1e3,
        )


@dataclass(frozen=True, slots=True)
class _Adds:
    """What an ADD took; `cpu_ms` is the agent's time of processor, with the DEL and all else."""

    median_ms: float
    mean_ms: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class _Usage:
    """Seconds of processor that each has used, as counters stand: what lies between two counts."""

    agent: float
    api_server: float
    simulation: float
    all: float  # Of all processes, in all processors.

    def since(self, before: "_Usage", *, idle: float, elapsed_s: float) -> dict[str, float]:
        """Return percents of one processor, over a run; `idle` is the agent's share without one.

        What is left to do after the last write belongs to the run, whose length it does not change.
        """
        agent = self.agent - before.agent
        api_server = self.api_server - before.api_server
        simulation = self.simulation - before.simulation
        others = self.all - before.all - agent - api_server - simulation
        return {
            "agent": (agent - idle * elapsed_s) / _RUN_S * 100,
            "API server": api_server / elapsed_s * 100,
            "simulation": simulation / elapsed_s * 100,
            "others": others / elapsed_s * 100,
        }


@dataclass(frozen=True, slots=True)
class _Run:
    """Some seconds of changes: what became of them, and percents of one processor by process."""

    changes: Changes
    percents: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Growth:
    """An agent's memory in MiB before it heard of the first pod, and after the last."""

    before_mib: float
    after_mib: float


@contextlib.contextmanager
def _place() -> Iterator[_Place]:
    """Bring up a lab without operator, whose agent has an interpreter of its own."""
    with cluster(nodes=1) as lab:
        lab.prepare_orders(_ADDED_PODS)
        lab.withdraw_agents()
        lab.withdraw_operator()
        with own_start(lab, lab.nodes[0]) as start:
            yield _Place(lab, start.process)


def _populate(place: _Place, pods: int) -> _Growth:
    """Create nodes and pods, and wait until the agent has them in its ipcache."""
    with open_ipcache(place.agent) as ipcache:
        create_all(place.kubeconfig, CILIUM_IDENTITIES, identities())
        known = ipcache.count()
        create_all(place.kubeconfig, CILIUM_NODES, nodes())
        known += 2 * NODES  # Address and CIDR of each.
        await_entries(ipcache, known)
        before_mib = place.rss_mib
        endpoints = (SimulatedPod.initial(number).endpoint() for number in range(pods))
        create_all(place.kubeconfig, CILIUM_ENDPOINTS, endpoints)
        await_entries(ipcache, known + pods)
        return _Growth(before_mib, place.rss_mib)


def _usage(place: _Place, source: Stream) -> _Usage:
    (api_server,) = processes_titled(f"ciliate apiserver --name {place.lab.name}")
    return _Usage(
        agent=observe_cpu_s(place.agent),
        api_server=observe_cpu_s(api_server),
        simulation=observe_cpu_s(source.process),
        all=busy_s(),
    )


def _run(place: _Place, source: Stream, *, idle: float) -> _Run:
    """Have pods change for some seconds, and wait for the last change to arrive."""
    before, begin = _usage(place, source), time.perf_counter()
    source.start()
    time.sleep(_RUN_S)
    changes = source.stop()
    elapsed_s = time.perf_counter() - begin
    percents = _usage(place, source).since(before, idle=idle, elapsed_s=elapsed_s)
    return _Run(changes, percents)


def _change(place: _Place, source: Stream, options: Options) -> tuple[_Run, ...]:
    """Measure the agent when idle, then change pods again and again."""
    with _changing(source):
        pass
    options.show(f"cluster_changes: {_IDLE_S:g} s without changes")
    before = observe_cpu_s(place.agent)
    time.sleep(_IDLE_S)
    idle = (observe_cpu_s(place.agent) - before) / _IDLE_S
    options.show(f"cluster_changes: {_RATE} changes a second, {_RUNS} times {_RUN_S:g} s")
    return tuple(_run(place, source, idle=idle) for _number in range(_RUNS))


@contextlib.contextmanager
def _changing(source: Stream) -> Iterator[None]:
    """Have pods change meanwhile; at the end every change has arrived."""
    source.start()
    time.sleep(_WARM_UP_S)
    yield
    source.stop()


def _add_in_turns(
    empty: _Place, full: _Place, source: Stream, options: Options
) -> dict[str, tuple[_Adds, ...]]:
    """Add pods in both labs, with changes and without."""

    def beside_changes(place: _Place) -> _Adds:
        with _changing(source):
            return place.add()

    options.show("cluster_changes: CNI ADD")
    candidates = [
        Candidate("empty", empty.add),
        Candidate("full", full.add),
        Candidate("empty, changes", lambda: beside_changes(empty)),
        Candidate("full, changes", lambda: beside_changes(full)),
    ]
    return interleave(candidates, rounds=options.rounds)


def _figures_of_changes(runs: tuple[_Run, ...]) -> Iterator[Measurement]:
    """Yield what the runs cost and how fast changes arrived."""
    agent = Metric(f"agent, {_RATE} changes a second, beyond idle", "% of a core", Better.LOWER)
    shares = {name: tuple(run.percents[name] for run in runs) for name in runs[0].percents}
    budget = Budget("agent", None, 5.0)
    yield Measurement(agent, {"agent": shares.pop("agent")}, budgets=(budget,))
    yield Measurement(Metric("meanwhile", "% of a core", Better.LOWER), shares)
    rate = Metric("changes acknowledged", "1/s", Better.HIGHER)
    yield Measurement(rate, {"API server": tuple(run.changes.rate for run in runs)})
    arrivals = [sorted(run.changes.arrival_s) for run in runs]
    parts: dict[str, Callable[[list[float]], float]] = {
        "median": statistics.median,
        "p99": lambda sorted_s: sorted_s[len(sorted_s) * 99 // 100],
        "most": max,
    }
    yield Measurement(
        Metric("change acknowledged until in the ipcache", "s", Better.LOWER),
        {name: tuple(map(part, arrivals)) for name, part in parts.items()},
        budgets=(Budget("p99", None, 0.3),),
    )
    gaps = tuple(sorted(run.changes.poll_gaps_s) for run in runs)
    yield Measurement(
        Metric("between looks at the ipcache, p99", "ms", Better.LOWER),
        {"simulation": tuple(gap[len(gap) * 99 // 100] * 1e3 for gap in gaps)},
    )


def _figures_of_adds(adds: Mapping[str, tuple[_Adds, ...]]) -> Iterator[Measurement]:
    """Yield what an ADD takes beside an empty cluster's: waiting for it, and of the agent.

    A pass over all pods that some ADDs have to wait for shows in the mean, not in the median.
    """
    baselines = ("empty", "empty, changes")
    budgets = (Budget("full", "empty", 1.25), Budget("full, changes", "empty, changes", 1.25))
    medians = {name: tuple(add.median_ms for add in taken) for name, taken in adds.items()}
    means = {name: tuple(add.mean_ms for add in taken) for name, taken in adds.items()}
    title = f"CNI ADD, {{}} of {_ADDED_PODS}"
    yield Measurement(
        Metric(title.format("median"), "ms", Better.LOWER), medians, baselines, budgets
    )
    yield Measurement(Metric(title.format("mean"), "ms", Better.LOWER), means, baselines, budgets)
    # Beside changes the agent's time is the changes' as well.
    alone = {name: tuple(add.cpu_ms for add in adds[name]) for name in ("empty", "full")}
    metric = Metric("agent's processor time, an ADD and its DEL", "ms", Better.LOWER)
    yield Measurement(metric, alone, baselines[:1], budgets[:1])


def _figures(
    pods: int, growth: _Growth, runs: tuple[_Run, ...], adds: Mapping[str, tuple[_Adds, ...]]
) -> tuple[Measurement, ...]:
    rss = {"0 pods": (growth.before_mib,), f"{pods} pods": (growth.after_mib,)}
    per_pod_kib = (growth.after_mib - growth.before_mib) * 1024 / pods
    return (
        *_figures_of_changes(runs),
        *_figures_of_adds(adds),
        Measurement(Metric("agent RSS", "MiB", Better.LOWER), rss),
        Measurement(Metric("RSS per pod", "KiB", Better.LOWER), {"agent": (per_pod_kib,)}),
    )


def measure(options: Options) -> Answer:
    """Measure changes alone, then CNI ADDs in turns."""
    if not options.ciliate:
        return Answer("cluster_changes", QUESTION, ())
    with _place() as empty, _place() as full:
        options.show(f"cluster_changes: {options.pods} pods")
        growth = _populate(full, options.pods)
        with stream(full.kubeconfig, full.agent, pods=options.pods, rate=_RATE) as source:
            runs = _change(full, source, options)
            adds = _add_in_turns(empty, full, source, options)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    notes = (
        f"full: {options.pods} pods of {NODES} simulated nodes; empty: none but the node's own",
        f"half of the changes are of an identity, a quarter each delete and create; {_RUN_S:g} s",
        f"others: all that is neither agent, API server nor simulation; load after: {load}",
    )
    return Answer("cluster_changes", QUESTION, _figures(options.pods, growth, runs, adds), notes)
