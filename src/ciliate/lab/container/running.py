"""Containers that run: their process found again, and their namespaces entered by another one.

A container is known by its first process: a number may belong to another one by now, so it counts
together with when that process started.
"""

import os
from pathlib import Path
from typing import Final

from ciliate.lab.container.spec import ContainerSpec, ProcessNumbers, RunningProcess
from ciliate.lab.namespaces import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUTS,
    enter_descriptor,
    enter_pin,
    unshare,
)

_ALL_BUT_PID: Final = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP


def start_ticks_of(pid: int) -> int:
    """Return when a process started, in ticks since boot, or 0: it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])


def open_process(process: RunningProcess) -> int:
    """Return a descriptor of the process (pidfd_open(2)).

    Raises:
        ProcessLookupError: It has ended.
    """
    descriptor = os.pidfd_open(process.pid)
    if start_ticks_of(process.pid) != process.start_ticks:
        os.close(descriptor)
        raise ProcessLookupError(3, f"process {process.pid} of the container has ended")
    return descriptor


def enter_container(descriptor: int) -> None:
    """Move the calling process, of one thread, into the namespaces of a container's process.

    Its PID namespace is entered by being forked into it: `fork_into`.
    """
    enter_descriptor(descriptor, _ALL_BUT_PID, "the container")


def fork_into(target: ContainerSpec | int | None) -> int:
    """fork(2), with the child in the PID namespace of `target`.

    That is a container to be made, a descriptor of a container's process, or None: the caller's own.
    """
    if target is None:
        return os.fork()
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    pid = -1
    try:
        _choose_processes(target)
        pid = os.fork()
        return pid
    finally:
        if pid != 0:  # The child stays where it is.
            enter_descriptor(own, CLONE_NEWPID, "its own PID namespace")
        os.close(own)


def _choose_processes(target: ContainerSpec | int) -> None:
    """Say which PID namespace the calling process's next child is born in."""
    if isinstance(target, int):
        enter_descriptor(target, CLONE_NEWPID, "the container's PID namespace")
    elif target.processes is ProcessNumbers.POD:
        enter_pin("pid", target.namespaces["pid"])
    elif target.processes is ProcessNumbers.OWN:
        unshare(CLONE_NEWPID)


def host_pid() -> int:
    """The calling process's number as the zygote sees it; before the process enters a container."""
    return int(os.readlink("/proc/self"))
