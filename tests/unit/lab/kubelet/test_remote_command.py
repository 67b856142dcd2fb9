"""exec over SPDY: the same session as over WebSocket (`test_streaming.py`), in streams; how stdin comes."""

import asyncio
import contextlib
import json
import os
import subprocess
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Sequence

import aiohttp
import pytest
from aiohttp import web
from tests.unit.lab.kubelet.spdy.client import SpdyClient, spdy_client

from ciliate.lab.kubelet import remote_command
from ciliate.lab.kubelet.exec_session import ExecRequest, Peer, RunningCommand, run_session
from ciliate.lab.kubelet.remote_command import SPDY_PROTOCOLS, WEBSOCKET_PROTOCOLS, serve_session
from ciliate.lab.kubelet.spdy import frames

ERROR, STDIN, STDOUT, STDERR, RESIZE = 1, 3, 5, 7, 9
KINDS = {ERROR: "error", STDIN: "stdin", STDOUT: "stdout", STDERR: "stderr", RESIZE: "resize"}


class Command:
    """A process of this machine."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    async def wait(self) -> int:
        return await asyncio.to_thread(self._process.wait)

    def kill(self, number: int) -> None:
        self._process.send_signal(number)

    def close(self) -> None:
        """There is nothing to let go of."""


class Here:
    """Runs commands as they are, in a session of their own."""

    def open_terminal(self) -> tuple[int, int]:
        return os.openpty()

    async def start(
        self, command: Sequence[str], *, stdin: int, stdout: int, stderr: int, tty: bool = False
    ) -> RunningCommand:
        del tty
        return Command(
            subprocess.Popen(  # noqa: ASYNC220 - it starts at once.
                list(command), stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
            )
        )


class Served:
    """Where commands are served, and how many sessions have been."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.sessions = 0

    def client(self) -> contextlib.AbstractAsyncContextManager[SpdyClient]:
        return spdy_client(asyncio.open_connection("127.0.0.1", self.port))


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async def handle(request: web.Request) -> web.StreamResponse:
        tty = "tty" in request.query
        wanted = ExecRequest(
            command=tuple(request.query.getall("command")),
            stdin="stdin" in request.query,
            stderr=not tty,
            tty=tty,
        )

        async def session(peer: Peer) -> None:
            made.sessions += 1
            await run_session(Here(), wanted, peer)

        return await serve_session(request, wanted.channels, session)

    app = web.Application()
    app.router.add_route("*", "/exec", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made = Served(runner.addresses[0][1])
    yield made
    await runner.cleanup()


def opened(client: SpdyClient, *streams: int) -> bytes:
    return b"".join(client.codec.open(stream, streamtype=KINDS[stream]) for stream in streams)


@pytest.mark.parametrize("protocol", SPDY_PROTOCOLS)
async def test_output_and_end_of_a_command_come_in_their_streams(
    served: Served, protocol: str
) -> None:
    async with served.client() as client:
        code = await client.upgrade(
            "/exec?command=sh&command=-c&command=echo+out;echo+err+>%262;exit+3", protocol
        )
        client.say(opened(client, ERROR, STDOUT, STDERR))
        answered = await client.until(lambda seen: len(seen.finished) == 3)

    assert (code, client.headers["upgrade"]) == (101, "SPDY/3.1")
    assert client.headers["x-stream-protocol-version"] == protocol
    assert answered.replied == [ERROR, STDOUT, STDERR]
    assert (answered.data[STDOUT], answered.data[STDERR]) == (b"out\n", b"err\n")
    end = answered.data[ERROR].decode()
    if protocol == "v4.channel.k8s.io":
        assert json.loads(end)["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    else:
        assert end == "command terminated with non-zero exit code: exit status 3"


@pytest.mark.parametrize(
    ("protocol", "end"),
    [("v4.channel.k8s.io", '{"metadata": {}, "status": "Success"}'), ("v2.channel.k8s.io", None)],
)
async def test_success_is_a_status_or_nothing(
    served: Served, protocol: str, end: str | None
) -> None:
    async with served.client() as client:
        await client.upgrade("/exec?command=true", protocol)
        client.say(opened(client, ERROR, STDOUT, STDERR))
        answered = await client.until(lambda seen: len(seen.finished) == 3)

    assert answered.data[ERROR].decode() == (end or "")


async def test_the_end_of_stdin_is_told_and_what_came_early_is_kept(served: Served) -> None:
    async with served.client() as client:
        await client.upgrade("/exec?stdin&command=cat", "v4.channel.k8s.io")
        client.say(opened(client, STDIN), frames.data(STDIN, b"early "))
        client.say(opened(client, STDOUT, STDERR), client.codec.open(11, streamtype="error"))
        client.say(frames.data(STDIN, b"late", fin=True))
        answered = await client.until(lambda seen: len(seen.finished) == 4)

    assert answered.data[STDOUT] == b"early late"


async def test_a_terminal_gets_the_clients_size(served: Served) -> None:
    async with served.client() as client:
        await client.upgrade("/exec?tty&stdin&command=sh", "v3.channel.k8s.io")
        client.say(opened(client, ERROR, STDIN, STDOUT, RESIZE))
        size = b'{"Width":132,"Height":43}\n'
        client.say(frames.data(RESIZE, size[:9]), frames.data(RESIZE, size[9:]))
        client.say(frames.data(STDIN, b"stty size; exit\n"))
        answered = await client.until(lambda seen: ERROR in seen.finished)

    assert b"43 132\r\n" in answered.data[STDOUT]


async def test_unknown_and_second_streams_are_refused(served: Served) -> None:
    async with served.client() as client:
        await client.upgrade("/exec?command=true", "v4.channel.k8s.io")
        client.say(opened(client, ERROR), client.codec.open(3, streamtype="what"))
        client.say(client.codec.open(5, streamtype="error"), client.codec.open(7))
        answered = await client.until(lambda seen: len(seen.reset) == 3)

    assert answered.reset == {3, 5, 7}


@pytest.mark.parametrize(
    ("protocols", "code", "said"),
    [
        ((), 400, "names no protocol"),
        (("v9.channel.k8s.io", "w"), 403, "client supports [v9.channel.k8s.io w]"),
    ],
)
async def test_a_client_without_a_known_protocol_is_told_which_there_are(
    served: Served, protocols: tuple[str, ...], code: int, said: str
) -> None:
    async with served.client() as client:
        assert await client.upgrade("/exec?command=true", *protocols) == code

    assert said in client.text
    assert code == 400 or client.headers["x-accepted-stream-protocol-versions"] in SPDY_PROTOCOLS


async def test_the_clients_first_choice_is_taken(served: Served) -> None:
    async with served.client() as client:
        await client.upgrade("/exec?command=true", "v2.channel.k8s.io, v4.channel.k8s.io")

    assert client.headers["x-stream-protocol-version"] == "v2.channel.k8s.io"


async def test_who_does_not_open_all_streams_gets_no_command(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_command, "_STREAMS_S", 0.2)
    async with served.client() as client:
        await client.upgrade("/exec?command=true", "v4.channel.k8s.io")
        client.say(opened(client, ERROR, STDOUT))
        answered = await client.until(lambda _: False)

    assert answered.finished == {ERROR, STDOUT}
    assert served.sessions == 0


@pytest.mark.parametrize("protocol", WEBSOCKET_PROTOCOLS)
@pytest.mark.parametrize("as_text", [False, True])
async def test_a_web_sockets_stdin_comes_as_octets_or_as_text(
    served: Served, protocol: str, *, as_text: bool
) -> None:
    is_base64 = "base64" in protocol
    said = b"0" + b64encode(b"hi\n") if is_base64 else b"\0hi\n"
    url = f"http://127.0.0.1:{served.port}/exec?command=head&command=-n1&stdin=1"
    came: dict[int, bytes] = {}
    async with (
        asyncio.timeout(10),
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=(protocol,)) as socket,
    ):
        await (socket.send_str(said.decode()) if as_text else socket.send_bytes(said))
        async for message in socket:
            octets = message.data.encode() if is_base64 else message.data
            channel = octets[0] - (ord("0") if is_base64 else 0)
            rest = b64decode(octets[1:]) if is_base64 else octets[1:]
            came[channel] = came.get(channel, b"") + rest

    assert socket.protocol == protocol
    assert came[1] == b"hi\n"
    has_status = protocol.startswith(("v4", "v5"))
    assert (b'"Success"' in came.get(3, b"")) is has_status


async def test_a_command_ends_when_its_client_leaves(served: Served) -> None:
    async with served.client() as client:
        await client.upgrade(
            "/exec?command=sh&command=-c&command=echo+$$;exec+sleep+1000", "v4.channel.k8s.io"
        )
        client.say(opened(client, ERROR, STDOUT, STDERR))
        answered = await client.until(lambda seen: seen.data.get(STDOUT))

    async with asyncio.timeout(10):
        while _runs(int(answered.data[STDOUT])):
            await asyncio.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
