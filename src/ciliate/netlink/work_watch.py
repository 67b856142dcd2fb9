"""Who is at work for how long: so that a worker that does not come back is noticed.

A thread that waits in the kernel cannot be ended, nor does it end by itself: a file system that
does not answer, a lock that is never given back. The workers note here what they begin and end;
the agent's watchdog asks what takes too long and says so.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Final

#: Requests to the kernel take milliseconds, and seconds on a machine that is overloaded.
LATE_AFTER_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class LateWork:
    """A piece of work that takes too long: the kind of its worker, what it is at, since when."""

    kind: str
    what: str
    for_s: float

    def __str__(self) -> str:
        """Return it in words."""
        return f'"{self.what}" for {self.for_s:.0f} s'


class WorkWatch:
    """Notes of all workers; written by their threads, read by the event loop."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Tell the time by `clock`, in seconds."""
        self._clock = clock
        self._numbers = count()
        # One item is one operation of a dict: threads need no lock for it.
        self._begun: dict[int, tuple[str, str, float]] = {}

    @contextmanager
    def at(self, kind: str, what: str) -> Iterator[None]:
        """Note that a worker of `kind` is at `what` while the body runs."""
        number = next(self._numbers)
        self._begun[number] = (kind, what, self._clock())
        try:
            yield
        finally:
            del self._begun[number]

    def late(self, *, after_s: float) -> tuple[LateWork, ...]:
        """Return the work that takes longer than `after_s`, the longest first."""
        now = self._clock()
        begun = sorted(self._begun.values(), key=lambda each: each[2])
        return tuple(
            LateWork(kind, what, now - since)
            for kind, what, since in begun
            if now - since > after_s
        )
