"""`cli/trace/tracing.py`: from what nodes tell to ways, and to an end."""

import asyncio
from dataclasses import dataclass, field

import pytest
from tests.unit.cli.trace.seen_flows import CTR, LXC, POD, W1, WORLD, message, toward

from ciliate.cli.trace.agent_flows import Ended, Item, Put, Ready, Silent, Told
from ciliate.cli.trace.errors import NobodyTellsError
from ciliate.cli.trace.tracing import Tracing
from ciliate.flows.pb.observer.observer_pb2 import GetFlowsResponse
from ciliate.flows.pb.relay import relay_pb2

REQUEST = GetFlowsResponse(
    flow=message(
        *(0, CTR, "to-network", POD, WORLD),
        protocol="ICMP",
        packet="EchoRequest",
        device=LXC,
        seen="10.0.2.15",
    )
)


@dataclass
class Nodes:
    """Tell some items, and then are silent, or end."""

    items: list[Item]
    go_on: bool = False
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def tell(self, put: Put) -> None:
        for item in self.items:
            put(item)
        try:
            if self.go_on:
                await asyncio.Event().wait()
        finally:
            self.left.set()


def tracing(nodes: Nodes, patience_s: float | None = None) -> Tracing:
    """A trace of pings to the world."""
    return Tracing(toward(WORLD), nodes, "medium", patience_s)


async def test_what_nodes_have_kept_makes_ways_when_all_is_told() -> None:
    (way,) = await tracing(Nodes([Told(REQUEST), Ended()])).kept()

    assert [packet.kind for packet in way.packets] == ["EchoRequest"]


async def test_node_that_does_not_answer_is_named_and_the_others_go_on() -> None:
    found = tracing(Nodes([Silent(W1, "away"), Told(REQUEST)]))

    assert len([way async for way in found.ways()]) == 1
    assert found.around.silent == {W1: "away"}


async def test_when_nobody_tells_that_is_the_answer() -> None:
    with pytest.raises(NobodyTellsError, match="k8s-w1: away"):
        _ = [way async for way in tracing(Nodes([Silent(W1, "away")])).ways()]


async def test_node_that_has_nothing_is_not_silent() -> None:
    assert await tracing(Nodes([Silent(W1, "away"), Ended()])).kept() == []
    with pytest.raises(NobodyTellsError):
        await tracing(Nodes([Silent(W1, "away")])).kept()


async def test_nothing_within_the_patience_ends_it_and_the_nodes_are_left() -> None:
    nodes = Nodes([], go_on=True)

    assert [way async for way in tracing(nodes, patience_s=0.0).ways()] == []
    assert nodes.left.is_set()


async def test_who_waits_is_told_once_when_all_nodes_have_begun() -> None:
    told: list[str] = []
    nodes = Nodes([Ready(), Ready(), Told(REQUEST)])
    found = Tracing(toward(WORLD), nodes, "medium", None, lambda: told.append("ready"))

    _ = [way async for way in found.ways()]

    assert told == ["ready"]


async def test_lost_events_and_what_a_relay_does_not_reach_are_kept() -> None:
    lost = GetFlowsResponse(node_name=CTR)
    lost.lost_events.num_events_lost = 7
    error = GetFlowsResponse()
    error.node_status.state_change = relay_pb2.NODE_ERROR
    error.node_status.node_names.append(W1)
    found = tracing(Nodes([Told(lost), Told(error), Told(REQUEST)]))

    _ = [way async for way in found.ways()]

    assert found.around.lost == {CTR: 7}
    assert found.around.silent == {W1: "the relay does not reach it"}
