"""An agent seen from outside: which process it is, when it is ready, how much memory it has."""

import contextlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, NewType

from benchmarks.cluster import Cluster, Node

from ciliate.errors import CiliateError

ProcessId = NewType("ProcessId", int)

#: The budget is 1 s; one that takes so much longer is not measured but broken.
_READY_TIMEOUT_S: Final = 120.0

#: Between two polls, in seconds: the error of a measured start, at most.
_POLL_EVERY_S: Final = 0.004

#: pid, uid, gid (unix(7), SO_PEERCRED).
_CREDENTIALS: Final = struct.Struct("iII")


class AgentNotReadyError(CiliateError):
    """An agent did not take CNI requests in time; `said` is the end of its log, if we have it."""

    def __init__(self, node: str, said: str = "") -> None:
        self.node = node
        self.said = said
        text = f": {said.strip()[-1000:]}" if said else ""
        super().__init__(f"agent of {node} not ready after {_READY_TIMEOUT_S:g} s{text}")


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of a process, and its proportional share of it (smaps_rollup)."""

    rss_kib: int
    pss_kib: int


@dataclass(frozen=True, slots=True)
class Start:
    """One start of an agent: the process, seconds until it took requests, its memory then."""

    process: ProcessId
    ready_s: float
    memory: Memory


def agents_of(node: Node) -> set[ProcessId]:
    """Return the processes on the node's network that the lab calls `ciliate agent`."""
    netns = os.stat(node.machine.netns).st_ino
    found = set()
    for process in processes_titled("ciliate agent"):
        with contextlib.suppress(OSError):  # It ended meanwhile.
            if os.stat(f"/proc/{process}/ns/net").st_ino == netns:
                found.add(process)
    return found


def processes_titled(title: str) -> set[ProcessId]:
    """Return the processes whose command line begins with the words of `title`."""
    wanted = title.encode().split()
    found = set()
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # It ended meanwhile.
            words = Path("/proc", entry, "cmdline").read_bytes().replace(b"\0", b" ").split()
            if words[: len(wanted)] == wanted:
                found.add(ProcessId(int(entry)))
    return found


def forked_start(running: Cluster, node: Node) -> Start:
    """Have the lab replace the agent of `node`, and wait for the new one.

    Raises:
        AgentNotReadyError: There is none, or it does not take requests.
        CommandError: The lab refuses.
    """
    old = agents_of(node)
    with running.restarting_agent(node):
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while not (new := agents_of(node) - old):
            if time.monotonic() > deadline:
                raise AgentNotReadyError(node.name)
            time.sleep(_POLL_EVERY_S)
        return _await_ready(node, min(new))


@contextlib.contextmanager
def own_start(running: Cluster, node: Node) -> Iterator[Start]:
    """Run an agent on `node` with an interpreter of its own, as a container would; ends it after.

    The lab's own agent must not be there.

    Raises:
        AgentNotReadyError: It does not take requests.
    """
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "K8S_NODE_NAME": node.name,
        "CILIUM_K8S_NAMESPACE": "kube-system",
        "KUBECONFIG": str(running.directory / "machines/kubeconfig"),
    }
    program = str(Path(sys.executable).with_name("ciliate"))
    # Each of these executes the next: the process is the agent's from its first moment.
    command = [*node.inside(), "setpriv", "--pdeathsig", "KILL", program, "agent"]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log,
        subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        ) as process,
    ):
        try:
            yield _await_ready(node, ProcessId(process.pid), log)
        finally:
            process.terminate()
            try:
                process.wait(_READY_TIMEOUT_S)
            finally:
                process.kill()


def _await_ready(node: Node, process: ProcessId, log: IO[str] | None = None) -> Start:
    """Wait until `process` itself takes requests; see `own_start` for the errors."""
    started_s = _started_s(process)
    deadline_s = started_s + _READY_TIMEOUT_S
    while not _takes_requests(process):
        if time.clock_gettime(time.CLOCK_BOOTTIME) > deadline_s:
            raise AgentNotReadyError(node.name, _end_of(log))
        time.sleep(_POLL_EVERY_S)
    ready_s = time.clock_gettime(time.CLOCK_BOOTTIME) - started_s
    return Start(process=process, ready_s=ready_s, memory=observe_memory(process))


def _end_of(log: IO[str] | None) -> str:
    if log is None:
        return ""
    log.seek(0)
    return log.read()


def _takes_requests(process: ProcessId) -> bool:
    """Whether a CNI plugin would now reach `process`, and not the agent before it."""
    with socket.socket(socket.AF_UNIX) as plugin:
        try:
            # Not /var/run: an absolute link would lead out of the agent's root.
            plugin.connect(f"/proc/{process}/root/run/cilium/cni.sock")
        except OSError:
            return False
        size = _CREDENTIALS.size
        credentials = plugin.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        listener: int = _CREDENTIALS.unpack(credentials)[0]
        return listener == process


def _started_s(process: ProcessId) -> float:
    """Return when `process` was forked, in seconds since boot, to the hundredth (proc(5))."""
    return _stat_s(process, 22)


def observe_cpu_s(process: ProcessId) -> float:
    """Return the seconds of processor that `process` has used, to the hundredth."""
    return _stat_s(process, 14) + _stat_s(process, 15)


def _stat_s(process: ProcessId, field: int) -> float:
    """Return a time among the fields of /proc/PID/stat, which proc(5) counts from 1."""
    text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    # The name before the third field is in parentheses and may hold anything.
    return int(text.rpartition(")")[2].split()[field - 3]) / os.sysconf("SC_CLK_TCK")


def observe_memory(process: ProcessId) -> Memory:
    """Return the memory that `process` holds now."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
    values = {
        name: int(rest.split()[0])
        for name, _colon, rest in (line.partition(":") for line in text.splitlines()[1:])
    }
    return Memory(rss_kib=values["Rss"], pss_kib=values["Pss"])
