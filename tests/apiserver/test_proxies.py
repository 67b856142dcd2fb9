"""`proxy` of pods, services and nodes: through a lab's kubelet to a server on this machine."""

import asyncio
import itertools
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import aiohttp
import pytest
from aiohttp import web

from ciliate.lab.kubelet.pod_worker import PodWorker
from ciliate.lab.kubelet.streaming import StreamServer

from .conftest import DEADLINE_S, ServerProcess

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root: enters a network namespace")

LARGE = 8 * 1024 * 1024

_numbers = itertools.count(1)


class NoPods:
    """A kubelet that is asked for its network alone."""

    def own_network(self) -> Path:
        return Path("/proc/self/ns")

    def network_of(self, worker: PodWorker) -> Path:
        raise NotImplementedError

    def worker_of(self, namespace: str, pod: str) -> PodWorker:
        raise NotImplementedError

    def logs_path(self, worker: PodWorker, container: str, *, previous: bool) -> Path:
        raise NotImplementedError


@dataclass
class Web:
    """What runs "in the pod": it says what it was asked."""

    port: int = 0
    asked: list[web.BaseRequest] = field(default_factory=list)
    runner: web.ServerRunner | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request)
        match request.path:
            case "/away":
                return web.Response(status=302, headers={"Location": "/here?a=1"})
            case "/large":
                return web.Response(body=b"x" * LARGE, headers={"X-Mine": "1"})
            case "/socket":
                return await self._echo(request)
            case "/broken":
                return await self._break_off(request)
        sent = await request.read()
        said = f"{request.method} {request.rel_url.raw_path_qs} {sent.decode()}"
        return web.Response(status=418 if request.path == "/teapot" else 200, text=said)

    @staticmethod
    async def _echo(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(cast("str", message.data).upper())
        return socket

    @staticmethod
    async def _break_off(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response


@dataclass
class Client:
    """A client with the cluster's certificate."""

    server: ServerProcess
    session: aiohttp.ClientSession
    node: str
    pods: str
    services: str

    async def ask(self, path: str, method: str = "GET", **more: object) -> tuple[int, str]:
        url = self.server.url + path
        async with self.session.request(method, url, allow_redirects=False, **more) as answer:  # type: ignore[arg-type]
            return answer.status, await answer.text()


def own_address() -> str:
    """An address of this machine that is not on loopback: no endpoint may be."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.99", 9))  # Sends nothing.
        except OSError:
            pytest.skip("this machine has no address but those of loopback")
        return str(asking.getsockname()[0])


@pytest.fixture
async def pod() -> AsyncIterator[Web]:
    made = Web()
    runner = web.ServerRunner(web.Server(made.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    made.runner = runner
    yield made
    await runner.cleanup()


@pytest.fixture
async def client(server: ServerProcess, namespace: str, pod: Web) -> AsyncIterator[Client]:
    node = f"n{next(_numbers)}"  # Short: a socket's path has 107 octets.
    labels = {"node-role.kubernetes.io/control-plane": ""}
    pods = f"/api/v1/namespaces/{namespace}/pods"
    services = f"/api/v1/namespaces/{namespace}/services"
    ports = [{"name": "web", "containerPort": pod.port}]
    spec = {"containers": [{"name": "c", "image": "x", "ports": ports}], "nodeName": node}
    server.request("POST", "/api/v1/nodes", {"metadata": {"name": node, "labels": labels}})
    server.request("POST", pods, {"metadata": {"name": "p"}, "spec": spec})
    status = {"status": {"podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}}
    server.request(
        "PATCH", f"{pods}/p/status", status, content_type="application/merge-patch+json"
    )
    path = server.directory / f"{node}.sock"
    listening = asyncio.create_task(StreamServer(NoPods()).run(path))
    async with asyncio.timeout(DEADLINE_S):
        while not path.exists() and not listening.done():
            await asyncio.sleep(0.01)
    connector = aiohttp.TCPConnector(ssl=server.context())
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Client(server, session, node, pods, services)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    server.request("DELETE", f"/api/v1/nodes/{node}")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_a_pod_gets_the_request_and_the_client_its_answer(
    client: Client, pod: Web, method: str
) -> None:
    sent = "hello" if method in {"POST", "PUT", "PATCH"} else ""
    path = f"{client.pods}/p:{pod.port}/proxy/a%2Fb//c?d=%20e&f"

    code, said = await client.ask(path, method, data=sent or None)

    assert (code, said) == (200, f"{method} /a%2Fb//c?d=%20e&f {sent}")
    assert "X-Forwarded-Uri" in pod.asked[0].headers


async def test_a_pod_does_not_see_who_the_client_is(client: Client, pod: Web) -> None:
    token = {"Authorization": "Bearer secret"}

    await client.ask(f"{client.pods}/p/proxy/", headers=token)

    assert "Authorization" not in pod.asked[0].headers


@pytest.mark.parametrize("name", ["p", "p:web", "http:p:web"])
async def test_a_pods_port_is_its_first_or_the_one_named(client: Client, name: str) -> None:
    assert await client.ask(f"{client.pods}/{name}/proxy/teapot") == (418, "GET /teapot ")


async def test_a_path_without_end_leads_below_the_pod_and_redirections_stay_there(
    client: Client,
) -> None:
    url = f"{client.server.url}{client.pods}/p/proxy"
    async with client.session.get(url, allow_redirects=False) as bare:
        assert (bare.status, bare.headers["Location"]) == (301, f"{client.pods}/p/proxy/")
    async with client.session.get(f"{url}/away", allow_redirects=False) as away:
        assert away.headers["Location"] == f"{client.pods}/p/proxy/here?a=1"


async def test_large_answers_and_those_that_break_off_come_as_they_are(client: Client) -> None:
    base = f"{client.server.url}{client.pods}/p/proxy"
    async with client.session.get(f"{base}/large") as answer:
        assert (len(await answer.read()), answer.headers["X-Mine"]) == (LARGE, "1")
    async with client.session.get(f"{base}/broken") as answer:
        with pytest.raises(aiohttp.ClientError):
            await answer.read()


async def test_a_web_socket_passes_through(client: Client) -> None:
    url = f"{client.server.url}{client.pods}/p/proxy/socket"
    async with client.session.ws_connect(url) as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "HELLO"


async def test_a_services_port_leads_to_its_ready_endpoints(
    client: Client, pod: Web, namespace: str
) -> None:
    address = own_address()
    assert pod.runner is not None
    await web.TCPSite(pod.runner, address, pod.port).start()
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"name": "web", "port": 80}]}}
    slice_ = {
        "metadata": {"name": "s-1", "labels": {"kubernetes.io/service-name": "s"}},
        "addressType": "IPv4",
        "ports": [{"name": "web", "port": pod.port}],
        "endpoints": [
            {"addresses": [address]},
            {"addresses": ["192.0.2.98"], "conditions": {"ready": False}},
        ],
    }
    client.server.request("POST", client.services, service)
    _, none = await client.ask(f"{client.services}/s:web/proxy/")
    client.server.request("POST", slices, slice_)

    for name in ("s:80", "s:web", "http:s:web"):
        assert await client.ask(f"{client.services}/{name}/proxy/x") == (200, "GET /x ")
    code, other = await client.ask(f"{client.services}/s:81/proxy/x")
    _, unnamed = await client.ask(f"{client.services}/s/proxy/x")

    assert 'no endpoints available for service \\"s\\"' in none
    assert (code, 'no service port 81 found for service \\"s\\"' in other) == (503, True)
    assert 'no endpoints available for service \\"s\\"' in unnamed


async def test_a_node_leads_to_its_kubelet(client: Client) -> None:
    for name in (client.node, f"{client.node}:10250"):
        assert await client.ask(f"/api/v1/nodes/{name}/proxy/healthz") == (200, "ok")


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("none", 404, 'pods \\"none\\" not found'),
        ("p:1", 503, "error trying to reach service: dial tcp 127.0.0.1:1: connect: connection"),
        ("p:smtp", 503, 'pod p has no port \\"smtp\\"'),
        ("ftp:p:1", 400, "must be [scheme:]name[:port]"),
        ("a:b:c:d", 400, "must be [scheme:]name[:port]"),
    ],
)
async def test_what_cannot_be_reached_says_why(
    client: Client, name: str, code: int, words: str
) -> None:
    got, said = await client.ask(f"{client.pods}/{name}/proxy/")

    assert (got, words in said) == (code, True), said
