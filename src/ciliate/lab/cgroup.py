"""The lab's control group: every process of a lab is in it, so that all can be killed together.

`ciliate-lab-<lab>.<place>` lies at the top of the version 2 hierarchy, wherever that is mounted (in
hybrid mode in a folder `unified`), with a group below per machine and per pod. The place is the
folder that holds the labs' files: of two containers that see one hierarchy, each may have a lab of
that name. Killing is the kernel's `cgroup.kill` (Linux 5.14), so that no process can fork its way
out; on an older kernel they are killed one by one, again until none is left.
"""

import contextlib
import errno
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ciliate.lab.errors import LabError
from ciliate.lab.paths import ROOT
from ciliate.system.mount_table import mount_table

PREFIX: Final = "ciliate-lab-"

#: How long killed processes may take to disappear, in seconds: one in an uninterruptible call has
#: to return from it first.
_KILL_DEADLINE_S: Final = 10.0


class CgroupMissingError(LabError):
    """The machine has no control groups of version 2."""

    def __init__(self) -> None:
        super().__init__(
            "no cgroup2 file system is mounted: `mount -t cgroup2 none /sys/fs/cgroup/unified`"
        )


class CgroupBusyError(LabError):
    """Killed processes do not go."""

    def __init__(self, *, path: Path, pids: list[int], waited_s: float) -> None:
        self.pids = pids
        super().__init__(
            f"{len(pids)} processes of {path} survive a kill for {waited_s:.0f} s "
            f"(first: pid {pids[0] if pids else '?'}): they hang in the kernel, see dmesg"
        )


def mount_point() -> Path:
    """Where the version 2 hierarchy is mounted.

    Raises:
        CgroupMissingError: It is not.
    """
    for entry in mount_table():
        if entry.kind == "cgroup2":
            return Path(entry.target)
    raise CgroupMissingError


@dataclass(frozen=True, slots=True)
class LabCgroup:
    """The control group of one lab."""

    path: Path

    @classmethod
    def of(cls, lab: str) -> "LabCgroup":
        """The group of lab `lab` of this place, made or not."""
        return cls(mount_point() / f"{PREFIX}{lab}.{_place()}")

    def make(self, below: str = "") -> Path:
        """Make the group, or the group `below` it; one that exists is a success."""
        path = self.path / below
        path.mkdir(parents=True, exist_ok=True)
        return path

    def join(self, below: str = "", *, pid: int = 0) -> None:
        """Move a process, or the calling one, into the group or the group `below` it."""
        (self.make(below) / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def pids(self) -> list[int]:
        """The processes in the group and all groups below."""
        found: list[int] = []
        for folder, _, _ in os.walk(self.path):
            text = _read(Path(folder) / "cgroup.procs")
            found.extend(int(line) for line in text.split())
        return found

    def remove(self, below: str = "") -> None:
        """Kill every process in the group, wait for their end, remove the group.

        Raises:
            CgroupBusyError: A process does not end.
        """
        top = self.path / below
        deadline = time.monotonic() + _KILL_DEADLINE_S
        while not _kill_and_remove(top):
            if time.monotonic() > deadline:
                busy = LabCgroup(top).pids()
                raise CgroupBusyError(path=top, pids=busy, waited_s=_KILL_DEADLINE_S)
            time.sleep(0.005)


def lab_groups() -> list[str]:
    """The names of this place's labs that have a control group."""
    suffix = f".{_place()}"
    return [
        entry.name[len(PREFIX) : -len(suffix)]
        for entry in mount_point().iterdir()
        if entry.name.startswith(PREFIX) and entry.name.endswith(suffix)
    ]


def _place() -> str:
    """What tells this place's labs from another container's: device and inode of their folder."""
    try:
        found = os.stat(ROOT)
    except FileNotFoundError:
        return "none"  # And no lab is here.
    return f"{found.st_dev:x}-{found.st_ino:x}"


def kill_all(top: Path) -> None:
    """Kill what is in the group now; before Linux 5.14 a process that is forked meanwhile is not."""
    kill = top / "cgroup.kill"
    if kill.exists():
        try:
            kill.write_text("1", encoding="ascii")
        except OSError as error:
            # Another thread has removed the group: at its path, or the file that was opened.
            if error.errno not in {errno.ENOENT, errno.ENODEV}:
                raise
        return
    for pid in LabCgroup(top).pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _kill_and_remove(top: Path) -> bool:
    """Kill the group's processes and remove it; False: some have not ended, call again.

    A kubelet that has not noticed yet may start a killed container again in between.
    """
    if not top.exists():
        return True
    kill_all(top)
    if "populated 1" in _read(top / "cgroup.events"):
        return False
    try:
        for folder, _, _ in os.walk(top, topdown=False):
            Path(folder).rmdir()
    except OSError as error:
        if error.errno not in {errno.EBUSY, errno.ENOENT}:
            raise
        return False
    return True


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ENODEV}:
            raise
        return ""  # The group went: before the file was opened, or before it was read.
