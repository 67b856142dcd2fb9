"""An HTTP connection that has left HTTP (RFC 9110, section 7.8): octets both ways from now on.

A handler of our HTTP servers takes its request's connection over, speaks whatever was agreed upon
and closes it. The server goes on counting the connection until it is lost (`bounded_server`), and
lets its client pause: a terminal that is stopped takes nothing, and loses nothing.
"""

import asyncio
from contextlib import suppress
from typing import Final

from aiohttp import web

from ciliate.system.bounded_server import connection_of

#: Octets that wait in each direction before the sender is paused.
BUFFER_BYTES: Final = 256 * 1024
_CHUNK_BYTES: Final = 64 * 1024


class _Taken(asyncio.StreamReaderProtocol):
    """The connection's new protocol; the former one learns of its end alone."""

    def __init__(self, reader: asyncio.StreamReader, former: asyncio.BaseProtocol) -> None:
        super().__init__(reader)
        self._former = former

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._former.connection_lost(exc)


def take_over(request: web.BaseRequest) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return the two directions of a request's connection; the request's answer is the caller's.

    Raises:
        ConnectionResetError: The client has gone.
    """
    transport = request.transport
    if not isinstance(transport, asyncio.Transport) or transport.is_closing():
        raise ConnectionResetError("the client has left before the connection was upgraded")
    connection = connection_of(transport)
    if connection is not None:
        connection.let_pause()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=BUFFER_BYTES, loop=loop)
    protocol = _Taken(reader, transport.get_protocol())
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    transport.set_write_buffer_limits(high=BUFFER_BYTES)
    transport.resume_reading()
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass octets on until the reader's side ends or the writer's is gone."""
    with suppress(ConnectionError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
