"""What does it cost packets that somebody listens to their events?

Three labs with a pod on each of two nodes: nobody listens; a listener on each node, with
`monitor-aggregation: medium`; the same with `none`, where each packet is told twice. A listener takes
events as the agent gives them, and makes nothing of them: what it would cost to show them is the
reader's.
"""

import contextlib
import sys
from typing import Final

from benchmarks import traffic
from benchmarks.cluster import Cluster, cluster, pods_on_two_nodes
from benchmarks.machine import running
from benchmarks.options import Options
from benchmarks.pairing import Budget
from benchmarks.report import Answer
from benchmarks.topology import Route
from benchmarks.traffic import CRR_16, RR_16, STREAM, Load

QUESTION: Final = "what does it cost packets that somebody listens?"

#: docs/BENCHMARKS.md, "Budgets".
_MEDIUM: Final = {RR_16: 0.98, CRR_16: 0.94, STREAM: 0.98}
_NONE: Final = {RR_16: 0.90, CRR_16: 0.85}

_LISTEN: Final = """
import socket
s = socket.socket(socket.AF_UNIX)
s.connect("/var/run/cilium/monitor.sock")
s.sendall(b"{}\\n")
print("listening" if s.recv(65536) else "refused", flush=True)
while s.recv(1 << 20):
    pass
"""


def _budgets(load: Load) -> tuple[Budget, ...]:
    found = [Budget("medium", "nobody listens", _MEDIUM[load])]
    if load in _NONE:
        found.append(Budget("none", "nobody listens", _NONE[load]))
    return tuple(found)


def _listeners(stack: contextlib.ExitStack, lab: Cluster) -> None:
    """Listen on both nodes until the end."""
    for node in lab.nodes:
        command = [*node.inside(), sys.executable, "-S", "-c", _LISTEN]
        stack.enter_context(running(command, ready="listening"))


def _routes(stack: contextlib.ExitStack) -> dict[str, Route]:
    routes = {}
    for name, level in (("nobody listens", "medium"), ("medium", "medium"), ("none", "none")):
        settings = [f"bpf.monitorAggregation={level}"]
        lab = stack.enter_context(cluster(nodes=2, settings=settings))
        routes[name] = pods_on_two_nodes(lab).between_pods
        if name != "nobody listens":
            _listeners(stack, lab)
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
