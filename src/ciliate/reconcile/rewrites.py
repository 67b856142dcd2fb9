"""Writes that do not last: somebody undoes them, and neither side would ever stop.

Every write of a key is remembered for a while. A value that was written `FREE_WRITES` times is
suspect: a touch, which may ask for what stands already, writes it no more. Only who looks first
does, with growing pauses: a walk, or a writer of the API (`kube/paced_client.py`). Where it finds
that the write was undone, the key counts as failing, and the error says who did it as far as that
can be known, until the write is found in its place. Another value for the key is written at once.
"""

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, Generic, Protocol, TypeVar, runtime_checkable

from ciliate.errors import CiliateError
from ciliate.reconcile.backoff import Backoff
from ciliate.reconcile.target import Failures, StreamedTarget, Target

K = TypeVar("K")
V = TypeVar("V")
K_contra = TypeVar("K_contra", contravariant=True)

#: So many equal writes of a key are made as fast as they are asked for.
FREE_WRITES: Final = 5
#: What was not written again for this long is forgotten; longer than the longest pause.
FORGET_S: Final = 120.0
_PAUSE_FIRST_S: Final = 2.0
_PAUSE_LIMIT_S: Final = 60.0
#: Keys remembered, the latest: wars are of few. More at once is a table being filled.
KEYS_MAX: Final = 4096
#: So many keys of a walk are asked about; as many as a status shows.
_ASKED_MAX: Final = 16


@runtime_checkable
class LookingTarget(Protocol):
    """A target that looks first, and writes nothing where all is as it should be.

    What it did not write, nobody can have undone; what it wrote, was lacking.
    """

    @property
    def left_alone(self) -> Collection[object]:
        """The keys that the last put wrote nothing for."""
        ...


@runtime_checkable
class Witness(Protocol[K_contra]):
    """A target that may know who changes its keys."""

    async def last_writer(self, key: K_contra) -> str:
        """Return what is known of who wrote to `key` last beside us, or removed it."""
        ...


class UndoneError(CiliateError):
    """What was written does not last: somebody else writes another value, or removes it."""

    def __init__(self, times: int, since_s: float, who: str) -> None:
        self.times = times
        self.pause_s = 0.0  # How long until it may be written again.
        super().__init__(
            f"written {times} times in {since_s:.0f} s and undone each time: {who}; find and stop"
            f" that (it is written again at most every {_PAUSE_LIMIT_S:.0f} s)"
        )


@dataclass(slots=True)
class _Written(Generic[V]):
    value: V | None  # None: it was removed.
    first_s: float
    last_s: float
    times: int = 0
    lacked: int = 0  # Of these, how often it was seen that the target lacks it.
    due_s: float = 0.0
    error: UndoneError | None = None
    pauses: Backoff | None = None  # Of suspects alone: most keys are written once.


class Rewrites(Generic[K, V]):
    """The latest writes of one target, and which of them have to wait."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._written: OrderedDict[K, _Written[V]] = OrderedDict()
        #: The suspects, by key; the others cost a walk nothing.
        self._suspects: dict[K, _Written[V]] = {}

    def __bool__(self) -> bool:
        return bool(self._suspects)

    def note(self, written: Mapping[K, V | None], *, lacked: bool) -> None:
        """Take in what was written, or removed (None), with success.

        `lacked`: somebody has looked before, and the target lacked it.
        """
        if len(written) > KEYS_MAX:
            return
        now_s = self._clock()
        for key, value in written.items():
            known = self._written.pop(key, None)
            if known is None or known.value != value or now_s - known.last_s > FORGET_S:
                known = _Written(value, now_s, now_s)
                self._suspects.pop(key, None)
            known.last_s = now_s
            known.times += 1
            known.lacked += lacked
            if known.times >= FREE_WRITES:
                if known.pauses is None:
                    known.pauses = Backoff(first_s=_PAUSE_FIRST_S, limit_s=_PAUSE_LIMIT_S)
                known.due_s = now_s + known.pauses.next()
                self._suspects[key] = known
            self._written[key] = known
        while len(self._written) > KEYS_MAX:
            self._suspects.pop(self._written.popitem(last=False)[0], None)

    def is_suspect(self, key: K, value: V | None) -> bool:
        """Whether bringing `key` to `value` is left to who looks first."""
        known = self._suspects.get(key)
        if known is None or known.value != value:
            return False
        if self._clock() - known.last_s > FORGET_S:
            self.forget(key)
            return False
        return True

    def suspects(self, found: Mapping[K, V]) -> dict[K, V | None]:
        """Return what was found for each suspect; None: it is not there."""
        return {key: found.get(key) for key in self._suspects}

    def untold(self, writes: Mapping[K, V | None]) -> list[K]:
        """Return the suspects among `writes` whose latest write is not known to be undone yet."""
        return [
            key
            for key in self._suspects.keys() & writes.keys()
            if self.is_suspect(key, writes[key]) and _is_untold(self._suspects[key])
        ]

    def take_lacking(
        self, writes: dict[K, V | None], who: Mapping[K, str]
    ) -> dict[K, CiliateError]:
        """Take out of what the target was seen to lack what has to wait; return what was undone.

        `who`: what is known of who undid it, for those that are `untold`.
        """
        undone: dict[K, CiliateError] = {}
        now_s = self._clock()
        for key in self._suspects.keys() & writes.keys():
            if not self.is_suspect(key, writes[key]):
                continue
            known = self._suspects[key]
            if known.error is None or _is_untold(known):
                by = who.get(key, "something else changes it too")
                known.error = UndoneError(known.times, now_s - known.first_s, by)
            known.error.pause_s = max(known.due_s - now_s, 0.0)
            undone[key] = known.error
            if known.error.pause_s:
                del writes[key]
        return undone

    def error(self, key: K) -> UndoneError | None:
        """Return what is known to be wrong with a key since the last walk."""
        known = self._suspects.get(key)
        return known.error if known is not None else None

    def lasts_but(self, lacking: Collection[K]) -> None:
        """Note that a walk has found every suspect in its place but those that were `lacking`.

        A slow war is one in which a walk often finds nothing wrong: what was undone as often as is
        free stays a suspect. What only touches asked for is none any more.
        """
        for key in self._suspects.keys() - lacking:
            known = self._suspects[key]
            known.error = None
            if known.lacked < FREE_WRITES or self._clock() - known.last_s > FORGET_S:
                self.forget(key)

    def clear(self) -> None:
        """Forget every write: what undoes them now is known, and is nobody's."""
        self._suspects.clear()
        self._written.clear()

    def forget(self, key: K) -> None:
        """Forget what was written: it stands, or is over."""
        self._suspects.pop(key, None)
        self._written.pop(key, None)


