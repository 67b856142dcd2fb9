import asyncio
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import cast

import aiohttp
import pytest

from ciliate.lab.kubelet.errors import ContainerNotFoundError
from ciliate.lab.kubelet.exec_session import RunningCommand
from ciliate.lab.kubelet.logs import LISTENER_PIECES_MAX, ContainerLog
from ciliate.lab.kubelet.pod_state import ContainerRecord, PodRecord
from ciliate.lab.kubelet.pod_worker import PodWorker
from ciliate.lab.kubelet.streaming import StreamServer, log_options

SECOND_NS = 1_000_000_000


class LocalCommand:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    async def wait(self) -> int:
        return await asyncio.to_thread(self._process.wait)

    def kill(self, number: int) -> None:
        self._process.send_signal(number)

    def close(self) -> None:
        """There is nothing to let go of."""


class LocalExecution:
    async def start(
        self, command: Sequence[str], *, stdin: int, stdout: int, stderr: int, tty: bool = False
    ) -> RunningCommand:
        del tty
        return LocalCommand(_popen(command, stdin, stdout, stderr))


def _popen(
    command: Sequence[str], stdin: int, stdout: int, stderr: int
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(list(command), stdin=stdin, stdout=stdout, stderr=stderr)


class Input:
    def __init__(self) -> None:
        self.written = b""
        self.left = asyncio.Event()

    async def write(self, data: bytes) -> None:
        self.written += data

    def leave(self) -> None:
        self.left.set()


class Life:
    def __init__(self, log: ContainerLog) -> None:
        self.log = log
        self.input = Input()
        self.sizes: list[bytes] = []

    def resize(self, size: bytes) -> None:
        self.sizes.append(size)


class Containers:
    def __init__(self, log: ContainerLog) -> None:
        self.only = Life(log)

    def execution(self, name: str) -> LocalExecution:
        if name != "c":
            raise ContainerNotFoundError(f"container not found ({name!r})")
        return LocalExecution()

    def life(self, name: str) -> Life | None:
        return self.only if name == "c" and not self.only.log.closed else None


class Worker:
    def __init__(self, log: ContainerLog) -> None:
        self.record = PodRecord("u", "default", "p", containers={"c": ContainerRecord("c")})
        self.containers = Containers(log)


class OnePod:
    """A kubelet with the pod default/p and its container c."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "0.log"
        self.log = ContainerLog(self.path)
        self._worker = Worker(self.log)
        self.life = self._worker.containers.only

    def worker_of(self, namespace: str, pod: str) -> PodWorker:
        if (namespace, pod) != ("default", "p"):
            raise ContainerNotFoundError(f"pod {namespace}/{pod} is not on node n")
        return cast("PodWorker", self._worker)

    def own_network(self) -> Path:
        return Path("/proc/self/ns")

    def network_of(self, worker: PodWorker) -> Path:
        del worker
        return Path("/proc/self/ns")

    def logs_path(self, worker: PodWorker, container: str, *, previous: bool) -> Path:
        del worker
        if container != "c" or previous:
            raise ContainerNotFoundError(f'previous terminated container "{container}" not found')
        return self.path


@pytest.fixture
def pod(tmp_path: Path) -> OnePod:
    return OnePod(tmp_path)


@pytest.fixture
async def client(pod: OnePod, tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    path = tmp_path / "kubelet.sock"
    task = asyncio.ensure_future(StreamServer(pod).run(path))
    connector = aiohttp.UnixConnector(str(path))
    async with aiohttp.ClientSession("http://kubelet", connector=connector) as session:
        async with asyncio.timeout(10):
            while not task.done():
                try:
                    async with session.get("/healthz"):
                        break
                except aiohttp.ClientConnectorError:
                    await asyncio.sleep(0.005)
        yield session
    task.cancel()
    await asyncio.wait([task])


async def test_socket_is_roots_alone(client: aiohttp.ClientSession, tmp_path: Path) -> None:
    assert (tmp_path / "kubelet.sock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/exec/default/gone/c?command=ls", 404),
        ("/exec/default/p/other?command=ls", 404),
        ("/exec/default/p/c", 400),
        ("/containerLogs/default/gone/c", 404),
        ("/containerLogs/default/p/c?previous=true", 400),
        ("/containerLogs/default/p/c?tailLines=x", 400),
        ("/attach/default/p/other", 404),
    ],
)
async def test_requests_that_cannot_be_met_are_refused(
    client: aiohttp.ClientSession, target: str, status: int
) -> None:
    async with client.get(target) as answer:
        assert answer.status == status
        assert await answer.text()


async def test_exec_speaks_the_protocol_the_client_likes_best(
    client: aiohttp.ClientSession,
) -> None:
    async with client.ws_connect(
        "/exec/default/p/c?command=echo&command=a b&stdout=true&stderr=true",
        protocols=("v5.channel.k8s.io", "v4.channel.k8s.io"),
    ) as socket:
        messages = [message.data async for message in socket]

    assert socket.protocol == "v5.channel.k8s.io"
    assert b"".join(m[1:] for m in messages if m[0] == 1) == b"a b\n"
    assert messages[-1] == b'\x03{"metadata": {}, "status": "Success"}'


async def test_followed_log_comes_as_it_is_written(
    client: aiohttp.ClientSession, pod: OnePod
) -> None:
    pod.log.write(b"one\n")
    async with client.get("/containerLogs/default/p/c?follow=true") as answer:
        first = await answer.content.readany()
        pod.log.write(b"two\n")
        pod.log.close()
        rest = await answer.content.read()

    assert first + rest == b"one\ntwo\n"


async def test_attach_gives_the_output_from_now_on(
    client: aiohttp.ClientSession, pod: OnePod
) -> None:
    pod.log.write(b"before\n")
    async with client.ws_connect(
        "/attach/default/p/c?stdout=true", protocols=("v4.channel.k8s.io",)
    ) as socket:
        pod.log.write(b"after\n")
        first = await socket.receive_bytes()
        pod.log.close()
        last = await socket.receive_bytes()

    assert first == b"\x01after\n"
    assert last[0] == 3


async def test_attach_gives_output_as_it_comes_not_by_lines(
    client: aiohttp.ClientSession, pod: OnePod
) -> None:
    async with client.ws_connect(
        "/attach/default/p/c?stdout=true", protocols=("v4.channel.k8s.io",)
    ) as socket:
        pod.log.write(b"# ")
        assert await socket.receive_bytes() == b"\x01# "


async def test_attach_passes_input_sizes_and_the_clients_leaving(
    client: aiohttp.ClientSession, pod: OnePod
) -> None:
    async with client.ws_connect(
        "/attach/default/p/c?stdin=true&stdout=true&tty=true", protocols=("v5.channel.k8s.io",)
    ) as socket:
        await socket.send_bytes(b"\x00hel")
        await socket.send_bytes(b"\x04{size}")
        await socket.send_bytes(b"\x00lo")
        await socket.send_bytes(b"\xff\x00")
        async with asyncio.timeout(10):
            await pod.life.input.left.wait()

    assert (pod.life.input.written, pod.life.sizes) == (b"hello", [b"{size}"])


async def test_an_attached_client_that_reads_too_slowly_is_told(
    client: aiohttp.ClientSession, pod: OnePod
) -> None:
    async with client.ws_connect(
        "/attach/default/p/c?stdout=true", protocols=("v4.channel.k8s.io",)
    ) as socket:
        for _ in range(LISTENER_PIECES_MAX + 1):  # The session has no turn meanwhile.
            pod.log.write(b"x\n")
        messages = [message.data async for message in socket]

    assert len(messages) == LISTENER_PIECES_MAX
    assert b"reads too slowly" in messages[-1]


def test_options_are_read_as_the_api_server_and_kubectl_write_them() -> None:
    query = {"follow": "true", "tailLines": "5", "limitBytes": "9", "timestamps": "1"}

    options = log_options(query | {"sinceSeconds": "3"}, now_ns=10 * SECOND_NS)

    assert (options.follow, options.timestamps) == (True, True)
    assert (options.tail_lines, options.bytes_max) == (5, 9)
    assert options.since_ns == 7 * SECOND_NS


def test_since_time_is_a_moment() -> None:
    options = log_options({"sinceTime": "1970-01-01T00:00:02Z"}, now_ns=0)

    assert options.since_ns == 2 * SECOND_NS
