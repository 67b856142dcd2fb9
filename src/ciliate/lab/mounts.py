"""mount(2), umount2(2), pivot_root(2).

The lab mounts from threads that sit in a namespace of their own; a `mount` process per step would
cost more than all of a machine's set-up.
"""

import ctypes
import enum
import os
from pathlib import Path
from typing import Final

from ciliate.lab.errors import KernelCallError

_libc: Final = ctypes.CDLL(None, use_errno=True)

#: pivot_root has no wrapper in glibc; its number is 155 on x86-64 and 41 where the generic table
#: holds (arm64, riscv64).
_SYS_PIVOT_ROOT: Final = 155 if os.uname().machine == "x86_64" else 41


class MountFlag(enum.IntFlag):
    """Flags of mount(2), and DETACH of umount2(2)."""

    NONE = 0
    READ_ONLY = 1
    NO_SUID = 2
    NO_DEV = 4
    NO_EXEC = 8
    REMOUNT = 32
    BIND = 4096
    RECURSIVE = 16384
    PRIVATE = 1 << 18
    SLAVE = 1 << 19
    SHARED = 1 << 20

    DETACH = 2  # umount2: disappear now, go when no longer in use.


def last_error() -> OSError:
    """What the last call of a C library opened with `use_errno` failed with."""
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


def mount(
    source: str | Path,
    target: str | Path,
    kind: str = "",
    flags: MountFlag = MountFlag.NONE,
    options: str = "",
) -> None:
    """Mount or remount a file system, or change how it propagates.

    Raises:
        KernelCallError: The kernel refused.
    """
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(int(flags)),
        options.encode() or None,
    )
    if result != 0:
        number = ctypes.get_errno()
        raise KernelCallError(
            action=f"mount {kind or source} on",
            target=str(target),
            error=OSError(number, os.strerror(number)),
        )


def bind(source: str | Path, target: str | Path, *, recursive: bool = False) -> None:
    """Show `source` at `target` as well."""
    flags = MountFlag.BIND | (MountFlag.RECURSIVE if recursive else MountFlag.NONE)
    mount(source, target, flags=flags)


def unmount(target: str | Path, flags: MountFlag = MountFlag.NONE) -> None:
    """Take a mount away: umount2(2).

    Raises:
        KernelCallError: The kernel refused; `errno` EINVAL says that `target` is no mount point.
    """
    if _libc.umount2(os.fsencode(target), int(flags)) != 0:
        number = ctypes.get_errno()
        raise KernelCallError(
            action="unmount", target=str(target), error=OSError(number, os.strerror(number))
        )


def pivot_root(new_root: str | Path) -> None:
    """Make `new_root`, a mount point, the root of this mount namespace, and drop the old root.

    The trick of pivot_root(2), "pivot_root(".", ".")": the old root is stacked on the new one and
    detached from there, so no folder for it is needed.
    """
    os.chdir(new_root)
    result = _libc.syscall(ctypes.c_long(_SYS_PIVOT_ROOT), b".", b".")
    if result != 0:
        number = ctypes.get_errno()
        raise KernelCallError(
            action="pivot root to",
            target=str(new_root),
            error=OSError(number, os.strerror(number)),
        )
    unmount(".", MountFlag.DETACH)
    os.chdir("/")
