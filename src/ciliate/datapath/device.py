"""Programs at the node's own devices: TCX links, or clsact filters on an older kernel.

A link is pinned and outlives the agent. A newer program takes the place of an older one inside
the link, in one step; no packet passes without a program. Nothing is ever detached first.
"""

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from ciliate.datapath import libbpf, pins
from ciliate.datapath.device_programs import DIRECTIONS, DevicePrograms, DeviceRole, Direction
from ciliate.datapath.errors import AttachError

#: enum bpf_attach_type.
_TCX: Final = {Direction.INGRESS: 46, Direction.EGRESS: 47}


class AttachMode(Enum):
    """How programs are attached, in the words of `cilium-dbg status`."""

    TCX = "TCX"
    CLSACT = "Legacy TC"


class ProgrammedDevice(NamedTuple):
    """A node's device as programs see it."""

    ifindex: int
    role: DeviceRole


@dataclass(frozen=True, slots=True)
class Attachment:
    """A device with programs; `runs`: which of this datapath, None when not all of them are."""

    device: str
    ifindex: int
    mode: AttachMode
    runs: DevicePrograms | None

    @property
    def current(self) -> bool:
        """Whether the programs are those of this datapath."""
        return self.runs is not None


class DeviceAttacher(Protocol):
    """One way to attach programs to a device."""

    def attach(self, *, ifindex: int, device: str, programs: DevicePrograms) -> None:
        """Make the device run `programs`; idempotent."""

    def detach(self, device: str) -> None:
        """Make the device run none; an absent one is a success."""

    def attached(self, known: Sequence[DevicePrograms]) -> dict[str, Attachment]:
        """Return what the kernel says is attached, by device; `known` are this datapath's."""


def programs_of(
    ids: Mapping[Direction, int], known: Sequence[DevicePrograms]
) -> DevicePrograms | None:
    """Return which of `known` has these numbers of the kernel's."""
    return next((each for each in known if each.ids == ids), None)


class TcxAttacher:
    """TCX links (kernel 6.6), pinned as `cilium/devices/<device>/links/<program>`."""

    def __init__(self, bpf_root: Path) -> None:
        self._bpf_root = bpf_root

    def attach(self, *, ifindex: int, device: str, programs: DevicePrograms) -> None:
        """See `DeviceAttacher`."""
        for program in (name for name in DIRECTIONS if name in programs.fds):
            attach_type = _TCX[DIRECTIONS[program]]
            self._attach_one(program, attach_type, programs.fds[program], ifindex, device)

    def detach(self, device: str) -> None:
        """See `DeviceAttacher`."""
        for program in reversed(DIRECTIONS):
            path = pins.link_path(self._bpf_root, device, program)
            with pins.opened_pin(path) as fd:
                # The link would go with its pin, but some time later.
                if fd is not None and libbpf.link_info(fd).ifindex:
                    code = -libbpf.library().bpf_link_detach(fd)
                    if code:
                        raise _refused("bpf_link_detach", program, device, code)
            pins.remove_pin(path)
        remove_device(self._bpf_root, device)

    def attached(self, known: Sequence[DevicePrograms]) -> dict[str, Attachment]:
        """See `DeviceAttacher`."""
        found = {}
        for device in pinned_devices(self._bpf_root):
            links = {name: self._link(device, name) for name in DIRECTIONS}
            alive = {
                DIRECTIONS[name]: link for name, link in links.items() if link and link.ifindex
            }
            if alive:
                found[device] = Attachment(
                    device,
                    next(iter(alive.values())).ifindex,
                    AttachMode.TCX,
                    programs_of({way: link.program_id for way, link in alive.items()}, known),
                )
        return found

    def _link(self, device: str, program: str) -> libbpf.LinkInfo | None:
        with pins.opened_pin(pins.link_path(self._bpf_root, device, program)) as fd:
            return None if fd is None else libbpf.link_info(fd)

    def _attach_one(
        self, program: str, attach_type: int, program_fd: int, ifindex: int, device: str
    ) -> None:
        path = pins.link_path(self._bpf_root, device, program)
        with pins.opened_pin(path) as fd:
            if fd is not None and libbpf.link_info(fd).ifindex == ifindex:
                code = -libbpf.library().bpf_link_update(fd, program_fd, None)
                if code:
                    raise _refused("bpf_link_update", program, device, code)
                return
        # No link yet, or one of a former device of that name, which carries nothing.
        link = libbpf.library().bpf_link_create(program_fd, ifindex, attach_type, None)
        if link < 0:
            raise _refused("bpf_link_create", program, device, -link)
        try:
            pins.replace_pin(link, path)
        finally:
            os.close(link)


def pinned_devices(bpf_root: Path) -> list[str]:
    """Return the devices that an agent attached programs to."""
    folder = pins.devices_path(bpf_root)
    if not folder.is_dir():
        return []
    return sorted(pins.device_of_folder(entry.name) for entry in folder.iterdir())


def remove_device(bpf_root: Path, device: str) -> None:
    """Forget a device; an absent one is a success."""
    links = pins.links_path(bpf_root, device)
    for folder in (links, links.parent):
        if folder.is_dir():
            folder.rmdir()


def _refused(function: str, program: str, device: str, code: int) -> AttachError:
    hints = {
        errno.ENODEV: "no such device in this network namespace",
        errno.EPERM: "run as root (CAP_BPF and CAP_NET_ADMIN are needed)",
        errno.ERANGE: "64 programs are attached already",
    }
    return AttachError(
        function=function,
        subject=f"{program} at {device}",
        code=code,
        hint=hints.get(code, ""),
    )