def _is_untold(known: _Written[V]) -> bool:
    return known.error is None or known.error.times != known.times


def left_alone(target: object) -> Collection[object]:
    """Return the keys that the last put of a target wrote nothing for, where it says so."""
    return target.left_alone if isinstance(target, LookingTarget) else ()


class ObservedTarget(Generic[K, V]):
    """A target as a walk writes to it, which has seen that it lacks what is written."""

    def __init__(self, target: Target[K, V], rewrites: Rewrites[K, V]) -> None:
        self.name: Final = target.name
        self._target = target
        self._rewrites = rewrites
        self._found: dict[K, V | None] = {}  # Of suspects alone.

    async def observe(self) -> Mapping[K, V]:
        """Return what the target holds."""
        held = await self._target.observe()
        self._found = self._rewrites.suspects(held)
        return held

    async def pieces(self) -> AsyncIterator[Mapping[K, V]]:
        """Yield what a streamed target holds."""
        assert isinstance(self._target, StreamedTarget), "asked of such a one only"
        self._found = self._rewrites.suspects({})
        async for piece in self._target.pieces():
            self._found.update((key, piece[key]) for key in self._found.keys() & piece.keys())
            yield piece

    async def absent(self, keys: Collection[K]) -> Collection[K]:
        """Return which keys a streamed target does not hold."""
        assert isinstance(self._target, StreamedTarget), "asked of such a one only"
        return await self._target.absent(keys)

    async def put(self, entries: Mapping[K, V]) -> Failures[K]:
        """Put what need not wait; what was undone fails until a walk finds it in its place."""
        writes: dict[K, V | None] = dict(entries)
        undone = await self._take_lacking(writes)
        failures = await self._target.put({key: entries[key] for key in writes})
        return self._noted(writes, failures, undone)

    async def remove(self, keys: Collection[K]) -> Failures[K]:
        """Remove likewise."""
        writes: dict[K, V | None] = dict.fromkeys(keys)
        undone = await self._take_lacking(writes)
        failures = await self._target.remove(list(writes))
        return self._noted(writes, failures, undone)

    async def _take_lacking(self, writes: dict[K, V | None]) -> dict[K, CiliateError]:
        """Take out what has to wait; asked before it is overwritten, the target may know by whom."""
        if not self._rewrites:
            return {}
        who = {}
        for key in islice(self._rewrites.untold(writes), _ASKED_MAX):
            who[key] = await self._who(key, writes[key])
        return self._rewrites.take_lacking(writes, who)

    async def _who(self, key: K, value: V | None) -> str:
        if value is None:
            done = "something makes it again"
        elif self._found.get(key) is None:
            done = "something removes it"
        else:
            done = "something changes it"
        if not isinstance(self._target, Witness):
            return done
        return f"{done} ({await self._target.last_writer(key)})"

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
            },
            lacked=True,
        )
        return {**undone, **failures}
