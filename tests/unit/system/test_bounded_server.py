"""`system/bounded_server.py` and `http_server.py`: real sockets on loopback, silent and slow clients."""

import asyncio
import contextlib
import os
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from ciliate.apiserver import pki
from ciliate.system import bounded_server
from ciliate.system.admission import Bounds
from ciliate.system.http_server import HttpServer
from ciliate.system.listener_counts import Ending, ListenerCounts, counts_of
from ciliate.system.unix_socket import listen_unix

DEADLINE_S = 10.0
BOUNDS = Bounds(connections=8, peer_connections=8, newcomers=4, peer_newcomers=4)
#: So short that a test may wait for it.
SHORT_S = 0.2


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.01)


class Served:
    """A server under test: its address, its counts, and the requests that it holds."""

    def __init__(self, name: str, address: tuple[str, int] | str) -> None:
        self.address = address
        self.counts: ListenerCounts = counts_of(name)
        self.held = 0
        self.release = asyncio.Event()

    @property
    def url(self) -> str:
        assert not isinstance(self.address, str)
        return f"http://{self.address[0]}:{self.address[1]}"

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/hold":
            self.held += 1
            await self.release.wait()
        if request.path.startswith("/octets/"):
            return web.Response(body=bytes(int(request.path.rpartition("/")[2])))
        if request.path == "/stream":
            return await self.stream(request)
        return web.Response(body=await request.read() or b"ok")

    async def stream(self, request: web.Request) -> web.Response:
        """Answer without an end, as a watch does."""
        self.held += 1
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(bytes(4096))
                await asyncio.sleep(0)
        finally:
            self.held -= 1


@asynccontextmanager
async def serving(
    name: str,
    bounds: Bounds = BOUNDS,
    *,
    tls: ssl.SSLContext | None = None,
    listener: socket.socket | None = None,
) -> AsyncIterator[Served]:
    listener = listener or socket.create_server(("127.0.0.1", 0), backlog=1024)
    served = Served(name, listener.getsockname())
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", served.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    server = HttpServer(name, runner, bounds, tls=tls)
    await server.start(listener)
    try:
        yield served
    finally:
        served.release.set()
        await server.stop()
        assert served.counts.open == 0, "every place is free again"


def silent(served: Served, count: int = 1) -> list[socket.socket]:
    family = socket.AF_UNIX if isinstance(served.address, str) else socket.AF_INET
    made = []
    for _ in range(count):
        each = socket.socket(family)
        each.connect(served.address)
        each.setblocking(False)
        made.append(each)
    return made


async def is_ended(connection: socket.socket) -> bool:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(DEADLINE_S):
        try:
            return await loop.sock_recv(connection, 1) == b""
        except ConnectionError:
            return True


async def asked(served: Served) -> int:
    """Return the status of a request on a connection of its own."""
    connector = aiohttp.UnixConnector(served.address) if isinstance(served.address, str) else None
    url = "http://unix" if isinstance(served.address, str) else served.url
    timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        session.get(url + "/") as answer,
    ):
        return answer.status


async def test_flood_of_silent_connections_leaves_the_server_to_who_asks() -> None:
    async with serving("flood") as served:
        flood = silent(served, 200)
        assert await asked(served) == 200
        # The newcomers that fit are there still, the rest has gone to make room.
        assert served.counts.ended[Ending.DISPLACED] >= 200 - BOUNDS.newcomers
        assert served.counts.open <= BOUNDS.connections
        for each in flood:
            each.close()


async def test_flood_on_a_unix_socket_leaves_the_server_to_who_asks(tmp_path: Path) -> None:
    listener = listen_unix(tmp_path / "s", backlog=512)
    async with serving("flood-unix", listener=listener) as served:
        served.address = str(tmp_path / "s")
        flood = silent(served, 200)
        assert await asked(served) == 200
        assert served.counts.open <= BOUNDS.connections
        for each in flood:
            each.close()


async def test_silent_connection_is_gone_after_the_time_for_a_request() -> None:
    async with serving("silent", replace(BOUNDS, request_s=SHORT_S)) as served:
        [connection] = silent(served)
        assert await is_ended(connection)
        assert served.counts.ended[Ending.LATE] == 1
        connection.close()


