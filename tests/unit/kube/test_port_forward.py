"""`kube/port_forward` through the embedded API server, to kubelets that speak as a lab's do."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from tests.unit.kube.embedded_server import EmbeddedServer, embedded_server

from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ForbiddenError, NotFoundError
from ciliate.kube.port_forward import LocalPortInUseError, forwarded
from ciliate.kube.port_forward_target import NoReadyPodError, NotForwardableError
from ciliate.lab.kubelet.forwarded import PortUnreachableError as NothingThereError
from ciliate.lab.kubelet.forwarded import Streams
from ciliate.lab.kubelet.port_forward import forward_ports

SERVICE = ("default", "web")
DEADLINE_S = 10.0

Program = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say everything back in capitals, a line at a time."""
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()


@dataclass
class Pods:
    """The programs in pods, by the pod's name, and what they were asked for."""

    client: ApiClient
    folder: Path
    programs: dict[str, Program] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        pod = request.match_info["pod"]

        async def connect(port: int) -> Streams:
            self.asked.append((pod, port))
            if pod not in self.programs:
                raise NothingThereError(f"failed to connect to localhost:{port}: refused")
            ours, theirs = socket.socketpair()
            serving = asyncio.ensure_future(self._serve(pod, theirs))
            self._tasks.append(serving)
            return await asyncio.open_connection(sock=ours)

        return await forward_ports(request, f"default/{pod}", connect)

    async def _serve(self, pod: str, end: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=end)
        try:
            await self.programs[pod](reader, writer)
        finally:
            writer.close()

    _tasks: list[asyncio.Future[None]] = field(default_factory=list)

    async def add(self, name: str, *, node: str = "node-1", ready: bool = True) -> None:
        """Make a pod; its program is given by `programs`."""
        ports = [{"name": "http", "containerPort": 8080}]
        body = {
            "metadata": {"name": name, "labels": {"app": "web"}},
            "spec": {
                "nodeName": node,
                "containers": [{"name": "c", "image": "x", "ports": ports}],
            },
        }
        await self.create("pods", body)
        self.programs.setdefault(name, greet)
        await self.report(name, ready=ready)

    async def report(self, name: str, *, ready: bool) -> None:
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        status = {"status": {"phase": "Running", "conditions": [condition]}}
        await self.client.request(
            "PATCH",
            f"/api/v1/namespaces/default/pods/{name}/status",
            body=json.dumps(status).encode(),
            content_type="application/merge-patch+json",
        )

    async def create(self, plural: str, body: dict[str, Any]) -> None:
        path = f"/api/v1/namespaces/default/{plural}"
        await self.client.request("POST", path, body=json.dumps(body).encode())

    async def expose(self, *ports: dict[str, Any], **spec: Any) -> None:
        body = {"selector": {"app": "web"}, "ports": list(ports), **spec}
        await self.create("services", {"metadata": {"name": "web"}, "spec": body})


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with embedded_server(tmp_path) as started:
        yield started


