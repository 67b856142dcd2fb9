"""How fast does a pod reach a machine outside the cluster, masqueraded?

The machine is the router on the nodes' own network, which is no node. `ciliate` translates in eBPF,
`ptp ipMasq` by iptables' MASQUERADE, `host` is the node itself and translates nothing; so does
`ptp`, whose pods the router was given routes to: what routing alone costs.
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
from benchmarks.traffic import CRR_16, Load

QUESTION: Final = "how fast does a pod reach the world, masqueraded?"


def _budgets(load: Load) -> tuple[Budget, ...]:
    """Return the limit for `load` (docs/BENCHMARKS.md, "Budgets": CRR at 16 alone has one)."""
    return (Budget("ciliate", "ptp ipMasq", 1.2),) if load is CRR_16 else ()


def _routes(stack: contextlib.ExitStack, options: Options) -> dict[str, Route]:
    """Make every candidate's machines and return the way from its pod to the router."""
    routes = {"host": stack.enter_context(fresh_ground()).to_world}
    if options.ciliate:
        lab = stack.enter_context(cluster(nodes=2))
        routes["ciliate"] = pods_on_two_nodes(lab).to_world
    routes["ptp"] = stack.enter_context(reference_pods(ip_masq=False)).to_world
    routes["ptp ipMasq"] = stack.enter_context(reference_pods(ip_masq=True)).to_world
    return routes


def measure(options: Options) -> Answer:
    """Measure every load on every way."""
    with contextlib.ExitStack() as stack:
        measurements = traffic.compare(
            "pod_to_world",
            _routes(stack, options),
            options,
            baselines=("host", "ptp ipMasq"),
            budgets=_budgets,
        )
    return Answer("pod_to_world", QUESTION, measurements, traffic.NOTES)
