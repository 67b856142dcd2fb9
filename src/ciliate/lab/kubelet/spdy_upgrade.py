"""From an HTTP request to a SPDY connection: what is agreed upon, and what carries the octets.

kubectl upgrades the connection itself (`Upgrade: SPDY/3.1`), and since 1.31 sends a port-forward's
SPDY through the messages of a WebSocket (KEP-4006).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from aiohttp import WSMsgType, web

from ciliate.lab.kubelet.spdy.connection import SpdyConnection
from ciliate.system.upgraded_connection import take_over

_UPGRADE: Final = "SPDY/3.1"
_PROTOCOL: Final = "X-Stream-Protocol-Version"
_ACCEPTED: Final = "X-Accepted-Stream-Protocol-Versions"
#: After the last word of a session its client closes; one that does not is not waited for longer.
_LINGER_S: Final = 1.0
_CHUNK_BYTES: Final = 64 * 1024


def wants_spdy(request: web.BaseRequest) -> bool:
    """Whether the client asks for SPDY on the connection itself."""
    return request.headers.get("Upgrade", "").lower() == _UPGRADE.lower()


def negotiate(request: web.BaseRequest, offered: Sequence[str]) -> str:
    """Return the first protocol of the client's that is offered.

    Raises:
        HTTPBadRequest: The client names none.
        HTTPForbidden: It names others.
    """
    named = [
        word.strip()
        for value in request.headers.getall(_PROTOCOL, [])
        for word in value.split(",")
        if word.strip()
    ]
    if not named:
        raise web.HTTPBadRequest(text=f"unable to upgrade: {_PROTOCOL} names no protocol\n")
    for protocol in named:
        if protocol in offered:
            return protocol
    refusal = web.HTTPForbidden(
        text="unable to upgrade: unable to negotiate protocol: client supports "
        f"[{' '.join(named)}], server accepts [{' '.join(offered)}]\n"
    )
    for protocol in offered:
        refusal.headers.add(_ACCEPTED, protocol)
    raise refusal


@asynccontextmanager
async def upgraded(request: web.BaseRequest, protocol: str) -> AsyncIterator[SpdyConnection]:
    """Make a request's connection a SPDY connection, which ends with the block.

    Raises:
        ConnectionResetError: The client has gone.
    """
    reader, writer = take_over(request)
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Connection: Upgrade",
        f"Upgrade: {_UPGRADE}",
        f"{_PROTOCOL}: {protocol}",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        yield SpdyConnection(_Socket(reader, writer))
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_LINGER_S):
                while await reader.read(_CHUNK_BYTES):
                    pass
    finally:
        writer.close()


class _Socket:
    """Octets of the connection itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        return await self._reader.read(_CHUNK_BYTES)

    async def write(self, octets: bytes) -> None:
        self._writer.write(octets)
        await self._writer.drain()


class WebSocketOctets:
    """Octets of a WebSocket's binary messages, however they are cut."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._sending = asyncio.Lock()  # Messages of several streams, in the order of asking.

    async def read(self) -> bytes:
        """Return the next message's; nothing: the client has left."""
        while True:
            message = await self._socket.receive()
            if message.type is not WSMsgType.BINARY:
                return b""
            if message.data:
                octets: bytes = message.data
                return octets

    async def write(self, octets: bytes) -> None:
        """Send one message; ConnectionError: the client is gone."""
        async with self._sending:
            await self._socket.send_bytes(octets)
