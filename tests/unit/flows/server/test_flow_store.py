"""`flows/server/flow_store.py`: flows of a node, how many come, and who waits for more."""

import asyncio

import pytest
from tests.unit.endpoint.pod_links import settle
from tests.unit.flows.server.sample_records import (
    NOW_NS,
    SECOND_NS,
    joined,
    packet,
    store_of,
    surroundings,
)

from ciliate.flows.server.flow_store import FlowStore


class Clock:
    """Goes as the test says."""

    def __init__(self) -> None:
        self.now_s = 5000.0

    def __call__(self) -> float:
        return self.now_s


def clocked() -> tuple[FlowStore, Clock]:
    clock = Clock()
    return FlowStore(1023, surroundings(), clock=clock), clock


def take(store: FlowStore, count: int) -> None:
    store.take(joined([packet()] * count))


def test_record_is_seen_with_its_number_and_the_surroundings_of_now() -> None:
    store = store_of(packet(), packet(bytes=77), epoch_offset_ns=0)
    store.set_epoch_offset(5 * SECOND_NS)

    seen = store.view(1)

    assert (seen.number, seen.event) == (1, packet(bytes=77))
    assert seen.time_ns == NOW_NS + 5 * SECOND_NS


async def test_who_waits_for_more_is_woken_when_it_has_come() -> None:
    store = store_of(packet())
    await store.more_than(0)
    waiting = [asyncio.create_task(store.more_than(number)) for number in (1, 1, 2)]
    await settle()
    assert [task.done() for task in waiting] == [False, False, False]

    take(store, 1)
    await settle()
    assert [task.done() for task in waiting] == [True, True, False]

    take(store, 1)
    await asyncio.wait_for(waiting[2], 10)


def test_uptime_goes_by_a_clock_that_nobody_sets() -> None:
    store, clock = clocked()
    clock.now_s += 90.5

    assert store.uptime_s == 90.5


def test_rate_is_that_since_the_beginning_within_the_first_minute() -> None:
    store, clock = clocked()
    for _ in range(30):
        take(store, 10)
        clock.now_s += 1

    assert store.rate == pytest.approx(10)


def test_rate_is_the_last_minute_s() -> None:
    store, clock = clocked()
    for each in (100, 2):
        for _ in range(300):
            take(store, each)
            clock.now_s += 1

    assert store.rate == pytest.approx(2, rel=0.05)


def test_rate_falls_when_nothing_comes_any_more() -> None:
    store, clock = clocked()
    for _ in range(30):
        take(store, 100)
        clock.now_s += 1
    clock.now_s += 3600

    assert store.rate == pytest.approx(0, abs=0.1)


def test_first_flows_give_no_rate_beyond_their_number() -> None:
    store, _ = clocked()
    take(store, 5)

    assert store.rate == 5
