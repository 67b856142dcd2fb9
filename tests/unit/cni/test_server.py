"""The agent's socket, asked as the plugin asks it."""

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cni.plugin_frame import render_frame

from ciliate.cni import server as server_module
from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.frame import Frame
from ciliate.cni.request import Add, Check, Del, Gc, Status
from ciliate.cni.request_log import RequestLog
from ciliate.cni.server import CniServer
from ciliate.errors import CiliateError
from ciliate.net.address import Mac
from ciliate.net.pod_interface import PodInterface

_STDIN = json.dumps({"cniVersion": "1.0.0", "name": "cilium", "type": "ciliate-cni"}).encode()
_ENVIRONMENT = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "abc",
    "CNI_NETNS": "/run/netns/pod",
    "CNI_IFNAME": "eth0",
    "CNI_ARGS": "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web",
}


class FakeBackend:
    """Answers every ADD alike; fails with what a test sets."""

    def __init__(self) -> None:
        self.error: CiliateError | None = None
        self.asked: list[object] = []
        self.at_work = 0
        self.at_work_most = 0
        self.go = asyncio.Event()
        self.go.set()

    async def _take(self, request: object) -> None:
        self.asked.append(request)
        self.at_work += 1
        self.at_work_most = max(self.at_work_most, self.at_work)
        try:
            await self.go.wait()
        finally:
            self.at_work -= 1
        if self.error is not None:
            raise self.error

    async def add(self, request: Add) -> PodInterface:
        await self._take(request)
        return PodInterface(
            host_name="lxc1",
            host_mac=Mac("02:00:00:00:00:01"),
            pod_name=request.attachment.ifname,
            pod_mac=Mac("02:00:00:00:00:02"),
            netns=request.netns,
            mtu=1500,
            route_mtu=1500,
            addresses=(ip_address("10.244.0.7"),),
            gateways=(ip_address("10.244.0.1"),),
        )

    async def delete(self, request: Del) -> None:
        await self._take(request)

    async def check(self, request: Check) -> None:
        await self._take(request)

    async def gc(self, request: Gc) -> None:
        await self._take(request)

    async def status(self, request: Status) -> None:
        await self._take(request)


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
async def path(backend: FakeBackend, tmp_path: Path) -> AsyncIterator[str]:
    socket_path = str(tmp_path / "run" / "cni.sock")
    async with CniServer(backend, path=socket_path):
        yield socket_path


