"""Ports forwarded over SPDY, SPDY in a WebSocket, and a WebSocket's channels; real connections."""

import asyncio
import contextlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from tests.unit.lab.kubelet.spdy.client import Answered, ClientCodec, SpdyClient, spdy_client

from ciliate.lab.kubelet.forwarded import PortUnreachableError, Streams
from ciliate.lab.kubelet.port_forward import forward_ports
from ciliate.lab.kubelet.spdy import frames

PROTOCOL = "portforward.k8s.io"
NOBODY = 81
BIG = 4 * 1024 * 1024


class Pod:
    """What listens "in the pod": echoes in capitals, and adds a word when the client has ended."""

    def __init__(self) -> None:
        self.port = 0
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        with contextlib.suppress(ConnectionError):
            while octets := await reader.read(65536):
                writer.write(octets.upper())
                await writer.drain()
            writer.write(b"|over")
            writer.close()
        self.open -= 1

    async def connect(self, port: int) -> Streams:
        if port == NOBODY:
            raise PortUnreachableError("refused")
        return await asyncio.open_connection("127.0.0.1", self.port)


class Served:
    def __init__(self, pod: Pod, address: int) -> None:
        self.pod = pod
        self.address = address

    @asynccontextmanager
    async def client(self) -> AsyncIterator[SpdyClient]:
        async with spdy_client(asyncio.open_connection("127.0.0.1", self.address)) as client:
            assert await client.upgrade("/portForward", PROTOCOL) == 101
            yield client

    async def pod_is_left(self) -> None:
        async with asyncio.timeout(10):
            while self.pod.open:
                await asyncio.sleep(0.005)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    pod = Pod()
    listening = await asyncio.start_server(pod.serve, "127.0.0.1", 0)
    pod.port = listening.sockets[0].getsockname()[1]

    async def handle(request: web.Request) -> web.StreamResponse:
        return await forward_ports(request, "default/p", pod.connect)

    app = web.Application()
    app.router.add_route("*", "/portForward", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Served(pod, runner.addresses[0][1])
    await runner.cleanup()
    listening.close()


def pair(codec: ClientCodec, first: int, request: str = "", port: int = 80) -> bytes:
    """Open the streams `first` (error) and `first` + 2 (data) of one connection."""
    headers = {"port": str(port)} | ({"requestid": request} if request else {})
    return codec.open_silent(first, streamtype="error", **headers) + codec.open(
        first + 2, streamtype="data", **headers
    )


async def test_many_connections_share_one_of_the_clients(served: Served) -> None:
    async with served.client() as client:
        for number in range(50):
            client.say(pair(client.codec, 4 * number + 1, str(number)))
            client.say(frames.data(4 * number + 3, b"hello %d" % number, fin=True))
        answered = await client.until(lambda seen: len(seen.finished) == 100)

    for number in range(50):
        assert answered.data[4 * number + 3] == b"HELLO %d|over" % number


async def test_who_has_said_all_still_gets_the_answer(served: Served) -> None:
    async with served.client() as client:
        client.say(pair(client.codec, 1, "0"), frames.data(3, b"ask"))
        await client.until(lambda seen: seen.data.get(3) == b"ASK")
        client.say(frames.data(3, b"", fin=True))
        answered = await client.until(lambda seen: {1, 3} <= seen.finished)

    assert answered.data[3] == b"ASK|over"
    await served.pod_is_left()


async def test_a_port_that_refuses_is_told_and_the_next_connection_works(served: Served) -> None:
    async with served.client() as client:
        client.say(pair(client.codec, 1, "0", port=NOBODY))
        await client.until(lambda seen: {1, 3} <= seen.finished)
        client.say(pair(client.codec, 5, "1"), frames.data(7, b"x", fin=True))
        answered = await client.until(lambda seen: {5, 7} <= seen.finished)

    assert answered.data[1] == b"error forwarding port 81 to pod default/p: refused"
    assert answered.data[7] == b"X|over"


async def test_more_passes_than_buffers_hold(served: Served) -> None:
    async with served.client() as client:
        client.say(pair(client.codec, 1, "0"))
        client.say(*(frames.data(3, b"x" * 65536) for _ in range(BIG // 65536)))
        client.say(frames.data(3, b"", fin=True))
        answered = await client.until(lambda seen: 3 in seen.finished)

    assert answered.data[3] == b"X" * BIG + b"|over"


@pytest.mark.parametrize("end", ["reset", "leave"])
async def test_a_client_that_is_gone_leaves_nothing_open_in_the_pod(
    served: Served, end: str
) -> None:
    async with served.client() as client:
        client.say(pair(client.codec, 1, "0"), frames.data(3, b"ask"))
        await client.until(lambda seen: seen.data.get(3))
        assert served.pod.open == 1
        if end == "reset":
            client.say(frames.rst_stream(3, frames.ResetStatus.CANCEL))
            await served.pod_is_left()

    await served.pod_is_left()


async def test_streams_of_clients_without_request_numbers_are_paired_by_order(
    served: Served,
) -> None:
    async with served.client() as client:
        client.say(pair(client.codec, 1), pair(client.codec, 5))
        client.say(frames.data(7, b"b", fin=True), frames.data(3, b"a", fin=True))
        answered = await client.until(lambda seen: {3, 7} <= seen.finished)

    assert (answered.data[3], answered.data[7]) == (b"A|over", b"B|over")


async def test_streams_that_make_no_sense_are_refused(served: Served) -> None:
    async with served.client() as client:
        opening: Callable[..., bytes] = client.codec.open
        client.say(opening(1, streamtype="data", requestid="0"))
        client.say(opening(3, streamtype="data", requestid="0", port="0"))
        client.say(opening(5, streamtype="data", requestid="0", port="70000"))
        client.say(opening(7, streamtype="stdin", requestid="0", port="80"))
        client.say(opening(9, streamtype="data", requestid="0", port="80"))
        client.say(opening(11, streamtype="data", requestid="0", port="80"))
        client.say(frames.data(9, b"before its partner"))
        answered = await client.until(lambda seen: len(seen.reset) == 6)

    assert answered.reset == {1, 3, 5, 7, 9, 11}
    assert answered.replied == [9]


@asynccontextmanager
async def web_socket(
    served: Served, query: str, protocol: str
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    url = f"http://127.0.0.1:{served.address}/portForward{query}"
    async with (
        asyncio.timeout(10),
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=(protocol,)) as socket,
    ):
        assert socket.protocol == protocol
        yield socket


async def test_spdy_is_carried_by_a_web_sockets_messages_however_they_are_cut(
    served: Served,
) -> None:
    codec = ClientCodec()
    octets = pair(codec, 1, "0") + frames.data(3, b"hello", fin=True)
    async with web_socket(served, "", f"SPDY/3.1+{PROTOCOL}") as socket:
        for at in range(0, len(octets), 7):
            await socket.send_bytes(octets[at : at + 7])
        answered = await _until(socket.receive_bytes, codec, lambda seen: {1, 3} <= seen.finished)

    assert answered.data[3] == b"HELLO|over"


async def _until(
    receive: Callable[[], Awaitable[bytes]],
    codec: ClientCodec,
    condition: Callable[[Answered], bool],
) -> Answered:
    while not condition(codec.answered):
        codec.take(await receive())
    return codec.answered


async def test_channels_begin_with_the_port_and_errors_have_their_own(served: Served) -> None:
    async with web_socket(served, f"?ports=80&ports={NOBODY}", "v4.channel.k8s.io") as socket:
        came: dict[int, bytes] = {}
        await socket.send_bytes(b"\0hello")
        while len(came.get(0, b"")) < 7 or len(came.get(3, b"")) < 3:
            message = await socket.receive_bytes()
            came[message[0]] = came.get(message[0], b"") + message[1:]

    assert came[0] == b"\x50\0HELLO"
    assert (came[1], came[2]) == (b"\x50\0", b"\x51\0")
    assert came[3] == b"\x51\0error forwarding port 81 to pod default/p: refused"
    await served.pod_is_left()


async def test_channels_are_spoken_in_text_too(served: Served) -> None:
    async with web_socket(served, "?ports=80", "v4.base64.channel.k8s.io") as socket:
        came = b""
        await socket.send_str("0" + b64encode(b"hello").decode())
        while len(came) < 7:
            message = await socket.receive_str()
            if message[0] == "0":
                came += b64decode(message[1:])
    async with web_socket(served, "?ports=80", "v4.channel.k8s.io") as socket:
        heard = b""
        await socket.send_str("\0hello")
        while len(heard) < 7:
            octets = await socket.receive_bytes()
            if octets[0] == 0:
                heard += octets[1:]

    assert came == heard == b"\x50\0HELLO"


@pytest.mark.parametrize("query", ["", "?ports=", "?ports=x", "?port=0", "?ports=80,70000"])
async def test_channels_need_ports(served: Served, query: str) -> None:
    url = f"http://127.0.0.1:{served.address}/portForward{query}"
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(url, protocols=("v4.channel.k8s.io",))

    assert refused.value.status == 400
