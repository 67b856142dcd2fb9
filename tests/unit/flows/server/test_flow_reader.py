"""`flows/server/flow_reader.py`: what comes is found once, in its order, and what is missed is a number."""

import asyncio
from collections.abc import AsyncIterator

from tests.unit.flows.server.flow_clients import WatchedStore, soon, until
from tests.unit.flows.server.sample_records import drop, loss, packet

from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.server.flow_reader import FlowReader, Found, Loss
from ciliate.flows.server.flow_request import FlowRequest, read_request

DROPPED = flow_pb2.FlowFilter(verdict=[flow_pb2.DROPPED])


def follow(*allowed: flow_pb2.FlowFilter) -> FlowRequest:
    return read_request(observer_pb2.GetFlowsRequest(follow=True, whitelist=allowed))


async def take(found: AsyncIterator[Found], count: int) -> list[int | Loss]:
    """Return the next: flows by their numbers."""
    return [
        each if isinstance(each, Loss) else each.number
        for each in [await soon(anext(found)) for _ in range(count)]
    ]


async def test_next_number_is_behind_what_was_looked_at_whether_it_was_wanted_or_not() -> None:
    store = WatchedStore(1023, packet(), drop(), packet(), packet())
    reader = FlowReader(store, follow(DROPPED), 0)
    found = reader.found()

    assert await take(found, 1) == [1]
    assert reader.number == 2
    waiting = asyncio.ensure_future(take(found, 1))
    await until(lambda: store.waiting)
    assert reader.number == 4
    store.add(drop())
    assert await waiting == [4]


async def test_what_was_overwritten_is_a_loss_and_counted() -> None:
    store = WatchedStore(3, *[packet() for _ in range(5)])
    reader = FlowReader(store, follow(), 0)

    found = await take(reader.found(), 4)

    assert found == [Loss(flow_pb2.HUBBLE_RING_BUFFER, 2), 2, 3, 4]
    assert store.overtaken == 2


async def test_loss_in_the_ring_of_the_programs_is_found_by_everybody() -> None:
    store = WatchedStore(1023, packet(), loss(7), drop())

    found = await take(FlowReader(store, follow(DROPPED), 0).found(), 2)

    assert found == [Loss(flow_pb2.PERF_EVENT_RING_BUFFER, 7), 2]


async def test_with_an_end_it_ends_there() -> None:
    store = WatchedStore(1023, *[packet() for _ in range(5)])
    wanted = read_request(observer_pb2.GetFlowsRequest())

    found = [each async for each in FlowReader(store, wanted, 1, 3).found()]

    assert len(found) == 2
