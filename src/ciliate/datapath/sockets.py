"""Programs of sockets, at the control group that all processes of the node are in.

A link is pinned and outlives the agent; a newer program takes the place of an older one inside the
link, in one step. Other programs may be attached to the same group or to groups below: all run
(BPF_F_ALLOW_MULTI is what a link has).
"""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ciliate.datapath import libbpf, pins
from ciliate.datapath.errors import AttachError
from ciliate.datapath.programs import SOCKET_PROGRAMS

#: enum bpf_attach_type, linux/bpf.h.
_ATTACH_TYPES: Final[Mapping[str, int]] = {
    "connect4": 10,
    "connect6": 11,
    "post_bind4": 12,
    "post_bind6": 13,
    "sendmsg4": 14,
    "sendmsg6": 15,
    "recvmsg4": 19,
    "recvmsg6": 20,
    "getpeername4": 29,
    "getpeername6": 30,
}

#: The way back first: whoever is told another peer than it asked for would be confused.
_ORDER: Final = tuple(reversed(SOCKET_PROGRAMS))


class SocketAttacher:
    """Attaches the programs of sockets; links are pinned as `cilium/socketlb/links/cgroup/<program>`."""

    def __init__(self, bpf_root: Path, fds: Mapping[str, int]) -> None:
        """Attach the programs `fds`, by name, which stay the caller's."""
        self._bpf_root = bpf_root
        self._fds = fds

    def attach(self, cgroup: Path, names: frozenset[str] = frozenset(SOCKET_PROGRAMS)) -> None:
        """Have the processes of `cgroup` and of all groups below ask the programs of `names`.

        Idempotent. Links to a former group, and those of other programs, are removed.

        Raises:
            AttachError: The folder is no control group of version 2, or the kernel refused.
        """
        with _opened(cgroup) as group:
            number = os.fstat(group).st_ino
            for name in _ORDER:
                if name in names:
                    self._attach_one(name, group, number, cgroup)
        for name in set(SOCKET_PROGRAMS) - names:
            self._detach_one(name)

    def detach(self) -> None:
        """Have no process ask the programs; that none does is a success."""
        for name in SOCKET_PROGRAMS:
            self._detach_one(name)

    def attached(self) -> Mapping[str, int]:
        """Return the number of the control group that each program is at, where it is current."""
        found = {}
        for name, program_fd in self._fds.items():
            with pins.opened_pin(self._path(name)) as fd:
                if fd is None:
                    continue
                link = libbpf.cgroup_link_info(fd)
                if link.cgroup_id and link.program_id == libbpf.program_info(program_fd).id:
                    found[name] = link.cgroup_id
        return found

    def _path(self, name: str) -> Path:
        return pins.socket_links_path(self._bpf_root) / name

    def _attach_one(self, name: str, group: int, number: int, cgroup: Path) -> None:
        program_fd, path = self._fds[name], self._path(name)
        with pins.opened_pin(path) as fd:
            if fd is not None and libbpf.cgroup_link_info(fd).cgroup_id == number:
                code = -libbpf.library().bpf_link_update(fd, program_fd, None)
                if code:
                    raise _refused("bpf_link_update", name, cgroup, code)
                return
        link = libbpf.library().bpf_link_create(program_fd, group, _ATTACH_TYPES[name], None)
        if link < 0:
            raise _refused("bpf_link_create", name, cgroup, -link)
        try:
            pins.replace_pin(link, path)
        finally:
            os.close(link)

    def _detach_one(self, name: str) -> None:
        with pins.opened_pin(self._path(name)) as fd:
            # The link would go with its pin, but some time later.
            if fd is not None and libbpf.cgroup_link_info(fd).cgroup_id:
                code = -libbpf.library().bpf_link_detach(fd)
                if code:
                    raise _refused("bpf_link_detach", name, self._path(name), code)
        pins.remove_pin(self._path(name))


@contextmanager
def _opened(cgroup: Path) -> Iterator[int]:
    try:
        fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _refused("open", "programs of sockets", cgroup, error.errno or 0) from error
    try:
        yield fd
    finally:
        os.close(fd)


def _refused(function: str, program: str, cgroup: Path, code: int) -> AttachError:
    hints = {
        errno.EBADF: "that is no control group of version 2: set `cgroup-root`",
        errno.EPERM: "run as root (CAP_BPF and CAP_NET_ADMIN are needed); or a control group above "
        "allows one program only",
        errno.EINVAL: "the kernel lacks CONFIG_CGROUP_BPF, or that is no group of version 2",
    }
    return AttachError(
        function=function,
        subject=f"{program} at {cgroup}",
        code=code,
        hint=hints.get(code, ""),
    )
