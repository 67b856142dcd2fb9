"""Who has a thing, and who had it when. Pure.

One holder at a time: another begins where the one before ends.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

V = TypeVar("V")

_FOREVER = 1 << 63


@dataclass(frozen=True, slots=True)
class Tenure(Generic[V]):
    """A holder's time. Things that are given together may share one."""

    holder: V
    since_ns: int
    until_ns: int = _FOREVER


class Tenures(Generic[V]):
    """The holders of things, by their keys."""

    def __init__(self, *, now_max: int, former_max: int) -> None:
        """Keep so many that last, where further ones are passed over, and former ones: the newest."""
        self._now: dict[bytes, Tenure[V]] = {}
        self._former: dict[bytes, list[Tenure[V]]] = {}  # In the order of their ends.
        self._ended: deque[bytes] = deque()
        self._now_max = now_max
        self._former_max = former_max

    def __len__(self) -> int:
        return len(self._now)

    def begin(self, key: bytes, tenure: Tenure[V]) -> None:
        """Give a thing; who has it already keeps it."""
        known = self._now.get(key)
        if known is None:
            if len(self._now) < self._now_max:
                self._now[key] = tenure
        elif known.holder != tenure.holder:
            self.end(key, tenure.since_ns)
            self._now[key] = tenure

    def end(self, key: bytes, at_ns: int) -> None:
        """Take a thing back; one that nobody has is passed over."""
        known = self._now.pop(key, None)
        if known is None:
            return
        self._former.setdefault(key, []).append(replace(known, until_ns=at_ns))
        self._ended.append(key)
        if len(self._ended) > self._former_max:
            oldest = self._ended.popleft()
            del self._former[oldest][0]
            if not self._former[oldest]:
                del self._former[oldest]

    def holder(self, key: bytes) -> V | None:
        """Return who has a thing."""
        known = self._now.get(key)
        return known.holder if known is not None else None

    def at(self, key: bytes, time_ns: int) -> V | None:
        """Return who had a thing at a moment."""
        known = self._now.get(key)
        if known is not None and known.since_ns <= time_ns:
            return known.holder
        former = self._former.get(key)
        if former is None:
            return None
        place = bisect_right(former, time_ns, key=lambda each: each.until_ns)
        if place < len(former) and former[place].since_ns <= time_ns:
            return former[place].holder
        return None

    def keys_of(self, is_meant: Callable[[V], bool]) -> Iterator[bytes]:
        """Yield what such holders have, or had."""
        for key, tenure in self._now.items():
            if is_meant(tenure.holder):
                yield key
        for key, tenures in self._former.items():
            if any(is_meant(each.holder) for each in tenures):
                yield key
