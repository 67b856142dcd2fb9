"""Giving up what a container may not do: capabilities, user and groups of the calling process.

There is no seccomp profile, as Kubernetes has none unless a pod asks for one: what bpf(2), mount(2)
and their kin need is a capability that a container has not. Keyrings need none: see `keyrings`.
"""

import ctypes
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ciliate.lab.container.keyrings import refuse_keyrings
from ciliate.lab.container.spec import CAPABILITIES, Privileges
from ciliate.lab.errors import KernelCallError
from ciliate.lab.mounts import last_error

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4

_CAPABILITY_VERSION_3: Final = 0x20080522  # linux/capability.h: two words of 32 bits per set.

_libc: Final = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def hide_from_container() -> None:
    """Keep the calling process's memory and files from those it is about to live among.

    Until it executes a program of the container's it is a copy of the zygote, which a process that
    is root in the container could else trace, or reach through /proc/PID/exe.
    """
    _prctl(_PR_SET_DUMPABLE, 0)


def end_with_parent() -> None:
    """Have the calling process killed when its parent ends; a change of user would undo it."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def bits_of(names: Iterable[str]) -> int:
    """Capabilities as the kernel writes a set: one bit each."""
    return sum(1 << CAPABILITIES.index(name) for name in set(names))


def take_on(privileges: Privileges) -> None:
    """Be what `privileges` say, for good: the calling process and what it executes.

    Raises:
        KernelCallError: The kernel refuses a step.
    """
    if not privileges.privileged:
        refuse_keyrings()
    if privileges.no_new_privileges:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    allowed = ~0 if privileges.privileged else bits_of(privileges.capabilities)
    for number in range(_last_capability() + 1):
        if not allowed >> number & 1:
            _prctl(_PR_CAPBSET_DROP, number)
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    os.setgroups(privileges.groups)
    os.setresgid(privileges.gid, privileges.gid, privileges.gid)
    os.setresuid(privileges.uid, privileges.uid, privileges.uid)
    # A user other than 0 has lost its capabilities by that.
    _set_capabilities(allowed if privileges.uid == 0 else 0)


def _set_capabilities(allowed: int) -> None:
    """Keep of the permitted capabilities those that are allowed, and inherit none."""
    header = _Header(_CAPABILITY_VERSION_3, 0)
    sets = (_Sets * 2)()
    _check(_libc.capget(ctypes.byref(header), ctypes.byref(sets)), "read", "capabilities")
    for place, words in enumerate(sets):
        words.permitted &= allowed >> 32 * place & 0xFFFFFFFF
        words.effective = words.permitted
        words.inheritable = 0
    _check(_libc.capset(ctypes.byref(header), ctypes.byref(sets)), "set", "capabilities")


def _last_capability() -> int:
    return int(Path("/proc/sys/kernel/cap_last_cap").read_text(encoding="utf-8"))


def _prctl(option: int, argument: int) -> None:
    words = (ctypes.c_ulong(word) for word in (argument, 0, 0, 0))
    _check(_libc.prctl(ctypes.c_int(option), *words), "prctl", f"{option}, {argument}")


def _check(result: int, action: str, target: str) -> None:
    if result < 0:
        raise KernelCallError(action=action, target=target, error=last_error())
