"""Questions by TCP: any number on a connection, each behind its length (RFC 7766).

Connections are `system/bounded_server`'s to accept and to end. One that asks faster than others
answer, or that takes no answers, is read no further until it does.
"""

import asyncio
import socket
from dataclasses import replace
from typing import Any, Final

from ciliate.lab.dns.counts import Way
from ciliate.lab.dns.responder import Responder
from ciliate.system.admission import Bounds
from ciliate.system.bounded_server import BoundedServer, connection_of
from ciliate.system.descriptors import share

#: Connections served at once.
CONNECTIONS_MAX: Final = 1024
#: Between two questions (RFC 7766, section 6.2.3: a few seconds).
_IDLE_S: Final = 10.0
#: Questions of one connection whose answers are waited for.
_UNDER_WAY_MAX: Final = 32
#: Questions of one connection answered before others have their turn.
_AT_ONCE: Final = 8
_LENGTH_BYTES: Final = 2


class _Conversation(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, responder: Responder, tasks: asyncio.TaskGroup) -> None:
        self._responder = responder
        self._tasks = tasks
        self._way = Way("tcp", "1")
        self._received = bytearray()
        self._under_way = 0
        self._is_full = False  # Of answers that the client does not take.
        self._turn: asyncio.Handle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("socket")
        is_v4 = peer is not None and peer.family == socket.AF_INET
        self._way = Way("tcp", "1" if is_v4 else "2")

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        if self._turn is not None:
            self._turn.cancel()
        self._received.clear()

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._go_on()

    def pause_writing(self) -> None:
        self._is_full = True
        self._throttle()

    def resume_writing(self) -> None:
        self._is_full = False
        self._go_on()

    def _go_on(self) -> None:
        """Answer what is there, as far as there is room for answers."""
        if self._turn is not None:
            return  # Soon, after others.
        for _ in range(_AT_ONCE):
            if self._is_held or (wire := self._next()) is None:
                break
            self._begin(wire)
        else:
            self._turn = asyncio.get_running_loop().call_soon(self._take_turn)
        self._throttle()

    def _take_turn(self) -> None:
        self._turn = None
        self._go_on()

    @property
    def _is_held(self) -> bool:
        return self._is_full or self._under_way >= _UNDER_WAY_MAX

    def _next(self) -> bytes | None:
        """Take the next whole message out of what was received."""
        length = int.from_bytes(self._received[:_LENGTH_BYTES])
        end = _LENGTH_BYTES + length
        if len(self._received) < max(end, _LENGTH_BYTES):
            return None
        wire = bytes(self._received[_LENGTH_BYTES:end])
        del self._received[:end]
        return wire

    def _begin(self, wire: bytes) -> None:
        connection = connection_of(self._transport)
        if connection is None:
            return
        connection.begin()
        response = self._responder.respond(wire, self._way)
        if response is None:
            connection.end()
            connection.abort()  # Not a question at all: nothing sensible follows.
        elif isinstance(response, bytes):
            self._send(response)
            connection.end()
        else:
            self._under_way += 1
            self._tasks.create_task(self._respond_later(response, connection))

    async def _respond_later(self, response: Any, connection: Any) -> None:
        try:
            self._send(await response)
        finally:
            self._under_way -= 1
            connection.end()
        self._go_on()

    def _send(self, wire: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(len(wire).to_bytes(_LENGTH_BYTES) + wire)

    def _throttle(self) -> None:
        """Read on only where what is read can be answered."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._is_held or self._turn is not None:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()


def stream_server(responder: Responder, tasks: asyncio.TaskGroup) -> BoundedServer:
    """Return a server of questions by TCP, to be given sockets that listen."""
    bounds = replace(Bounds.of_peers(share(CONNECTIONS_MAX)), idle_s=_IDLE_S)
    return BoundedServer("dns", lambda: _Conversation(responder, tasks), bounds)
