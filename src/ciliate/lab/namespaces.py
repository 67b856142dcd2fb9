"""Linux namespaces: making them, pinning them as files, entering them.

Every machine and every pod of a lab is a folder of pins (`net`, `mnt`, `uts`): bind mounts of
`/proc/<pid>/ns/*`, which keep a namespace alive with no process in it (namespaces(7)). Python has
`os.setns` and `os.unshare` from 3.12 on only, hence ctypes.

A namespace is a property of a thread. `in_namespaces` and `make_namespaces` therefore work in
threads of their own, which end in the namespaces they entered and are never used again.
"""

import ctypes
import errno
import os
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from ciliate.lab.errors import KernelCallError
from ciliate.lab.mounts import MountFlag, bind, unmount

T = TypeVar("T")

CLONE_FS: Final = 0x00000200
CLONE_NEWNS: Final = 0x00020000
CLONE_NEWCGROUP: Final = 0x02000000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

#: Name of a pin -> flag, in the order of entering. The mount namespace comes last: from then on
#: the paths of the other pins no longer mean the same files.
KINDS: Final = {
    "net": CLONE_NEWNET,
    "uts": CLONE_NEWUTS,
    "ipc": CLONE_NEWIPC,
    "pid": CLONE_NEWPID,
    "mnt": CLONE_NEWNS,
}

#: How many ids of namespaces a processor takes at once (COOKIE_LOCAL_BATCH).
_IDS_OF_A_BLOCK: Final = 4096

_libc: Final = ctypes.CDLL(None, use_errno=True)


