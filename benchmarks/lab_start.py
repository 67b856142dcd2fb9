"""How long does a lab take to come up and to go, by its number of nodes?

Timed from exec to exit of the command, as its user waits for it: `lab up` returns when the nodes
are Ready. Nothing to compare with runs on these machines (k3d and kind need Docker), so there is
no pairing; sizes take turns all the same.
"""

import time
from dataclasses import dataclass
from typing import Final

from benchmarks import cluster
from benchmarks.options import Options
from benchmarks.pairing import Better, Budget, Candidate, Measurement, Metric, interleave
from benchmarks.report import Answer

QUESTION: Final = "how long does a lab take to come up, and to go?"

#: Nodes -> limits of `up` and `down` in seconds (docs/BENCHMARKS.md, "Budgets").
_LIMITS: Final = {2: (3.0, 1.5), 10: (8.0, 1.5), 50: (40.0, 1.5)}

#: Labs of 50 nodes take long; their share of the rounds, so that all sizes end together.
_ROUNDS_DIVISOR: Final = {2: 1, 10: 2, 50: 4}


@dataclass(frozen=True, slots=True)
class _Times:
    """One life of a lab: seconds to come up and to go."""

    up_s: float
    down_s: float


def _live(nodes: int) -> _Times:
    """Bring a lab of `nodes` nodes up and take it down; return how long each took."""
    name = cluster.fresh_name()
    begin = time.perf_counter()
    try:
        cluster.lab(["up", "--name", name, "--nodes", str(nodes)])
        ready = time.perf_counter()
    finally:
        stop = time.perf_counter()
        cluster.down(name)
    return _Times(up_s=ready - begin, down_s=time.perf_counter() - stop)


def _candidate(nodes: int) -> Candidate[_Times]:
    return Candidate("ciliate", lambda: _live(nodes))


def measure(options: Options) -> Answer:
    """Measure each size; one life of the smallest goes before and fills the page cache."""
    measurements = []
    cluster.take_down_left_overs()
    for nodes, (up_limit_s, down_limit_s) in _LIMITS.items() if options.ciliate else ():
        options.show(f"lab_start: {nodes} nodes")
        rounds = max(1, options.rounds // _ROUNDS_DIVISOR[nodes])
        warm_ups = 1 if nodes == min(_LIMITS) else 0
        lives = interleave([_candidate(nodes)], rounds=rounds, warm_ups=warm_ups)["ciliate"]
        for name, values, limit_s in (
            ("up", tuple(life.up_s for life in lives), up_limit_s),
            ("down", tuple(life.down_s for life in lives), down_limit_s),
        ):
            measurements.append(
                Measurement(
                    Metric(f"{name}, {nodes} nodes", "s", Better.LOWER),
                    {"ciliate": values},
                    budgets=(Budget("ciliate", None, limit_s),),
                )
            )
    return Answer("lab_start", QUESTION, tuple(measurements))
