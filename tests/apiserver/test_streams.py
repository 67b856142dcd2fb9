"""exec and logs through the server to a kubelet: with kubectl and with the Python client.

The kubelet here speaks the protocols of a real one's streaming server (WebSocket subprotocols
v4/v5.channel.k8s.io) over its Unix socket, with the paths of the lab's kubelets.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from kubernetes import client, config
from kubernetes.stream import stream
from tests.kubectl import needs_websocket

from .conftest import DEADLINE_S, ServerProcess

STDIN, STDOUT, STDERR, STATUS = 0, 1, 2, 3
LARGE = 4 * 1024 * 1024

POD = """
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  nodeName: NODE
  containers:
  - {name: c, image: x}
  - {name: d, image: x}
"""


class Kubelet:
    """Answers as a kubelet and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.follow = asyncio.Event()

    async def exec(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        protocols = ("v5.channel.k8s.io", "v4.channel.k8s.io")
        socket = web.WebSocketResponse(protocols=protocols, max_msg_size=0)
        await socket.prepare(request)
        command = request.query.getall("command")
        if command[0] == "cat":
            await self._cat(socket)
        elif command[0] == "large":
            for _ in range(LARGE // 65536):
                await socket.send_bytes(bytes([STDOUT]) + b"x" * 65536)
        else:
            await socket.send_bytes(bytes([STDOUT]) + " ".join(command).encode() + b"\n")
            await socket.send_bytes(bytes([STDERR]) + b"to stderr\n")
        await socket.send_bytes(bytes([STATUS]) + self._status(command))
        await socket.close()
        return socket

    async def _cat(self, socket: web.WebSocketResponse) -> None:
        async for message in socket:
            if message.type is not WSMsgType.BINARY or message.data[0] == 255:
                return
            if message.data[0] == STDIN:
                await socket.send_bytes(bytes([STDOUT]) + message.data[1:])

    @staticmethod
    def _status(command: list[str]) -> bytes:
        if command[0] != "false":
            return json.dumps({"metadata": {}, "status": "Success"}).encode()
        cause = {"reason": "ExitCode", "message": "3"}
        failure = {
            "status": "Failure",
            "reason": "NonZeroExitCode",
            "details": {"causes": [cause]},
        }
        return json.dumps({"metadata": {}, **failure}).encode()

    async def logs(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        if request.query.get("previous") == "true":
            raise web.HTTPBadRequest(text='previous terminated container "c" not found\n')
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await response.write(b"first\n")
        if request.query.get("follow") == "true":
            await self.follow.wait()
            await response.write(b"later\n")
        return response


@pytest.fixture
async def kubelet(server: ServerProcess, namespace: str) -> AsyncIterator[Kubelet]:
    made = Kubelet()
    app = web.Application()
    app.router.add_route("*", "/exec/{ns}/{pod}/{container}", made.exec)
    app.router.add_get("/containerLogs/{ns}/{pod}/{container}", made.logs)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(server.directory / f"{namespace}.sock")).start()
    server.kubectl("apply", "-n", namespace, "-f", "-", stdin=POD.replace("NODE", namespace))
    yield made
    await runner.cleanup()


async def run(
    server: ServerProcess, *arguments: str, stdin: bytes | None = None
) -> tuple[int, bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        *("kubectl", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "KUBECONFIG": str(server.kubeconfig), "HOME": str(server.directory)},
    )
    async with asyncio.timeout(DEADLINE_S):
        out, err = await process.communicate(stdin)
    assert process.returncode is not None
    return process.returncode, out, err


@needs_websocket
async def test_exec_passes_command_output_and_errors(
    server: ServerProcess, kubelet: Kubelet, namespace: str
) -> None:
    code, out, err = await run(
        server, "exec", "-n", namespace, "p", "-c", "d", "--", "echo", "a b", "c&d"
    )

    assert (code, out) == (0, b"echo a b c&d\n")
    assert b"to stderr" in err
    (asked,) = kubelet.asked
    assert asked.path == f"/exec/{namespace}/p/d"
    assert "container" not in asked.query


@needs_websocket
async def test_exec_passes_stdin_both_ways(
    server: ServerProcess, kubelet: Kubelet, namespace: str
) -> None:
    code, out, _ = await run(
        server, "exec", "-i", "-n", namespace, "p", "-c", "c", "--", "cat", stdin=b"hello"
    )

    assert (code, out) == (0, b"hello")


@needs_websocket
async def test_exec_reports_the_exit_code(
    server: ServerProcess, kubelet: Kubelet, namespace: str
) -> None:
    code, _, err = await run(server, "exec", "-n", namespace, "p", "-c", "c", "--", "false")

    assert code == 3
    assert b"exit code 3" in err


@needs_websocket
async def test_exec_carries_more_than_buffers_hold(
    server: ServerProcess, kubelet: Kubelet, namespace: str
) -> None:
    code, out, _ = await run(server, "exec", "-n", namespace, "p", "-c", "c", "--", "large")

    assert (code, len(out)) == (0, LARGE)


async def test_exec_by_the_python_client(
    server: ServerProcess, kubelet: Kubelet, namespace: str
) -> None:
    def ask() -> Any:
        api = config.new_client_from_config(config_file=str(server.kubeconfig))
        core = client.CoreV1Api(api)
        return stream(
            core.connect_get_namespaced_pod_exec,
            "p",
            namespace,
            command=["echo", "hello"],
            container="c",
            stdout=True,
            stderr=False,
            stdin=False,
            tty=False,
        )

    answer = await asyncio.to_thread(ask)

    assert "echo hello" in answer


async def test_logs_are_passed_on_as_they_come(
    server: ServerProcess, kubelet: Kubelet, namespace: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        *("kubectl", "logs", "-f", "--tail=5", "-n", namespace, "p", "-c", "c"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "KUBECONFIG": str(server.kubeconfig), "HOME": str(server.directory)},
    )
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        first = await process.stdout.readline()
        kubelet.follow.set()
        rest = await process.stdout.read()
        await process.wait()

    assert (first, rest) == (b"first\n", b"later\n")
    assert dict(kubelet.asked[0].query) == {"follow": "true", "tailLines": "5"}


async def test_refused_log_is_told_in_the_kubelets_words(
    server: ServerProcess, kubelet: Kubelet, namespace: str
) -> None:
    code, _, err = await run(server, "logs", "--previous", "-n", namespace, "p", "-c", "c")

    assert code == 1
    assert err == (
        b'Error from server (BadRequest): previous terminated container "c" not found\n'
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("logs", "p", "-c", "none"), b"container none is not valid for pod p"),
        (("exec", "p", "-c", "none", "--", "x"), b"container none"),
    ],
)
async def test_an_unknown_container_is_named(
    server: ServerProcess,
    kubelet: Kubelet,
    namespace: str,
    arguments: tuple[str, ...],
    problem: bytes,
) -> None:
    code, _, err = await run(server, *arguments[:1], "-n", namespace, *arguments[1:])

    assert code != 0
    assert problem in err


async def test_a_kubelet_that_is_away_is_named(server: ServerProcess, namespace: str) -> None:
    server.kubectl("apply", "-n", namespace, "-f", "-", stdin=POD.replace("NODE", "away"))

    code, _, err = await run(server, "logs", "-n", namespace, "p", "-c", "c")

    assert code != 0
    assert b"kubelet of node away does not answer" in err


def test_a_stream_without_upgrade_is_refused(
    server: ServerProcess, namespace: str, kubectl: Callable[..., str]
) -> None:
    kubectl("apply", "-n", namespace, "-f", "-", stdin=POD.replace("NODE", "n1"))

    path = f"/api/v1/namespaces/{namespace}/pods/p/exec?command=x&container=c"
    code, status = server.request("GET", path)

    assert (code, status["message"]) == (400, "Upgrade request required")
