"""`cli/trace/agent_flows.py`: through the embedded API server, to kubelets that run what they like."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from aiohttp import web
from google.protobuf import json_format
from tests.unit.cli.trace.seen_flows import CTR, LXC, POD, W1, WORLD, message, toward
from tests.unit.kube.embedded_server import EmbeddedServer, embedded_server

from ciliate.cli.trace.agent_flows import AgentFlows, Item, Ready, Silent, Told
from ciliate.flows.pb.observer.observer_pb2 import GetFlowsResponse
from ciliate.kube.client import ApiClient

SUCCESS = json.dumps({"metadata": {}, "status": "Success"}).encode()
ANSWER = GetFlowsResponse(
    flow=message(*(0, CTR, "to-network", f"{POD}:1", f"{WORLD}:80"), packet="SYN", device=LXC)
)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with embedded_server(tmp_path) as started:
        yield started


@pytest.fixture
async def asked(tmp_path: Path, server: EmbeddedServer) -> AsyncIterator[list[list[str]]]:
    """What was run on the first node, whose command prints a flow in two pieces."""
    del server
    line = json_format.MessageToJson(
        ANSWER, preserving_proto_field_name=True, indent=None
    ).encode()
    commands: list[list[str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        commands.append(request.query.getall("command"))
        socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await socket.prepare(request)
        for piece in (
            b"\x01",
            b"\x01\n" + line[:40],
            b"\x01" + line[40:] + b"\n",
            b"\x03" + SUCCESS,
        ):
            await socket.send_bytes(piece)
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/exec/{namespace}/{pod}/{container}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / f"{CTR}.sock")).start()
    yield commands
    await runner.cleanup()


@pytest.fixture
async def client(server: EmbeddedServer) -> AsyncIterator[ApiClient]:
    async with ApiClient.from_kubeconfig(server.kubeconfig) as made:
        for node, has_agent in ((CTR, True), (W1, True), ("bare", False)):
            await create(made, "/api/v1/nodes", {"kind": "Node", "metadata": {"name": node}})
            pod = {
                "kind": "Pod",
                "metadata": {"name": f"cilium-{node}", "labels": {"k8s-app": "cilium"}},
                "spec": {"nodeName": node, "containers": [{"name": "cilium-agent", "image": "x"}]},
            }
            if has_agent:
                await create(made, "/api/v1/namespaces/kube-system/pods", pod)
        yield made


async def create(client: ApiClient, path: str, value: Mapping[str, object]) -> None:
    """Make an object."""
    body = json.dumps({"apiVersion": "v1", **value}).encode()
    await client.request("POST", path, body=body)


async def told(client: ApiClient, *, follows: bool = True) -> list[Item]:
    """What the agents tell."""
    found: list[Item] = []
    source = AgentFlows(
        client, "/run/hubble.sock", toward(WORLD), follows=follows, ends_after_s=60
    )
    await source.tell(found.append)
    return found


async def test_lines_of_each_agent_s_container_are_flows(
    client: ApiClient, asked: list[list[str]]
) -> None:
    found = await told(client)

    assert Told(ANSWER) in found
    (words,) = asked
    assert words[:2] == ["sh", "-c"]
    assert "hubble observe -f --since" in words[2]
    assert words[3:8] == ["60", "--server", "unix:///run/hubble.sock", "-o", "json"]
    assert f'{{"source_ip":["{POD}"]}}' in words


async def test_all_are_ready_once_each_has_begun_or_will_not(
    client: ApiClient, asked: list[list[str]]
) -> None:
    found = await told(client)

    assert len(asked) == 1
    assert found.count(Ready()) == 1
    assert all(
        found.index(each) < found.index(Ready()) for each in found if isinstance(each, Silent)
    )


async def test_nodes_that_cannot_be_asked_are_named(
    client: ApiClient, asked: list[list[str]]
) -> None:
    silent = {each.node: each.problem for each in await told(client) if isinstance(each, Silent)}

    assert len(asked) == 1
    assert silent.keys() == {W1, "bare"}
    assert "no pod to ask" in silent["bare"]


async def test_what_is_kept_is_asked_for_without_waiting(
    client: ApiClient, asked: list[list[str]]
) -> None:
    await told(client, follows=False)

    assert "hubble observe --all" in asked[0][2]
