"""The flow server's API on a Unix socket, and clients of it, all in the process of a test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from tests.deadlines import Deadline
from tests.unit.flows.server.sample_records import joined, surroundings

from ciliate.datapath.layout import Event
from ciliate.flows.feed import Begin
from ciliate.flows.pb.observer import observer_pb2, observer_pb2_grpc
from ciliate.flows.server.agent_events import AgentEvents
from ciliate.flows.server.flow_store import FlowStore
from ciliate.flows.server.peers import PeerTable
from ciliate.flows.server.serving import serve

VERSION = "1.19.4"

Answer = observer_pb2.GetFlowsResponse
Calls = observer_pb2_grpc.ObserverStub


async def until(condition: Callable[[], object], *, within_s: float = 20) -> None:
    """Return when `condition` holds."""
    deadline = Deadline(within_s)
    while not condition():
        assert not deadline.passed
        await asyncio.sleep(0.002)


async def until_it(condition: Callable[[], Awaitable[object]], *, within_s: float = 60) -> None:
    """Return when what `condition` asks for holds."""
    deadline = Deadline(within_s)
    while not await condition():
        assert not deadline.passed
        await asyncio.sleep(0.01)


async def soon(answer: Any, *, within_s: float = 300) -> Any:
    """Return what is awaited; a wait that does not end is a failure."""
    return await asyncio.wait_for(answer, within_s)


class WatchedStore(FlowStore):
    """A store that tells how many wait for more."""

    def __init__(self, capacity: int = 1023, *events: Event, **changes: Any) -> None:
        super().__init__(capacity, surroundings(**changes))
        self.waiting = 0
        self.add(*events)

    def add(self, *events: Event) -> None:
        if events:
            self.take(joined(events))

    async def more_than(self, number: int) -> None:
        self.waiting += 1
        try:
            await super().more_than(number)
        finally:
            self.waiting -= 1


def begin_at(path: Path, **changes: Any) -> Begin:
    """Return what a server is told that listens at `path`."""
    told: dict[str, Any] = {
        "node": "k8s-w1",
        "cluster": "default",
        "version": VERSION,
        "listen": str(path),
        "monitor": str(path.parent / "monitor.sock"),
        "capacity": 1023,
    }
    return Begin(**(told | changes))


@asynccontextmanager
async def served(
    folder: Path,
    store: FlowStore,
    peers: PeerTable | None = None,
    events: AgentEvents | None = None,
) -> AsyncIterator[grpc.aio.Channel]:
    """Serve a store, and which nodes there are; yield a client's connection."""
    path = folder / "hubble.sock"
    async with (
        serve(store, peers or PeerTable(), begin_at(path), events),
        grpc.aio.insecure_channel(f"unix:{path}") as channel,
    ):
        yield channel


def calls(channel: grpc.aio.Channel) -> Calls:
    """Return the calls of Hubble's Observer."""
    return observer_pb2_grpc.ObserverStub(channel)


async def answers(channel: grpc.aio.Channel, **asked: Any) -> list[Answer]:
    """Return the whole answer to a request."""
    request = observer_pb2.GetFlowsRequest(**asked)

    async def all_of_it() -> list[Answer]:
        return [answer async for answer in calls(channel).GetFlows(request)]

    found: list[Answer] = await soon(all_of_it())
    return found