async def test_half_a_head_does_not_prolong_the_time_for_a_request() -> None:
    async with serving("half", replace(BOUNDS, request_s=SHORT_S)) as served:
        [connection] = silent(served)
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        assert await is_ended(connection)
        assert served.counts.ended[Ending.LATE] == 1
        connection.close()


async def test_half_a_body_ends_the_connection_and_a_whole_one_does_not() -> None:
    async with serving("body", replace(BOUNDS, request_s=SHORT_S)) as served:
        slow, quick = silent(served, 2)
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"
        slow.send(head + b"ab")
        quick.send(head + b"abcd")
        assert await is_ended(slow)
        async with asyncio.timeout(DEADLINE_S):
            answer = await asyncio.get_running_loop().sock_recv(quick, 4096)
        assert answer.startswith(b"HTTP/1.1 200")
        assert served.counts.ended[Ending.LATE] == 1
        slow.close()
        quick.close()


async def test_idle_connection_is_ended_after_its_time_and_not_counted_as_a_fault() -> None:
    async with serving("idle", replace(BOUNDS, idle_s=SHORT_S)) as served:
        async with aiohttp.ClientSession() as session:
            async with session.get(served.url) as answer:
                assert answer.status == 200
            await until(lambda: served.counts.open == 0)
            async with session.get(served.url) as answer:  # The pool makes a new one.
                assert answer.status == 200
        assert served.counts.ended[Ending.IDLE] >= 1
        assert served.counts.ended[Ending.LATE] == 0


async def test_request_that_lasts_is_never_ended_and_one_too_many_is_refused() -> None:
    bounds = replace(BOUNDS, connections=3, peer_connections=3, request_s=SHORT_S, idle_s=SHORT_S)
    async with serving("lasting", bounds) as served, aiohttp.ClientSession() as session:
        holding = [asyncio.create_task(session.get(f"{served.url}/hold")) for _ in range(2)]
        await until(lambda: served.held == 2)
        [late] = silent(served)
        assert await is_ended(late)  # So the others have lasted longer than both limits.
        holding.append(asyncio.create_task(session.get(f"{served.url}/hold")))
        await until(lambda: served.held == 3)
        [refused] = silent(served)
        assert await is_ended(refused)
        assert served.counts.ended[Ending.REFUSED] == 1
        served.release.set()
        async with asyncio.timeout(DEADLINE_S):
            assert [(await each).status for each in holding] == [200, 200, 200]
        late.close()
        refused.close()


@pytest.fixture
def few_descriptors() -> Iterator[Callable[[int], None]]:
    """Return a function that leaves the process so many descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def leave(count: int) -> None:
        highest = max(int(name) for name in os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + count, hard))

    yield leave
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_accept_without_descriptors_neither_spins_nor_ends_the_server(
    few_descriptors: Callable[[int], None],
) -> None:
    async with serving("descriptors") as served:
        client = socket.socket()
        client.setblocking(False)
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)
        few_descriptors(0)
        filling = []
        with contextlib.suppress(OSError):  # Lower numbers may be free.
            while True:
                filling.append(os.dup(0))
        with contextlib.suppress(BlockingIOError):
            client.connect(served.address)
        began_at = asyncio.get_running_loop().time()
        await until(lambda: served.counts.ended[Ending.NO_DESCRIPTORS] >= 3)
        spent_s = asyncio.get_running_loop().time() - began_at
        for each in filling:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, soft)
        client.close()

        assert spent_s > 2 * bounded_server.PAUSE_S
        assert await asked(served) == 200


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server that asks for certificates, and of a client without one."""
    authority = pki.create_ca(tmp_path)
    files = pki.issue(authority, common_name="s", sans=["127.0.0.1"], server=True).write(
        tmp_path, "s"
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(*files)
    server.load_verify_locations(tmp_path / "ca.crt")
    return server, ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))


