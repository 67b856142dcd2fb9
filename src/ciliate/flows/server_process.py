"""The flow server as the agent's child: started, told names, and started again when it ends.

It is a process of its own so that what clients ask costs no pod anything: decoding, filters and their
connections have their own interpreter and memory. Whatever becomes of it, events go on being told to
`dbg monitor`, and pods come and go.
"""

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Final, Protocol

import msgspec

from ciliate.flows.feed import Begin, Line, Report, encode_line
from ciliate.reconcile.listeners import Listeners
from ciliate.system.fork_server import ForkedProcess, ForkServer, ForkServerGoneError

_log = logging.getLogger(__name__)

_MODULE: Final = "ciliate.flows.server"

#: Before it is started again: doubled each time, until it has run for a while.
_PAUSE_S: Final = 1.0
_PAUSE_MAX_S: Final = 60.0
_STEADY_S: Final = 60.0

#: While it starts (sched(7)): that takes half a second of a processor, and pods wait for the agent.
_NICE_AT_START: Final = 10

#: How long it has to end by itself.
_END_S: Final = 2.0

#: Names that it may not have taken before it is started anew: all of a large cluster, twice.
_UNTAKEN_MAX: Final = 400_000

#: Lines between two looks at whether it takes them.
_LINES_AT_ONCE: Final = 256


class LineSource(Protocol):
    """Something that the agent knows and the flow server is told."""

    @property
    def changed(self) -> Listeners[Line]:
        """Who is told each line that follows."""
        ...

    def all(self) -> Iterator[Line]:
        """Yield everything there is now; who is told it has forgotten all else."""
        ...


#: The flow server, whichever way it was started.
Process = asyncio.subprocess.Process | ForkedProcess


class FlowServerProcess:
    """Keeps a flow server at work; `run` is its task."""

    def __init__(
        self,
        sources: Sequence[LineSource],
        begin: Callable[[], Begin],
        forks: ForkServer | None = None,
    ) -> None:
        """Tell it what `begin` says when it starts, then all that `sources` know.

        It is started by `forks`; where there is none, or none any more, it is executed.
        """
        self._sources = sources
        self._begin = begin
        self._forks = forks
        self._process: Process | None = None
        self._untaken: deque[Line] = deque()
        self._told = asyncio.Event()
        self.restarts = 0
        #: The latest that it said of itself; None: it does not serve.
        self.report: Report | None = None
        for source in sources:
            source.changed.add(self._tell)

    async def run(self) -> None:
        """Keep it running until cancelled."""
        pause_s = _PAUSE_S
        while True:
            begun_s = time.monotonic()
            try:
                problem = await self._once()
            except Exception:  # noqa: BLE001 - a bug, told in full; pods come and go without it.
                _log.exception("flow server: a bug")
                problem = "it cannot be told what to serve"
            ran_s = time.monotonic() - begun_s
            if ran_s > _STEADY_S:
                pause_s = _PAUSE_S
            self.restarts += 1
            _log.warning("flow server: %s; it is started again in %.0f s", problem, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _PAUSE_MAX_S)

    async def _once(self) -> str:
        """Run it once; return why it ended."""
        try:
            process = await self._started()
        except OSError as error:
            return f"it cannot be started: {error}"
        self._untaken.clear()
        self._process = process
        _set_niceness(process, _NICE_AT_START)
        try:
            async with asyncio.TaskGroup() as tasks:
                feeding = tasks.create_task(self._feed(process))
                await self._listen(process)
                code = await process.wait()
                feeding.cancel()
        finally:
            self._process = self.report = None
            await _end(process)
        return f"it ended with code {code}"

    async def _started(self) -> Process:
        if self._forks is not None:
            try:
                return await self._forks.spawn(f"{_MODULE}.__main__:main", title=_MODULE)
            except ForkServerGoneError as error:
                _log.warning("%s: the flow server is executed from now on", error)
                self._forks = None
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", _MODULE),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )

    async def _listen(self, process: Process) -> None:
        """Take what it says of itself, until it ends."""
        assert process.stdout is not None
        while line := await process.stdout.readline():
            if self.report is None:
                _set_niceness(process, 0)
            with contextlib.suppress(msgspec.MsgspecError):
                self.report = msgspec.json.decode(line, type=Report)

    async def _feed(self, process: Process) -> None:
        """Tell it all names, then each that changes."""
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):  # It ended: `_once` sees it.
            process.stdin.write(encode_line(self._begin()))
            for count, line in enumerate(chain.from_iterable(s.all() for s in self._sources)):
                process.stdin.write(encode_line(line))
                if count % _LINES_AT_ONCE == 0:
                    await process.stdin.drain()
            while True:
                while self._untaken:
                    process.stdin.write(encode_line(self._untaken.popleft()))
                    await process.stdin.drain()
                self._told.clear()
                await self._told.wait()

    def _tell(self, line: Line) -> None:
        if self._process is None:
            return
        self._untaken.append(line)
        self._told.set()
        if len(self._untaken) > _UNTAKEN_MAX:  # It hangs: another begins with all names.
            _log.warning("flow server: it does not take the names that it is told")
            self._untaken.clear()
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


def _set_niceness(process: Process, niceness: int) -> None:
    """Let others go before it, or not; a container may not be allowed to take that back."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.setpriority(os.PRIO_PROCESS, process.pid, niceness)


async def _end(process: Process) -> None:
    """Have it end: by the end of its input, else by force."""
    if process.stdin is not None:
        process.stdin.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_END_S):
            await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
