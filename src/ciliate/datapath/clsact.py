"""Attaching to a device where the kernel has no TCX: direct-action filters of a clsact qdisc.

One filter a direction under a fixed preference and handle, so that replacing is one netlink
request (libbpf makes it), which the kernel carries out in one step. Devices are remembered as
empty folders of the bpf file system, where TCX has its links.
"""

import ctypes
import errno
import socket
from collections.abc import Sequence
from ctypes import byref, c_int, c_size_t, c_uint32
from pathlib import Path
from typing import Any, Final

from ciliate.datapath import libbpf, pins
from ciliate.datapath.device import (
    Attachment,
    AttachMode,
    pinned_devices,
    programs_of,
    remove_device,
)
from ciliate.datapath.device_programs import DIRECTIONS, DevicePrograms, Direction
from ciliate.datapath.errors import AttachError

#: enum bpf_tc_attach_point.
_POINTS: Final = {Direction.INGRESS: 1 << 0, Direction.EGRESS: 1 << 1}

_PREFERENCE: Final = 1
_HANDLE: Final = 1
_REPLACE: Final = 1 << 0  # BPF_TC_F_REPLACE

#: The device, its qdisc or the filter is not there.
_ABSENT: Final = frozenset({errno.ENOENT, errno.ENODEV, errno.EINVAL})


class _Hook(ctypes.Structure):
    """struct bpf_tc_hook."""

    _fields_ = (
        ("sz", c_size_t),
        ("ifindex", c_int),
        ("attach_point", c_int),
        ("parent", c_uint32),
    )


class _Filter(ctypes.Structure):
    """struct bpf_tc_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("prog_fd", c_int),
        ("flags", c_uint32),
        ("prog_id", c_uint32),
        ("handle", c_uint32),
        ("priority", c_uint32),
    )


def _hook(ifindex: int, direction: Direction) -> _Hook:
    return _Hook(sz=ctypes.sizeof(_Hook), ifindex=ifindex, attach_point=_POINTS[direction])


def _filter(**fields: int) -> _Filter:
    return _Filter(sz=ctypes.sizeof(_Filter), handle=_HANDLE, priority=_PREFERENCE, **fields)


class ClsactAttacher:
    """See `ciliate.datapath.device.DeviceAttacher`."""

    def __init__(self, bpf_root: Path) -> None:
        self._bpf_root = bpf_root
        self._library: Any = libbpf.library()

    def attach(self, *, ifindex: int, device: str, programs: DevicePrograms) -> None:
        """See `DeviceAttacher`."""
        for program, fd in programs.fds.items():
            hook = _hook(ifindex, DIRECTIONS[program])
            code = -self._library.bpf_tc_hook_create(byref(hook))
            if code not in {0, errno.EEXIST}:
                raise AttachError(function="bpf_tc_hook_create", subject=device, code=code)
            code = -self._library.bpf_tc_attach(
                byref(hook), byref(_filter(prog_fd=fd, flags=_REPLACE))
            )
            if code:
                subject = f"{program} at {device}"
                raise AttachError(function="bpf_tc_attach", subject=subject, code=code)
        pins.make_folder(pins.links_path(self._bpf_root, device))

    def detach(self, device: str) -> None:
        """See `DeviceAttacher`; the qdisc stays: others may have filters in it."""
        ifindex = _ifindex(device)
        for direction in _POINTS if ifindex else ():
            hook = _hook(ifindex, direction)
            code = -self._library.bpf_tc_detach(byref(hook), byref(_filter()))
            if code and code not in _ABSENT:
                subject = f"{direction.value} of {device}"
                raise AttachError(function="bpf_tc_detach", subject=subject, code=code)
        remove_device(self._bpf_root, device)

    def attached(self, known: Sequence[DevicePrograms]) -> dict[str, Attachment]:
        """See `DeviceAttacher`."""
        found = {}
        for device in pinned_devices(self._bpf_root):
            ifindex = _ifindex(device)
            numbers = {each: self._program_id(ifindex, each) for each in _POINTS}
            running = {each: number for each, number in numbers.items() if number}
            if running:
                found[device] = Attachment(
                    device, ifindex, AttachMode.CLSACT, programs_of(running, known)
                )
        return found

    def _program_id(self, ifindex: int, direction: Direction) -> int:
        """Return the kernel's number of the program that runs, 0 when none does."""
        hook, filter_ = _hook(ifindex, direction), _filter()
        code = -self._library.bpf_tc_query(byref(hook), byref(filter_)) if ifindex else 0
        if code and code not in _ABSENT:
            raise AttachError(function="bpf_tc_query", subject=f"ifindex {ifindex}", code=code)
        return int(filter_.prog_id)


def _ifindex(device: str) -> int:
    """Return a device's index, 0 when there is no such device."""
    try:
        return socket.if_nametoindex(device)
    except OSError:
        return 0
