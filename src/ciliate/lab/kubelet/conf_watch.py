"""Notices when a node's CNI configuration comes, changes or goes, without polling (inotify(7))."""

import asyncio
import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ciliate.lab.errors import KernelCallError
from ciliate.lab.kubelet.cni import CONF_DIRECTORY
from ciliate.lab.namespaces import in_namespaces

_IN_CLOSE_WRITE: Final = 0x8
_IN_MOVED: Final = 0x40 | 0x80
_IN_CREATE: Final = 0x100
_IN_DELETE: Final = 0x200
_EVENTS_BYTES: Final = 64 * 1024

_libc: Final = ctypes.CDLL(None, use_errno=True)


class ConfWatch:
    """Calls `on_change` in the loop for whatever happens in a node's /etc/cni/net.d."""

    def __init__(self, node_pins: Path, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        # The watch is on the directory's inode as the node sees it, through its overlay; the
        # descriptor itself belongs to no namespace.
        self._descriptor = in_namespaces(node_pins, _watch_directory, ["mnt"])
        asyncio.get_running_loop().add_reader(self._descriptor, self._readable)

    def close(self) -> None:
        """Stop watching."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _readable(self) -> None:
        os.read(self._descriptor, _EVENTS_BYTES)  # What happened is read from the directory.
        self._on_change()


def _watch_directory() -> int:
    CONF_DIRECTORY.mkdir(parents=True, exist_ok=True)
    descriptor = int(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    wanted = _IN_CLOSE_WRITE | _IN_MOVED | _IN_CREATE | _IN_DELETE
    path = str(CONF_DIRECTORY).encode()
    if descriptor < 0 or _libc.inotify_add_watch(descriptor, path, wanted) < 0:
        number = ctypes.get_errno()
        raise KernelCallError(
            action="watch", target=str(CONF_DIRECTORY), error=OSError(number, os.strerror(number))
        )
    return descriptor
