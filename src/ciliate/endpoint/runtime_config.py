"""The CNI configuration file: how the container runtime learns that pods can be attached.

Written last at start. It stays when the agent is restarted: the queue of DELs and the plugin's
retries cover that time. With `cni-exclusive`, files of other plugins are put aside for as long as
the agent runs.
"""

import asyncio
import logging
from pathlib import Path

from ciliate.cni.call import CHAINED_MODE
from ciliate.cni.chained_conflist import NOT_FOUND, render_chained
from ciliate.cni.conflist import (
    is_exclusive_intact,
    remove_conflist,
    render_conflist,
    write_conflist,
)
from ciliate.config.settings import CniSettings
from ciliate.errors import CiliateError
from ciliate.node.host_path import host_path
from ciliate.reconcile.status import RunStatus
from ciliate.system.regular_file import read_regular

_log = logging.getLogger(__name__)

_CHECK_S = 10.0
#: While the list that ours is to be appended to is not there, pods cannot be attached.
_SEARCH_S = 1.0


class RuntimeConfig:
    """Keeps the file `write-cni-conf-when-ready`."""

    def __init__(self, settings: CniSettings, *, debug: bool) -> None:
        self.status = RunStatus("write-cni-file")
        self._settings = settings
        self._path = host_path(settings.conflist_path) if settings.conflist_path else None
        self._debug = debug
        self._missing = False  # The list that ours is to be appended to.

    @property
    def message(self) -> str:
        """The line of `dbg status`."""
        if self._path is None:
            return "CNI configuration management disabled"
        if self._missing:
            return NOT_FOUND
        if not self.status.successes:
            return f"CNI configuration file {self._path} is not written yet"
        return f"successfully wrote CNI configuration file to {self._settings.conflist_path}"

    async def write(self) -> None:
        """Write the file now, if it is ours to manage.

        While the network that ours is to be appended to is not there, nothing is written.

        Raises:
            CiliateError: It cannot be written.
        """
        if self._path is None:
            return
        content = await asyncio.to_thread(self._render, self._path)
        if content is None:
            if not self._missing:
                _log.warning("%s: %s", self._path.parent, NOT_FOUND)
            self._missing = True
            self.status.failed(NOT_FOUND)
            return
        self._missing = False
        await asyncio.to_thread(
            write_conflist, str(self._path), content, exclusive=self._settings.exclusive
        )
        self.status.succeeded()

    def _render(self, path: Path) -> bytes | None:
        settings = self._settings
        if settings.chaining_mode == CHAINED_MODE:
            return render_chained(
                str(path), settings.chaining_target, debug=self._debug, log_file=settings.log_file
            )
        return render_conflist(
            debug=self._debug,
            log_file=settings.log_file,
            portmap=settings.chaining_mode == "portmap",
        )

    async def run(self) -> None:
        """Restore the file whenever it was changed or removed, until cancelled."""
        while self._path is not None:
            await asyncio.sleep(_SEARCH_S if self._missing else _CHECK_S)
            try:
                if self._missing:
                    await self.write()
                elif not await asyncio.to_thread(self._is_intact, self._path):
                    _log.info("CNI configuration %s was changed: writing it anew", self._path)
                    await self.write()
            except CiliateError as error:
                self.status.failed(str(error))
                _log.warning("%s", error)

    def _is_intact(self, path: Path) -> bool:
        content = self._render(path)
        if content is None:  # Its list was removed later: its pods live on.
            return path.exists()
        try:
            same = read_regular(path, len(content) + 1) == content
        except OSError:
            return False
        return same and (not self._settings.exclusive or is_exclusive_intact(str(path)))

    async def remove(self) -> None:
        """Take the file away: no agent will come back to this node."""
        if self._path is not None:
            await asyncio.to_thread(remove_conflist, str(self._path))
