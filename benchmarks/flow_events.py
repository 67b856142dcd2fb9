"""What does it cost packets that somebody listens to their events?

Three labs with a pod on each of two nodes: nobody listens, since Hubble is off; flows are kept on each
node, with `monitor-aggregation: medium`; the same with `none`, where each packet is told twice. The
flow server takes all events, and nobody asks it for them: what it would cost to show them is the
reader's.
"""

import contextlib
from typing import Final

from benchmarks import traffic
from benchmarks.cluster import cluster, pods_on_two_nodes
from benchmarks.options import Options
from benchmarks.pairing import Budget
from benchmarks.report import Answer
from benchmarks.topology import Route
from benchmarks.traffic import CRR_16, RR_16, STREAM, Load

QUESTION: Final = "what does it cost packets that somebody listens?"

#: docs/BENCHMARKS.md, "Budgets".
_MEDIUM: Final = {RR_16: 0.98, CRR_16: 0.94, STREAM: 0.98}
_NONE: Final = {RR_16: 0.90, CRR_16: 0.85}


def _budgets(load: Load) -> tuple[Budget, ...]:
    found = [Budget("medium", "nobody listens", _MEDIUM[load])]
    if load in _NONE:
        found.append(Budget("none", "nobody listens", _NONE[load]))
    return tuple(found)


def _routes(stack: contextlib.ExitStack) -> dict[str, Route]:
    routes = {}
    for name, level in (("nobody listens", "medium"), ("medium", "medium"), ("none", "none")):
        is_on = str(name != "nobody listens").lower()
        settings = [f"bpf.monitorAggregation={level}", f"hubble.enabled={is_on}"]
        lab = stack.enter_context(cluster(nodes=2, settings=settings))
        routes[name] = pods_on_two_nodes(lab).between_pods
    return routes


def measure(options: Options) -> Answer:
    """Measure the loads on every lab."""
    if not options.ciliate:
        return Answer("flow_events", QUESTION, ())
    with contextlib.ExitStack() as stack:
        measurements = traffic.compare(
            "flow_events",
            _routes(stack),
            options,
            baselines=("nobody listens",),
            budgets=_budgets,
            loads=(RR_16, CRR_16, STREAM),
        )
    return Answer("flow_events", QUESTION, measurements, traffic.NOTES)
