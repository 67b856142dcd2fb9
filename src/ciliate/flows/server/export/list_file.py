"""The file that lists flow logs: looked at now and then, for a ConfigMap's files are replaced by a link.

Who writes it in place may be half done: what is read twice the same is taken.
"""

import asyncio
import errno
from pathlib import Path
from typing import Final

from ciliate.flows.server.export.errors import LogListError
from ciliate.flows.server.export.log_list import LIST_BYTES_MAX
from ciliate.system.regular_file import read_regular

_SETTLE_S: Final = 0.05


class ListFile:
    """Reads the file at `path`."""

    def __init__(self, path: Path, *, settle_s: float = _SETTLE_S) -> None:
        self.path = path
        self._settle_s = settle_s
        self._seen: bytes | None = None

    async def changed(self) -> bytes | None:
        """Return what it holds, where that is something else than last time; else None.

        Raises:
            LogListError: It cannot be read.
        """
        octets = await asyncio.to_thread(self._octets)
        if octets == self._seen:
            return None
        await asyncio.sleep(self._settle_s)
        if await asyncio.to_thread(self._octets) != octets:
            return None  # It is looked at again.
        self._seen = octets
        return octets

    def _octets(self) -> bytes:
        try:
            return read_regular(self.path, LIST_BYTES_MAX + 1)
        except OSError as error:
            self._seen = None
            if error.errno == errno.ENOENT:
                raise LogListError("is missing") from error
            raise LogListError(f"cannot be read: {error.strerror}") from error
