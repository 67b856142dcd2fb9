"""All flow logs of a node: the one of the settings, and those that a file lists, which may change.

Whatever goes wrong with one of them is told in the agent's log, and the others go on.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ciliate.errors import CiliateError
from ciliate.flows.feed import FlowLogs
from ciliate.flows.server.export.agent_log import AgentLog
from ciliate.flows.server.export.errors import LogListError
from ciliate.flows.server.export.exporter import USUAL, Exporter, Pace
from ciliate.flows.server.export.families import ListState, list_families, log_families
from ciliate.flows.server.export.flow_log import FlowLog
from ciliate.flows.server.export.list_file import ListFile
from ciliate.flows.server.export.log_file import LogFile
from ciliate.flows.server.export.log_list import LogList, read_log_list
from ciliate.flows.server.export.outbox import Sink
from ciliate.flows.server.export.plan import plan
from ciliate.flows.server.export.static_log import keeping, static_log
from ciliate.flows.server.flow_answer import emitter
from ciliate.flows.server.flow_store import FlowStore
from ciliate.metrics.family import Family
from ciliate.node.host_path import placed_path

_log = logging.getLogger(__name__)

#: How often the file is looked at.
_LOOK_S: Final = 2.0

#: A flow log whose end has come, and that has no later flow to see that by, is ended after so long.
_LATE_NS: Final = 2 * 10**9

#: After a bug, before the flow log goes on.
_BUG_S: Final = 10.0

#: A metric is a number of 64 bits with a fraction: so many bits are exact.
_HASH_OCTETS: Final = 6


class Exporters:
    """Writes all flow logs; `run` is their task."""

    def __init__(
        self,
        store: FlowStore,
        told: FlowLogs | None,
        *,
        version: str,
        look_s: float = _LOOK_S,
        pace: Pace = USUAL,
    ) -> None:
        """Write what `told` says, None: nothing; look at the file so often."""
        self._look_s = look_s
        self._pace = pace
        self._store = store
        self._told = told or FlowLogs()
        self._emitter = emitter(version)
        self._file = ListFile(Path(self._told.list_path)) if self._told.list_path else None
        self._exporters: dict[str, Exporter] = {}  # By name; empty: that of the settings.
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._state = ListState()
        self._problem = ""

    async def run(self) -> None:
        """Write flow logs until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._start_static(tasks)
            while self._file is not None:
                try:
                    await self._look(self._file, tasks)
                except Exception:  # noqa: BLE001 - a bug, told in full; flow logs go on.
                    _log.exception("flow logs: a bug")
                await asyncio.sleep(self._look_s)

    def families(self) -> Iterator[Family]:
        """Yield what is measured of them."""
        if self._file is not None:
            self._state.is_up = {
                name: not each.is_over for name, each in self._exporters.items() if name
            }
            yield from list_families(self._state)
        if self._exporters:
            found = self._exporters.values()
            yield from log_families({each.flow_log.path: each.counts for each in found})

    def _start_static(self, tasks: asyncio.TaskGroup) -> None:
        try:
            found = static_log(self._told)
        except CiliateError as error:
            _log.error("no flow log is written: %s", error)
            return
        if found is not None:
            self._start(found, tasks)

    async def _look(self, file: ListFile, tasks: asyncio.TaskGroup) -> None:
        """Do what the file says, if that is something else; what is wrong in it changes nothing."""
        try:
            octets = await file.changed()
            if octets is not None:
                await self._apply(self._read(octets), tasks)
                self._note_applied(octets)
        except LogListError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                _log.warning("flow logs: %s %s: what was in force stays", file.path, error)
        await self._end_late()

    def _read(self, octets: bytes) -> LogList:
        static = self._exporters.get("")
        return read_log_list(
            octets,
            keeping=keeping(self._told),
            place=lambda path: str(placed_path(path, run=Path(self._told.run))),
            taken={static.flow_log.path: static.flow_log.shown} if static is not None else {},
        )

    async def _apply(self, listed: LogList, tasks: asyncio.TaskGroup) -> None:
        """Have exactly what is listed written; what is refused stays as it was."""
        for error in listed.refused.values():
            _log.warning("flow logs: %s", error)
        before = {name: each.flow_log for name, each in self._exporters.items() if name}
        changes = plan(before, listed)
        followed = {name: self._exporters[name] for name in changes.update}
        await self._end([*changes.remove, *changes.update])
        for name in (*changes.add, *changes.update):
            self._start(listed.logs[name], tasks, after=followed.get(name))
        self._state.added += len(changes.add)
        self._state.updated += len(changes.update)
        self._state.removed += len(changes.remove)

    def _note_applied(self, octets: bytes) -> None:
        digest = hashlib.sha256(octets).digest()[:_HASH_OCTETS]
        self._state.hash, self._state.applied_s = int.from_bytes(digest), time.time()
        self._problem = ""
        _log.info("flow logs: %d are listed", sum(1 for name in self._exporters if name))

    def _start(
        self, flow_log: FlowLog, tasks: asyncio.TaskGroup, *, after: Exporter | None = None
    ) -> None:
        """Write a flow log from now on, or from where another one ended."""
        goes_on = after is not None and not after.is_over
        exporter = Exporter(
            flow_log,
            _sink(flow_log),
            self._store,
            emitter=self._emitter,
            start=after.number if after is not None and goes_on else self._store.ring.end,
            counts=after.counts if after is not None else None,
            pace=self._pace,
        )
        self._exporters[flow_log.name] = exporter
        if flow_log.end_ns is not None and flow_log.end_ns < time.time_ns():
            exporter.is_over = True
            return
        self._tasks[flow_log.name] = tasks.create_task(_keep(exporter))

    async def _end(self, names: Sequence[str]) -> None:
        """Have flow logs written no longer; their last lines are."""
        ending = [self._tasks.pop(name) for name in names if name in self._tasks]
        for name in names:
            del self._exporters[name]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _end_late(self) -> None:
        """End flow logs whose end has come, and that have seen no later flow."""
        now_ns = time.time_ns() - _LATE_NS
        for name, exporter in self._exporters.items():
            end_ns = exporter.flow_log.end_ns
            if end_ns is not None and end_ns < now_ns and name in self._tasks:
                exporter.is_over = True
                task = self._tasks.pop(name)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


def _sink(flow_log: FlowLog) -> Sink:
    return LogFile(Path(flow_log.path), flow_log.keeping) if flow_log.is_file else AgentLog()


async def _keep(exporter: Exporter) -> None:
    """Have a flow log written until cancelled or until its end has come."""
    try:
        while True:
            try:
                await exporter.run()
            except Exception:  # noqa: BLE001 - a bug, told in full; others are written.
                _log.exception("%s: a bug", exporter.flow_log.shown)
                await asyncio.sleep(_BUG_S)
            else:
                return
    finally:
        exporter.close()
