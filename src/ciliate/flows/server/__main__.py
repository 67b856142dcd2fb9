"""The flow server as a process: the agent starts it, and it ends with the agent.

python -m ciliate.flows.server    # told by `feed` on standard input what to serve
"""

import asyncio
import logging
import os
import secrets
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from ciliate.datapath.layout import Event, EventKind
from ciliate.errors import CiliateError
from ciliate.flows.feed import (
    Begin,
    NodePeer,
    NodePeerGone,
    PodGone,
    PodName,
    Report,
    ServiceLine,
    decode_line,
)
from ciliate.flows.server.agent_events import AgentEvents
from ciliate.flows.server.cgroup_pods import WALK_S, CgroupPods
from ciliate.flows.server.event_source import EventSource
from ciliate.flows.server.export.exporters import Exporters
from ciliate.flows.server.flow_store import FlowStore
from ciliate.flows.server.metrics.flow_metrics import FlowMetrics
from ciliate.flows.server.metrics.serving import run_metrics
from ciliate.flows.server.name_table import NameTable
from ciliate.flows.server.peers import PeerTable
from ciliate.flows.server.record_ring import kinds
from ciliate.flows.server.record_view import Surroundings
from ciliate.flows.server.serving import serve
from ciliate.metrics.listeners import listener_families
from ciliate.system.cgroups import CgroupRootError, cgroup_root

_log = logging.getLogger("ciliate.flows.server")

#: How often the agent is told how many flows there are.
_REPORT_S: Final = 5.0

#: Of a line of the agent's.
_LINE_BYTES_MAX: Final = 1 << 24


async def run() -> None:
    """Serve until the agent ends."""
    reader = asyncio.StreamReader(limit=_LINE_BYTES_MAX)
    await asyncio.get_running_loop().connect_read_pipe(
        partial(asyncio.StreamReaderProtocol, reader), sys.stdin
    )
    begin = _read_begin(await reader.readline())
    names = NameTable()
    groups = _groups(begin)
    store = _store(begin, names, groups)
    metrics = _metrics(begin, store)
    peers = PeerTable()
    events = AgentEvents(begin.agent_began_ns)
    exporters = Exporters(store, begin.logs, version=begin.version)

    def take(records: bytes) -> None:
        _learn_groups(groups, records)
        store.take(records)
        if metrics is not None:
            metrics.take(records)

    source = EventSource(Path(begin.monitor), take, store.set_epoch_offset)
    async with serve(store, peers, begin, events), asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(each)
            for each in (source.run(), _report(store), _look_for_groups(groups), exporters.run())
        ]
        if begin.metrics is not None and metrics is not None:
            running.append(
                tasks.create_task(
                    run_metrics(begin.metrics, metrics, exporters.families, listener_families)
                )
            )
        while text := await reader.readline():
            line = decode_line(text)
            if isinstance(line, NodePeer | NodePeerGone):
                peers.take(line)
            else:
                if isinstance(line, PodName | PodGone):
                    events.take(line, names.known(line.key))
                names.take(line)
                if metrics is not None and not isinstance(line, ServiceLine):
                    metrics.take_line(line)
        for task in running:
            task.cancel()


def _learn_groups(groups: CgroupPods | None, records: bytes) -> None:
    """Note the control groups that calls of sockets name."""
    if groups is not None and EventKind.EVENT_SOCKET in kinds(records):
        for event in Event.unpack_many(records):
            if event.kind == EventKind.EVENT_SOCKET:
                groups.learn(event.cgroup)


async def _look_for_groups(groups: CgroupPods | None) -> None:
    """Find whose control groups those are that were noted."""
    while groups is not None:
        await asyncio.sleep(WALK_S)
        if groups.is_looking:
            groups.look()


def _store(begin: Begin, names: NameTable, groups: CgroupPods | None) -> FlowStore:
    around = Surroundings(
        node=begin.node,
        node_labels=begin.node_labels,
        cluster=begin.cluster,
        names=names,
        uuid_seed=secrets.randbits(128),
        device=_device,
        pod_of_cgroup=groups.uid if groups is not None else lambda _number: "",
    )
    return FlowStore(begin.capacity, around)


def _metrics(begin: Begin, store: FlowStore) -> FlowMetrics | None:
    if begin.metrics is None:
        return None
    return FlowMetrics(
        begin.metrics.metrics, lambda: store.around, overtaken=lambda: store.overtaken
    )


def _read_begin(line: bytes) -> Begin:
    try:
        found = decode_line(line)
    except msgspec.MsgspecError as error:
        raise CiliateError(
            f"the agent's first line does not say what to serve: {error}"
        ) from error
    if not isinstance(found, Begin):
        raise CiliateError("the agent's first line does not say what to serve")
    return found


async def _report(store: FlowStore) -> None:
    """Tell the agent now and then how many flows there are."""
    while True:
        kept, seen = len(store.ring), store.ring.end
        report = Report(kept=kept, seen=seen, uptime_ns=round(store.uptime_s * 10**9))
        sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
        sys.stdout.buffer.flush()
        await asyncio.sleep(_REPORT_S)


def _groups(begin: Begin) -> CgroupPods | None:
    try:
        return CgroupPods(cgroup_root(begin.cgroup_root))
    except CgroupRootError as error:
        _log.warning("events of sockets will not be shown: %s", error)
        return None


def _device(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return ""


def main() -> None:
    """Run, with errors as a line of the agent's log."""
    logging.basicConfig(level=logging.INFO, format="flow server: %(message)s")
    os.umask(0o177)  # The socket is root's alone from its first moment on.
    try:
        asyncio.run(run())
    except (CiliateError, OSError) as error:
        _log.error("%s", error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
