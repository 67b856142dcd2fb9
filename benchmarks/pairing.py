"""Paired measurement: candidates take turns, and a round compares them with each other.

A shared machine is faster in one minute than in the next; a ratio of two numbers taken minutes
apart measures the minute. So every round takes one sample of each candidate, a ratio is formed
within the round, and the median of the rounds' ratios is the answer, with its quartiles beside it.

Knows nothing of networks: a sample is a call that returns a number.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, TypeVar

#: What one sample yields: a number, or several that are taken together and separated later.
T = TypeVar("T")

#: Fewer rounds than these give quartiles that mean nothing.
ROUNDS_MIN: Final = 9


class Better(Enum):
    """Which of two values is the good one."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class Metric:
    """What is counted, in which unit, and whether more of it is good."""

    name: str
    unit: str
    better: Better


@dataclass(frozen=True, slots=True)
class Candidate(Generic[T]):
    """One of the things compared: a name for the table, and how to take one sample."""

    name: str
    sample: Callable[[], T]


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution in five numbers; quartiles include both ends of the data."""

    median: float
    low_quartile: float
    high_quartile: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise `values`, of which there is at least one."""
        assert values, "a spread of nothing"
        if len(values) == 1:
            low = middle = high = values[0]
        else:
            low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(
            median=middle,
            low_quartile=low,
            high_quartile=high,
            least=min(values),
            most=max(values),
            count=len(values),
        )


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit that a candidate has to keep: a ratio to `baseline`, or a value without one."""

    candidate: str
    baseline: str | None
    limit: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """The samples of one metric: candidate by candidate, the n-th of each from the n-th round."""

    metric: Metric
    samples: Mapping[str, tuple[float, ...]]
    baselines: tuple[str, ...] = ()
    budgets: tuple[Budget, ...] = ()

    def spread(self, candidate: str) -> Spread:
        """Summarise the samples of `candidate`, in the metric's unit."""
        return Spread.of(self.samples[candidate])

    def ratio(self, candidate: str, *, baseline: str) -> Spread:
        """Summarise the ratios of `candidate` to `baseline`, each formed within a round."""
        pairs = zip(self.samples[candidate], self.samples[baseline], strict=True)
        return Spread.of([value / reference for value, reference in pairs])

    def keeps(self, budget: Budget) -> bool | None:
        """Whether the median keeps `budget`; None if a party to it was not measured."""
        if budget.candidate not in self.samples:
            return None
        if budget.baseline is None:
            median = self.spread(budget.candidate).median
        elif budget.baseline not in self.samples:
            return None
        else:
            median = self.ratio(budget.candidate, baseline=budget.baseline).median
        if self.metric.better is Better.HIGHER:
            return median >= budget.limit
        return median <= budget.limit


def order(names: Sequence[str], turn: int) -> tuple[str, ...]:
    """Return the order of candidates in round `turn`: each place in turn, in both directions.

    After as many rounds as there are candidates the direction turns around, so that a candidate
    does not always follow the same one.
    """
    lap, start = divmod(turn, len(names))
    rotated = (*names[start:], *names[:start])
    return rotated if lap % 2 == 0 else rotated[::-1]


def interleave(
    candidates: Sequence[Candidate[T]],
    *,
    rounds: int,
    warm_ups: int = 1,
) -> dict[str, tuple[T, ...]]:
    """Sample every candidate once a round; return the samples of each, in the rounds' order.

    `warm_ups` rounds go before and do not count: they fill neighbour tables, caches and the
    processor's clock. What a sample raises ends the measurement: a round with a hole in it
    cannot be paired.
    """
    by_name = {candidate.name: candidate for candidate in candidates}
    assert len(by_name) == len(candidates), "two candidates of one name"
    taken: dict[str, list[T]] = {name: [] for name in by_name}
    for turn in range(-warm_ups, rounds):
        for name in order(tuple(by_name), turn + warm_ups):
            value = by_name[name].sample()
            if turn >= 0:
                taken[name].append(value)
    return {name: tuple(values) for name, values in taken.items()}
