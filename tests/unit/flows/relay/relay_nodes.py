"""Nodes with flow servers on Unix sockets, and a relay of them, all in the process of a test."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc
from tests.unit.flows.server.flow_clients import Answer, Calls, WatchedStore, begin_at, calls, soon
from tests.unit.flows.server.sample_records import NOW_NS, SECOND_NS, packet

from ciliate.datapath.layout import Event
from ciliate.flows.grpc_listener.grpc_server import GrpcServer
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2, observer_pb2_grpc
from ciliate.flows.pb.relay import relay_pb2
from ciliate.flows.relay.channels import Channels
from ciliate.flows.relay.observer import RelayObserver
from ciliate.flows.relay.peers import Peer, Peers
from ciliate.flows.relay.pool import Node, Pool
from ciliate.flows.server.peers import PeerTable
from ciliate.flows.server.serving import serve
from ciliate.reconcile.listeners import Listeners

#: Connections that are made again at once.
QUICK = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 50),
)
RELAY = "hubble-relay-0"


def sent_at(second: int, **fields: Any) -> Event:
    """Return a packet of a second, whose source port says which."""
    return packet(time_ns=NOW_NS + second * SECOND_NS, source_port=1000 + second, **fields)


def told(answer: Answer) -> str:
    """Return what an answer tells: node and second of a flow, state and names of nodes, a loss."""
    if answer.HasField("flow"):
        return f"{answer.node_name} {answer.flow.l4.TCP.source_port - 1000}"
    if answer.HasField("node_status"):
        status = answer.node_status
        state = relay_pb2.NodeState.Name(status.state_change).removeprefix("NODE_")
        return " ".join([state, *status.node_names, *([status.message] if status.message else [])])
    lost = answer.lost_events
    return (
        f"{answer.node_name} {flow_pb2.LostEventSource.Name(lost.source)} {lost.num_events_lost}"
    )


class FlowNode:
    """A node: its flows, and a server that may go and come back."""

    def __init__(self, folder: Path, name: str, *events: Event, **changes: Any) -> None:
        self.name = name
        self.store = WatchedStore(1023, *events, node=name, **changes)
        self.path = folder / f"{name}.sock"
        self.peer = Peer(name, f"unix:{self.path}", "")
        self._serving = AsyncExitStack()

    async def start(self) -> None:
        server = serve(self.store, PeerTable(), begin_at(self.path, node=self.name))
        await self._serving.enter_async_context(server)

    async def stop(self) -> None:
        await self._serving.aclose()
        self.path.unlink(missing_ok=True)


class KnownPeers:
    """The nodes that a relay knows of, which the test changes."""

    def __init__(self) -> None:
        self.changed: Listeners[Peer | None, Peer | None] = Listeners()
        self._peers: dict[str, Peer] = {}

    def put(self, peer: Peer) -> None:
        before = self._peers.get(peer.name)
        self._peers[peer.name] = peer
        self.changed(before, peer)

    def remove(self, name: str) -> None:
        self.changed(self._peers.pop(name), None)


class Relayed:
    """Nodes, what a relay knows of them, and a client of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.peers = KnownPeers()
        self.pool = Pool(cast("Peers", self.peers), Channels(None))
        self.nodes: dict[str, FlowNode] = {}
        self.address = f"unix:{folder / 'relay.sock'}"
        self.channel: grpc.aio.Channel

    async def add(
        self, name: str, *events: Event, serves: bool = True, **changes: Any
    ) -> FlowNode:
        """Add a node, with flows."""
        node = self.nodes[name] = FlowNode(self.folder, name, *events, **changes)
        if serves:
            await node.start()
        self.peers.put(node.peer)
        return node

    def known(self, name: str) -> Node:
        """Return a node as the relay knows it."""
        [found] = [each for each in self.pool if each.peer.name == name]
        return found

    @property
    def calls(self) -> Calls:
        return calls(self.channel)

    async def flows(self, **asked: Any) -> list[str]:
        """Return what the whole answer to a request tells."""
        call = self.calls.GetFlows(observer_pb2.GetFlowsRequest(**asked))

        async def all_of_it() -> list[str]:
            return [told(answer) async for answer in call]

        found: list[str] = await soon(all_of_it())
        return found

    @asynccontextmanager
    async def follower(self, **asked: Any) -> AsyncIterator["Follower"]:
        """Yield a client that follows."""
        call = self.calls.GetFlows(observer_pb2.GetFlowsRequest(follow=True, **asked))
        try:
            yield Follower(call)
        finally:
            call.cancel()


class Follower:
    """A client that follows."""

    def __init__(self, call: Any) -> None:
        self._answers: AsyncIterator[Answer] = aiter(call)

    async def next(self, count: int) -> list[str]:
        """Return what the next answers tell."""
        return [told(await soon(anext(self._answers))) for _ in range(count)]

    async def rest(self) -> list[str]:
        """Return what is told until the answer ends."""

        async def all_of_it() -> list[str]:
            return [told(answer) async for answer in self._answers]

        found: list[str] = await soon(all_of_it())
        return found


@asynccontextmanager
async def relayed(folder: Path, names: Sequence[str] = ()) -> AsyncIterator[Relayed]:
    """Serve a relay of nodes by these names, without flows."""
    bench = Relayed(folder)
    server = GrpcServer(requests=32)
    observer = RelayObserver(bench.pool, name=RELAY, version="1.17.6")
    observer_pb2_grpc.add_ObserverServicer_to_server(observer, server.grpc)
    try:
        async with server.serving(bench.address):
            for name in names:
                await bench.add(name)
            async with grpc.aio.insecure_channel(bench.address, options=QUICK) as bench.channel:
                yield bench
    finally:
        await bench.pool.close()
        for node in bench.nodes.values():
            with contextlib.suppress(FileNotFoundError):
                await node.stop()
