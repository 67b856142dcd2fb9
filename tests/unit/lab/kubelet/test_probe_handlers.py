import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded

from ciliate.api.core import ContainerPort
from ciliate.lab.errors import SpawnError
from ciliate.lab.kubelet.errors import HookFailedError
from ciliate.lab.kubelet.hooks import run_hook
from ciliate.lab.kubelet.probe_handlers import ProbePlace, attempt_of
from ciliate.lab.kubelet.probe_schedule import Outcome, Verdict
from ciliate.lab.objects import Container, Handler, Json

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


async def new_socket(family: socket.AddressFamily) -> socket.socket:
    return socket.socket(family, socket.SOCK_STREAM)


async def execute(command: Sequence[str]) -> tuple[int, bytes]:
    """Run a command on this machine, as one in a container."""
    if command == ("absent",):
        raise SpawnError(argv=["absent"], problem="not found", code=127)
    done = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        output, _ = await done.communicate()
    except asyncio.CancelledError:
        done.kill()
        await done.wait()
        raise
    return done.returncode or 0, output


def place(address: str = "127.0.0.1") -> ProbePlace:
    return ProbePlace(new_socket=new_socket, address=address, execute=execute)


async def asked(handler: Handler, *, ports: Sequence[ContainerPort] = (), **where: str) -> Outcome:
    """What one attempt finds."""
    attempt = attempt_of(Container("c", ports=tuple(ports)), handler, place(**where))
    assert attempt is not None
    return await attempt(0.5)


@asynccontextmanager
async def serving(answer: Answer, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """A server that answers so; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, host, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def http(*answers: bytes) -> tuple[Answer, list[bytes]]:
    """A server of these answers, one for each connection, and what it was asked."""
    left, heads = list(answers), []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(left.pop(0))
        await writer.drain()

    return answer, heads


@pytest.mark.parametrize(
    ("answer", "verdict", "message"),
    [
        (OK, Verdict.SUCCESS, ""),
        (
            b"HTTP/1.1 404 Not Found\r\n\r\n",
            Verdict.FAILURE,
            "HTTP probe failed with statuscode: 404",
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 4\r\n\r\ngone",
            Verdict.WARNING,
            "Probe terminated redirects, Response body: gone",
        ),
        (b"", Verdict.FAILURE, "EOF"),
        (b"SSH-2.0-x\r\n\r\n", Verdict.FAILURE, 'malformed HTTP response "SSH-2.0-x"'),
    ],
)
async def test_http_answer_decides(answer: bytes, verdict: Verdict, message: str) -> None:
    server, _ = http(answer)
    async with serving(server) as port:
        found = await asked(Handler(http_get={"port": port}))

    assert found.verdict is verdict
    assert found.message.endswith(message)


async def test_http_redirect_to_the_same_host_is_followed() -> None:
    server, heads = http(b"HTTP/1.1 301 Moved\r\nLocation: /there\r\n\r\n", OK)
    async with serving(server) as port:
        found = await asked(Handler(http_get={"port": port, "path": "/here"}))

    assert found.verdict is Verdict.SUCCESS
    assert [head.split()[1] for head in heads] == [b"/here", b"/there"]


async def test_http_request_is_as_a_kubelets() -> None:
    server, heads = http(OK)
    headers = [{"name": "X-A", "value": "b"}, {"name": "host", "value": "web.example"}]
    async with serving(server) as port:
        await asked(Handler(http_get={"port": port, "path": "x?y=1", "httpHeaders": headers}))

    lines = heads[0].decode().split("\r\n")
    assert lines[0] == "GET /x?y=1 HTTP/1.1"
    assert {"User-Agent: kube-probe/1.33", "Accept: */*", "X-A: b", "host: web.example"} <= {
        *lines
    }
    assert not any(line.startswith("Host:") for line in lines)


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_http_server_that_says_nothing_is_given_up() -> None:
    async with serving(silent) as port:
        found = await asked(Handler(http_get={"port": port}))

    late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    assert found == Outcome(Verdict.FAILURE, f'Get "http://127.0.0.1:{port}/": {late}')


@pytest.mark.parametrize(("address", "shown"), [("127.0.0.1", "127.0.0.1:1"), ("::1", "[::1]:1")])
@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("tcp_socket", "dial tcp {0}: connect: connection refused"),
        ("http_get", 'Get "http://{0}/": dial tcp {0}: connect: connection refused'),
        ("grpc", 'error: failed to connect service at "{0}": connect: connection refused'),
    ],
)
async def test_refused_connection_is_told_in_gos_words(
    field: str, said: str, address: str, shown: str
) -> None:
    found = await asked(Handler(**{field: {"port": 1}}), address=address)

    assert found == Outcome(Verdict.FAILURE, said.format(shown))


async def test_tcp_probe_with_a_named_port_connects() -> None:
    async with serving(silent) as port:
        found = await asked(
            Handler(tcp_socket={"port": "web"}), ports=[ContainerPort(port, name="web")]
        )

    assert found.verdict is Verdict.SUCCESS


@pytest.mark.parametrize(
    ("command", "verdict", "message"),
    [
        (["true"], Verdict.SUCCESS, ""),
        (["sh", "-c", "echo out; echo err >&2; exit 3"], Verdict.FAILURE, "out\nerr\n"),
        (["sleep", "60"], Verdict.FAILURE, 'command "sleep 60" timed out'),
        (
            ["absent"],
            Verdict.ERROR,
            'unable to start container process: exec: "absent": not found',
        ),
    ],
)
async def test_command_decides(command: list[str], verdict: Verdict, message: str) -> None:
    assert await asked(Handler(exec={"command": command})) == Outcome(verdict, message)


async def test_message_is_cut() -> None:
    found = await asked(Handler(exec={"command": ["sh", "-c", "yes | head -c 9999; exit 1"]}))

    assert len(found.message) == 1024


def grpc(answers: dict[bytes, tuple[bytes, list[tuple[str, str]]]]) -> Answer:
    """A gRPC server: of a request's message, the answer's message and trailers."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        body = b""
        while True:
            writer.write(connection.data_to_send())
            data = await reader.read(65536)
            if not data:
                return
            for event in connection.receive_data(data):
                if isinstance(event, DataReceived):
                    body += event.data or b""
                elif isinstance(event, StreamEnded):
                    message, trailers = answers[body[5:]]
                    head = [(":status", "200"), ("content-type", "application/grpc")]
                    if message:
                        connection.send_headers(1, head)
                        framed = b"\0" + len(message).to_bytes(4, "big") + message
                        connection.send_data(1, framed)
                        connection.send_headers(1, trailers, end_stream=True)
                    else:  # Trailers only.
                        connection.send_headers(1, head + trailers, end_stream=True)

    return answer


ABSENT = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)"
FINE = [("grpc-status", "0")]


