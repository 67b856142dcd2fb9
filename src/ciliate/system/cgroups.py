"""Where the node's control groups of version 2 begin: what socket programs are attached to.

A program attached to a group sees the sockets of all processes in it and below. So it has to be the
node's root: on a real node the hierarchy's own, on a lab's machine the group that the machine sees
as such (`lab/machine_root.py`), and never the one of the agent's container, which holds the agent
alone.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ciliate.errors import CiliateError
from ciliate.system.mount_table import MountEntry, mount_table

#: Where Cilium's own init container mounts them, and what its ConfigMap therefore says: a node that
#: never had that container has them elsewhere.
CILIUM_CGROUP_ROOT: Final = "/run/cilium/cgroupv2"

#: Where systemd mounts them; in a hybrid with version 1, below it.
_USUAL: Final = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")

_KIND: Final = "cgroup2"


class CgroupRootError(CiliateError):
    """The node's control groups are not in sight."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"{problem}: mount the node's control groups (hostPath /sys/fs/cgroup) and say where in "
            "cgroup-root"
        )


def cgroup_root(configured: str = "", *, table: Sequence[MountEntry] | None = None) -> Path:
    """Return the folder of the node's root group: the key `cgroup-root`, or by the mount table.

    Cilium's default for the key counts only where something is mounted there.

    Raises:
        CgroupRootError: No such file system is mounted, or not there, or the group found is the
            one of this process's container.
    """
    entries = mount_table() if table is None else table
    found = _configured(configured, entries) or _mounted(entries)
    if found is None:
        raise CgroupRootError("no cgroup2 file system is mounted")
    if _is_own(found):
        raise CgroupRootError(f"{found} is the control group of the agent's own container")
    return found


def _configured(text: str, entries: Sequence[MountEntry]) -> Path | None:
    if not text:
        return None
    path = Path(os.path.realpath(text))
    if _kind_at(path, entries) == _KIND:
        return path
    if text == CILIUM_CGROUP_ROOT:
        return None
    raise CgroupRootError(f"cgroup-root {text}: not in a cgroup2 file system")


def _kind_at(path: Path, entries: Sequence[MountEntry]) -> str:
    """The kind of file system that `path` is in; the last mount at a place covers the others."""
    above = [entry for entry in reversed(entries) if path.is_relative_to(entry.target)]
    return max(above, key=lambda entry: len(entry.target)).kind if above else ""


def _mounted(entries: Sequence[MountEntry]) -> Path | None:
    mounted = [entry.target for entry in entries if entry.kind == _KIND]
    visible = [target for target in mounted if _kind_at(Path(target), entries) == _KIND]
    usual = [target for target in _USUAL if target in visible]
    return next((Path(target) for target in (*usual, *visible)), None)


def _is_own(root: Path) -> bool:
    """Whether the group holds this process itself and is not the hierarchy's own root."""
    if not (root / "cgroup.type").exists():  # Of every group but that root.
        return False
    return str(os.getpid()) in (root / "cgroup.procs").read_text(encoding="ascii").split()
