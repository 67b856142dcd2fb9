"""`flows/relay/process.py`: a relay as it runs, of nodes that speak TLS."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.unit.flows.certificate_files import NODE, CertificateFiles, issued
from tests.unit.flows.described_client import described_answers
from tests.unit.flows.grpc_listener.fronted_server import OPTIONS, free_port
from tests.unit.flows.relay.relay_nodes import sent_at, told
from tests.unit.flows.server.flow_clients import (
    WatchedStore,
    begin_at,
    calls,
    soon,
    until,
    until_it,
)

from ciliate.flows.feed import ListenBegin, NodePeer, TlsBegin
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.relay import process
from ciliate.flows.relay.process import run_relay
from ciliate.flows.relay.settings import RelaySettings, TlsServer
from ciliate.flows.server.peers import PeerTable
from ciliate.flows.server.serving import serve

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture(autouse=True)
def quick_health(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_HEALTH_S", 0.01)


class Bench:
    """Two nodes and the settings of a relay that asks the first one for all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes = CertificateFiles(folder / "nodes")
        self.nodes.write()
        self.relays = CertificateFiles(folder / "relays", self.nodes.authority)
        self.relays.write(issued(self.nodes.authority))
        self.port, self.health_port = free_port(), free_port()
        self.running = {"one": AsyncExitStack(), "two": AsyncExitStack()}
        self.table = PeerTable()
        self.settings = RelaySettings(
            cluster="default",
            peer_service=f"unix://{folder}/one.sock",
            listen_address=f"127.0.0.1:{self.port}",
            health_address=f"127.0.0.1:{self.health_port}",
            client_tls=self.relays.tls_client,
            server_tls=None,
            without_effect=("gops",),
        )

    async def start(self, name: str, second: int) -> None:
        """Start a node that saw one flow."""
        port, tls = free_port(), self.nodes.tls
        listener = ListenBegin(
            address=f"127.0.0.1:{port}",
            tls=TlsBegin(
                certificate=str(tls.certificate),
                key=str(tls.key),
                client_authorities=tuple(map(str, tls.client_authorities)),
            ),
        )
        server_name = NODE.replace("k8s-w1", name)
        self.table.take(NodePeer(name=name, address=listener.address, server_name=server_name))
        store = WatchedStore(1023, sent_at(second), node=name)
        begin = begin_at(self.folder / f"{name}.sock", node=name, listener=listener)
        await self.running[name].enter_async_context(serve(store, self.table, begin))

    @asynccontextmanager
    async def relay(self, settings: RelaySettings | None = None) -> AsyncIterator[None]:
        task = asyncio.ensure_future(run_relay(settings or self.settings, name="hubble-relay-0"))
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def is_healthy(self, port: int) -> int:
        """Return the health that is told at a port."""
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS) as channel:
            asked = health_pb2.HealthCheckRequest(service="hubble.server.Observer")
            call = health_pb2_grpc.HealthStub(channel).Check(asked, wait_for_ready=True)
            return int((await soon(call)).status)

    async def becomes(self, health: int) -> None:
        async def has_become() -> bool:
            return await self.is_healthy(self.health_port) == health

        await until_it(has_become)

    async def told_first(self, *lines: str) -> list[str]:
        """Return all flows, as soon as they begin like that."""
        found: list[str] = []

        async def begin_so() -> bool:
            found[:] = await self.flows()
            return found[: len(lines)] == [*lines]

        await until_it(begin_so)
        return found

    async def flows(self, credentials: grpc.ChannelCredentials | None = None) -> list[str]:
        target = f"127.0.0.1:{self.port}"
        options = [*OPTIONS, ("grpc.ssl_target_name_override", "relay.example")]
        channel = (
            grpc.aio.insecure_channel(target, options=OPTIONS)
            if credentials is None
            else grpc.aio.secure_channel(target, credentials, options=options)
        )
        async with channel:
            asked = observer_pb2.GetFlowsRequest(number=10)
            call = calls(channel).GetFlows(asked, wait_for_ready=True)

            async def all_of_it() -> list[str]:
                return [told(each) async for each in call]

            found: list[str] = await soon(all_of_it())
            return found


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    for each in made.running.values():
        await each.aclose()


