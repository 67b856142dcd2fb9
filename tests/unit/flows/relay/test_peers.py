"""`flows/relay/peers.py`: which nodes there are, as an agent tells now or told last."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from tests.unit.flows.certificate_files import CertificateFiles, issued
from tests.unit.flows.grpc_listener.fronted_server import free_port
from tests.unit.flows.server.flow_clients import WatchedStore, begin_at, until

from ciliate.flows.feed import ListenBegin, NodePeer, NodePeerGone, TlsBegin
from ciliate.flows.relay import peers as peers_module
from ciliate.flows.relay.channels import Channels
from ciliate.flows.relay.peers import Peer, Peers
from ciliate.flows.relay.settings import RelaySettings, TlsClient
from ciliate.flows.server.peers import PeerTable
from ciliate.flows.server.serving import serve

#: What is a while here, for nodes that are not named again.
FIRST_S = 0.2


@pytest.fixture(autouse=True)
def soon_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers_module, "_FIRST_S", FIRST_S)


def settings(service: str, tls: TlsClient | None = None) -> RelaySettings:
    return RelaySettings(
        cluster="default",
        peer_service=service,
        listen_address=":0",
        health_address=":0",
        client_tls=tls,
        server_tls=None,
        without_effect=(),
    )


def node(name: str, host: str = "192.0.2.1") -> NodePeer:
    return NodePeer(name=name, address=f"{host}:4244", server_name=f"{name}.example")


def peer(name: str, host: str = "192.0.2.1") -> Peer:
    return Peer(name, f"{host}:4244", f"{name}.example")


class Agent:
    """An agent that tells of nodes, and may go and come back knowing others."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "hubble.sock"
        self.table = PeerTable()
        self._serving = AsyncExitStack()

    async def start(self, *nodes: NodePeer) -> None:
        self.table = PeerTable()
        for each in nodes:
            self.table.take(each)
        server = serve(WatchedStore(), self.table, begin_at(self.path))
        await self._serving.enter_async_context(server)

    async def stop(self) -> None:
        await self._serving.aclose()
        self.path.unlink(missing_ok=True)


class Bench:
    """What a relay knows, and each change of it."""

    def __init__(self, peers: Peers) -> None:
        self.peers = peers
        self.changes: list[tuple[Peer | None, Peer | None]] = []
        peers.changed.add(lambda before, after: self.changes.append((before, after)))

    @property
    def known(self) -> dict[str, Peer]:
        return dict(self.peers.by_name)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        task = asyncio.ensure_future(self.peers.run())
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    made = Agent(tmp_path)
    yield made
    await made.stop()


@pytest.fixture
async def bench(agent: Agent) -> AsyncIterator[Bench]:
    made = Bench(Peers(settings(f"unix://{agent.path}"), Channels(None)))
    async with made.listening():
        yield made


async def test_nodes_are_those_that_the_agent_names(agent: Agent, bench: Bench) -> None:
    await agent.start(node("one"), node("two", "192.0.2.2"))

    await until(lambda: len(bench.known) == 2)

    assert bench.known == {"one": peer("one"), "two": peer("two", "192.0.2.2")}
    assert bench.changes == [(None, each) for each in bench.known.values()]
    assert bench.peers.is_told


async def test_changes_are_told_with_what_was_before(agent: Agent, bench: Bench) -> None:
    await agent.start(node("one"))
    await until(lambda: bench.known)

    agent.table.take(node("one", "192.0.2.9"))
    agent.table.take(node("two"))
    agent.table.take(NodePeerGone(name="one"))
    await until(lambda: len(bench.changes) == 4)

    assert bench.changes[1:] == [
        (peer("one"), peer("one", "192.0.2.9")),
        (None, peer("two")),
        (peer("one", "192.0.2.9"), None),
    ]
    assert bench.known == {"two": peer("two")}


