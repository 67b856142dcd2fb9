"""ip-masq-agent's file on the node: read at start, and again whenever it changes.

Kubelet replaces a ConfigMap's files by a link's rename, so the directory is watched. A file that is
refused changes nothing: what was read before stays, and at a start what the kernel still holds.
"""

import asyncio
import contextlib
import errno
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from pathlib import Path
from typing import Final

from ciliate.errors import CiliateError, SettingError
from ciliate.masquerade.agent_list import CONFIG_MAP, FILE_BYTES_MAX, AgentFileError, read_ranges
from ciliate.net.address import IPNetwork
from ciliate.reconcile.status import RunStatus
from ciliate.system.directory_watch import DirectoryWatch, watch_directory
from ciliate.system.regular_file import read_regular

_log = logging.getLogger(__name__)

#: Who writes in place empties the file first: what comes within this time is read once.
_SETTLE_S: Final = 0.05

#: A directory that was removed and made again sends no event; a lost event neither.
_LOOK_S: Final = 60.0

_KEY: Final = "ip-masq-agent-config-path"

#: Does what a list asks for, or refuses it with a CiliateError.
Accept = Callable[[tuple[IPNetwork, ...]], Awaitable[None]]


class AgentFile:
    """Keeps what the file says in force; one task executes `run`."""

    def __init__(self, path: str, *, versions: Collection[int], accept: Accept) -> None:
        self.status = RunStatus("ip-masq-agent")
        self._path = Path(path)
        self._versions = versions
        self._accept = accept
        self._seen: bytes | None = None
        self._is_read = False
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Read the file for the first time.

        Raises:
            SettingError: Its directory is missing, so that nothing could be watched.
        """
        if not await asyncio.to_thread(self._path.parent.is_dir):
            raise SettingError(
                key=_KEY,
                value=str(self._path),
                problem=f"lies in a directory that is missing, {self._path.parent}",
                remedy=f"mount {CONFIG_MAP} there as an optional volume of the agents' pods, or"
                " make the directory",
            )
        await self.read()

    async def run(self) -> None:
        """Read the file after every change, until cancelled."""
        while True:
            async with self._watched() as problem:
                while True:
                    self._changed.clear()
                    before = await self._place()
                    await self.read()
                    if problem:
                        self._failed(problem)
                    await self._wait()
                    if problem or await self._place() != before:
                        break  # Watch what is there now.

    @contextlib.asynccontextmanager
    async def _watched(self) -> AsyncIterator[str]:
        """Have the directory watched inside the block; yields why not, where it cannot be."""
        try:
            watch = DirectoryWatch(watch_directory(self._path.parent), self._changed.set)
        except OSError as error:
            yield (
                f"cannot watch {self._path.parent}: {error.strerror}: changes of the file are"
                f" seen after {_LOOK_S:.0f} s"
            )
            return
        try:
            yield ""
        finally:
            watch.close()

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_S):
                await self._changed.wait()
        await asyncio.sleep(_SETTLE_S)

    async def _place(self) -> tuple[int, int] | None:
        """Return which directory it is; None: there is none."""
        try:
            found = await asyncio.to_thread(self._path.parent.stat)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    async def read(self) -> None:
        """Read the file; have its list accepted where it is another than before."""
        try:
            octets = await asyncio.to_thread(self._octets)
            if self._is_read and octets == self._seen:
                return
            self._seen, self._is_read = octets, True
            ranges = await asyncio.to_thread(
                read_ranges, octets, path=str(self._path), versions=self._versions
            )
            await self._accept(ranges)
        except CiliateError as error:
            self._failed(f"Failed to update: {error}")
            return
        self.status.succeeded()

    def _octets(self) -> bytes | None:
        try:
            return read_regular(self._path, FILE_BYTES_MAX + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AgentFileError(
                path=str(self._path),
                line=0,
                problem=f"Failed to read: {error.strerror or errno.errorcode.get(error.errno or 0)}",
                remedy="let it be a file that the agent may read",
            ) from error

    def _failed(self, message: str) -> None:
        if message != self.status.last_failure:  # One line per cause, not per look.
            _log.warning("ip-masq-agent: %s", message)
        self.status.failed(message)