async def test_tls_handshake_that_stops_midway_is_gone_after_the_time_for_a_request(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with serving("tls", replace(BOUNDS, request_s=SHORT_S), tls=tls[0]) as served:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        hello = tls[1].wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        with contextlib.suppress(ssl.SSLWantReadError):
            hello.do_handshake()
        [stalled] = silent(served)
        stalled.send(outgoing.read())
        async with asyncio.timeout(DEADLINE_S):
            while await asyncio.get_running_loop().sock_recv(stalled, 65536):
                pass  # The server's half of the handshake, then its end.
        await until(lambda: served.counts.open == 0)
        stalled.close()


async def test_server_ends_with_a_tls_connection_whose_client_takes_no_leave(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], tmp_path: Path
) -> None:
    tls[1].load_cert_chain(tmp_path / "s.crt", tmp_path / "s.key")
    async with asyncio.timeout(DEADLINE_S), serving("leave", tls=tls[0]) as served:
        assert not isinstance(served.address, str)
        reader, writer = await asyncio.open_connection(*served.address, ssl=tls[1])
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        assert isinstance(writer.transport, asyncio.Transport)
        writer.transport.pause_reading()
    writer.transport.abort()


async def test_client_without_a_certificate_frees_its_place_at_once(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with serving("no-certificate", tls=tls[0]) as served:
        connector = aiohttp.TCPConnector(ssl=tls[1])
        async with aiohttp.ClientSession(connector=connector) as session:
            with pytest.raises((aiohttp.ClientError, ConnectionError)):
                await session.get(served.url.replace("http:", "https:"))
        await until(lambda: served.counts.open == 0)


async def test_flood_is_told_in_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    async with serving("told") as served:
        flood = silent(served, 100)
        assert await asked(served) == 200
        for each in flood:
            each.close()

    lines = [r.message for r in caplog.records if "listener told:" in r.message]
    assert len(lines) == 1
    assert "displaced" in lines[0]
    assert "127.0.0.1" in lines[0]


@pytest.mark.parametrize(
    ("family", "address", "same", "other"),
    [
        (socket.AF_INET, "10.0.0.1", "10.0.0.1", "10.0.0.2"),
        (socket.AF_INET6, "fd00::1", "fd00::2", "fd00:0:0:1::1"),
        (socket.AF_INET6, "::ffff:10.0.0.1", "::ffff:10.0.0.1", "::ffff:10.0.0.2"),
        (socket.AF_INET6, "fe80::1%lo", "fe80::2%lo", "fd00::1"),
    ],
)
def test_share_is_of_an_ipv4_address_or_of_64_bits_of_an_ipv6_one(
    family: int, address: str, same: str, other: str
) -> None:
    def peer(text: str) -> object:
        return bounded_server.peer_of(family, (text, 1))[0]

    assert peer(address) == peer(same) != peer(other)


#: More than the buffers of both sides hold together, as they are set here.
LARGE_BYTES = 384 * 1024
BUFFER_BYTES = 8192
#: So much a client takes before it takes no more.
FIRST_BYTES = 256


def asking(served: Served, path: str) -> socket.socket:
    """Return a connection that has asked for `path`, and lets its machine take little."""
    family = socket.AF_UNIX if isinstance(served.address, str) else socket.AF_INET
    client = socket.socket(family)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    client.connect(served.address)
    client.setblocking(False)
    client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return client


async def taken(client: socket.socket, *, pause_s: float = 0.0) -> int:
    """Take what comes, with a pause after each piece, until the server ends; return how much."""
    loop, count = asyncio.get_running_loop(), 0
    async with asyncio.timeout(3 * DEADLINE_S):
        while piece := await _received(loop, client):
            count += len(piece)
            await asyncio.sleep(pause_s)
    return count


async def _received(loop: asyncio.AbstractEventLoop, client: socket.socket) -> bytes:
    try:
        return await loop.sock_recv(client, 4096)
    except ConnectionError:
        return b""  # An idle connection ends by a reset.


async def begun(client: socket.socket) -> None:
    async with asyncio.timeout(DEADLINE_S):
        answer = await asyncio.get_running_loop().sock_recv(client, FIRST_BYTES)
    assert answer.startswith(b"HTTP/1.1 200")


@asynccontextmanager
async def serving_on(
    family: str, name: str, bounds: Bounds, folder: Path
) -> AsyncIterator[Served]:
    if family == "tcp":
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        async with serving(f"{name}-tcp", bounds, listener=listener) as served:
            yield served
        return
    listener = listen_unix(folder / "s", backlog=16)
    async with serving(f"{name}-unix", bounds, listener=listener) as served:
        served.address = str(folder / "s")
        yield served


@pytest.mark.parametrize("family", ["tcp", "unix"])
async def test_client_that_takes_slowly_gets_its_answer_whole(family: str, tmp_path: Path) -> None:
    """It takes longer for it than a connection may be idle, and than one may take nothing."""
    bounds = replace(BOUNDS, idle_s=SHORT_S, untaken_s=1.0)
    async with serving_on(family, "slow", bounds, tmp_path) as served:
        client = asking(served, f"/octets/{LARGE_BYTES}")
        began_at = asyncio.get_running_loop().time()
        count = await taken(client, pause_s=0.02)
        spent_s = asyncio.get_running_loop().time() - began_at
        client.close()

        assert count > LARGE_BYTES
        assert spent_s > SHORT_S + 1.0
        await until(lambda: served.counts.ended[Ending.IDLE] == 1)
        assert served.counts.ended[Ending.UNTAKEN] == 0


@pytest.mark.parametrize("family", ["tcp", "unix"])
async def test_answer_that_the_kernel_holds_is_not_idle(family: str, tmp_path: Path) -> None:
    """Its handler is done, and none of it is in our buffers; another is idle meanwhile."""
    async with serving_on(family, "held", replace(BOUNDS, idle_s=SHORT_S), tmp_path) as served:
        client = asking(served, f"/octets/{64 * 1024}")
        await begun(client)
        idle = asking(served, "/")
        await begun(idle)
        assert await is_ended(idle)
        count = FIRST_BYTES + await taken(client)

        assert count > 64 * 1024
        assert served.counts.ended[Ending.IDLE] == 2
        idle.close()
        client.close()


@pytest.mark.parametrize("path", [f"/octets/{LARGE_BYTES}", "/stream"])
@pytest.mark.parametrize("family", ["tcp", "unix"])
async def test_client_that_takes_nothing_is_ended_after_its_time(
    family: str, path: str, tmp_path: Path
) -> None:
    bounds = replace(BOUNDS, untaken_s=SHORT_S)
    name = f"stalled{path.replace('/', '-')}"
    async with serving_on(family, name, bounds, tmp_path) as served:
        client = asking(served, path)
        await begun(client)
        await until(lambda: served.counts.open == 0 and served.held == 0)

        assert family == "tcp" or served.counts.ended[Ending.UNTAKEN] == 1  # TCP: or the kernel.
        client.close()


async def test_stream_that_its_client_takes_goes_on() -> None:
    bounds = replace(BOUNDS, idle_s=SHORT_S, untaken_s=SHORT_S)
    async with serving("stream", bounds) as served:
        client = asking(served, "/stream")
        began_at = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - began_at < 1.0 + SHORT_S:
            assert await asyncio.get_running_loop().sock_recv(client, 65536)

        assert served.held == 1
        client.close()


async def test_answer_on_its_way_makes_no_room_and_does_so_once_it_is_taken() -> None:
    bounds = replace(BOUNDS, connections=2, peer_connections=2)
    async with serving("room", bounds) as served:
        clients = [asking(served, f"/octets/{64 * 1024}") for _ in range(2)]
        for each in clients:
            await begun(each)
        [refused] = silent(served)
        assert await is_ended(refused)
        assert served.counts.ended[Ending.REFUSED] == 1
        await until_whole(clients[0], 64 * 1024 - FIRST_BYTES)
        async with asyncio.timeout(DEADLINE_S):
            while await asked_once(served) != b"HTTP/1.1 200":
                await asyncio.sleep(0.05)

        assert served.counts.ended[Ending.DISPLACED] == 1
        for each in (refused, *clients):
            each.close()


async def until_whole(client: socket.socket, count: int) -> None:
    """Take at least `count` octets."""
    async with asyncio.timeout(DEADLINE_S):
        while count > 0:
            count -= len(await asyncio.get_running_loop().sock_recv(client, 65536))


async def asked_once(served: Served) -> bytes:
    """Return how an answer begins, nothing when the connection is refused."""
    client = asking(served, "/")
    try:
        return await asyncio.get_running_loop().sock_recv(client, 12)
    except ConnectionError:
        return b""
    finally:
        client.close()
