"""Reads the store for one flow log, as a client that follows it would.

Lines are held until their sink has them, for a second at most unless it does not take them. When many are
held, nothing more is read: the store goes on, and what it overwrites meanwhile is in the log as a loss.
So a sink that does not work costs some memory, and is told of once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from ciliate.flows.message_json import MessageJsonError, message_line
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.server.export.counts import Counts
from ciliate.flows.server.export.flow_log import FlowLog
from ciliate.flows.server.export.outbox import Outbox, Sink
from ciliate.flows.server.flow_answer import flow_answer, loss_answer
from ciliate.flows.server.flow_reader import FlowReader, Found, Loss
from ciliate.flows.server.flow_store import FlowStore
from ciliate.system.threads import Threads

_log = logging.getLogger(__name__)

#: One that writes, and one that compresses what is old.
_THREADS: Final = 2

Event = observer_pb2.ExportEvent


@dataclass(frozen=True, slots=True)
class Pace:
    """How many lines are held, and for how long."""

    held_s: float = 1.0  # Lines wait so long for others,
    held_bytes: int = 1 << 18  # or until they are so many.
    held_bytes_max: int = 1 << 22  # While a sink does not take them.
    retry_s: float = 1.0  # After a sink did not take lines.
    end_s: float = 1.0  # For the last lines: the agent ends who takes twice as long.


USUAL: Final = Pace()


class Exporter:
    """Keeps one flow log; one task at a time executes `run`."""

    def __init__(
        self,
        flow_log: FlowLog,
        sink: Sink,
        store: FlowStore,
        *,
        emitter: flow_pb2.Emitter,
        start: int,
        counts: Counts | None = None,
        pace: Pace = USUAL,
    ) -> None:
        """Begin with record `start`."""
        self.flow_log = flow_log
        self.counts = counts or Counts()
        #: Whether its end has come.
        self.is_over = False
        self._wanted = flow_log.request()
        self._reader = FlowReader(store, self._wanted, start)
        self._store = store
        self._emitter = emitter
        self._sink = sink
        self._pace = pace
        self._outbox = Outbox(sink)
        self._threads: ThreadPoolExecutor = Threads(_THREADS, thread_name_prefix="flow log")
        self._problems: dict[str, str] = {}
        self._many = asyncio.Event()
        self._untidy = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def number(self) -> int:
        """Of the record that is looked at next: another exporter goes on there."""
        return self._reader.number

    async def run(self) -> None:
        """Write the log until cancelled, or until its end has come."""
        try:
            async with asyncio.TaskGroup() as tasks:
                beside = [tasks.create_task(each) for each in (self._write(), self._tidy())]
                await self._read()
                self.is_over = True
                for each in beside:
                    each.cancel()
        finally:
            await self._finish()

    def close(self) -> None:
        """Let its threads go; `run` has ended for good."""
        self._threads.shutdown(wait=False)

    async def _read(self) -> None:
        """Make lines of what comes, as long as there is room for them."""
        async for found in self._reader.found():
            self._take(found)
            if self._outbox.held_bytes >= self._pace.held_bytes:
                self._many.set()
            while self._outbox.held_bytes >= self._pace.held_bytes_max:
                self._room.clear()
                await self._room.wait()

    def _take(self, found: Found) -> None:
        if isinstance(found, Loss):
            self.counts.lost += found.count
            seen = Timestamp()
            seen.GetCurrentTime()
            node = self._store.around.node_name
            event = loss_answer(Event, found.source, found.count, node_name=node, seen=seen)
        else:
            self.counts.flows += 1
            event = flow_answer(Event, found, self._emitter, self._wanted.tree)
        try:
            self._outbox.add(f"{message_line(event)}\n".encode())
        except MessageJsonError as error:
            self._failed("write a flow to", str(error))

    async def _write(self) -> None:
        """Have the sink take what is held, again and again."""
        while True:
            self._many.clear()
            if not await self._do("write", self._outbox.drain):
                await asyncio.sleep(self._pace.retry_s)
                continue
            self._room.set()
            if self._sink.is_untidy:
                self._untidy.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pace.held_s):
                    await self._many.wait()

    async def _tidy(self) -> None:
        """Have old files removed and compressed; lines are written meanwhile."""
        while True:
            await self._untidy.wait()
            self._untidy.clear()
            await self._do("keep backups of", self._sink.tidy)

    async def _do(self, what: str, work: Callable[[], None]) -> bool:
        """Return whether a thread could do it; why not is told once."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except OSError as error:
            self._failed(what, error.strerror or str(error))
            return False
        if self._problems.pop(what, ""):
            _log.info("%s: can %s %s again", self.flow_log.shown, what, self.flow_log.path)
        return True

    def _failed(self, what: str, problem: str) -> None:
        self.counts.failures += 1
        if self._problems.get(what) != problem:
            self._problems[what] = problem
            _log.warning(
                "%s: cannot %s %s: %s: it is tried again; what finds no room meanwhile stands there"
                " as lost",
                *(self.flow_log.shown, what, self.flow_log.path, problem),
            )

    async def _finish(self) -> None:
        """Write what is left, if that can be done at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pace.end_s):
                await self._do("write", self._outbox.end)
        if self._outbox.held_bytes:
            _log.warning(
                "%s: ends without its last %d octets",
                *(self.flow_log.shown, self._outbox.held_bytes),
            )
