"""How often a measured time was how long: counted as it happens, for a family to show. Pure."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple

#: Seconds; enough for what takes milliseconds when all is well, and minutes when it is not.
DELAY_BOUNDS_S: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
)


class Distribution(NamedTuple):
    """Observations up to each bound, the last one without, and their sum."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """Return the bounds as Prometheus writes them, with how many are at most as large."""
        names = (*map(str, self.bounds), "+Inf")
        return list(zip(names, accumulate(self.counts), strict=True))


class Histogram:
    """Counts observations by bound."""

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: Sequence[float] = DELAY_BOUNDS_S) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._total = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def snapshot(self) -> Distribution:
        """Return what has been counted so far."""
        return Distribution(self._bounds, tuple(self._counts), self._total)