async def _send(path: str, octets: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(octets)
    answer = await reader.read()
    writer.close()
    return answer


async def _ask(path: str, *, stdin: bytes = _STDIN, **variables: str) -> tuple[int, Any]:
    octets = await _send(path, render_frame(Frame(_ENVIRONMENT | variables, stdin)))
    text = octets[5:]
    assert int.from_bytes(octets[1:5], "big") == len(text)
    return octets[0], json.loads(text) if text else None


async def test_socket_is_roots_alone(path: str) -> None:
    mode = os.stat(path).st_mode

    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


async def test_add_is_answered_in_the_version_asked_for(path: str) -> None:
    code, answer = await _ask(path)

    assert code == 0
    assert answer["cniVersion"] == "1.0.0"
    assert answer["ips"][0]["address"] == "10.244.0.7/32"


async def test_verbs_reach_the_backend(path: str, backend: FakeBackend) -> None:
    stdin = json.dumps(
        {"cniVersion": "1.1.0", "name": "cilium", "cni.dev/valid-attachments": []}
    ).encode()
    for verb in ("DEL", "CHECK", "GC", "STATUS"):
        assert await _ask(path, stdin=stdin, CNI_COMMAND=verb) == (0, None)

    assert [type(request) for request in backend.asked] == [Del, Check, Gc, Status]


async def test_version_is_answered_without_the_backend(path: str, backend: FakeBackend) -> None:
    code, answer = await _ask(path, CNI_COMMAND="VERSION")

    assert (code, answer["supportedVersions"][-1]) == (0, "1.1.0")
    assert backend.asked == []


async def test_backends_own_code_is_passed_on(path: str, backend: FakeBackend) -> None:
    backend.error = CniError(CniCode.PLUGIN_NOT_AVAILABLE, "pool is full", "10.244.0.0/24")

    code, answer = await _ask(path)

    assert code == 1
    assert answer == {
        "cniVersion": "1.0.0",
        "code": 50,
        "msg": "pool is full",
        "details": "10.244.0.0/24",
    }


async def test_other_error_of_ours_is_retryable(path: str, backend: FakeBackend) -> None:
    backend.error = CiliateError("the API server does not answer")

    code, answer = await _ask(path)

    assert (code, answer["code"]) == (1, CniCode.TRY_AGAIN_LATER)
    assert answer["msg"] == "the API server does not answer"


async def test_what_is_no_request_is_answered_and_the_server_lives(path: str) -> None:
    for octets in (b"GET / HTTP/1.1\r\n\r\n", b"CNI1\xff\xff\xff\xff"):
        answer = await _send(path, octets)
        assert answer[0] == 1
        assert json.loads(answer[5:])["code"] in (CniCode.IO_FAILURE, CniCode.DECODE_FAILURE)

    assert (await _ask(path))[0] == 0


async def test_plugin_that_dies_in_mid_request_does_no_harm(path: str) -> None:
    whole = render_frame(Frame(_ENVIRONMENT, _STDIN))
    for length in (0, 3, 8, 20, len(whole) - 1):
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(whole[:length])
        writer.close()
        await writer.wait_closed()

    assert (await _ask(path))[0] == 0


async def test_longest_stdin_and_foreign_octets_pass(path: str) -> None:
    stdin = _STDIN + b" " * ((1 << 20) - len(_STDIN))
    frame = render_frame(Frame(_ENVIRONMENT | {"CNI_PATH": "\udcff"}, stdin))

    answer = await _send(path, frame)

    assert answer[0] == 0


async def test_bug_of_the_backend_is_the_failure_of_its_request_alone(
    path: str,
    backend: FakeBackend,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(_: Add) -> PodInterface:
        raise AssertionError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(backend, "add", broken)
        code, answer = await _ask(path)

    assert (code, answer["code"]) == (1, CniCode.INTERNAL)
    assert "AssertionError" in answer["msg"]
    assert (await _ask(path))[0] == 0
    assert "AssertionError: a bug" in caplog.text


@pytest.mark.parametrize("verb", ["ADD", "CHECK", "DEL"])
@pytest.mark.parametrize(
    "name", ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS", "CNI_ARGS", "CNI_PATH"]
)
async def test_octets_that_are_not_utf8_are_the_failure_of_their_request(
    path: str, verb: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    variables = {"CNI_COMMAND": verb, name: _ENVIRONMENT.get(name, "/x") + "\udcff\n"}
    needless = {"CNI_PATH"} | ({"CNI_NETNS", "CNI_ARGS"} if verb == "DEL" else set())

    code, answer = await _ask(path, stdin=_STDIN, **variables)

    assert code == (0 if name in needless else 1)
    if code:
        assert answer["code"] == CniCode.INVALID_ENVIRONMENT
    assert all(record.getMessage().isascii() for record in caplog.records)
    assert (await _ask(path))[0] == 0


async def test_requests_at_work_are_bounded(path: str, backend: FakeBackend) -> None:
    backend.go.clear()
    count = server_module.REQUESTS_MAX + 20
    asked = [asyncio.create_task(_ask(path)) for _ in range(count)]
    while backend.at_work < server_module.REQUESTS_MAX:
        await asyncio.sleep(0)

    backend.go.set()
    answers = await asyncio.gather(*asked)

    assert all(code == 0 for code, _ in answers)
    assert backend.at_work_most == server_module.REQUESTS_MAX


async def test_silent_connections_leave_the_socket_to_plugins(path: str) -> None:
    """More than the server has places for: those who say nothing make room."""
    silent = [
        await asyncio.open_unix_connection(path) for _ in range(server_module.CONNECTIONS_MAX + 50)
    ]

    assert (await _ask(path))[0] == 0

    for _, writer in silent:
        writer.close()


async def test_status_is_answered_while_deletions_hold_every_place(
    path: str, backend: FakeBackend
) -> None:
    backend.go.clear()
    asked = [
        asyncio.create_task(_ask(path, CNI_COMMAND="DEL"))
        for _ in range(server_module.REQUESTS_MAX + 20)
    ]
    while backend.at_work < server_module.REQUESTS_MAX:
        await asyncio.sleep(0)

    stdin = json.dumps({"cniVersion": "1.1.0", "name": "cilium"}).encode()
    status = asyncio.create_task(_ask(path, stdin=stdin, CNI_COMMAND="STATUS"))
    async with asyncio.timeout(5):
        while not isinstance(backend.asked[-1], Status):
            await asyncio.sleep(0)
        assert (await _ask(path, CNI_COMMAND="VERSION"))[0] == 0

    backend.go.set()
    assert await status == (0, None)
    assert all(code == 0 for code, _ in await asyncio.gather(*asked))


async def test_stop_answers_what_is_under_way(backend: FakeBackend, tmp_path: Path) -> None:
    socket_path = str(tmp_path / "cni.sock")
    server = CniServer(backend, path=socket_path)
    await server.start()
    backend.go.clear()
    asked = asyncio.create_task(_ask(socket_path))
    while not backend.at_work:
        await asyncio.sleep(0)

    stopping = asyncio.create_task(server.stop())
    await asyncio.sleep(0)
    backend.go.set()

    assert (await asked)[0] == 0
    await stopping
    assert os.listdir(tmp_path) == []


async def test_socket_of_a_killed_agent_is_replaced(backend: FakeBackend, tmp_path: Path) -> None:
    socket_path = tmp_path / "cni.sock"
    first = CniServer(backend, path=str(socket_path))
    await first.start()
    assert first._server is not None
    first._server.close()  # As a kill does: the file stays.
    assert socket_path.exists()

    async with CniServer(backend, path=str(socket_path)):
        assert (await _ask(str(socket_path)))[0] == 0


async def test_each_request_is_a_line_of_the_log(backend: FakeBackend, tmp_path: Path) -> None:
    path, log = str(tmp_path / "cni.sock"), tmp_path / "cilium-cni.log"
    async with CniServer(backend, path=path, requests=RequestLog(log)):
        await _ask(path)
        await _ask(path, CNI_COMMAND="DEL")
        await _ask(path, CNI_COMMAND="NONSENSE")
        backend.error = CniError(CniCode.TRY_AGAIN_LATER, "no address is free")
        await _ask(path)

    lines = log.read_text().splitlines()
    assert [line.split(" ")[1] for line in lines] == [
        "verb=ADD",
        "verb=DEL",
        "verb=NONSENSE",
        "verb=ADD",
    ]
    assert "pod=default/web" in lines[0]
    assert "code=4" in lines[2]
    assert lines[3].endswith('code=11 error="no address is free"')
