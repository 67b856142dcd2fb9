"""`flows/server/export/exporter.py`: every flow that is wanted is a line, or stands there as lost."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from google.protobuf.json_format import ParseDict
from tests.unit.flows.server.export.sinks import MemorySink
from tests.unit.flows.server.flow_clients import (
    VERSION,
    WatchedStore,
    answers,
    served,
    soon,
    until,
)
from tests.unit.flows.server.sample_records import (
    EPOCH_OFFSET_NS,
    NOW_NS,
    SECOND_NS,
    call,
    drop,
    loss,
    packet,
)

from ciliate.cli.hubble.flow_file import read_flows
from ciliate.cli.hubble.flow_filters import Filters
from ciliate.cli.hubble.selection import Selection
from ciliate.flows.message_json import message_line
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.server.export.exporter import Exporter, Pace
from ciliate.flows.server.export.flow_log import FlowLog, Keeping
from ciliate.flows.server.export.log_file import LogFile
from ciliate.flows.server.export.outbox import Sink
from ciliate.flows.server.flow_answer import emitter

QUICK = Pace(held_s=0.001, retry_s=0.001)


def exporter_of(store: WatchedStore, sink: Sink, *, pace: Pace = QUICK, **fields: Any) -> Exporter:
    flow_log = FlowLog(**({"name": "all", "path": "/all.log"} | fields))
    return Exporter(flow_log, sink, store, emitter=emitter(VERSION), start=0, pace=pace)


@asynccontextmanager
async def running(exporter: Exporter) -> AsyncIterator[None]:
    """Have it run inside the block; behind it, its last lines are written."""
    task = asyncio.create_task(exporter.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        exporter.close()


async def written(store: WatchedStore, **fields: Any) -> list[Any]:
    """Return the objects that are written of what is in a store."""
    sink = MemorySink()
    exporter = exporter_of(store, sink, pace=Pace(), **fields)
    async with running(exporter):
        await until(lambda: exporter.number == store.ring.end)
    return [msgspec.json.decode(line) for line in sink.lines]


async def test_line_is_what_the_command_prints_of_the_same_flow(tmp_path: Path) -> None:
    store = WatchedStore(1023, packet(), drop(), call())
    async with served(tmp_path, store) as channel:
        printed = [message_line(each) for each in await answers(channel)]
    sink = MemorySink()
    exporter = exporter_of(store, sink)

    async with running(exporter):
        await until(lambda: len(sink.lines) == 3)

    assert [line.decode() for line in sink.lines] == printed
    event = ParseDict(msgspec.json.decode(sink.lines[0]), observer_pb2.ExportEvent())
    assert event.flow.source.pod_name == "web-0"
    assert (event.node_name, event.time) == ("k8s-w1", event.flow.time)


async def test_command_reads_the_file_and_its_filters_find_the_flows(tmp_path: Path) -> None:
    path = tmp_path / "events.log"
    path.write_bytes(b'{"flow":{"torn')
    store = WatchedStore(1023, packet(), drop(), loss(5), drop())
    exporter = exporter_of(store, LogFile(path, Keeping()))
    async with running(exporter):
        await until(lambda: exporter.number == 4)

    dropped = Filters(allowed=(flow_pb2.FlowFilter(verdict=[flow_pb2.DROPPED]),))
    found = list(read_flows(str(path), Selection(number=20), dropped))

    assert [each.WhichOneof("response_types") for each in found] == ["flow", "lost_events", "flow"]
    assert found[0].flow.verdict == flow_pb2.DROPPED
    assert found[1].lost_events.num_events_lost == 5


async def test_filters_and_mask_hold_and_losses_are_told_to_everybody() -> None:
    store = WatchedStore(1023, packet(), drop(source_port=7), loss(3), drop(source_port=8))

    found = await written(
        store,
        allowed=[flow_pb2.FlowFilter(verdict=[flow_pb2.DROPPED])],
        denied=[flow_pb2.FlowFilter(source_port=["8"])],
        fields=("source.pod_name", "verdict"),
    )

    assert found[0] == {"flow": {"verdict": "DROPPED", "source": {"pod_name": "web-0"}}}
    assert found[1]["lost_events"] == {
        "source": "PERF_EVENT_RING_BUFFER",
        "num_events_lost": "3",
    }
    assert found[1]["node_name"] == "k8s-w1"
    assert len(found) == 2


async def test_flows_that_come_are_written_without_a_client() -> None:
    store, sink = WatchedStore(), MemorySink()
    async with running(exporter_of(store, sink)):
        await until(lambda: store.waiting)
        store.add(packet())
        await until(lambda: len(sink.lines) == 1)
        store.add(packet(), packet())
        await until(lambda: len(sink.lines) == 3)


async def test_log_ends_with_the_first_flow_behind_its_end() -> None:
    events = [packet(time_ns=NOW_NS + second * SECOND_NS) for second in range(4)]
    store, sink = WatchedStore(1023, *events), MemorySink()
    exporter = exporter_of(store, sink, end_ns=NOW_NS + EPOCH_OFFSET_NS + SECOND_NS)

    await soon(exporter.run())

    assert exporter.is_over
    assert len(sink.lines) == 2
    assert sink.is_closed


async def test_sink_that_fails_is_told_of_once_and_gets_everything_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    store = WatchedStore(1023, *[packet() for _ in range(5)])
    sink = MemorySink(fails_after=0)
    exporter = exporter_of(store, sink)
    async with running(exporter):
        await until(lambda: sink.refusals > 3)
        sink.fails_after = None
        await until(lambda: len(sink.lines) == 5)
        await until(lambda: len(caplog.records) == 2)

    assert exporter.counts.failures > 3
    problem, again = (each.getMessage() for each in caplog.records)
    assert problem.startswith("flow log 'all': cannot write /all.log: No space left on device: ")
    assert again == "flow log 'all': can write /all.log again"


async def test_what_is_overwritten_while_a_sink_fails_is_told_as_lost() -> None:
    store, sink = WatchedStore(3, packet()), MemorySink(fails_after=0)
    exporter = exporter_of(store, sink, pace=replace(QUICK, held_bytes_max=1))
    async with running(exporter):
        await until(lambda: sink.refusals)
        store.add(*[packet() for _ in range(9)])  # 1 is held, 3 are in the ring, 6 are gone.
        sink.fails_after = None
        await until(lambda: exporter.number == 10)
        await until(lambda: len(sink.lines) == 5)

    found = [msgspec.json.decode(line) for line in sink.lines]
    assert found[1]["lost_events"] == {"source": "HUBBLE_RING_BUFFER", "num_events_lost": "6"}
    assert (exporter.counts.flows, exporter.counts.lost) == (4, 6)


async def test_old_files_are_tidied_at_the_beginning_and_when_there_are_more() -> None:
    store, sink = WatchedStore(), MemorySink()
    sink.is_untidy = True
    async with running(exporter_of(store, sink)):
        await until(lambda: not sink.is_untidy)
        sink.is_untidy = True
        await until(lambda: not sink.is_untidy)
