"""Writes that do not last: somebody undoes them, and neither side would ever stop.

Every write of a key is remembered for a while. A value that was written `FREE_WRITES` times is
written no more at once: a touch may ask for what stands already, and only a walk, which observes,
sees whether the target lacks it again. If it does, the write was undone: the key counts as failing,
and is written with growing pauses, until a walk finds the write in its place. Another value for the
key is written at once.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from ciliate.errors import CiliateError
from ciliate.reconcile.backoff import Backoff
from ciliate.reconcile.target import Failures, Target

K = TypeVar("K")
V = TypeVar("V")

#: So many equal writes of a key are made as fast as they are asked for.
FREE_WRITES: Final = 5
#: What was not written again for this long is forgotten; longer than the longest pause.
FORGET_S: Final = 120.0
_PAUSE_FIRST_S: Final = 2.0
_PAUSE_LIMIT_S: Final = 60.0
#: Keys remembered, the latest: wars are of few. More at once is a table being filled.
KEYS_MAX: Final = 4096


def left_alone(target: object) -> Collection[object]:
    """Return the keys that the last put of a target wrote nothing for, where it says so.

    A target that looks first, and finds all as it should be, has an attribute `left_alone`: what it
    did not write, nobody can have undone.
    """
    found: Collection[object] = getattr(target, "left_alone", ())
    return found


class UndoneError(CiliateError):
    """What was written does not last: somebody else writes another value, or removes it."""

    def __init__(self, times: int, since_s: float) -> None:
        self.times = times
        super().__init__(
            f"written {times} times in {since_s:.0f} s and undone each time: something else changes"
            f" it too; find and stop that (it is written again at most every {_PAUSE_LIMIT_S:.0f} s)"
        )


@dataclass(slots=True)
class _Written(Generic[V]):
    value: V | None  # None: it was removed.
    first_s: float
    last_s: float
    times: int = 0
    due_s: float = 0.0
    error: UndoneError | None = None
    pauses: Backoff = field(
        default_factory=lambda: Backoff(first_s=_PAUSE_FIRST_S, limit_s=_PAUSE_LIMIT_S)
    )


class Rewrites(Generic[K, V]):
    """The latest writes of one target, and which of them have to wait."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._written: OrderedDict[K, _Written[V]] = OrderedDict()
        #: Those written so often that they wait; the others cost a walk nothing.
        self._paused: set[K] = set()

    def __bool__(self) -> bool:
        return bool(self._paused)

    def note(self, written: Mapping[K, V | None]) -> None:
        """Take in what was written, or removed (None), with success."""
        if len(written) > KEYS_MAX:
            return
        now_s = self._clock()
        for key, value in written.items():
            known = self._written.pop(key, None)
            if known is None or known.value != value or now_s - known.last_s > FORGET_S:
                known = _Written(value, now_s, now_s)
                self._paused.discard(key)
            known.last_s = now_s
            known.times += 1
            if known.times >= FREE_WRITES:
                known.due_s = now_s + known.pauses.next()
                self._paused.add(key)
            self._written[key] = known
        while len(self._written) > KEYS_MAX:
            self._paused.discard(self._written.popitem(last=False)[0])

    def waits(self, key: K, value: V | None) -> bool:
        """Whether `key` is not to be brought to `value` now."""
        if key not in self._paused:
            return False
        known = self._written[key]
        return known.value == value and self._clock() < known.due_s

    def take_lacking(self, writes: dict[K, V | None]) -> dict[K, CiliateError]:
        """Take out of what a walk found lacking what has to wait; return what was undone, and how."""
        undone: dict[K, CiliateError] = {}
        for key in self._paused.intersection(writes):
            known, value = self._written[key], writes[key]
            if known.value == value:
                known.error = UndoneError(known.times, self._clock() - known.first_s)
                undone[key] = known.error
                if self._clock() < known.due_s:
                    del writes[key]
        return undone

    def error(self, key: K) -> UndoneError | None:
        """Return what is known to be wrong with a key since the last walk."""
        return self._written[key].error if key in self._paused else None

    def lasts_but(self, lacking: set[K]) -> None:
        """Forget every paused write but those that a walk has found `lacking`."""
        for key in self._paused - lacking:
            del self._written[key]
        self._paused &= lacking


class ObservedTarget(Generic[K, V]):
    """A target as a walk writes to it, which has seen that it lacks what is written."""

    def __init__(self, target: Target[K, V], rewrites: Rewrites[K, V]) -> None:
        self.name: Final = target.name
        self._target = target
        self._rewrites = rewrites

    async def observe(self) -> Mapping[K, V]:
        """Return what the target holds."""
        return await self._target.observe()

    async def put(self, entries: Mapping[K, V]) -> Failures[K]:
        """Put what need not wait; what was undone fails until a walk finds it in its place."""
        writes: dict[K, V | None] = dict(entries)
        undone = self._rewrites.take_lacking(writes)
        failures = await self._target.put({key: entries[key] for key in writes})
        return self._noted(writes, failures, undone)

    async def remove(self, keys: Collection[K]) -> Failures[K]:
        """Remove likewise."""
        writes: dict[K, V | None] = dict.fromkeys(keys)
        undone = self._rewrites.take_lacking(writes)
        failures = await self._target.remove(list(writes))
        return self._noted(writes, failures, undone)

    def _noted(
        self,
        writes: Mapping[K, V | None],
        failures: Failures[K],
        undone: dict[K, CiliateError],
    ) -> Failures[K]:
        passed_over = left_alone(self._target)
        self._rewrites.note(
            {
                key: each
                for key, each in writes.items()
                if key not in failures and (each is None or key not in passed_over)
            }
        )
        return {**undone, **failures}
