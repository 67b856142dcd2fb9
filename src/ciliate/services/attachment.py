"""The programs of sockets, where all processes of the node are."""

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path

from ciliate.datapath.errors import DatapathError
from ciliate.datapath.programs import SOCKET_PROGRAMS
from ciliate.datapath.sockets import SocketAttacher
from ciliate.reconcile.target import Failures
from ciliate.system.cgroups import CgroupRootError, cgroup_root

_BINDS = frozenset({"post_bind4", "post_bind6"})


class SocketTarget:
    """Keeps programs attached: their names, each with the number of its control group."""

    name = "attach-socket-programs"

    def __init__(
        self, attacher: SocketAttacher, *, configured: str, enabled: bool, protects_binds: bool
    ) -> None:
        """Attach at `configured` (cgroup-root), or where the mount table says."""
        self._attacher = attacher
        self._configured = configured
        self._names = frozenset(SOCKET_PROGRAMS) if enabled else frozenset()
        if not protects_binds:
            self._names -= _BINDS

    def desired(self) -> Mapping[str, int]:
        """Return what should be attached where; where the group is not in sight, nowhere known: 0."""
        try:
            number = self._root().stat().st_ino if self._names else 0
        except (CgroupRootError, OSError):
            number = 0
        return dict.fromkeys(self._names, number)

    async def observe(self) -> Mapping[str, int]:
        """Return what is attached, and current."""
        return await asyncio.to_thread(self._attacher.attached)

    async def put(self, entries: Mapping[str, int]) -> Failures[str]:
        """Attach all programs that should be, and no others."""
        return await self._bring(entries)

    async def remove(self, keys: Collection[str]) -> Failures[str]:
        """Detach what should not be attached."""
        return await self._bring(keys)

    async def _bring(self, names: Collection[str]) -> Failures[str]:
        try:
            if self._names:
                await asyncio.to_thread(self._attacher.attach, self._root(), self._names)
            else:
                await asyncio.to_thread(self._attacher.detach)
        except (CgroupRootError, DatapathError) as error:
            return dict.fromkeys(names, error)
        return {}

    def _root(self) -> Path:
        return cgroup_root(self._configured)
