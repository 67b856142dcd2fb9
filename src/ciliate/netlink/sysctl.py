"""Kernel settings under /proc/sys, as `sysctl` names them. Blocking: call from a thread.

A name has dots ("net.ipv4.ip_forward") or, when an interface's name itself holds a dot, slashes
("net/ipv4/conf/eth0.10/rp_filter"). /proc/sys/net is the calling thread's namespace, by whichever
mount of procfs it is reached: a container's own /proc/sys is read-only, the node's /proc, mounted
beside it, is not (the setting `procfs`).
"""

import errno
import os
from collections.abc import Mapping
from typing import Final

from ciliate.netlink.errors import NetlinkError, SysctlAbsentError

#: Which mount of procfs can be written is a fact of the whole process, as its mounts are.
_mounted: Final = {"procfs": "/proc"}

#: What most settings take.
_VALUE_BYTES_MAX: Final = 4096
#: What a list of ports takes at most: every second one of 65,536. The kernel tells it to the first
#: read alone, cut where that asks for less.
LIST_BYTES_MAX: Final = 1 << 18

#: Every kernel has it, and opening it for writing asks all that a write does.
_PROBE: Final = "net.ipv4.conf.all.rp_filter"


def use_procfs(path: str) -> None:
    """Reach settings by the mount of procfs at `path`, in this process from now on."""
    _mounted["procfs"] = path


def write_problem() -> str:
    """Return why no setting can be written here, in words; empty when they can. Writes nothing."""
    try:
        os.close(os.open(_path(_PROBE), os.O_WRONLY | os.O_CLOEXEC))
    except OSError as error:
        return f"{_path(_PROBE)}: {error.strerror}"
    return ""


def read_sysctl(name: str, *, bytes_max: int = _VALUE_BYTES_MAX) -> str:
    """Return the value of `name` without its final newline.

    Raises:
        SysctlAbsentError: The kernel has no such setting.
        NetlinkError: It cannot be read.
    """
    try:
        descriptor = os.open(_path(name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(descriptor, bytes_max).decode().strip()
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _failed("read sysctl", name, error) from error


def write_sysctl(name: str, value: str) -> None:
    """Set `name` to `value`, whatever it was."""
    try:
        descriptor = os.open(_path(name), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, value.encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _failed("write sysctl", f"{name} = {value}", error) from error


def add_to_sysctl(name: str, value: str) -> None:
    """Add to a list of ranges, such as that of reserved ports; what it held before stays.

    The kernel replaces the list by what is written at its beginning, and adds what is written
    behind it (proc_do_large_bitmap): so nothing that others add meanwhile is lost.
    """
    try:
        descriptor = os.open(_path(name), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, value.encode(), 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _failed("add to sysctl", f"{name} += {value}", error) from error


def write_sysctls(settings: Mapping[str, str]) -> None:
    """Set each name to its value where it differs.

    Only where it differs: writing `conf.all.forwarding` again, for one, resets every interface's
    own value. Values are compared word by word, since the kernel prints tabs between numbers.
    """
    for name, value in settings.items():
        if read_sysctl(name).split() != value.split():
            write_sysctl(name, value)


def node_sysctls(*, ipv4: bool, ipv6: bool) -> dict[str, str]:
    """Return what a node needs to carry pods' packets (ARCHITECTURE.md; Cilium sets the same).

    `all.rp_filter` counts as the maximum with each interface's own, so it must be 0.
    """
    settings: dict[str, str] = {"net.ipv4.conf.all.rp_filter": "0"}
    if ipv4:
        settings["net.ipv4.ip_forward"] = "1"
        settings["net.ipv4.conf.all.forwarding"] = "1"
    if ipv6:
        settings["net.ipv6.conf.all.disable_ipv6"] = "0"
        settings["net.ipv6.conf.all.forwarding"] = "1"
    return settings


def has_ipv6() -> bool:
    """Whether the kernel was built with, and booted with, IPv6."""
    return os.path.isdir(_path("net/ipv6/conf"))


def _failed(step: str, subject: str, error: OSError) -> NetlinkError:
    is_absent = error.errno in (errno.ENOENT, errno.ENODEV)
    kind = SysctlAbsentError if is_absent else NetlinkError
    return kind(step=step, subject=subject, errno=error.errno or 0)


def _path(name: str) -> str:
    return f"{_mounted['procfs']}/sys/{name if '/' in name else name.replace('.', '/')}"
