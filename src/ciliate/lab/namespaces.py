"""Linux namespaces: making them, pinning them as files, entering them.

Every machine and every pod of a lab is a folder of pins (`net`, `mnt`, `uts`): bind mounts of
`/proc/<pid>/ns/*`, which keep a namespace alive with no process in it (namespaces(7)). Python has
`os.setns` and `os.unshare` from 3.12 on only, hence ctypes.

A namespace is a property of a thread. `in_namespaces` and `make_namespaces` therefore work in
threads of their own, which end in the namespaces they entered and are never used again.
"""

import ctypes
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from ciliate.lab.errors import KernelCallError
from ciliate.lab.mounts import MountFlag, bind, unmount

T = TypeVar("T")

CLONE_FS: Final = 0x00000200
CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWNET: Final = 0x40000000

#: Name of a pin -> flag, in the order of entering. The mount namespace comes last: from then on
#: the paths of the other pins no longer mean the same files.
KINDS: Final = {
    "net": CLONE_NEWNET,
    "uts": CLONE_NEWUTS,
    "ipc": CLONE_NEWIPC,
    "mnt": CLONE_NEWNS,
}

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
            _check(_libc.setns(descriptor, KINDS[kind]), "enter", str(folder / kind))
    finally:
        for _, descriptor in descriptors:
            os.close(descriptor)


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


def make_namespaces(
    pins: Path | str,
    *,
    kinds: Sequence[str] = ("net", "uts", "mnt"),
    inside: Callable[[], None] | None = None,
    parent: Path | str | None = None,
) -> None:
    """Make new namespaces and pin them in folder `pins`, which must not exist yet.

    `inside` runs in the new namespaces before they are pinned (mounts, hostname, links). With
    `parent`, a folder of pins, the new namespaces start as children of those: a pod's mount
    namespace begins as a copy of its machine's. The pins are made in the caller's mount namespace,
    on a mount that must not propagate into the new one.

    Raises:
        KernelCallError: The kernel refused a step; nothing is left pinned.
    """
    folder = Path(pins)
    folder.mkdir(parents=True)
    flags = 0
    for kind in kinds:
        flags |= KINDS[kind]
    ready = threading.Event()
    pinned = threading.Event()
    thread_id: list[int] = []
    failures: list[BaseException] = []

    def body() -> None:
        try:
            unshare(CLONE_FS)
            if parent is not None:
                enter(parent)
            unshare(flags)
            if inside is not None:
                inside()
            thread_id.append(threading.get_native_id())
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, not kept.
            failures.append(error)
        ready.set()
        pinned.wait()  # The namespaces live in this thread until they are pinned.

    thread = threading.Thread(target=body, name="namespace")
    thread.start()
    ready.wait()
    try:
        for kind in kinds if thread_id else ():
            (folder / kind).touch()
            bind(f"/proc/{os.getpid()}/task/{thread_id[0]}/ns/{kind}", folder / kind)
    except BaseException:
        remove_pins(folder)
        raise
    finally:
        pinned.set()
        thread.join()
    if failures:
        remove_pins(folder)
        raise failures[0]


def remove_pins(pins: Path | str) -> None:
    """Unpin what folder `pins` holds and remove the folder; absent pins are a success."""
    folder = Path(pins)
    for kind in KINDS:
        path = folder / kind
        if path.exists():
            with suppress(KernelCallError):  # Not a mount point: its bind never happened.
                unmount(path, MountFlag.DETACH)
            path.unlink(missing_ok=True)
    if folder.exists():
        folder.rmdir()