def _check(result: int, action: str, target: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise KernelCallError(
            action=action, target=target, error=OSError(number, os.strerror(number))
        )


def unshare(flags: int) -> None:
    """Give the calling thread new namespaces (unshare(2))."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare", hex(flags))


def enter(pins: Path | str, kinds: Iterable[str] | None = None) -> None:
    """Move the calling thread into the namespaces pinned in folder `pins`.

    Root and working folder become those of the mount namespace, if there is one. Without `kinds`,
    every pin present is entered.

    Raises:
        KernelCallError: A pin is missing or no namespace, or the kernel refuses (the thread
            shares its file system attributes: see `in_namespaces`).
    """
    folder = Path(pins)
    wanted = set(KINDS) if kinds is None else set(kinds)
    descriptors: list[tuple[str, int]] = []
    try:
        for kind in KINDS:
            if kind not in wanted or (kinds is None and not (folder / kind).exists()):
                continue
            descriptors.append((kind, _open(folder / kind)))
        if not descriptors:
            raise KernelCallError(
                action="enter", target=str(folder), error=OSError(2, "no namespace is pinned here")
            )
        for kind, descriptor in descriptors:
            enter_descriptor(descriptor, KINDS[kind], str(folder / kind))
    finally:
        for _, descriptor in descriptors:
            os.close(descriptor)


def enter_pin(kind: str, pin: Path | str) -> None:
    """Move the calling thread into one namespace; of kind `pid` only its children will be in it."""
    descriptor = _open(Path(pin))
    try:
        enter_descriptor(descriptor, KINDS[kind], str(pin))
    finally:
        os.close(descriptor)


def enter_descriptor(descriptor: int, flags: int, name: str) -> None:
    """Move the calling thread into a namespace, or those of a process's descriptor that `flags` name."""
    _check(_libc.setns(ctypes.c_int(descriptor), ctypes.c_int(flags)), "enter", name)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise KernelCallError(action="open", target=str(path), error=error) from error


def set_hostname(name: str) -> None:
    """Name the calling thread's UTS namespace."""
    encoded = name.encode()
    _check(_libc.sethostname(encoded, len(encoded)), "set hostname", name)


def _in_own_thread(function: Callable[[], T]) -> T:
    """Run `function` in a thread that ends with it; its exception becomes the caller's."""
    results: list[T] = []
    failures: list[BaseException] = []

    def body() -> None:
        try:
            results.append(function())
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, not kept.
            failures.append(error)

    thread = threading.Thread(target=body, name="namespace")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def in_namespaces(
    pins: Path | str, function: Callable[[], T], kinds: Iterable[str] | None = None
) -> T:
    """Call `function` inside the pinned namespaces, in a thread of its own, and wait for it.

    Blocking: asyncio code calls it through `asyncio.to_thread`. Processes that the function
    starts are inside as well. Costs some 0.1 ms.
    """

    def body() -> T:
        # A thread that shares root and working folder with others may not change its mount
        # namespace (setns(2)).
        unshare(CLONE_FS)
        enter(pins, kinds)
        return function()

    return _in_own_thread(body)


def is_chroot() -> bool:
    """Whether the root is another folder, or another mount, than this mount namespace's: chroot(2).

    Whoever enters a mount namespace by setns(2) leaves a chroot: what lies in it is not found there,
    nor is it what stands there, be the folder the same by a bind mount.
    """

    def body() -> bool:
        unshare(CLONE_FS)
        told = os.open("/proc/thread-self/fdinfo", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            here = os.stat("/"), _root_mount(told)
            enter_pin("mnt", "/proc/self/ns/mnt")
            there = os.stat("/"), _root_mount(told)
        finally:
            os.close(told)
        return here[1] != there[1] or not os.path.samestat(here[0], there[0])

    return _in_own_thread(body)


def _root_mount(told: int) -> str:
    """The number of the mount that "/" is on (proc_pid_fdinfo(5)), read in the folder `told`."""
    root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        with open(os.open(str(root), os.O_RDONLY | os.O_CLOEXEC, dir_fd=told)) as file:
            return next(line for line in file if line.startswith("mnt_id:"))
    finally:
        os.close(root)


def make_namespaces(
    pins: Path | str,
    *,
    kinds: Sequence[str] = ("net", "uts", "mnt"),
    inside: Callable[[], None] | None = None,
    parent: Path | str | None = None,
) -> None:
    """Make new namespaces and pin them in folder `pins`, which must not exist yet.

    `inside` runs in them when they are pinned (mounts, hostname, links). With `parent`, a folder of
    pins, they start as children of those: a mount namespace begins as a copy of that one. The pins
    are made in the caller's mount namespace, on a mount that must not propagate into the new one.

    Raises:
        KernelCallError: The kernel refused a step; nothing is left pinned.
    """
    folder = Path(pins)
    folder.mkdir(parents=True)
    made: queue.SimpleQueue[int | None] = queue.SimpleQueue()  # Of which thread to pin, each time.
    pinned: queue.SimpleQueue[bool | BaseException] = queue.SimpleQueue()

    def is_pinned() -> bool:
        made.put(threading.get_native_id())
        answer = pinned.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def body() -> None:
        try:
            unshare(CLONE_FS)
            if parent is not None:
                enter(parent)
            _unshare_all(kinds, is_pinned)
            if inside is not None:
                inside()
        finally:
            made.put(None)

    with ThreadPoolExecutor(1, "namespace") as thread:  # Ends in them, and is never used again.
        work = thread.submit(body)
        while (owner := made.get()) is not None:
            pinned.put(_pin(folder, kinds, owner))
        failure = work.exception()
    if failure is not None:
        remove_pins(folder)
        raise failure


def _pin(folder: Path, kinds: Sequence[str], thread_id: int) -> bool | BaseException:
    """Pin the namespaces of a thread; False: a mount namespace that may not be pinned here."""
    for kind in kinds:
        try:
            (folder / kind).touch()
            bind(f"/proc/{os.getpid()}/task/{thread_id}/ns/{kind}", folder / kind)
        except (KernelCallError, OSError) as error:
            if kind != "mnt" or error.errno != errno.EINVAL:
                return error
            _unpin(folder, kinds)
            return False
    return True


def pin_process(pid: int, kind: str, pin: Path) -> None:
    """Pin a process's namespace of a kind; one of mounts cannot be in any that is newer."""
    pin.touch()
    bind(f"/proc/{pid}/ns/{kind}", pin)


def _unshare_all(kinds: Sequence[str], is_pinned: Callable[[], bool]) -> None:
    for kind in kinds:
        if kind != "mnt":
            unshare(KINDS[kind])
    if "mnt" in kinds:
        _unshare_mounts(is_pinned)
    else:
        is_pinned()


def _unshare_mounts(is_pinned: Callable[[], bool]) -> None:
    """Give the calling thread a new mount namespace that can be pinned.

    A mount namespace may be pinned only in one with a smaller id (fs/namespace.c, mnt_ns_loop), and
    since Linux 6.18 each processor takes ids from a block of its own (include/linux/cookie.h), so
    that a newer namespace may have the smaller one. Hence one is made on each processor: that which
    made the namespace we are in gives larger ones. If this thread may not run there, a processor is
    driven to its next block, which lies above all before.
    """
    unshare(CLONE_NEWNS)
    if is_pinned():
        return
    allowed = os.sched_getaffinity(0)
    try:
        for processor in sorted(allowed):
            os.sched_setaffinity(0, {processor})
            unshare(CLONE_NEWNS)
            if is_pinned():
                return
        _in_own_thread(_use_up_ids)
        unshare(CLONE_NEWNS)
        if not is_pinned():
            raise KernelCallError(
                action="pin",
                target="a new mount namespace",
                error=OSError(errno.EINVAL, "its id is smaller than that of the lab's own"),
            )
    finally:
        os.sched_setaffinity(0, allowed)


def _use_up_ids() -> None:
    """Make as many namespaces, of the cheapest kind, as a processor's block has ids: 0.3 s."""
    for _ in range(_IDS_OF_A_BLOCK):
        unshare(CLONE_NEWUTS)


def remove_pins(pins: Path | str) -> None:
    """Unpin what folder `pins` holds and remove the folder; absent pins are a success."""
    folder = Path(pins)
    _unpin(folder, KINDS)
    if folder.exists():
        folder.rmdir()


def _unpin(folder: Path, kinds: Iterable[str]) -> None:
    for kind in kinds:
        path = folder / kind
        if path.exists():
            with suppress(KernelCallError):  # Not a mount point: its bind never happened.
                unmount(path, MountFlag.DETACH)
            path.unlink(missing_ok=True)
