"""Removals in groups: names that arrive while one group is under way form the next.

Removing a link waits for an RCU grace period, 16 ms; fifty links in one group take 22 ms. So a
burst of CNI DELs costs a node two or three waits, not fifty, and a single one does not wait for
others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import Final

from ciliate.netlink.errors import NetlinkError

#: What became of each name; None for success.
Outcomes = Mapping[str, NetlinkError | None]


class RemovalGroups:
    """Gathers names and has them removed, one group at a time."""

    def __init__(
        self, remove_group: Callable[[Sequence[str]], Awaitable[Outcomes]], *, names_max: int
    ) -> None:
        """Take the function that removes a group of at most `names_max` names."""
        self._remove_group: Final = remove_group
        self._names_max: Final = names_max
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._running: asyncio.Future[Outcomes] | None = None

    async def remove(self, name: str) -> None:
        """Return when `name` is removed.

        Raises:
            NetlinkError: It could not be; it may still be there.
        """
        future = self._waiting.get(name)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            self._waiting[name] = future
        if self._running is None:
            self._start()
        # Several may wait for one name: a caller that is cancelled must not cancel the others.
        await asyncio.shield(future)

    async def drain(self) -> None:
        """Return when no removal is under way or waits."""
        while self._running is not None:
            await asyncio.wait([self._running])

    def _start(self) -> None:
        group = dict(islice(self._waiting.items(), self._names_max))
        for name in group:
            del self._waiting[name]
        self._running = asyncio.ensure_future(self._remove_group(tuple(group)))

        def finish(done: asyncio.Future[Outcomes]) -> None:
            self._running = None
            _deliver(group, done)
            if self._waiting:
                self._start()

        self._running.add_done_callback(finish)


def _deliver(group: Mapping[str, asyncio.Future[None]], done: asyncio.Future[Outcomes]) -> None:
    if done.cancelled():
        for future in group.values():
            future.cancel()
        return
    error = done.exception()
    outcomes = {} if error is not None else done.result()
    for name, future in group.items():
        failure = error or outcomes.get(name)
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)
