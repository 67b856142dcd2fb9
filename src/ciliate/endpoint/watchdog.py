"""Is the CNI service in a state to serve: do its workers come back, is its socket still there?

What it finds is a status of the agent (`watch-cni`), and CNI's own STATUS says when no ADD could
succeed any more. A socket that somebody removed is made again, after the deletions that plugins
queued meanwhile: they took the agent for absent.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from ciliate.errors import CiliateError
from ciliate.netlink.pod import PodLinks
from ciliate.reconcile.status import RunStatus

#: How often it looks: a plugin waits 5 s for the socket, and looking costs two system calls.
LOOK_S: Final = 2.0

_log = logging.getLogger(__name__)


class _Socket(Protocol):
    @property
    def is_reachable(self) -> bool: ...


class CniWatchdog:
    """Looks after workers and socket until cancelled."""

    def __init__(
        self,
        status: RunStatus,
        links: PodLinks,
        server: _Socket,
        *,
        reopen: Callable[[], Awaitable[object]],
    ) -> None:
        """Tell `status`; `reopen` does the queued deletions and makes the socket again."""
        self._status = status
        self._links = links
        self._server = server
        self._reopen = reopen

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Look once."""
        problem = self._late_workers() or await self._restored_socket()
        if not problem:
            self._status.succeeded()
            return
        if not self._status.consecutive_failures:  # Once: how long it goes on is the status's.
            _log.error("CNI: %s", problem)
        self._status.failed(problem)

    def _late_workers(self) -> str:
        late = self._links.late
        if not late:
            return ""
        return f"{len(late)} workers do not come back, the longest away is at {late[0]}"

    async def _restored_socket(self) -> str:
        """Make a removed socket again; return why that failed, or an empty text."""
        if self._server.is_reachable:
            return ""
        _log.warning("CNI: the socket was removed: it is made again")
        try:
            await self._reopen()
        except (OSError, CiliateError) as error:
            return f"the socket is gone and cannot be made again: {error}"
        return ""
