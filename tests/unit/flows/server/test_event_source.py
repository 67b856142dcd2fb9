"""`flows/server/event_source.py`: records come whole, in their order, again after a lost connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from tests.unit.flows.server.flow_clients import soon, until
from tests.unit.flows.server.sample_records import joined, packet

from ciliate.api.monitor import MonitorAnswer, MonitorQuestion
from ciliate.datapath.layout import Event
from ciliate.flows.server.event_source import EventSource

ANSWER = MonitorAnswer(node="k8s-w1", record_bytes=Event.SIZE, epoch_offset_ns=77)


class Monitor:
    """An agent's monitor: a test says what it answers, and sends."""

    def __init__(self, path: Path, *lines: bytes) -> None:
        self.path = path
        self._lines = lines or (msgspec.json.encode(ANSWER),)
        self.questions: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        server = await asyncio.start_unix_server(self._answer, self.path)
        try:
            yield
        finally:
            server.close()
            for writer in self.writers:
                writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.questions.append(await reader.readline())
        writer.write(self._lines[min(len(self.writers), len(self._lines) - 1)] + b"\n")
        self.writers.append(writer)

    def send(self, octets: bytes) -> None:
        self.writers[-1].write(octets)

    def hang_up(self) -> None:
        self.writers[-1].close()


class Taken:
    """What an event source gave."""

    def __init__(self) -> None:
        self.records = b""
        self.offsets: list[int] = []

    def take(self, records: bytes) -> None:
        assert len(records) % Event.SIZE == 0, "a record was torn"
        self.records += records

    @property
    def numbers(self) -> list[int]:
        return [event.bytes for event in Event.unpack_many(self.records)]


@asynccontextmanager
async def listening(path: Path) -> AsyncIterator[Taken]:
    taken = Taken()
    task = asyncio.create_task(EventSource(path, taken.take, taken.offsets.append).run())
    try:
        yield taken
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await soon(task)


def records(first: int, last: int) -> bytes:
    return joined(packet(bytes=number) for number in range(first, last))


async def test_all_events_are_asked_for_and_given_with_the_time_of_the_world(
    tmp_path: Path,
) -> None:
    monitor = Monitor(tmp_path / "m.sock")
    async with monitor.listening(), listening(monitor.path) as taken:
        await until(lambda: monitor.writers)
        monitor.send(records(0, 5))
        await until(lambda: len(taken.numbers) == 5)

    [question] = monitor.questions
    assert msgspec.json.decode(question, type=MonitorQuestion) == MonitorQuestion()
    assert (taken.offsets, taken.numbers) == ([77], [0, 1, 2, 3, 4])


@pytest.mark.parametrize("piece", [1, 7, Event.SIZE - 1, Event.SIZE + 1])
async def test_records_that_come_in_pieces_are_given_whole(tmp_path: Path, piece: int) -> None:
    monitor, octets = Monitor(tmp_path / "m.sock"), records(0, 3)
    async with monitor.listening(), listening(monitor.path) as taken:
        await until(lambda: monitor.writers)
        for at in range(0, len(octets), piece):
            monitor.send(octets[at : at + piece])
            await asyncio.sleep(0)
        await until(lambda: len(taken.numbers) == 3)

    assert taken.numbers == [0, 1, 2]


async def test_connection_that_ends_is_made_anew_and_half_a_record_is_forgotten(
    tmp_path: Path,
) -> None:
    monitor = Monitor(tmp_path / "m.sock")
    async with monitor.listening(), listening(monitor.path) as taken:
        await until(lambda: monitor.writers)
        monitor.send(records(0, 2)[:-1])
        await until(lambda: taken.numbers == [0])
        monitor.hang_up()

        await until(lambda: len(monitor.writers) == 2)
        monitor.send(records(5, 6))
        await until(lambda: taken.numbers == [0, 5])

    assert taken.offsets == [77, 77]


async def test_agent_that_is_not_there_yet_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = Monitor(tmp_path / "m.sock")
    async with listening(monitor.path) as taken:
        await until(lambda: "m.sock" in caplog.text)
        async with monitor.listening():
            await until(lambda: taken.offsets)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"hello", "the agent answered something else"),
        (b'{"error": "no"}', "no"),
        (b'{"record_bytes": 112}', "records have 112 octets"),
    ],
)
async def test_agent_that_answers_otherwise_is_asked_again_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, line: bytes, words: str
) -> None:
    monitor = Monitor(tmp_path / "m.sock", line, msgspec.json.encode(ANSWER))
    async with monitor.listening(), listening(monitor.path) as taken:
        await until(lambda: taken.offsets)

    assert f"events of {monitor.path}: {words}" in caplog.text
