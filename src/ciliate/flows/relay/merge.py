"""Answers of several nodes in the order of their times, as they come.

Of each node the next answers wait here, a few of them: whoever is read slowly is asked slowly. The
earliest of all goes out as soon as every node has one waiting; where some have none, once any answer has
waited for `hold_s`: a node that has nothing to say stops nobody for longer. It is late from then on,
until it says something: who has as many waiting as may be does not wait for late ones again.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from heapq import heapify, heappop, heappush
from typing import Final, Generic, TypeVar

T = TypeVar("T")

#: Answers of one node that wait.
_WAITING_MAX: Final = 64

#: Answers that are given and still stand behind one that came before them, and waits.
_GONE_MAX: Final = 1024

#: Answers given before others have their turn.
_AT_ONCE: Final = 256


class Source(Generic[T]):
    """What one node answers, in the order in which it does."""

    __slots__ = ("_clock", "_merge", "_room", "is_ended", "waiting")

    def __init__(self, merge: "Merge[T]", clock: Callable[[], float]) -> None:
        self._merge = merge
        self._clock = clock
        self._room = asyncio.Event()
        self._room.set()
        #: Time, when it came, answer.
        self.waiting: deque[tuple[int, float, T]] = deque()
        self.is_ended = False

    async def put(self, time_ns: int, answer: T) -> None:
        """Add an answer; waits while there are many."""
        while len(self.waiting) >= _WAITING_MAX:
            self._room.clear()
            await self._room.wait()
        self.waiting.append((time_ns, self._clock(), answer))
        if len(self.waiting) == 1:
            self._merge.has_head(self)
        elif len(self.waiting) == _WAITING_MAX:
            self._merge.has_no_room(self)

    def end(self) -> None:
        """Note that no more comes."""
        if not self.is_ended:
            self.is_ended = True
            self._merge.has_ended(self)

    def pop(self) -> T:
        """Take the next answer."""
        _, _, answer = self.waiting.popleft()
        self._room.set()
        return answer


class Merge(Generic[T]):
    """Iterates over the answers of sources, earliest first, until all have ended."""

    def __init__(self, hold_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._hold_s = hold_s
        self._clock = clock
        self._heads: list[tuple[int, int, Source[T]]] = []  # A heap: time, number, whose.
        self._since: list[tuple[float, int]] = []  # A heap: when heads came, number.
        self._number = 0
        self._gone: set[int] = set()  # Numbers of heads that are given, and still in `_since`.
        self._silent: set[Source[T]] = set()  # Not ended, with nothing waiting.
        self._late: set[Source[T]] = set()  # Of these who were waited for in vain.
        self._full: set[Source[T]] = set()
        self._open = 0  # Sources that have not ended.
        self._news = asyncio.Event()
        self._out_of_turn: deque[T] = deque()
        self._held = 0  # Reasons not to end though no source is open.

    def source(self) -> Source[T]:
        """Add a source."""
        self._open += 1
        source = Source(self, self._clock)
        self._silent.add(source)
        return source

    def tell(self, answer: T) -> None:
        """Give an answer that has no place in the order, next."""
        self._out_of_turn.append(answer)
        self._news.set()

    def hold_open(self) -> Callable[[], None]:
        """Go on without sources until what this returns is called."""
        self._held += 1

        def let_go() -> None:
            self._held -= 1
            self._news.set()

        return let_go

    def has_head(self, source: Source[T]) -> None:
        """Note that a source that had nothing waiting has."""
        self._speaks(source)
        self._push(source)
        self._news.set()

    def has_no_room(self, source: Source[T]) -> None:
        """Note that as many answers of a source wait as may."""
        self._full.add(source)
        self._news.set()

    def has_ended(self, source: Source[T]) -> None:
        """Note that a source has ended; what waits is still given."""
        self._open -= 1
        self._speaks(source)
        self._news.set()

    def _speaks(self, source: Source[T]) -> None:
        self._silent.discard(source)
        self._late.discard(source)

    def _push(self, source: Source[T]) -> None:
        self._number += 1
        time_ns, since_s, _ = source.waiting[0]
        heappush(self._heads, (time_ns, self._number, source))
        heappush(self._since, (since_s, self._number))

    def _wait_s(self) -> float | None:
        """Return how long the earliest answer has to wait; None: until there is news."""
        if not self._heads:
            return None
        if not self._silent or (self._full and len(self._late) == len(self._silent)):
            return 0.0
        return self._since[0][0] + self._hold_s - self._clock()

    def _pop(self) -> T:
        if len(self._late) < len(self._silent):
            self._late |= self._silent
        _, number, source = heappop(self._heads)
        self._forget_since(number)
        self._full.discard(source)
        answer = source.pop()
        if source.waiting:
            self._push(source)
        elif not source.is_ended:
            self._silent.add(source)
        return answer

    def _forget_since(self, number: int) -> None:
        self._gone.add(number)
        while self._since and self._since[0][1] in self._gone:
            self._gone.discard(heappop(self._since)[1])
        if len(self._gone) > _GONE_MAX:
            self._since = [each for each in self._since if each[1] not in self._gone]
            heapify(self._since)
            self._gone.clear()

    async def __aiter__(self) -> AsyncIterator[T]:
        """Yield the answers."""
        given = 0
        while True:
            self._news.clear()
            while self._out_of_turn:
                yield self._out_of_turn.popleft()
            wait_s = self._wait_s()
            if wait_s is not None and wait_s <= 0:
                yield self._pop()
                given += 1
                if given % _AT_ONCE == 0:
                    await asyncio.sleep(0)
                continue
            if not self._heads and not self._open and not self._held and not self._out_of_turn:
                return
            if self._news.is_set():
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._news.wait()
