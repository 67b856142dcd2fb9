"""Mounts that are nowhere yet: taken in one mount namespace, attached in another.

open_tree(2), move_mount(2), mount_setattr(2) and openat2(2), Linux 5.12. A tree is held by its
descriptor; closed unattached, it is gone.
"""

import ctypes
import enum
import errno
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

from ciliate.lab.errors import KernelCallError
from ciliate.lab.mounts import last_error

_AT_FDCWD: Final = -100
_AT_EMPTY_PATH: Final = 0x1000
_AT_RECURSIVE: Final = 0x8000
_OPEN_TREE_CLONE: Final = 1
_MOVE_MOUNT_F_EMPTY_PATH: Final = 0x4

_RESOLVE_NO_MAGICLINKS: Final = 0x02
_RESOLVE_BENEATH: Final = 0x08

# System calls since Linux 5.1 have the same number on every architecture.
_SYS_OPEN_TREE: Final = 428
_SYS_MOVE_MOUNT: Final = 429
_SYS_OPENAT2: Final = 437
_SYS_MOUNT_SETATTR: Final = 442

_MOUNT_ATTRIBUTES: Final = struct.Struct("QQQQ")  # set, clear, propagation, user namespace
_OPEN_HOW: Final = struct.Struct("QQQ")  # flags, mode, resolve

_libc: Final = ctypes.CDLL(None, use_errno=True)


class MountAttribute(enum.IntFlag):
    """MOUNT_ATTR_* of mount_setattr(2)."""

    NONE = 0
    READ_ONLY = 1
    NO_DEV = 4


def open_tree(place: Path | int) -> int:
    """Return a tree that shows what `place` shows, with all mounts below.

    Raises:
        KernelCallError: There is nothing, or the kernel refuses.
    """
    folder, path = (place, b"") if isinstance(place, int) else (_AT_FDCWD, os.fsencode(place))
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_RECURSIVE | _AT_EMPTY_PATH
    return _call(_SYS_OPEN_TREE, folder, path, flags, action="take the mount", target=str(place))


def attach(tree: int, target: str) -> None:
    """Mount a tree on `target`, a path of the caller's mount namespace."""
    words = (tree, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH)
    _call(_SYS_MOVE_MOUNT, *words, action="attach a mount on", target=target)


def change(
    tree: int,
    attributes: MountAttribute = MountAttribute.NONE,
    *,
    cleared: MountAttribute = MountAttribute.NONE,
    propagation: int = 0,
    recursive: bool = True,
) -> None:
    """Set or clear attributes of a tree's mounts, and their propagation (MS_PRIVATE; 0 keeps it)."""
    wanted = _MOUNT_ATTRIBUTES.pack(attributes, cleared, propagation, 0)
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    words = (tree, b"", flags, wanted, len(wanted))
    _call(_SYS_MOUNT_SETATTR, *words, action="change the mount", target=f"of descriptor {tree}")


def open_beneath(folder: int, path: str) -> int:
    """Return a descriptor (O_PATH) of `path` in `folder`; folders that are missing are made.

    A link that leads out of the folder is refused: what is in a pod's volume, its containers wrote.
    """
    with suppress(FileNotFoundError):
        return _open_in(folder, path)
    current = os.dup(folder)
    try:
        for name in Path(path).parts:
            with suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=current)
            found = _open_in(current, name)
            os.close(current)
            current = found
    except BaseException:
        os.close(current)
        raise
    return current


def _open_in(folder: int, path: str) -> int:
    """Open a path that may not leave the folder; a FileNotFoundError is the caller's to decide."""
    how = _OPEN_HOW.pack(os.O_PATH | os.O_CLOEXEC, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)
    words = (folder, os.fsencode(path), how, len(how))
    try:
        return _call(_SYS_OPENAT2, *words, action="open", target=path)
    except KernelCallError as error:
        if error.errno == errno.ENOENT:
            raise FileNotFoundError(error.errno, str(error)) from error
        raise


def _call(number: int, *words: int | bytes, action: str, target: str) -> int:
    arguments = [ctypes.c_long(word) if isinstance(word, int) else word for word in words]
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise KernelCallError(action=action, target=target, error=last_error())
    return result
