"""`ApiClient.execute` through the embedded API server, to a kubelet that says what it likes."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from tests.unit.kube.embedded_server import EmbeddedServer, embedded_server

from ciliate.kube.client import ApiClient
from ciliate.kube.errors import InvalidError, KubeError, NotFoundError, UnavailableError
from ciliate.kube.execution import Executed

Script = Callable[[web.Request, web.WebSocketResponse], Awaitable[None]]
SUCCESS = json.dumps({"metadata": {}, "status": "Success"}).encode()


class Kubelet:
    """Plays a script to a client that runs a command."""

    def __init__(self) -> None:
        self.script: Script = end_well
        self.asked: list[web.Request] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        socket = web.WebSocketResponse(
            protocols=("v5.channel.k8s.io", "v4.channel.k8s.io"), max_msg_size=0
        )
        await socket.prepare(request)
        await self.script(request, socket)
        await socket.close()
        return socket


async def end_well(_request: web.Request, socket: web.WebSocketResponse) -> None:
    await socket.send_bytes(b"\x01")  # Kubelets begin so.
    await socket.send_bytes(b"\x01out")
    await socket.send_bytes(b"\x02err")
    await socket.send_bytes(b"\x01put")
    await socket.send_bytes(b"\x03" + SUCCESS)


def failing(status: dict[str, object]) -> Script:
    async def script(_request: web.Request, socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x01{}")
        await socket.send_bytes(b"\x03" + json.dumps({"status": "Failure", **status}).encode())

    return script


def exit_code(code: int, message: str = "") -> dict[str, object]:
    cause = {"reason": "ExitCode", "message": str(code)}
    return {"message": message, "reason": "NonZeroExitCode", "details": {"causes": [cause]}}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with embedded_server(tmp_path) as started:
        yield started


@pytest.fixture
async def kubelet(tmp_path: Path, server: EmbeddedServer) -> AsyncIterator[Kubelet]:
    del server
    made = Kubelet()
    app = web.Application()
    app.router.add_get("/exec/{namespace}/{pod}/{container}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "node-1.sock")).start()
    yield made
    await runner.cleanup()


@pytest.fixture
async def client(server: EmbeddedServer) -> AsyncIterator[ApiClient]:
    async with ApiClient.from_kubeconfig(server.kubeconfig) as made:
        for name, node in (("p", "node-1"), ("lost", "node-2")):
            pod = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name},
                "spec": {"nodeName": node, "containers": [{"name": "c", "image": "x"}]},
            }
            body = json.dumps(pod).encode()
            await made.request("POST", "/api/v1/namespaces/default/pods", body=body)
        yield made


async def execute(
    client: ApiClient, *command: str, pod: str = "p", timeout_s: float = 10.0, output: int = 1000
) -> Executed:
    return await client.execute(
        pod,
        command,
        namespace="default",
        container="c",
        timeout_s=timeout_s,
        output_bytes_max=output,
    )


async def test_both_outputs_are_kept_apart_and_whole(client: ApiClient, kubelet: Kubelet) -> None:
    done = await execute(client, "say", "a b", "c&d=e")

    assert done == Executed(0, b"output", b"err")
    assert kubelet.asked[0].query.getall("command") == ["say", "a b", "c&d=e"]


async def test_exit_code_is_an_answer_not_an_error(client: ApiClient, kubelet: Kubelet) -> None:
    kubelet.script = failing(exit_code(3, "command terminated with exit code 3"))

    assert await execute(client, "x") == Executed(3, b"{}", b"")


async def test_command_that_cannot_be_started_says_why(
    client: ApiClient, kubelet: Kubelet
) -> None:
    kubelet.script = failing(exit_code(127, 'unable to start: exec: "x": not found in $PATH'))

    with pytest.raises(InvalidError, match="not found in"):
        await execute(client, "x")


async def test_pod_that_is_not_there_is_reported(client: ApiClient, kubelet: Kubelet) -> None:
    del kubelet
    with pytest.raises(NotFoundError, match="default/gone"):
        await execute(client, "x", pod="gone")


async def test_node_that_does_not_answer_is_reported(client: ApiClient, kubelet: Kubelet) -> None:
    del kubelet
    with pytest.raises(KubeError, match="exec"):
        await execute(client, "x", pod="lost")


async def test_command_that_does_not_end_is_given_up(client: ApiClient, kubelet: Kubelet) -> None:
    never = asyncio.Event()

    async def hang(_request: web.Request, socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x01begun")
        reading = asyncio.ensure_future(socket.receive())
        waiting = asyncio.ensure_future(never.wait())
        await asyncio.wait({reading, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    kubelet.script = hang

    with pytest.raises(UnavailableError, match=r"within 0\.3 s"):
        await execute(client, "x", timeout_s=0.3)


async def test_connection_that_ends_early_is_no_success(
    client: ApiClient, kubelet: Kubelet
) -> None:
    async def leave(_request: web.Request, socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x01half")

    kubelet.script = leave

    with pytest.raises(UnavailableError, match="ended before"):
        await execute(client, "x")


async def test_endless_output_is_cut_off(client: ApiClient, kubelet: Kubelet) -> None:
    async def flood(_request: web.Request, socket: web.WebSocketResponse) -> None:
        while not socket.closed:
            await socket.send_bytes(b"\x01" + b"x" * 500)

    kubelet.script = flood

    with pytest.raises(InvalidError, match="more than 1000"):
        await execute(client, "x", output=1000)


async def pieces(client: ApiClient) -> list[bytes]:
    """What a command prints, as it comes."""
    printing = client.printed_pieces("p", ("x",), namespace="default", container="c")
    return [piece async for piece in printing if piece]


async def test_pieces_of_the_output_come_one_by_one(client: ApiClient, kubelet: Kubelet) -> None:
    del kubelet
    assert await pieces(client) == [b"out", b"put"]


async def test_command_that_fails_says_last_why(client: ApiClient, kubelet: Kubelet) -> None:
    async def complain(request: web.Request, socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x02a warning\nno socket there\n")
        await failing(exit_code(1))(request, socket)

    kubelet.script = complain

    with pytest.raises(InvalidError, match="no socket there"):
        await pieces(client)


async def test_pieces_that_end_early_are_no_success(client: ApiClient, kubelet: Kubelet) -> None:
    async def leave(_request: web.Request, socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x01half")

    kubelet.script = leave

    with pytest.raises(UnavailableError, match="ended before"):
        await pieces(client)
