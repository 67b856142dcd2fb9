"""When a pool will be full, from how its use has grown. Pure: times come from the caller.

A straight line through the latest samples (least squares): the effect of a single burst of nodes
ends with its samples, and a pool whose use shrinks has no time of exhaustion. A step, such as all
nodes taking their blocks after a change of mode, is no growth: use must have changed several times.
"""

from collections import deque
from itertools import pairwise

#: Samples kept of each series; beyond it the oldest goes.
SAMPLES_MAX = 360
#: A line through less time than this says nothing, in seconds.
SPAN_MIN_S = 30.0
#: Nor does one through samples of which fewer differ from the one before.
CHANGES_MIN = 3


class Trend:
    """Samples of one series; times in seconds of any clock that never goes back."""

    __slots__ = ("_samples",)

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=SAMPLES_MAX)

    def add(self, time_s: float, used: float) -> None:
        """Note that `used` were in use at `time_s`; ignored unless it is later than the last."""
        if not self._samples or time_s > self._samples[-1][0]:
            self._samples.append((time_s, used))

    @property
    def growth_per_s(self) -> float | None:
        """How many more a second, negative when fewer; None while too little is known."""
        if len(self._samples) < 2 or self._samples[-1][0] - self._samples[0][0] < SPAN_MIN_S:
            return None
        changes = sum(before != after for (_, before), (_, after) in pairwise(self._samples))
        if changes < CHANGES_MIN:
            return None
        count = len(self._samples)
        mean_s = sum(time_s for time_s, _ in self._samples) / count
        mean = sum(used for _, used in self._samples) / count
        spread = sum((time_s - mean_s) ** 2 for time_s, _ in self._samples)
        return sum((t - mean_s) * (used - mean) for t, used in self._samples) / spread

    def seconds_to_exhaustion(self, free: float) -> float | None:
        """Return when `free` will be used up at this growth; None: not at all, or not known."""
        if free <= 0:
            return 0.0
        growth = self.growth_per_s
        return free / growth if growth is not None and growth > 0 else None
