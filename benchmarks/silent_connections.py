"""Does an agent serve CNI as before while thousands of connections to it say nothing?

Two labs of one node take turns: one left alone, one where a process on the node opens 20,000
connections to each listener of the agent (metrics, health, its API, CNI), says nothing, and stays.
A sample of the second begins with these 20,000 anew, and its calls when they have been opened.
"""

import contextlib
import itertools
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.cluster import Cluster, cluster
from benchmarks.invocation import perform
from benchmarks.options import Options
from benchmarks.pairing import Better, Budget, Candidate, Measurement, Metric, interleave
from benchmarks.report import Answer

QUESTION: Final = "does an agent serve CNI as before under silent connections?"

#: What an agent listens on: its metrics where the walk-through's settings put them.
LISTENERS: Final = (
    "127.0.0.1:9962",
    "127.0.0.1:9879",
    "/var/run/cilium/cilium.sock",
    "/var/run/cilium/cni.sock",
)

_CHECKOUT: Final = Path(__file__).parents[1]
_CONNECTIONS: Final = 20_000
_PODS: Final = 24
#: docs/BENCHMARKS.md, "Budgets": as before, within noise.
_BUDGET: Final = Budget("silent connections", "alone", 1.1)

_NUMBERS: Final = itertools.count()


@contextlib.contextmanager
def _silent_clients(lab: Cluster) -> Iterator[None]:
    python = ["env", f"PYTHONPATH={_CHECKOUT}", sys.executable, "-m", "benchmarks.silent_clients"]
    command = [*lab.nodes[0].inside(), *python, str(_CONNECTIONS), *LISTENERS]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as clients:
        assert clients.stdin is not None, "a pipe was asked for"
        assert clients.stdout is not None, "a pipe was asked for"
        clients.stdout.readline()
        yield
        clients.stdin.close()


def _candidate(stack: contextlib.ExitStack, name: str, *, silent: bool) -> Candidate[float]:
    lab = stack.enter_context(cluster(nodes=1))
    lab.prepare_orders(_PODS)

    def sample() -> float:
        order = lab.order(container_prefix=f"silent{next(_NUMBERS)}", pods=_PODS, parallel=1)
        with _silent_clients(lab) if silent else contextlib.nullcontext():
            times = perform(order, lab.nodes[0].inside())
        return statistics.median(times.add_s) * 1e3

    return Candidate(name, sample)


def measure(options: Options) -> Answer:
    """Measure CNI ADD with and without."""
    if not options.ciliate:
        return Answer("silent_connections", QUESTION, (), ("nothing but ciliate is measured",))
    options.show("silent_connections: ADD, 1 at a time")
    with contextlib.ExitStack() as stack:
        candidates = [
            _candidate(stack, "alone", silent=False),
            _candidate(stack, "silent connections", silent=True),
        ]
        samples = interleave(candidates, rounds=options.rounds)
    metric = Metric("ADD, 1 at a time", "ms", Better.LOWER)
    notes = (f"a sample is the median of {_PODS} calls; {_CONNECTIONS:,} connections a listener",)
    return Answer(
        "silent_connections",
        QUESTION,
        (Measurement(metric, samples, ("alone",), (_BUDGET,)),),
        notes,
    )
