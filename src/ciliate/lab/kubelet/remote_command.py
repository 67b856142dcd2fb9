"""The client's side of exec and attach: one session, spoken over WebSocket or over SPDY.

A WebSocket carries all in messages that begin with a channel's number; over SPDY the client opens
a stream for each, with its name in the header `streamtype`. Both come in versions
(k8s.io/apimachinery/pkg/util/remotecommand): from the fourth on the command's end is a Status in
JSON, before it is a message, and nothing for success; the fifth, of WebSockets alone, can say that
stdin has ended, which SPDY's streams always could; before the third there was no size of terminals.
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from aiohttp import web

from ciliate.lab.kubelet.exec_session import Peer, StreamChannel
from ciliate.lab.kubelet.spdy.connection import SpdyConnection
from ciliate.lab.kubelet.spdy.frames import Data, Opened, Reset
from ciliate.lab.kubelet.spdy_upgrade import negotiate, upgraded, wants_spdy
from ciliate.lab.kubelet.websocket_channels import WebSocketChannels

_UNVERSIONED: Final = "channel.k8s.io"
WEBSOCKET_PROTOCOLS: Final = (
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    _UNVERSIONED,
    "base64.channel.k8s.io",
)
SPDY_PROTOCOLS: Final = (
    "v4.channel.k8s.io",
    "v3.channel.k8s.io",
    "v2.channel.k8s.io",
    _UNVERSIONED,
)
_WITH_STATUS: Final = frozenset(
    {"v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"}
)
_WITH_SIZE: Final = frozenset({"v4.channel.k8s.io", "v3.channel.k8s.io"})

#: A message of stdin; kubectl sends at most 32 KiB.
MESSAGE_BYTES_MAX: Final = 1024 * 1024
#: How long a SPDY client may take to open its streams, as with a real kubelet.
_STREAMS_S: Final = 30.0
#: What it may send before the last of them is open, in pieces of 64 KiB.
_EARLY_MAX: Final = 16
#: A terminal's size is less than 40 octets.
_SIZE_BYTES_MAX: Final = 1024

_CHANNELS: Final = {
    "stdin": StreamChannel.STDIN,
    "stdout": StreamChannel.STDOUT,
    "stderr": StreamChannel.STDERR,
    "error": StreamChannel.ERROR,
    "resize": StreamChannel.RESIZE,
}
_END_OF_INPUT: Final = (StreamChannel.CLOSE, bytes([StreamChannel.STDIN]))

Message = tuple[StreamChannel, bytes]
Session = Callable[[Peer], Awaitable[None]]


async def serve_session(
    request: web.Request, channels: Iterable[StreamChannel], session: Session
) -> web.StreamResponse:
    """Upgrade the request's connection and have `session` speak with its client.

    `channels` are those of the session but ERROR; RESIZE among them: it has a terminal.

    Raises:
        HTTPException: The client asks for a protocol that is not spoken here.
    """
    if not wants_spdy(request):
        socket = await accept_websocket(request, WEBSOCKET_PROTOCOLS)
        await session(_WebSocketPeer(socket))
        await socket.close()
        return socket
    protocol = negotiate(request, SPDY_PROTOCOLS)
    wanted = {*channels, StreamChannel.ERROR}
    if protocol not in _WITH_SIZE:
        wanted.discard(StreamChannel.RESIZE)
    async with upgraded(request, protocol) as connection:
        peer = _SpdyPeer(connection, protocol)
        if await peer.has_opened(wanted):
            await session(peer)
        await peer.finish()
    return web.Response()  # For the server's books: the connection is closed.


async def accept_websocket(
    request: web.Request, protocols: tuple[str, ...]
) -> web.WebSocketResponse:
    """Upgrade to a WebSocket, with the first of the client's protocols that we have."""
    # No pings: a client that is stopped answers none, and the API server notices who is gone.
    socket = web.WebSocketResponse(
        protocols=protocols, max_msg_size=MESSAGE_BYTES_MAX, compress=False
    )
    await socket.prepare(request)
    return socket


def _in_words(status: bytes) -> bytes:
    """Return a Status as the versions before the fourth have it."""
    document = json.loads(status)
    return b"" if document["status"] == "Success" else document["message"].encode()


class _WebSocketPeer:
    """A client's WebSocket as the session sees it."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._channels = WebSocketChannels(socket)
        self._has_status = socket.ws_protocol in _WITH_STATUS

    async def send(self, channel: StreamChannel, data: bytes) -> None:
        if channel is StreamChannel.ERROR and not self._has_status:
            data = _in_words(data)
        await self._channels.write(channel, data)

    async def receive(self) -> Message | None:
        while (message := await self._channels.read()) is not None:
            number, octets = message
            if number in set(StreamChannel):
                return StreamChannel(number), octets
        return None


class _SpdyPeer:
    """A client's streams as the session sees them."""

    def __init__(self, connection: SpdyConnection, protocol: str) -> None:
        self._connection = connection
        self._protocol = protocol
        self._streams: dict[StreamChannel, int] = {}
        self._channels: dict[int, StreamChannel] = {}
        self._came: deque[Message] = deque()
        self._size = b""

    async def has_opened(self, wanted: set[StreamChannel]) -> bool:
        """Wait until the client has opened these streams; False: it does not."""
        try:
            async with asyncio.timeout(_STREAMS_S):
                while not wanted <= self._streams.keys():
                    if not await self._take():
                        return False
                    if len(self._came) > _EARLY_MAX:
                        return False
        except TimeoutError:
            return False
        return True

    async def receive(self) -> Message | None:
        while not self._came:
            if not await self._take():
                return None
        return self._came.popleft()

    async def _take(self) -> bool:
        """Note what the client did next; False: it has left."""
        match await self._connection.receive():
            case None:
                return False
            case Opened(stream, headers, fin):
                await self._open(stream, headers.get("streamtype", ""), fin=fin)
            case Data(stream, octets, fin):
                self._heard(self._channels[stream], octets, fin=fin)
            case Reset(stream):
                self._heard(self._channels[stream], b"", fin=True)
        return True

    async def _open(self, stream: int, name: str, *, fin: bool) -> None:
        channel = _CHANNELS.get(name)
        if channel is None or channel in self._streams:
            await self._connection.refuse(stream)
            return
        self._streams[channel] = stream
        self._channels[stream] = channel
        await self._connection.accept(stream)
        if fin:
            self._heard(channel, b"", fin=True)

    def _heard(self, channel: StreamChannel, octets: bytes, *, fin: bool) -> None:
        if channel is StreamChannel.STDIN:
            if octets:
                self._came.append((channel, octets))
            if fin:
                self._came.append(_END_OF_INPUT)
        elif channel is StreamChannel.RESIZE:
            # One JSON document a line, however the stream is cut.
            *sizes, rest = (self._size + octets).split(b"\n")
            self._size = rest[-_SIZE_BYTES_MAX:]
            self._came.extend((channel, size) for size in sizes[-1:])

    async def send(self, channel: StreamChannel, data: bytes) -> None:
        stream = self._streams.get(channel)
        if stream is None:
            return
        if channel is not StreamChannel.ERROR:
            await self._connection.send(stream, data)
            return
        status = data if self._protocol in _WITH_STATUS else _in_words(data)
        await self._connection.send(stream, status)
        # Before the others: a client of the first version looks no more when its output has ended.
        await self._connection.finish(stream)

    async def finish(self) -> None:
        """Say that nothing more comes on any stream."""
        try:
            for stream in self._channels:
                await self._connection.finish(stream)
        except ConnectionError:
            return  # It has left already.
