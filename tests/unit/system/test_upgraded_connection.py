import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from ciliate.system.admission import Bounds
from ciliate.system.http_server import HttpServer
from ciliate.system.listener_counts import ListenerCounts, counts_of
from ciliate.system.upgraded_connection import pump, take_over

DEADLINE_S = 10.0
BIG = 8 * 1024 * 1024
HEAD = b"POST /x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\nContent-Length: 0\r\n\r\n"
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
BOUNDS = Bounds.of_one_peer(8)

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def upgraded(name: str, serve: Serve) -> AsyncIterator[tuple[Client, ListenerCounts]]:
    """A connection that a handler has taken over, and the counts of its listener."""
    listener = socket.create_server(("127.0.0.1", 0))

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        reader, writer = take_over(request)
        writer.write(ANSWER)
        await serve(reader, writer)
        writer.close()
        return web.Response()

    runner = web.ServerRunner(web.Server(handle, handler_cancellation=True))
    server = HttpServer(name, runner, BOUNDS)
    address = listener.getsockname()
    await server.start(listener)
    reader, writer = await asyncio.open_connection(*address)
    try:
        async with asyncio.timeout(DEADLINE_S):
            writer.write(HEAD)
            await reader.readuntil(b"\r\n\r\n")
            yield (reader, writer), counts_of(name)
    finally:
        writer.close()
        await server.stop()


async def test_octets_pass_both_ways_and_wait_for_a_slow_reader() -> None:
    async with upgraded("echo", pump) as ((reader, writer), _):
        sending = asyncio.create_task(_send(writer, b"x" * BIG))
        echoed = await reader.readexactly(BIG)
        await sending

    assert echoed == b"x" * BIG


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


@pytest.mark.parametrize("first", ["client", "server"])
async def test_a_connection_that_ended_has_no_place_any_more(first: str) -> None:
    async def one_word(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(8))
        if first == "client":
            await reader.read()

    async with upgraded(f"ended-by-{first}", one_word) as ((reader, writer), counts):
        writer.write(b"word")
        assert await reader.readexactly(4) == b"word"
        assert first == "server" or counts.open == 1
        if first == "client":
            writer.close()
        while counts.open:
            await asyncio.sleep(0.005)


async def test_a_client_that_pauses_loses_nothing() -> None:
    """Beside it, one that takes nothing of a plain answer is ended: so long has it been."""
    listener = socket.create_server(("127.0.0.1", 0))
    timeouts: list[int] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/plain":
            return web.Response(body=b"x" * BIG)
        reader, writer = take_over(request)
        taken = writer.get_extra_info("socket")
        timeouts.append(taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
        writer.write(b"x" * BIG)
        await reader.read()
        return web.Response()

    runner = web.ServerRunner(web.Server(handle, handler_cancellation=True))
    server = HttpServer("pause", runner, replace(BOUNDS, untaken_s=0.2))
    await server.start(listener)
    paused = await _asking(listener, HEAD)
    plain = await _asking(listener, HEAD.replace(b"/x", b"/plain"))
    counts = counts_of("pause")
    async with asyncio.timeout(DEADLINE_S):
        while counts.accepted < 2 or counts.open > 1:
            await asyncio.sleep(0.01)
        left = BIG
        while left:
            left -= len(await asyncio.get_running_loop().sock_recv(paused, left))

    assert (counts.open, timeouts) == (1, [0])
    paused.close()
    plain.close()
    await server.stop()


async def _asking(listener: socket.socket, request: bytes) -> socket.socket:
    """A client that has asked, and reads nothing; its kernel keeps little for it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, listener.getsockname())
    await asyncio.get_running_loop().sock_sendall(client, request)
    return client