@pytest.fixture
async def pods(tmp_path: Path, server: EmbeddedServer) -> AsyncIterator[Pods]:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(ApiClient.from_kubeconfig(server.kubeconfig))
        made = Pods(client, tmp_path)
        app = web.Application()
        app.router.add_get("/portForward/{namespace}/{pod}", made.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.UnixSite(runner, str(tmp_path / "node-1.sock")).start()
        yield made


async def say(port: int, *lines: str) -> list[str]:
    """Say lines on a new connection, and return what comes back to each."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = []
    try:
        async with asyncio.timeout(DEADLINE_S):
            for line in lines:
                writer.write(f"{line}\n".encode())
                answers.append((await reader.readline()).decode().strip())
    finally:
        writer.close()
    return answers


async def test_connections_reach_the_port_behind_the_services_first(pods: Pods) -> None:
    await pods.add("a")
    first = {"port": 80, "name": "first", "targetPort": 8081}
    await pods.expose(first, {"port": 90, "name": "second"})

    async with forwarded(pods.client, SERVICE, tell=pytest.fail) as port:
        assert await say(port, "hello", "again") == ["HELLO", "AGAIN"]

    assert pods.asked == [("a", 8081)]


async def test_another_port_of_the_service_may_be_meant_and_named_in_the_pod(pods: Pods) -> None:
    await pods.add("a")
    named = {"port": 90, "name": "second", "targetPort": "http"}
    await pods.expose({"port": 80, "name": "first"}, named)

    async with forwarded(pods.client, SERVICE, tell=pytest.fail, port=90) as port:
        assert await say(port, "hello") == ["HELLO"]

    assert pods.asked == [("a", 8080)]


async def test_many_connections_at_once_are_kept_apart(pods: Pods) -> None:
    await pods.add("a")
    await pods.expose({"port": 80})

    async with forwarded(pods.client, SERVICE, tell=pytest.fail) as port:
        answers = await asyncio.gather(*(say(port, f"n{n}", f"m{n}") for n in range(30)))

    assert answers == [[f"N{n}", f"M{n}"] for n in range(30)]


async def test_much_is_carried_both_ways_and_to_its_end(pods: Pods) -> None:
    async def swallow_then_pour(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readexactly(5_000_000)
        writer.write(b"y" * 5_000_000)
        await writer.drain()

    await pods.add("a")
    pods.programs["a"] = swallow_then_pour
    await pods.expose({"port": 80})

    async with forwarded(pods.client, SERVICE, tell=pytest.fail) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * 5_000_000)
        async with asyncio.timeout(DEADLINE_S):
            answer = await reader.read(-1)
        writer.close()

    assert answer == b"y" * 5_000_000


async def test_next_connection_goes_to_a_pod_that_is_ready_then(pods: Pods) -> None:
    await pods.add("a")
    await pods.add("b", ready=False)
    await pods.expose({"port": 80})

    async with forwarded(pods.client, SERVICE, tell=pytest.fail) as port:
        await say(port, "one")
        await pods.report("b", ready=True)
        await pods.client.request(
            "DELETE", "/api/v1/namespaces/default/pods/a?gracePeriodSeconds=0"
        )
        assert await say(port, "two") == ["TWO"]

    assert pods.asked == [("a", 80), ("b", 80)]


async def test_pod_whose_node_is_away_is_passed_over(pods: Pods) -> None:
    await pods.add("a", node="node-2")
    await pods.add("b")
    await pods.expose({"port": 80})

    async with forwarded(pods.client, SERVICE, tell=pytest.fail) as port:
        assert await say(port, "one") == ["ONE"]

    assert pods.asked == [("b", 80)]


async def test_port_that_refuses_is_told_and_another_pod_is_next(pods: Pods) -> None:
    told: list[str] = []
    await pods.add("a")
    await pods.add("b")
    del pods.programs["a"]
    await pods.expose({"port": 80})

    async with forwarded(pods.client, SERVICE, tell=told.append) as port:
        assert await say(port, "one") == [""]
        assert await say(port, "two") == ["TWO"]

    assert len(told) == 1
    assert told[0].startswith("pod default/a:80: error forwarding port 80 to pod default/a: ")


async def test_same_problem_is_told_once(pods: Pods) -> None:
    told: list[str] = []
    await pods.add("a")
    del pods.programs["a"]
    await pods.expose({"port": 80})

    async with forwarded(pods.client, SERVICE, tell=told.append) as port:
        for _ in range(3):
            assert await say(port, "one") == [""]

    assert len(told) == 1


async def test_connections_of_a_program_that_leaves_end_at_the_pod(pods: Pods) -> None:
    left = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"ready\n")
        await reader.read(-1)
        left.set()

    await pods.add("a")
    pods.programs["a"] = wait
    await pods.expose({"port": 80})

    async with asyncio.timeout(DEADLINE_S):
        async with forwarded(pods.client, SERVICE, tell=pytest.fail) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await reader.readline() == b"ready\n"
        await left.wait()
        assert await reader.read() == b""
        writer.close()


async def test_missing_service_is_refused_before_anybody_connects(pods: Pods) -> None:
    with pytest.raises(NotFoundError, match='services "web" not found'):
        async with forwarded(pods.client, SERVICE, tell=pytest.fail):
            pass


@pytest.mark.parametrize(
    ("spec", "port", "problem"),
    [
        ({}, 81, "it has no TCP port 81; it has: 80"),
        ({"selector": {}}, 0, "it has no selector"),
        ({"ports": [{"port": 53, "protocol": "UDP"}]}, 0, "it has no TCP port, and only"),
        ({"ports": [{"port": 80, "targetPort": "dns"}]}, 0, "a has none of that name"),
    ],
)
async def test_service_that_cannot_be_forwarded_to_says_why(
    pods: Pods, spec: dict[str, Any], port: int, problem: str
) -> None:
    await pods.add("a")
    await pods.expose({"port": 80}, **spec)

    with pytest.raises(NotForwardableError, match=f"default/web cannot be .*{problem}"):
        async with forwarded(pods.client, SERVICE, tell=pytest.fail, port=port):
            pass


async def test_pods_that_are_not_ready_are_named(pods: Pods) -> None:
    await pods.expose({"port": 80})
    with pytest.raises(NoReadyPodError, match="there is no pod with the labels app=web"):
        async with forwarded(pods.client, SERVICE, tell=pytest.fail):
            pass

    await pods.add("a", ready=False)
    with pytest.raises(NoReadyPodError, match="default/web has no ready pod: a is not ready"):
        async with forwarded(pods.client, SERVICE, tell=pytest.fail):
            pass


async def test_node_that_is_away_is_told_when_somebody_connects(pods: Pods) -> None:
    told: list[str] = []
    await pods.add("a", node="node-2")
    await pods.expose({"port": 80})

    async with forwarded(pods.client, SERVICE, tell=told.append) as port:
        assert await say(port, "one") == [""]

    assert told[0].startswith("forward pods default/a/portforward: ")


async def test_no_pod_is_disturbed_before_somebody_connects(pods: Pods) -> None:
    await pods.add("a")
    await pods.expose({"port": 80})

    async with forwarded(pods.client, SERVICE, tell=pytest.fail):
        assert pods.asked == []


async def test_local_port_of_another_program_is_refused(pods: Pods) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(LocalPortInUseError, match=f"127.0.0.1:{number} cannot be listened"):
            async with forwarded(pods.client, SERVICE, tell=pytest.fail, local_port=number):
                pass


async def test_who_may_not_forward_is_told_so_in_the_api_servers_words(
    pods: Pods, server: EmbeddedServer, tmp_path: Path
) -> None:
    await pods.add("a")
    await pods.expose({"port": 80})
    (tmp_path / "reader").write_text(json.dumps(await reader_kubeconfig(pods, server)))

    async with ApiClient.from_kubeconfig(tmp_path / "reader") as reader:
        with pytest.raises(ForbiddenError, match='reader" cannot get resource "pods/portforward"'):
            async with forwarded(reader, SERVICE, tell=pytest.fail):
                pass


async def reader_kubeconfig(pods: Pods, server: EmbeddedServer) -> dict[str, Any]:
    """Make an account that may read Services and pods, and no more."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    rules = [{"apiGroups": [""], "resources": ["services", "pods"], "verbs": ["get", "list"]}]
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": "default"}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "read"}
    meta = {"metadata": {"name": "read"}}
    for path, body in (
        (f"{rbac}/clusterroles", {**meta, "rules": rules}),
        (f"{rbac}/clusterrolebindings", {**meta, "subjects": [subject], "roleRef": ref}),
        ("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "reader"}}),
    ):
        await pods.client.request("POST", path, body=json.dumps(body).encode())
    account = "/api/v1/namespaces/default/serviceaccounts/reader/token"
    answer = json.loads(await pods.client.request("POST", account, body=b'{"spec": {}}'))
    config: dict[str, Any] = yaml.safe_load(server.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": answer["status"]["token"]}
    return config
