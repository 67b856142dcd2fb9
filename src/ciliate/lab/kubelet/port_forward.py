"""`kubectl port-forward`: any number of connections to a pod's ports, over one of the client's.

Over SPDY, on the connection itself or in a WebSocket's messages, the client opens two streams for
each: `error` and `data`, paired by the header `requestID`. Other clients use a WebSocket alone: two
channels for each port of the request, which begin with the port (two octets, little-endian).
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from ciliate.lab.kubelet.forwarded import Connect, Forwarded
from ciliate.lab.kubelet.remote_command import accept_websocket
from ciliate.lab.kubelet.spdy.connection import SpdyConnection
from ciliate.lab.kubelet.spdy.frames import Data, Opened, Reset
from ciliate.lab.kubelet.spdy_upgrade import WebSocketOctets, negotiate, upgraded, wants_spdy
from ciliate.lab.kubelet.websocket_channels import WebSocketChannels

_PROTOCOL: Final = "portforward.k8s.io"
_TUNNEL: Final = f"SPDY/3.1+{_PROTOCOL}"
_CHANNELS: Final = ("v4.channel.k8s.io", "v4.base64.channel.k8s.io")
#: Ports of one request over channels: their numbers are octets.
_PORTS_MAX: Final = 64


async def forward_ports(request: web.Request, pod: str, connect: Connect) -> web.StreamResponse:
    """Upgrade the request's connection and forward until its client leaves.

    `pod` is what errors say; `connect` reaches a port of it.

    Raises:
        HTTPException: The client asks for a protocol that is not spoken here, or for no port.
    """
    if wants_spdy(request):
        protocol = negotiate(request, (_PROTOCOL,))
        async with upgraded(request, protocol) as connection:
            await _SpdyForwarding(connection, pod, connect).run()
        return web.Response()  # For the server's books: the connection is closed.
    offered = [
        word.strip()
        for value in request.headers.getall("Sec-WebSocket-Protocol", [])
        for word in value.split(",")
    ]
    if _TUNNEL in offered:
        socket = await accept_websocket(request, (_TUNNEL,))
        await _SpdyForwarding(SpdyConnection(WebSocketOctets(socket)), pod, connect).run()
    else:
        ports = _ports(request.query.getall("port", []) + request.query.getall("ports", []))
        socket = await accept_websocket(request, _CHANNELS)
        await _forward_channels(WebSocketChannels(socket), ports, pod, connect)
    await socket.close()
    return socket


def _ports(texts: Sequence[str]) -> list[int]:
    words = [word for text in texts for word in text.split(",")]
    if not words or len(words) > _PORTS_MAX:
        raise web.HTTPBadRequest(text=f'query parameter "ports" needs 1 to {_PORTS_MAX} ports\n')
    ports = [_port(word) for word in words]
    for word, port in zip(words, ports, strict=True):
        if port is None:
            raise web.HTTPBadRequest(text=f'query parameter "ports": {word!r} is no port\n')
    return [port for port in ports if port is not None]


def _port(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and 0 < int(text) < 65536 else None


def _failure(pod: str, port: int, problem: str) -> bytes:
    return f"error forwarding port {port} to pod {pod}: {problem}".encode()


@dataclass(slots=True)
class _Pair:
    """The two streams of a connection, as far as they are there."""

    port: int
    error: int | None = None
    data: int | None = None


class _PairSink:
    """Sends what a pod says on a pair's streams."""

    def __init__(self, connection: SpdyConnection, pod: str, pair: _Pair, data: int) -> None:
        self._connection = connection
        self._pod = pod
        self._pair = pair
        self._data = data

    async def send(self, octets: bytes) -> None:
        await self._connection.send(self._data, octets)

    async def finish(self, problem: str) -> None:
        error = self._pair.error
        if error is not None:
            if problem:
                await self._connection.send(error, _failure(self._pod, self._pair.port, problem))
            await self._connection.finish(error)
        await self._connection.finish(self._data)