async def test_nodes_stay_known_while_no_agent_tells(agent: Agent, bench: Bench) -> None:
    await agent.start(node("one"))
    await until(lambda: bench.peers.is_told)

    await agent.stop()
    await until(lambda: not bench.peers.is_told)

    assert bench.known == {"one": peer("one")}
    assert len(bench.changes) == 1


async def test_next_agent_that_names_the_same_changes_nothing(agent: Agent, bench: Bench) -> None:
    await agent.start(node("one"), node("two"))
    await until(lambda: len(bench.known) == 2)
    await agent.stop()
    await until(lambda: not bench.peers.is_told)

    await agent.start(node("two"), node("one"))
    await until(lambda: bench.peers.is_told)
    agent.table.take(node("mark"))
    await until(lambda: "mark" in bench.known)

    assert bench.changes[2:] == [(None, peer("mark"))]


async def test_nodes_that_the_next_agent_does_not_name_are_gone_after_a_while(
    agent: Agent, bench: Bench
) -> None:
    """They went while nobody told."""
    await agent.start(node("one"), node("two"), node("three"))
    await until(lambda: len(bench.known) == 3)
    await agent.stop()
    await until(lambda: not bench.peers.is_told)

    await agent.start(node("two", "192.0.2.2"))
    await until(lambda: bench.known.keys() == {"two"})

    assert bench.changes[3] == (peer("two"), peer("two", "192.0.2.2")), "first what is sure"
    assert sorted(before.name for before, after in bench.changes[4:] if before and not after) == [
        "one",
        "three",
    ]


async def test_agent_that_knows_no_node_yet_takes_none_away(agent: Agent, bench: Bench) -> None:
    """It has just started: its nodes come."""
    await agent.start(node("one"))
    await until(lambda: bench.known)
    await agent.stop()
    await until(lambda: not bench.peers.is_told)

    await agent.start()
    await until(lambda: agent.table._queues)
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    await until(lambda: loop.time() - begun_s > 2 * FIRST_S)
    assert bench.known == {"one": peer("one")}
    assert not bench.peers.is_told

    agent.table.take(node("two"))
    await until(lambda: bench.known.keys() == {"two"})


async def test_trouble_is_told_once(
    agent: Agent, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await until(lambda: "asking again" in caplog.text)
    count = caplog.text.count("asking again")
    await agent.start(node("one"))
    await until(lambda: bench.peers.is_told)

    assert f"peers: unix://{agent.path}: " in caplog.text
    assert count == caplog.text.count("asking again") == 1


async def test_agent_behind_a_service_is_asked_over_tls(tmp_path: Path) -> None:
    """Whichever it is: its certificate is for the peer service too."""
    nodes = CertificateFiles(tmp_path / "node")
    nodes.write()
    relays = CertificateFiles(tmp_path / "relay", nodes.authority)
    relays.write(issued(nodes.authority))
    port, table, tls = free_port(), PeerTable(), nodes.tls
    table.take(node("one"))
    listener = ListenBegin(
        address=f"127.0.0.1:{port}",
        tls=TlsBegin(
            certificate=str(tls.certificate),
            key=str(tls.key),
            client_authorities=tuple(map(str, tls.client_authorities)),
        ),
    )
    begin = begin_at(tmp_path / "hubble.sock", listener=listener)
    client = relays.tls_client
    bench = Bench(Peers(settings(f"127.0.0.1:{port}", client), Channels(client)))
    async with serve(WatchedStore(), table, begin), bench.listening():
        await until(lambda: bench.known)

    assert bench.known == {"one": peer("one")}


async def test_files_that_are_missing_are_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = CertificateFiles(tmp_path / "none").tls_client
    bench = Bench(Peers(settings("127.0.0.1:1", client), Channels(client)))
    async with bench.listening():
        await until(lambda: "asking again" in caplog.text)

    assert f"{tmp_path}/none/ca.crt: No such file or directory" in caplog.text
