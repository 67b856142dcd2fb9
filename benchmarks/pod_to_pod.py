"""How fast are pods of two nodes by native routing, beside the nodes themselves and beside ptp?

Client and server are the same programs everywhere; only the way between them differs: node to node
without any pod network (`host`), pods of a real lab (`ciliate`), pods by ptp with the kernel's
routing between the nodes (`ptp`), and the same with the connection tracking that ipMasq brings
(`ptp ipMasq`). Each has nodes of its own on a bridge of its own.
"""

import contextlib
from typing import Final

from benchmarks import traffic
from benchmarks.cluster import cluster, pods_on_two_nodes
from benchmarks.options import Options
from benchmarks.pairing import Budget
from benchmarks.reference import reference_pods
from benchmarks.report import Answer
from benchmarks.topology import Route, fresh_ground
from benchmarks.traffic import CRR_16, RR_16, STREAM, Load

QUESTION: Final = "how fast are pods of two nodes, by native routing?"

#: docs/BENCHMARKS.md, "Budgets"; none on one connection.
_OF_HOST: Final = {STREAM: 0.95, RR_16: 0.82, CRR_16: 0.80}


def _budgets(load: Load) -> tuple[Budget, ...]:
    """Return the limits for `load`: a share of the host's rate, and ahead of ptp."""
    if load not in _OF_HOST:
        return ()
    return (Budget("ciliate", "host", _OF_HOST[load]), Budget("ciliate", "ptp", 1.0))


def _routes(stack: contextlib.ExitStack, options: Options) -> dict[str, Route]:
    """Make every candidate's machines and return the way between its two ends."""
    routes = {"host": stack.enter_context(fresh_ground()).between_nodes}
    if options.ciliate:
        lab = stack.enter_context(cluster(nodes=2))
        routes["ciliate"] = pods_on_two_nodes(lab).between_pods
    routes["ptp"] = stack.enter_context(reference_pods(ip_masq=False)).between_pods
    routes["ptp ipMasq"] = stack.enter_context(reference_pods(ip_masq=True)).between_pods
    return routes


def measure(options: Options) -> Answer:
    """Measure every load on every way."""
    with contextlib.ExitStack() as stack:
        measurements = traffic.compare(
            "pod_to_pod",
            _routes(stack, options),
            options,
            baselines=("host", "ptp"),
            budgets=_budgets,
        )
    return Answer("pod_to_pod", QUESTION, measurements, traffic.NOTES)
