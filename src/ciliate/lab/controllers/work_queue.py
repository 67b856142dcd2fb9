"""Keys that need a look, each once, failures later: the loop all controllers share."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from ciliate.kube.errors import ConflictError, KubeError, NotFoundError
from ciliate.reconcile.backoff import Backoff

K = TypeVar("K")

_log = logging.getLogger(__name__)


class WorkQueue(Generic[K]):
    """Calls `reconcile` for every key added; one task executes `run`.

    A key added many times while it waits is looked at once; one added while it is looked at,
    once more. What `reconcile` returns is in how many seconds to look again, None for not at all.
    The queue is bounded by the number of keys there are.
    """

    def __init__(self, name: str, reconcile: Callable[[K], Awaitable[float | None]]) -> None:
        self._name = name
        self._reconcile = reconcile
        self._waiting: dict[K, None] = {}  # A set that keeps its order.
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._backoffs: dict[K, Backoff] = {}
        self._added = asyncio.Event()

    def add(self, key: K) -> None:
        """Have `key` looked at soon."""
        self._waiting[key] = None
        self._added.set()

    def add_later(self, key: K, pause_s: float) -> None:
        """Have `key` looked at after a pause; an earlier wish for the same key gives way."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        self._timers[key] = asyncio.get_running_loop().call_later(pause_s, self._due, key)

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def run(self) -> None:
        """Look at keys until cancelled."""
        while True:
            await self._added.wait()
            if not self._waiting:
                self._added.clear()
                continue
            key = next(iter(self._waiting))
            del self._waiting[key]
            pause_s = await self._look(key)
            if pause_s is not None:
                self.add_later(key, pause_s)

    async def _look(self, key: K) -> float | None:
        try:
            pause_s = await self._reconcile(key)
        except KubeError as error:
            backoff = self._backoffs.setdefault(key, Backoff(first_s=0.05, limit_s=15.0))
            # An ordinary race with another writer or a deletion: the watch will tell who won.
            ordinary = isinstance(error, ConflictError | NotFoundError)
            level = logging.DEBUG if ordinary else logging.WARNING
            _log.log(level, "%s %s: %s; trying again", self._name, key, error)
            return backoff.next()
        self._backoffs.pop(key, None)
        return pause_s