@pytest.mark.parametrize(
    ("service", "request_", "answer", "message"),
    [
        ("", b"", (b"\x08\x01", FINE), ""),
        ("shop", b"\x0a\x04shop", (b"\x08\x01", FINE), ""),
        ("s" * 200, b"\x0a\xc8\x01" + b"s" * 200, (b"\x08\x01", FINE), ""),
        ("", b"", (b"\x08\x02", FINE), 'service unhealthy (responded with "NOT_SERVING")'),
        (
            "",
            b"",
            (b"", [("grpc-status", "12"), ("grpc-message", "unknown service")]),
            f"{ABSENT}: unknown service",
        ),
        (
            "no",
            b"\x0a\x02no",
            (b"", [("grpc-status", "5"), ("grpc-message", "unknown")]),
            "error: health rpc probe failed: rpc error: code = NotFound desc = unknown",
        ),
    ],
)
async def test_grpc_health_decides(
    service: str, request_: bytes, answer: tuple[bytes, list[tuple[str, str]]], message: str
) -> None:
    async with serving(grpc({request_: answer})) as port:
        found = await asked(Handler(grpc={"port": port, "service": service}))

    verdict = Verdict.FAILURE if message else Verdict.SUCCESS
    assert found == Outcome(verdict, message)


async def test_grpc_probe_of_an_http_server_fails() -> None:
    server, _ = http(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    async with serving(server) as port:
        found = await asked(Handler(grpc={"port": port}))

    assert found.message.startswith("error: health rpc probe failed: ")


async def test_grpc_server_that_says_nothing_is_given_up() -> None:
    async with serving(silent) as port:
        found = await asked(Handler(grpc={"port": port}))

    assert found.message == "timeout: health rpc did not complete within 0.5s"


def test_probe_that_names_nothing_to_do_is_none() -> None:
    assert attempt_of(Container("c"), Handler(), place()) is None


@pytest.mark.parametrize(
    "handler",
    [
        Handler(exec={"command": ["true"]}),
        Handler(sleep={"seconds": 0}),
    ],
)
async def test_hook_succeeds(handler: Handler) -> None:
    await run_hook(Container("c"), handler, place())


async def test_hook_takes_any_http_answer() -> None:
    server, heads = http(b"HTTP/1.1 500 Sorry\r\n\r\n")
    async with serving(server) as port:
        await run_hook(Container("c"), Handler(http_get={"port": port}), place())

    assert len(heads) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"exec": {"command": ["sh", "-c", "echo why; exit 3"]}}, "exit status 3: why"),
        ({"exec": {"command": ["absent"]}}, "not found"),
        ({"http_get": {"port": 1}}, "refused"),
        ({"tcp_socket": {"port": 1}}, "names neither"),
    ],
)
async def test_hook_that_fails_says_why(fields: Json, message: str) -> None:
    with pytest.raises(HookFailedError, match=message):
        await run_hook(Container("c"), Handler(**fields), place())
