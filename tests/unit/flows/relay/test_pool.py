"""`flows/relay/pool.py`: a connection to each node, and who answers at the moment."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from tests.unit.flows.certificate_files import NODE, CertificateFiles, issued
from tests.unit.flows.grpc_listener.fronted_server import flows_kept, fronted
from tests.unit.flows.relay.relay_nodes import FlowNode, KnownPeers
from tests.unit.flows.server.flow_clients import soon, until

from ciliate.flows.relay import pool as pool_module
from ciliate.flows.relay.channels import Channels
from ciliate.flows.relay.peers import Peer, Peers
from ciliate.flows.relay.pool import Node, Pool


@dataclass
class Bench:
    """A pool, and each time that it told of a node."""

    channels: Channels = field(default_factory=lambda: Channels(None))
    peers: KnownPeers = field(default_factory=KnownPeers)
    told: list[tuple[str, bool]] = field(default_factory=list)
    pool: Pool = field(init=False)

    def __post_init__(self) -> None:
        self.pool = Pool(cast("Peers", self.peers), self.channels)
        self.pool.changed.add(lambda node: self.told.append((node.peer.name, node.is_ready)))

    @property
    def node(self) -> Node:
        [found] = self.pool
        return found

    @property
    def ready(self) -> list[str]:
        return [node.peer.name for node in self.pool.ready]

    @property
    def unready(self) -> list[str]:
        return [node.peer.name for node in self.pool.unready]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.pool.close()


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[FlowNode]:
    node = FlowNode(tmp_path, "one")
    await node.start()
    yield node
    await node.stop()


async def test_nodes_are_those_that_answer_and_those_that_do_not(
    bench: Bench, one: FlowNode, tmp_path: Path
) -> None:
    bench.peers.put(Peer("zero", f"unix:{tmp_path}/zero", ""))
    bench.peers.put(one.peer)
    bench.peers.put(Peer("away", f"unix:{tmp_path}/away", ""))

    await soon(bench.pool.settled())

    assert bench.ready == ["one"]
    assert bench.unready == ["away", "zero"]
    assert ("one", True) in bench.told
    stub = bench.pool.ready[0].stub
    assert stub is not None
    assert await flows_kept(stub) == 0


async def test_node_that_goes_and_comes_back_answers_again(bench: Bench, one: FlowNode) -> None:
    bench.peers.put(one.peer)
    await until(lambda: bench.ready == ["one"])
    node = bench.node

    await one.stop()
    await until(lambda: bench.unready == ["one"])
    await one.start()
    await until(lambda: bench.ready == ["one"])

    assert bench.node is node
    assert bench.told == [("one", True), ("one", False), ("one", True)]
    assert node.stub is not None
    assert await flows_kept(node.stub) == 0


async def test_node_that_is_no_more_is_told_and_its_connection_ends(
    bench: Bench, one: FlowNode
) -> None:
    bench.peers.put(one.peer)
    await until(lambda: bench.ready == ["one"])
    node, [task] = bench.node, bench.pool._tasks.values()

    bench.peers.remove("one")

    assert not bench.pool.has(node)
    assert ([*bench.pool], bench.ready) == ([], [])
    assert bench.told == [("one", True)] * 2
    await soon(asyncio.wait([task]))
    assert task.cancelled()


async def test_node_with_another_address_is_another(
    bench: Bench, one: FlowNode, tmp_path: Path
) -> None:
    bench.peers.put(Peer("one", f"unix:{tmp_path}/before", ""))
    await soon(bench.pool.settled())
    before = bench.node

    bench.peers.put(one.peer)

    assert not bench.pool.has(before)
    assert bench.pool.has(bench.node)
    await until(lambda: bench.ready == ["one"])


async def test_nobody_waits_for_long_for_a_node_of_which_nothing_is_known(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No route to it: TCP tries for minutes."""
    monkeypatch.setattr(pool_module, "_SETTLE_S", 0.05)
    monkeypatch.setattr(Node, "_follow", lambda *_: asyncio.Event().wait())
    bench.peers.put(Peer("lost", "192.0.2.1:4244", ""))

    await soon(bench.pool.settled(), within_s=10)

    assert bench.unready == ["lost"]
    assert not bench.node.has_settled


async def test_pool_that_knows_all_is_settled_at_once(bench: Bench, one: FlowNode) -> None:
    await soon(bench.pool.settled())
    bench.peers.put(one.peer)
    await until(lambda: bench.node.has_settled)

    await soon(bench.pool.settled())

    assert bench.ready == ["one"]


async def test_connection_that_fails_is_tried_with_the_files_that_there_are_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay began with a certificate of another authority, which was renewed since."""
    monkeypatch.setattr(pool_module, "_ANEW_S", 0.2)
    nodes = CertificateFiles(tmp_path / "node")
    nodes.write()
    relays = CertificateFiles(tmp_path / "relay")
    relays.write(issued(relays.authority))
    bench = Bench(Channels(relays.tls_client))
    async with fronted(tmp_path, nodes) as served:
        bench.peers.put(Peer("one", f"127.0.0.1:{served.port}", NODE))
        await until(lambda: bench.node.has_settled)
        assert bench.unready == ["one"]

        CertificateFiles(relays.folder, nodes.authority).write(issued(nodes.authority))

        await until(lambda: bench.ready == ["one"])
        await bench.pool.close()


async def test_node_whose_files_are_missing_is_tried_again_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pool_module, "_PAUSE_S", 0.01)
    nodes = CertificateFiles(tmp_path / "node")
    nodes.write()
    relays = CertificateFiles(tmp_path / "relay", nodes.authority)
    bench = Bench(Channels(relays.tls_client))
    opened = 0
    make = bench.channels.open

    def counted(address: str, server_name: str) -> object:
        nonlocal opened
        opened += 1
        return make(address, server_name)

    monkeypatch.setattr(bench.channels, "open", counted)
    async with fronted(tmp_path, nodes) as served:
        bench.peers.put(Peer("one", f"127.0.0.1:{served.port}", NODE))
        await until(lambda: opened > 3)
        assert bench.unready == ["one"]
        assert bench.node.stub is None
        assert caplog.text.count("ca.crt: No such file or directory") == 1

        relays.write(issued(nodes.authority))

        await until(lambda: bench.ready == ["one"])
        await bench.pool.close()


async def test_pool_that_is_closed_has_no_connection_left(bench: Bench, one: FlowNode) -> None:
    bench.peers.put(one.peer)
    await until(lambda: bench.ready == ["one"])

    await soon(bench.pool.close())

    assert all(task.done() for task in bench.pool._tasks.values())