async def test_relay_answers_for_all_nodes_that_an_agent_names(bench: Bench) -> None:
    await bench.start("one", 1)
    await bench.start("two", 0)
    async with bench.relay():
        await bench.becomes(SERVING)
        found = await bench.told_first("CONNECTED one two")
        assert found == ["CONNECTED one two", "two 0", "one 1"]
        assert await bench.is_healthy(bench.port) == SERVING


async def test_relay_is_well_while_an_agent_tells_and_a_node_answers(bench: Bench) -> None:
    async with bench.relay():
        assert await bench.is_healthy(bench.health_port) == NOT_SERVING
        await bench.start("one", 1)
        await bench.becomes(SERVING)

        await bench.running["one"].aclose()
        await bench.becomes(NOT_SERVING)


async def test_relay_without_an_agent_answers_that_there_is_nothing(bench: Bench) -> None:
    async with bench.relay():
        assert await bench.is_healthy(bench.port) == NOT_SERVING
        assert await bench.flows() == []
        target = f"127.0.0.1:{bench.port}"
        [status] = await described_answers(target, "observer.Observer/ServerStatus")

    assert (status.num_flows, status.num_connected_nodes.value) == (0, 0)


async def test_nodes_are_asked_on_while_no_agent_tells(bench: Bench) -> None:
    """They are known by what was told last; who looks at the health asks another relay."""
    await bench.start("one", 1)
    await bench.start("two", 0)
    async with bench.relay():
        await bench.told_first("CONNECTED one two")
        await bench.running["one"].aclose()
        await bench.becomes(NOT_SERVING)

        found = await bench.told_first("CONNECTED two", "UNAVAILABLE one")

    assert found[2:] == ["two 0"]


async def test_client_that_knows_it_by_its_description_alone_understands_it(bench: Bench) -> None:
    await bench.start("one", 1)
    async with bench.relay():
        await bench.becomes(SERVING)
        target = f"127.0.0.1:{bench.port}"
        status, flow = await described_answers(target, "observer.Observer/GetFlows", number=9)
        [nodes] = await described_answers(target, "observer.Observer/GetNodes")

    assert [*status.node_status.node_names] == ["one"]
    assert flow.flow.source.pod_name == "web-0"
    assert not isinstance(flow, observer_pb2.GetFlowsResponse)
    assert [node.name for node in nodes.nodes] == ["one"]


async def test_clients_are_asked_for_certificates_where_that_is_set(bench: Bench) -> None:
    own = CertificateFiles(bench.folder / "server")
    own.write(issued(own.authority, "relay.example", server=True))
    tls = own.tls
    server = TlsServer(tls.certificate, tls.key, tuple(tls.client_authorities))
    nobody = grpc.ssl_channel_credentials(own.authority.certificate_pem)
    async with bench.relay(replace(bench.settings, server_tls=server)):
        assert await bench.flows(own.credentials()) == []
        assert await bench.is_healthy(bench.health_port) == NOT_SERVING, "probes have none"

        refused = asyncio.ensure_future(bench.flows(nobody))
        await asyncio.wait([refused], timeout=0.2)  # It waits for a connection that it gets never.
        assert not refused.done()
        refused.cancel()
        assert await bench.flows(own.credentials()) == []


async def test_relay_that_is_ended_leaves_nothing_behind(bench: Bench) -> None:
    await bench.start("one", 1)
    before = asyncio.all_tasks()
    async with bench.relay():
        await bench.becomes(SERVING)

    def left() -> set[str]:
        return {each.get_coro().__qualname__ for each in asyncio.all_tasks() - before}  # type: ignore[union-attr]

    ours = ("Node.", "Peers.", "Front.", "_tell_health", "run_relay")
    await until(lambda: not any(name.startswith(ours) for name in left()))
    with contextlib.suppress(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", bench.port)
        pytest.fail("somebody listens yet")
