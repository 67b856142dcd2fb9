"""How long does the CNI plugin take to add and to delete a pod, beside ptp?

Timed from exec to exit, as a runtime waits for it, by `benchmarks.invocation`: one call at a time,
then eight at a time, of which also follows how many pods a second a node can start by CNI. The
agent is warm. `true` is /bin/true in the plugin's place: the harness's own share of each number.

Our DEL answers when the pod is out of the datapath's maps; its interface goes in the background
and takes its share of the processors from the sample that follows.
"""

import contextlib
import itertools
import json
import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks import reference
from benchmarks.cluster import cluster
from benchmarks.invocation import Order, Times, perform
from benchmarks.options import Options
from benchmarks.pairing import Better, Budget, Candidate, Measurement, Metric, interleave
from benchmarks.report import Answer
from benchmarks.topology import fresh_ground

QUESTION: Final = "how long does CNI take to add and to delete a pod, from exec to exit?"

#: Pods per sample; a sample of latency is their median.
_PODS: Final = 24

_BASELINES: Final = ("ptp", "ptp ipMasq")


@dataclass(frozen=True, slots=True)
class _Figure:
    """One metric out of a sample: how many calls at a time it belongs to, how it is computed."""

    metric: Metric
    parallel: int
    value: Callable[[Times], float]
    budgets: tuple[Budget, ...] = ()


def _median_ms(durations_s: tuple[float, ...]) -> float:
    return statistics.median(durations_s) * 1e3


#: docs/BENCHMARKS.md, "Budgets", says where the numbers come from.
_FIGURES: Final = (
    _Figure(
        Metric("ADD, 1 at a time", "ms", Better.LOWER),
        1,
        lambda times: _median_ms(times.add_s),
        (Budget("ciliate", "ptp", 0.45),),
    ),
    _Figure(
        Metric("DEL, 1 at a time", "ms", Better.LOWER),
        1,
        lambda times: _median_ms(times.delete_s),
    ),
    _Figure(
        Metric("ADD, 8 at a time", "ms", Better.LOWER),
        8,
        lambda times: _median_ms(times.add_s),
    ),
    _Figure(
        Metric("DEL, 8 at a time", "ms", Better.LOWER),
        8,
        lambda times: _median_ms(times.delete_s),
    ),
    _Figure(
        Metric("pods added, 8 at a time", "1/s", Better.HIGHER),
        8,
        lambda times: len(times.add_s) / times.add_total_s,
        (Budget("ciliate", None, 250.0),),
    ),
    _Figure(
        Metric("pods deleted, 8 at a time", "1/s", Better.HIGHER),
        8,
        lambda times: len(times.delete_s) / times.delete_total_s,
    ),
)

#: Makes container ids that never come twice: a number for each sample.
_NUMBERS: Final = itertools.count()


def _reference_order(parallel: int, *, ip_masq: bool, state_directory: str) -> Order:
    """Return the calls of `ptp` for one sample."""
    return Order(
        program=f"{reference.PLUGIN_DIRECTORY}/ptp",
        configuration=reference.configuration(0, ip_masq=ip_masq, state_directory=state_directory),
        environment=reference.environment("", container="", netns=""),
        container_prefix=f"bench-{os.getpid()}-{next(_NUMBERS)}-",
        pods=_PODS,
        parallel=parallel,
    )


def _true_order(parallel: int) -> Order:
    """Return calls of a program that does nothing."""
    return Order("/bin/true", json.dumps({}), {}, "true", _PODS, parallel)


def _candidates(
    stack: contextlib.ExitStack, options: Options, parallel: int
) -> list[Candidate[Times]]:
    """Make every candidate's node; return the candidates for `parallel` calls at a time."""
    ground = stack.enter_context(fresh_ground())
    inside = ground.nodes[0].command([])
    found = [Candidate("true", lambda: perform(_true_order(parallel), inside))]
    if options.ciliate:
        lab = stack.enter_context(cluster(nodes=1))
        lab.prepare_orders(_PODS)
        found.append(
            Candidate(
                "ciliate",
                lambda: perform(
                    lab.order(
                        container_prefix=f"bench{next(_NUMBERS)}", pods=_PODS, parallel=parallel
                    ),
                    lab.nodes[0].inside(),
                ),
            )
        )
    for name, ip_masq in (("ptp", False), ("ptp ipMasq", True)):
        found.append(_reference_candidate(stack, name, parallel, ip_masq=ip_masq))
    return found


def _reference_candidate(
    stack: contextlib.ExitStack, name: str, parallel: int, *, ip_masq: bool
) -> Candidate[Times]:
    """Return the candidate `name`, on a node of its own."""
    inside = stack.enter_context(fresh_ground()).nodes[0].command([])
    state = stack.enter_context(reference.state_directory())

    def sample() -> Times:
        order = _reference_order(parallel, ip_masq=ip_masq, state_directory=state)
        return perform(order, inside)

    return Candidate(name, sample)


def measure(options: Options) -> Answer:
    """Measure one call at a time, then eight."""
    taken: dict[int, dict[str, tuple[Times, ...]]] = {}
    for parallel in (1, 8):
        options.show(f"cni_latency: {parallel} at a time")
        with contextlib.ExitStack() as stack:
            candidates = _candidates(stack, options, parallel)
            taken[parallel] = interleave(candidates, rounds=options.rounds)
    measurements = []
    for figure in _FIGURES:
        samples = {
            name: tuple(figure.value(times) for times in all_times)
            for name, all_times in taken[figure.parallel].items()
        }
        measurements.append(Measurement(figure.metric, samples, _BASELINES, figure.budgets))
    notes = (
        f"a sample is the median of {_PODS} calls; `true` is the harness's own share",
        "ciliate's DEL answers before the interface is gone, ptp's after",
    )
    return Answer("cni_latency", QUESTION, tuple(measurements), notes)
