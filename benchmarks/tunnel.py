"""How fast are pods of two nodes through the tunnel, beside the nodes themselves and the kernel's own?

Client and server are the same programs everywhere; only the way between them differs: node to node
without any pod network (`host`), pods of a real lab with `routing-mode: tunnel` (`ciliate`, and the
same where nobody listens to flows, `no Hubble`), and pods by ptp whose nodes route to each other
through a vxlan device of the kernel's (`ptp vxlan`). Each has nodes of its own on a bridge of its own.
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

QUESTION: Final = "how fast are pods of two nodes, through a VXLAN tunnel?"

_SETTINGS: Final = ("routingMode=tunnel", "autoDirectNodeRoutes=false")

#: The others tell nobody of packets: without Hubble the ways alone differ.
_LABS: Final = {"ciliate": _SETTINGS, "no Hubble": (*_SETTINGS, "hubble.enabled=false")}

#: docs/BENCHMARKS.md, "Budgets"; none on one connection.
_OF_HOST: Final = {STREAM: 0.60, RR_16: 0.58, CRR_16: 0.62}


def _budgets(load: Load) -> tuple[Budget, ...]:
    """Return the limits for `load`: a share of the host's rate, and ahead of the kernel's tunnel."""
    if load not in _OF_HOST:
        return ()
    return (Budget("ciliate", "host", _OF_HOST[load]), Budget("ciliate", "ptp vxlan", 1.0))


def _routes(stack: contextlib.ExitStack, options: Options) -> dict[str, Route]:
    """Make every candidate's machines and return the way between its two ends."""
    routes = {"host": stack.enter_context(fresh_ground()).between_nodes}
    if options.ciliate:
        for name, settings in _LABS.items():
            lab = stack.enter_context(cluster(nodes=2, settings=settings))
            routes[name] = pods_on_two_nodes(lab).between_pods
    routes["ptp vxlan"] = stack.enter_context(
        reference_pods(ip_masq=False, tunnel=True)
    ).between_pods
    return routes


def measure(options: Options) -> Answer:
    """Measure every load on every way."""
    with contextlib.ExitStack() as stack:
        measurements = traffic.compare(
            "tunnel",
            _routes(stack, options),
            options,
            baselines=("host", "ptp vxlan"),
            budgets=_budgets,
        )
    return Answer("tunnel", QUESTION, measurements, traffic.NOTES)
