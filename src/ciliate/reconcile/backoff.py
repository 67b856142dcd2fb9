"""Growing pauses between attempts, with jitter so that many nodes do not retry in step."""

import random


class Backoff:
    """Pauses that double from `first_s` to `limit_s` seconds, each cut by up to a quarter."""

    def __init__(self, *, first_s: float = 0.2, limit_s: float = 30.0) -> None:
        self._first_s = first_s
        self._limit_s = limit_s
        self._next_s = first_s

    def next(self) -> float:
        """Return how many seconds to wait now; the following answer is longer."""
        pause_s = self._next_s
        self._next_s = min(self._next_s * 2, self._limit_s)
        return pause_s * random.uniform(0.75, 1.0)

    def reset(self) -> None:
        """Begin anew: the last attempt succeeded."""
        self._next_s = self._first_s
