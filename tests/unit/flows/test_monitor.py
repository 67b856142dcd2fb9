"""`flows/monitor.py`: who listens gets what he asked for, and one that is slow harms himself alone."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from ciliate.config.flow_settings import read_flow_settings
from ciliate.config.texts import Texts
from ciliate.datapath.layout import Event, EventKind, EventWantedFlag
from ciliate.flows.monitor import LISTENERS_MAX, UNTAKEN_BYTES_MAX, MonitorServer
from ciliate.flows.watch import EventWatch, Listener

SETTINGS = read_flow_settings(Texts({"bpf-events-drop-enabled": "false"}))
DROP, TRACE, SOCKET = (
    EventWantedFlag.EVENT_WANTED_DROP,
    EventWantedFlag.EVENT_WANTED_TRACE,
    EventWantedFlag.EVENT_WANTED_SOCKET,
)


class Watch:
    """Stands where the ring is read: events are the test's."""

    def __init__(self) -> None:
        self.listeners: dict[Listener, EventWantedFlag] = {}

    def listen(self, listener: Listener, wanted: EventWantedFlag) -> None:
        self.listeners[listener] = wanted

    def leave(self, listener: Listener) -> None:
        self.listeners.pop(listener, None)

    def give(self, count: int, lost: int = 0) -> None:
        record = Event.unpack(bytes(Event.SIZE))._replace(kind=EventKind.EVENT_TRACE).pack()
        records = record * count
        for listener in tuple(self.listeners):
            listener(records, lost)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def lost_in(octets: bytes) -> list[int]:
    """How many events are missing, as each record of the kind says."""
    whole = octets[: len(octets) // Event.SIZE * Event.SIZE]
    records = np.frombuffer(whole, dtype=np.dtype(Event.DTYPE))
    lost: list[int] = records["bytes"][records["kind"] == EventKind.EVENT_LOST].tolist()
    return lost


def served(tmp_path: Path, script: Callable[[Path, Watch], Awaitable[None]]) -> None:
    async def run() -> None:
        watch, path = Watch(), tmp_path / "monitor.sock"
        server = MonitorServer(cast("EventWatch", watch), SETTINGS, node="k8s-w1")
        server.listen(path)
        try:
            await script(path, watch)
        finally:
            server.end(path)
            assert not path.exists()

    asyncio.run(run())


async def asked(
    path: Path, question: bytes
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, dict[str, Any]]:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(question)
    answer = json.loads(await asyncio.wait_for(reader.readline(), 10))
    return reader, writer, answer


def kinds(octets: bytes) -> list[int]:
    return [event.kind for event in Event.unpack_many(octets)]


def test_listener_gets_what_he_asked_for_and_is_told_what_is_turned_off(tmp_path: Path) -> None:
    async def script(path: Path, watch: Watch) -> None:
        reader, writer, answer = await asked(path, b'{"types": ["drop", "trace-sock"]}\n')
        assert (answer["node"], answer["record_bytes"]) == ("k8s-w1", Event.SIZE)
        assert answer["turned_off"] == ["drop"]
        assert list(watch.listeners.values()) == [DROP | SOCKET]

        watch.give(2, lost=3)
        octets = await asyncio.wait_for(reader.readexactly(3 * Event.SIZE), 10)
        assert kinds(octets) == [EventKind.EVENT_LOST, *[EventKind.EVENT_TRACE] * 2]
        assert Event.unpack(octets[: Event.SIZE]).bytes == 3

        writer.close()
        await until(lambda: not watch.listeners)

    served(tmp_path, script)


def test_who_names_no_type_gets_all(tmp_path: Path) -> None:
    async def script(path: Path, watch: Watch) -> None:
        _, writer, _ = await asked(path, b"{}\n")
        assert list(watch.listeners.values()) == [DROP | TRACE | SOCKET]
        writer.close()

    served(tmp_path, script)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (b'{"types": ["drip"]}\n', "there are no events of type 'drip'"),
        (b"hello\n", "no question: "),
        (b'{"types": 7}\n', "no question: "),
        (b"x" * 5000, "no question: "),
    ],
)
def test_nonsense_is_answered_and_ends_the_connection(
    tmp_path: Path, question: bytes, words: str
) -> None:
    async def script(path: Path, watch: Watch) -> None:
        reader, writer, answer = await asked(path, question)
        assert words in answer["error"]
        assert await asyncio.wait_for(reader.read(), 10) == b""
        assert not watch.listeners
        writer.close()

    served(tmp_path, script)


def test_slow_listener_loses_events_and_is_told_how_many_and_others_lose_none(
    tmp_path: Path,
) -> None:
    async def script(path: Path, watch: Watch) -> None:
        slow, slow_writer, _ = await asked(path, b"{}\n")
        quick, quick_writer, _ = await asked(path, b"{}\n")
        slow_writer.transport.pause_reading()  # type: ignore[attr-defined]
        batch = 4096
        rounds = 4 * UNTAKEN_BYTES_MAX // (batch * Event.SIZE)
        taken = 0
        for _ in range(rounds):
            watch.give(batch)
            taken += len(await asyncio.wait_for(quick.readexactly(batch * Event.SIZE), 10))
        assert taken == rounds * batch * Event.SIZE

        slow_writer.transport.resume_reading()  # type: ignore[attr-defined]
        found, offered = b"", rounds * batch
        while sum(lost_in(found)) + len(found) // Event.SIZE - len(lost_in(found)) < offered:
            try:
                found += await asyncio.wait_for(slow.read(1 << 20), 0.1)
            except TimeoutError:
                watch.give(1)  # The next event brings the number of those that were lost.
                offered += 1
        assert len(lost_in(found)) == 1
        slow_writer.close()
        quick_writer.close()

    served(tmp_path, script)


def test_further_listeners_than_there_is_room_for_are_turned_away(tmp_path: Path) -> None:
    async def script(path: Path, watch: Watch) -> None:
        writers = []
        for _ in range(LISTENERS_MAX):
            _, writer, _ = await asked(path, b"{}\n")
            writers.append(writer)
        reader, writer = await asyncio.open_unix_connection(path)
        with contextlib.suppress(ConnectionError):
            writer.write(b"{}\n")
            assert await asyncio.wait_for(reader.read(), 10) == b""
        assert len(watch.listeners) == LISTENERS_MAX
        for each in (*writers, writer):
            each.close()

    served(tmp_path, script)
