"""Keys to be handled: each is queued once however often it is put, and has one worker at a time.

Watches put keys, workers take them. A worker reads the tables as they are when it handles the key,
so one place per key is enough. The queue is bounded by the number of keys there are.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from ciliate.errors import CiliateError
from ciliate.reconcile.backoff import Backoff
from ciliate.reconcile.rewrites import UndoneError

K = TypeVar("K")

#: Handles a key; returns after how many seconds to enqueue it again, None for not at all.
Handle = Callable[[K], Awaitable[float | None]]


class WorkQueue(Generic[K]):
    """First come, first served; a key put while it is worked on comes again afterwards.

    Workers are tasks that execute `run`, or that `take` a key and call `done` by themselves.
    After a failure a key pauses, from `first_s` to `limit_s` seconds, while others go on. After an
    UndoneError it pauses as long as that says, which is reported once for each write.
    """

    def __init__(self, *, first_s: float = 0.05, limit_s: float = 15.0) -> None:
        self._first_s = first_s
        self._limit_s = limit_s
        self._waiting: dict[K, None] = {}  # A set that keeps its order.
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._backoffs: dict[K, Backoff] = {}
        self._undone: dict[K, UndoneError] = {}
        self._ready = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, key: K) -> None:
        """Enqueue `key`."""
        if key in self._working:
            self._again.add(key)
            return
        self._waiting[key] = None
        self._ready.set()

    def put_after(self, key: K, pause_s: float) -> None:
        """Enqueue `key` after a pause, unless it is due earlier already."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= loop.time() + pause_s:
                return
            timer.cancel()
        self._timers[key] = loop.call_later(pause_s, self._due, key)

    def _due(self, key: K) -> None:
        del self._timers[key]
        self.put(key)

    async def take(self) -> K:
        """Return the next key; `done` must follow."""
        while not self._waiting:
            self._ready.clear()
            await self._ready.wait()
        key = next(iter(self._waiting))
        del self._waiting[key]
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """Note that the worker of `key` is done; a `put` meanwhile enqueues it again."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.put(key)

    async def run(self, handle: Handle[K], report: Callable[[K, CiliateError], None]) -> None:
        """Handle keys until cancelled; a failure is reported, and tried again."""
        while True:
            key = await self.take()
            try:
                pause_s = await handle(key)
            except UndoneError as error:
                if self._undone.get(key) is not error:
                    report(key, error)
                self._undone[key] = error
                pause_s = error.pause_s
            except CiliateError as error:
                report(key, error)
                pause_s = self._pause_after_failure(key)
            else:
                self._backoffs.pop(key, None)
                self._undone.pop(key, None)
            finally:
                self.done(key)
            if pause_s is not None:
                self.put_after(key, pause_s)
            await asyncio.sleep(0)  # `handle` may never wait: other tasks get their turn.

    def _pause_after_failure(self, key: K) -> float:
        backoff = self._backoffs.get(key)
        if backoff is None:
            backoff = Backoff(first_s=self._first_s, limit_s=self._limit_s)
            self._backoffs[key] = backoff
        return backoff.next()
