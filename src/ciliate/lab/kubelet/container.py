"""One life of a container: its process, the FIFO of its output, its log.

What its standard streams are is `container_streams`' to say.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ciliate.lab.cgroup import CgroupBusyError, LabCgroup
from ciliate.lab.container.running import start_ticks_of
from ciliate.lab.container.spec import ContainerSpec, Privileges, RunningProcess
from ciliate.lab.errors import ZygoteGoneError
from ciliate.lab.kubelet.container_streams import (
    ContainerInput,
    StreamsWanted,
    make_streams,
    remove_fifos,
)
from ciliate.lab.kubelet.images import ContainerProgram
from ciliate.lab.kubelet.logs import ContainerLog
from ciliate.lab.kubelet.process import UNKNOWN_EXIT_CODE, AdoptedProcess, Process
from ciliate.lab.kubelet.terminal import set_size_of_process
from ciliate.lab.spawn import SpawnRequest
from ciliate.lab.zygote_client import ZygoteClient

_READ_BYTES: Final = 64 * 1024
#: After a container's end, how long its last output may take to arrive.
_DRAIN_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSetting:
    """What a container's first process finds around it."""

    spec: ContainerSpec
    privileges: Privileges
    environment: Mapping[str, str]
    working_dir: str
    streams: StreamsWanted


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPlace:
    """Where a container runs and where its output goes; `pins` hold its network namespace."""

    pins: Path
    cgroup: str
    fifo: Path
    log: Path

    @property
    def terminal_cgroup(self) -> str:
        """The control group of the process that keeps its terminal; no container's name is such."""
        return f"{self.cgroup}_terminal"


class ContainerLife:
    """A running container; `on_exit` gets its exit code, once, when all its processes ended."""

    def __init__(
        self,
        place: ContainerPlace,
        lab: LabCgroup,
        process: Process,
        log: ContainerLog,
        stdin: ContainerInput | None = None,
    ) -> None:
        self.place = place
        self.process = process
        self.log = log
        self.input = stdin
        self.ended = asyncio.Event()
        self._lab = lab
        self._fifo: int | None = None
        self._drained = asyncio.Event()

    @classmethod
    async def start(
        cls,
        zygote: ZygoteClient,
        lab: LabCgroup,
        place: ContainerPlace,
        program: ContainerProgram,
        setting: ContainerSetting,
    ) -> "ContainerLife":
        """Start `program` in a container of its own; back when it is inside.

        Raises:
            SpawnError: The command cannot be run.
            ZygoteGoneError: The zygote does not answer.
        """
        # Processes of an earlier life that no record knows would share the group.
        await asyncio.to_thread(_remove_processes, lab, place)
        log = ContainerLog(place.log)
        made = make_streams(place.fifo, setting.streams)
        request = _request(place, program, setting)
        try:
            await made.start_relay(zygote, cgroup=place.terminal_cgroup, name=place.cgroup)
            child = await zygote.spawn(
                request, stdin=made.stdin, stdout=made.output, stderr=made.output
            )
        except BaseException:
            made.abandon()
            log.close()
            raise
        finally:
            made.close_theirs()
        life = cls(place, lab, child, log, made.input)
        life._read_from(made.reading)
        return life

    @classmethod
    def adopt(
        cls, lab: LabCgroup, place: ContainerPlace, *, pid: int, start_ticks: int
    ) -> "ContainerLife | None":
        """Return the life of a process that still runs from before, or None."""
        process = AdoptedProcess.find(pid, start_ticks)
        if process is None:
            return None
        life = cls(place, lab, process, ContainerLog(place.log), ContainerInput.adopt(place.fifo))
        with contextlib.suppress(FileNotFoundError):
            life._read_from(os.open(place.fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        return life

    @property
    def first(self) -> RunningProcess:
        """Its process, for a later kubelet and for those that enter the container."""
        return RunningProcess(self.process.pid, start_ticks_of(self.process.pid))

    async def watch(self, on_exit: Callable[[int], None]) -> None:
        """Wait for the end, end whatever else is in the container, then call `on_exit`."""
        try:
            code = await self._wait()
        except asyncio.CancelledError:
            self._stop_reading()  # Another kubelet reads on, and writes.
            raise
        # Busy: `lab status` shows it, the pod goes on. OSError: the whole node is being removed.
        with contextlib.suppress(CgroupBusyError, OSError):
            await asyncio.to_thread(self._lab.remove, self.place.cgroup)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                await self._drained.wait()
        with contextlib.suppress(CgroupBusyError, OSError):
            await asyncio.to_thread(self._lab.remove, self.place.terminal_cgroup)
        self._stop_reading()
        self.log.close()
        remove_fifos(self.place.fifo)
        on_exit(code)
        self.ended.set()

    async def _wait(self) -> int:
        try:
            return await self.process.wait()
        except ZygoteGoneError:
            pid = self.process.pid
            adopted = AdoptedProcess.find(pid, start_ticks_of(pid))
            if adopted is None:
                return UNKNOWN_EXIT_CODE
            self.process = adopted
            return await adopted.wait()

    async def kill_all(self) -> None:
        """Kill every process of the container at once."""
        await asyncio.to_thread(self._lab.remove, self.place.cgroup)

    def resize(self, size: bytes) -> None:
        """Give its terminal, if it has one, the size that a client sends."""
        set_size_of_process(self.process.pid, size)

    def _read_from(self, descriptor: int) -> None:
        self._fifo = descriptor
        self._drained.clear()
        asyncio.get_running_loop().add_reader(descriptor, self._readable)

    def _readable(self) -> None:
        assert self._fifo is not None
        try:
            data = os.read(self._fifo, _READ_BYTES)
        except BlockingIOError:
            return
        if data:
            self.log.write(data)
        else:
            self._stop_reading()

    def _stop_reading(self) -> None:
        """Let go of the standard streams."""
        self._drained.set()
        if self.input is not None:
            self.input.end()
        if self._fifo is not None:
            asyncio.get_running_loop().remove_reader(self._fifo)
            os.close(self._fifo)
            self._fifo = None


def _remove_processes(lab: LabCgroup, place: ContainerPlace) -> None:
    lab.remove(place.cgroup)
    lab.remove(place.terminal_cgroup)


def _request(
    place: ContainerPlace, program: ContainerProgram, setting: ContainerSetting
) -> SpawnRequest:
    return SpawnRequest(
        argv=list(program.argv),
        entry=program.entry,
        container=setting.spec,
        privileges=setting.privileges,
        cgroup=place.cgroup,
        env={**({"TERM": "xterm"} if setting.streams.tty else {}), **setting.environment},
        cwd=setting.working_dir or "/",
        tty=setting.streams.tty,
        title=program.title,
    )
