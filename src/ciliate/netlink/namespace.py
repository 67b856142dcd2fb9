"""Network namespaces: a thread enters one, does its work there, comes back.

A socket belongs to the namespace its thread was in when it opened it, for good; /proc/sys/net
shows the namespace of the thread that reads. Python 3.11 has no `os.setns`, so libc's is called.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ciliate.netlink.errors import NetlinkError

CLONE_NEWNET: Final = 0x40000000

_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def open_namespace(path: str) -> int:
    """Return a descriptor of the namespace file at `path`; the caller closes it.

    Raises:
        NetlinkError: The file cannot be opened; ENOENT when the sandbox is gone.
    """
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NetlinkError(
            step="open network namespace", subject=path, errno=error.errno or 0
        ) from error


def open_own_namespace() -> int:
    """Return a descriptor of the calling thread's network namespace."""
    return open_namespace("/proc/thread-self/ns/net")


def enter(descriptor: int, *, subject: str) -> None:
    """Move the calling thread, and only it, into the namespace behind `descriptor`."""
    if _LIBC.setns(descriptor, CLONE_NEWNET) != 0:
        raise NetlinkError(
            step="enter network namespace", subject=subject, errno=ctypes.get_errno()
        )


@contextmanager
def inside(descriptor: int, *, home: int, subject: str) -> Iterator[None]:
    """Run the body in the namespace behind `descriptor`, then return to `home`.

    A thread that could not come back would work on the wrong machine: that is a bug or a kernel
    out of memory, and ends the task as an AssertionError.
    """
    enter(descriptor, subject=subject)
    try:
        yield
    finally:
        assert _LIBC.setns(home, CLONE_NEWNET) == 0, f"thread is stranded in {subject}"


def is_namespace(descriptor: int) -> bool:
    """Whether a descriptor is of a namespace: all of them are files of one file system (nsfs)."""
    return os.fstat(descriptor).st_dev == os.stat("/proc/thread-self/ns/net").st_dev


def is_same_namespace(one: int, other: int) -> bool:
    """Whether two descriptors are of one and the same namespace."""
    first, second = os.fstat(one), os.fstat(other)
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)