class _SpdyForwarding:
    """One client's connections."""

    def __init__(self, connection: SpdyConnection, pod: str, connect: Connect) -> None:
        self._connection = connection
        self._pod = pod
        self._connect = connect
        self._halves: dict[str, _Pair] = {}  # One of whose streams is missing, by request.
        self._running: dict[int, tuple[Forwarded, asyncio.Task[None]]] = {}  # By data stream.

    async def run(self) -> None:
        """Forward until the client leaves."""
        async with asyncio.TaskGroup() as tasks:
            while (event := await self._connection.receive()) is not None:
                match event:
                    case Opened():
                        await self._opened(tasks, event)
                    case Data(stream, octets, fin):
                        await self._give(stream, octets, fin=fin)
                    case Reset(stream) if stream in self._running:
                        self._running[stream][1].cancel()
            for _, task in self._running.values():
                task.cancel()

    async def _opened(self, tasks: asyncio.TaskGroup, event: Opened) -> None:
        stream, kind = event.stream, event.headers.get("streamtype", "")
        port = _port(event.headers.get("port", ""))
        # Before there were request's numbers, a data stream was opened right after its partner.
        first = stream if kind == "error" else stream - 2
        request = event.headers.get("requestid") or f"stream {first}"
        pair = self._halves.get(request)
        if port is None or kind not in ("error", "data") or _has(pair, kind):
            await self._connection.refuse(stream)
            return
        await self._connection.accept(stream)
        if pair is None:
            pair = self._halves[request] = _Pair(port)
        if kind == "error":
            pair.error = stream
        else:
            pair.data = stream
        if pair.error is not None and pair.data is not None:
            del self._halves[request]
            self._start(tasks, pair, pair.data)

    def _start(self, tasks: asyncio.TaskGroup, pair: _Pair, data: int) -> None:
        sink = _PairSink(self._connection, self._pod, pair, data)
        forwarded = Forwarded(pair.port, self._connect, sink)
        task = tasks.create_task(forwarded.run(), name=f"forward {self._pod}:{pair.port}")
        self._running[data] = (forwarded, task)
        task.add_done_callback(lambda _: self._running.pop(data, None))

    async def _give(self, stream: int, octets: bytes, *, fin: bool) -> None:
        """Pass on what came on a data stream; one without a partner yet cannot have any."""
        if stream in self._running:
            forwarded, _ = self._running[stream]
            if octets:
                await forwarded.give(octets)
            if fin:
                await forwarded.give(b"")
        elif octets:
            await self._connection.refuse(stream)


def _has(pair: _Pair | None, kind: str) -> bool:
    return pair is not None and (pair.error if kind == "error" else pair.data) is not None


class _ChannelSink:
    """Sends what a pod says on a port's two channels."""

    def __init__(self, channels: WebSocketChannels, pod: str, port: int, number: int) -> None:
        self._channels = channels
        self._pod = pod
        self._port = port
        self._data, self._error = 2 * number, 2 * number + 1

    async def greet(self) -> None:
        """Begin both channels, as the protocol says."""
        port = self._port.to_bytes(2, "little")
        await self._channels.write(self._data, port)
        await self._channels.write(self._error, port)

    async def send(self, octets: bytes) -> None:
        await self._channels.write(self._data, octets)

    async def finish(self, problem: str) -> None:
        if problem:
            await self._channels.write(self._error, _failure(self._pod, self._port, problem))


async def _forward_channels(
    channels: WebSocketChannels, ports: Sequence[int], pod: str, connect: Connect
) -> None:
    """Forward a connection for each port until all have ended or the client leaves."""
    sinks = [_ChannelSink(channels, pod, port, number) for number, port in enumerate(ports)]
    forwarded = [Forwarded(port, connect, sink) for port, sink in zip(ports, sinks, strict=True)]
    with contextlib.suppress(ConnectionError):
        for sink in sinks:
            await sink.greet()
    running = asyncio.ensure_future(_run_all(forwarded))
    feeding = asyncio.ensure_future(_feed(channels, forwarded))
    try:
        await asyncio.wait({running, feeding}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        running.cancel()
        feeding.cancel()
        await asyncio.gather(running, feeding, return_exceptions=True)


async def _run_all(forwarded: Sequence[Forwarded]) -> None:
    await asyncio.gather(*(each.run() for each in forwarded))


async def _feed(channels: WebSocketChannels, forwarded: Sequence[Forwarded]) -> None:
    while (message := await channels.read()) is not None:
        number, is_error = divmod(message[0], 2)
        if not is_error and 0 <= number < len(forwarded) and message[1]:
            await forwarded[number].give(message[1])
