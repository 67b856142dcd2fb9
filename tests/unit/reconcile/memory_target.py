"""A target in memory, and what tests of reconcilers wait with."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import islice
from typing import Any

from ciliate.errors import CiliateError
from ciliate.reconcile.reconciler import Reconciler
from ciliate.reconcile.target import Failures

#: Longer than any test.
NEVER_S = 3600.0


def nothing() -> None:
    """Do nothing."""


class MemoryTarget:
    """Numbers by number, and every call it had; keys in `broken` fail.

    `while_observing` and `while_changing` are what happens elsewhere during a call.
    """

    name = "memory"

    def __init__(
        self, held: Mapping[int, int] | None = None, *, broken: Collection[int] = ()
    ) -> None:
        self.held = dict(held or {})
        self.broken = set(broken)
        self.unreadable = ""
        self.capacity = 1 << 16
        self.observes = 0
        self.puts: list[Mapping[int, int]] = []
        self.removals: list[Collection[int]] = []
        self.calls: list[str] = []
        self.while_observing: Callable[[], object] = nothing
        self.while_changing: Callable[[], object] = nothing

    async def observe(self) -> Mapping[int, int]:
        self.observes += 1
        observed = dict(self.held)
        self.while_observing()
        if self.unreadable:
            raise CiliateError(self.unreadable)
        return observed

    async def put(self, entries: Mapping[int, int]) -> Failures[int]:
        self.calls.append("put")
        self.puts.append(dict(entries))
        failures = {**self._failures(entries), **self._without_room(entries)}
        self.held.update({key: each for key, each in entries.items() if key not in failures})
        self.while_changing()
        return failures

    async def remove(self, keys: Collection[int]) -> Failures[int]:
        self.calls.append("remove")
        self.removals.append(list(keys))
        failures = self._failures(keys)
        for key in keys:
            if key not in failures:
                self.held.pop(key, None)
        self.while_changing()
        return failures

    def _without_room(self, entries: Mapping[int, int]) -> Failures[int]:
        new = [key for key in entries if key not in self.held]
        return {key: CiliateError("full") for key in new[self.capacity - len(self.held) :]}

    def _failures(self, keys: Collection[int]) -> Failures[int]:
        return {key: CiliateError(f"key {key} is broken") for key in keys if key in self.broken}


class StreamedMemoryTarget(MemoryTarget):
    """The same, told in pieces of two; `asked` are the keys that were looked for."""

    def __init__(
        self, held: Mapping[int, int] | None = None, *, broken: Collection[int] = ()
    ) -> None:
        super().__init__(held, broken=broken)
        self.asked: list[int] = []

    async def observe(self) -> Mapping[int, int]:
        raise AssertionError("a walk had all of it in memory")

    async def pieces(self) -> AsyncIterator[Mapping[int, int]]:
        rest = iter((await super().observe()).items())
        while piece := dict(islice(rest, 2)):
            yield piece

    async def absent(self, keys: Collection[int]) -> Collection[int]:
        self.asked += keys
        return [key for key in keys if key not in self.held]


@asynccontextmanager
async def running(*reconcilers: Reconciler[Any, Any]) -> AsyncIterator[None]:
    """Run reconcilers until the block ends."""
    tasks = [asyncio.create_task(each.run()) for each in reconcilers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(condition: Callable[[], object], *, deadline_s: float = 10.0) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: It did not come true in time.
    """
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.001)


def reconciler_of(
    target: MemoryTarget,
    desired: Mapping[int, int],
    *,
    resync_s: float = NEVER_S,
    settle_s: float = 0.0,
    puts_first: bool = False,
) -> Reconciler[int, int]:
    return Reconciler(
        target, lambda: desired, resync_s=resync_s, settle_s=settle_s, puts_first=puts_first
    )
