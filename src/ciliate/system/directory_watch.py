"""Notices changes in a directory without polling (inotify(7)).

The directory is watched and not its files: who replaces a file by a rename, or a ConfigMap's
volume by a link, leaves a watch of the file with what nobody sees any more.
"""

import asyncio
import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

_IN_ATTRIB: Final = 0x4
_IN_CLOSE_WRITE: Final = 0x8
_IN_MOVED: Final = 0x40 | 0x80
_IN_CREATE: Final = 0x100
_IN_DELETE: Final = 0x200
_IN_SELF: Final = 0x400 | 0x800  # Removed or renamed itself.
_WANTED: Final = _IN_SELF | _IN_ATTRIB | _IN_CLOSE_WRITE | _IN_MOVED | _IN_CREATE | _IN_DELETE
_EVENTS_BYTES: Final = 64 * 1024

_libc: Final = ctypes.CDLL(None, use_errno=True)


def watch_directory(path: Path) -> int:
    """Return an inotify descriptor; it goes on to watch that inode from any mount namespace.

    Raises:
        OSError: There is no such directory, or the user has no watches left.
    """
    descriptor = int(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    if descriptor < 0:
        raise _last_error(path)
    if _libc.inotify_add_watch(descriptor, os.fsencode(path), _WANTED) < 0:
        error = _last_error(path)
        os.close(descriptor)
        raise error
    return descriptor


def _last_error(path: Path) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), str(path))


class DirectoryWatch:
    """Calls `on_change` in the loop for whatever happens in a directory; owns its descriptor."""

    def __init__(self, descriptor: int, on_change: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._on_change = on_change
        asyncio.get_running_loop().add_reader(descriptor, self._readable)

    def close(self) -> None:
        """Stop watching."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _readable(self) -> None:
        os.read(self._descriptor, _EVENTS_BYTES)  # What happened is read from the directory.
        self._on_change()
