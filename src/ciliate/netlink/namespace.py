"""Network namespaces: a thread enters one, does its work there, comes back.

A socket belongs to the namespace its thread was in when it opened it, for good; /proc/sys/net
shows the namespace of the thread that reads. Python 3.11 has no `os.setns`, so libc's is called.
"""

import ctypes
import errno
import fcntl
import os
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ciliate.netlink.errors import NetlinkError

CLONE_NEWNET: Final = 0x40000000

#: ioctl of a namespace's file: which kind it is (linux/nsfs.h; since Linux 4.11).
_NS_GET_NSTYPE: Final = 0xB703

_KINDS: Final = {
    stat.S_IFDIR: "directory",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}

_LIBC: Final = ctypes.CDLL(None, use_errno=True)


#: Linux 5.14; Python has no name for it.
_SO_NETNS_COOKIE: Final = 71


def open_namespace(path: str) -> int:
    """Return a descriptor of the network namespace at `path`; the caller closes it.

    The path comes from a runtime and may lead to anything. So it is looked at first (O_PATH opens
    nothing: no pipe is waited for, no device starts to do something), and opened when it is a
    file of a namespace.

    Raises:
        NetlinkError: It cannot be opened or is something else; ENOENT when the sandbox is gone.
    """
    try:
        seen = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            _refuse_other_file(seen, path)
            descriptor = os.open(f"/proc/thread-self/fd/{seen}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(seen)
    except OSError as error:
        raise _unusable(path, error.errno or 0) from error
    try:
        _refuse_other_kind(descriptor, path)
    except NetlinkError:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_other_file(seen: int, path: str) -> None:
    """Refuse what is no namespace: those are files of one file system, nsfs."""
    found = os.fstat(seen)
    if found.st_dev == os.stat("/proc/thread-self/ns/net").st_dev:
        return
    if stat.S_ISREG(found.st_mode):
        # What is left of a bind mount after its namespace was unmounted is an empty file.
        raise _unusable(path, errno.ENOENT, "is no network namespace any more")
    kind = _KINDS.get(stat.S_IFMT(found.st_mode), "file of another kind")
    raise _unusable(path, errno.EINVAL, f"is a {kind}, no network namespace")


def _refuse_other_kind(descriptor: int, path: str) -> None:
    try:
        kind = fcntl.ioctl(descriptor, _NS_GET_NSTYPE)
    except OSError as error:
        raise _unusable(path, error.errno or 0) from error
    if kind != CLONE_NEWNET:
        raise _unusable(path, errno.EINVAL, "is a namespace, but none of a network")


def _unusable(path: str, code: int, detail: str = "") -> NetlinkError:
    return NetlinkError(step="open network namespace", subject=path, errno=code, detail=detail)


def open_own_namespace() -> int:
    """Return a descriptor of the calling thread's network namespace."""
    return open_namespace("/proc/thread-self/ns/net")


def enter(descriptor: int, *, subject: str) -> None:
    """Move the calling thread, and only it, into the namespace behind `descriptor`."""
    if _LIBC.setns(descriptor, CLONE_NEWNET) != 0:
        raise NetlinkError(
            step="enter network namespace", subject=subject, errno=ctypes.get_errno()
        )


def make_namespace(home: int) -> int:
    """Return a descriptor of a new, empty namespace, which goes with its last user.

    The calling thread is in `home` before and after. The caller closes the descriptor.
    """
    if _LIBC.unshare(CLONE_NEWNET) != 0:
        raise NetlinkError(
            step="make network namespace", subject="to try the kernel in", errno=ctypes.get_errno()
        )
    try:
        return open_own_namespace()
    finally:
        assert _LIBC.setns(home, CLONE_NEWNET) == 0, "thread is stranded in a new namespace"


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


def is_same_namespace(one: int, other: int) -> bool:
    """Whether two descriptors are of one and the same namespace."""
    first, second = os.fstat(one), os.fstat(other)
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def namespace_cookie() -> int:
    """Return the number of the calling thread's namespace, as programs of sockets see it.

    0 where the kernel does not tell it (before Linux 5.14): no namespace has that number.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            octets = any_socket.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8)
        except OSError:
            return 0
    return int.from_bytes(octets, sys.byteorder)
