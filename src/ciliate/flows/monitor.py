"""The socket on which commands listen to a node's events. Root's alone (0600).

A listener that takes them slowly loses some, and is told how many; it costs nobody else anything.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from ciliate.api.monitor import EVENT_TYPES, MonitorAnswer, MonitorQuestion
from ciliate.config.flow_settings import FlowSettings
from ciliate.datapath.layout import Event, EventKind, EventWantedFlag
from ciliate.errors import CiliateError
from ciliate.flows.watch import EventWatch
from ciliate.system.admission import Bounds
from ciliate.system.bounded_server import BoundedServer, connection_of
from ciliate.system.unix_socket import listen_unix

_log = logging.getLogger(__name__)

#: Who listens are people and their scripts.
LISTENERS_MAX: Final = 16
_QUESTION_BYTES_MAX: Final = 4096
#: What a listener may leave untaken before it loses events.
UNTAKEN_BYTES_MAX: Final = 2 * 1024 * 1024

#: By the words of EVENT_TYPES.
_WANTED: Final[Mapping[str, EventWantedFlag]] = {
    "drop": EventWantedFlag.EVENT_WANTED_DROP,
    "trace": EventWantedFlag.EVENT_WANTED_TRACE,
    "trace-sock": EventWantedFlag.EVENT_WANTED_SOCKET,
}


class MonitorServer:
    """Answers listeners of one node."""

    def __init__(self, watch: EventWatch, settings: FlowSettings, *, node: str) -> None:
        self.watch = watch
        self._settings = settings
        self._node = node
        bounds = Bounds.of_one_peer(LISTENERS_MAX)
        self._server = BoundedServer("monitor", lambda: _Listening(self), bounds)

    def listen(self, path: Path) -> None:
        """Serve at `path`.

        Raises:
            CiliateError: It cannot listen there.
        """
        try:
            self._server.listen(listen_unix(path))
        except OSError as error:
            raise CiliateError(f"{path}: cannot listen: {error}") from error

    def end(self, path: Path) -> None:
        """Answer nobody any more."""
        self._server.end()
        with suppress(FileNotFoundError):
            path.unlink()

    def answer(self, question: MonitorQuestion) -> tuple[MonitorAnswer, EventWantedFlag]:
        """Return what a listener is told, and what it gets; nothing where it asks for nonsense."""
        names = question.types or EVENT_TYPES
        for name in names:
            if name not in _WANTED:
                known = ", ".join(EVENT_TYPES)
                error = f"there are no events of type {name!r}: choose of {known}"
                return MonitorAnswer(error=error), EventWantedFlag(0)
        off = [("drop", self._settings.drops), ("trace", self._settings.traces)]
        answer = MonitorAnswer(
            node=self._node,
            record_bytes=Event.SIZE,
            epoch_offset_ns=time.time_ns() - time.monotonic_ns(),
            turned_off=tuple(name for name, is_on in off if name in names and not is_on),
        )
        wanted = EventWantedFlag(0)
        for name in names:
            wanted |= _WANTED[name]
        return answer, wanted


class _Listening(asyncio.Protocol):
    """One listener's connection."""

    def __init__(self, server: MonitorServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._question = b""
        self._is_answered = False
        self._lost = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take the question; what comes behind it is passed over."""
        if self._is_answered or self._transport is None:
            return
        self._question += data
        if b"\n" not in self._question and len(self._question) < _QUESTION_BYTES_MAX:
            return
        self._is_answered = True
        connection = connection_of(self._transport)
        if connection is not None:
            connection.begin()
            connection.let_pause()
        try:
            question = msgspec.json.decode(self._question.split(b"\n")[0], type=MonitorQuestion)
            answer, wanted = self._server.answer(question)
        except msgspec.MsgspecError as error:
            answer, wanted = MonitorAnswer(error=f"no question: {error}"), EventWantedFlag(0)
        self._transport.write(msgspec.json.encode(answer) + b"\n")
        if answer.error:
            self._transport.close()
            return
        try:
            self._server.watch.listen(self._give, wanted)
        except CiliateError as error:
            _log.warning("monitor: %s", error)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's.
        self._server.watch.leave(self._give)
        self._transport = None

    def _give(self, records: bytes, lost: int) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._lost += lost
        if transport.get_write_buffer_size() > UNTAKEN_BYTES_MAX:
            self._lost += len(records) // Event.SIZE
            return
        if self._lost:
            transport.write(_lost_record(self._lost))
            self._lost = 0
        if records:
            transport.write(records)


def _lost_record(count: int) -> bytes:
    """Return the record that says that there are so many fewer."""
    blank = Event.unpack(bytes(Event.SIZE))
    return blank._replace(
        time_ns=time.monotonic_ns(), kind=EventKind.EVENT_LOST, bytes=min(count, 0xFFFF_FFFF)
    ).pack()
