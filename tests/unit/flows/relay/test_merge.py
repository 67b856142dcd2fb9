"""`flows/relay/merge.py`: answers in the order of time, of all who answer, and none kept for long."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.flows.server.flow_clients import soon, until

from ciliate.flows.relay.merge import Merge, Source

HOLD_S = 5.0

#: When it was, and which of all it is.
Item = tuple[int, int]


class Bench:
    """A merge by a clock that the test moves, and what it has given."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.given: list[Item] = []
        self.merge: Merge[Item] = Merge(HOLD_S, clock=lambda: self.now_s)
        self._numbers = count()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[asyncio.Task[None]]:
        async def read() -> None:
            async for item in self.merge:
                self.given.append(item)

        task = asyncio.ensure_future(read())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def put(self, source: Source[Item], *times: int) -> None:
        for each in times:
            await source.put(each, (each, next(self._numbers)))

    async def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds
        self.merge.hold_open()()  # Have it look again.
        await self.settled()

    async def settled(self) -> None:
        """Let it give all that it gives by itself."""
        turns, seen = 0, -1
        while turns < 3:
            turns = turns + 1 if seen == len(self.given) else 0
            seen = len(self.given)
            for _ in range(4):
                await asyncio.sleep(0)

    @property
    def times(self) -> list[int]:
        return [each for each, _ in self.given]


async def test_earliest_of_all_goes_first() -> None:
    bench = Bench()
    one, two = bench.merge.source(), bench.merge.source()
    async with bench.reading() as task:
        await bench.put(one, 1, 4, 5)
        await bench.put(two, 2, 3, 6)
        one.end()
        two.end()
        await soon(task)

    assert bench.times == [1, 2, 3, 4, 5, 6]


async def test_answer_waits_for_who_has_said_nothing_yet() -> None:
    bench = Bench()
    one, two = bench.merge.source(), bench.merge.source()
    async with bench.reading():
        await bench.put(one, 2)
        await bench.pass_s(HOLD_S - 0.01)
        assert bench.times == []

        await bench.put(two, 1)
        await bench.settled()
        assert bench.times == [1], "of one, nothing else waits that could be earlier than 2"

        two.end()
        await bench.settled()
    assert bench.times == [1, 2]


async def test_silent_source_holds_up_no_answer_for_longer_than_may_be() -> None:
    """Also not one behind the other: a hundred that wait go out together."""
    bench = Bench()
    one, _ = bench.merge.source(), bench.merge.source()
    async with bench.reading():
        await bench.put(one, *range(30))
        await bench.pass_s(1)
        await bench.put(one, *range(30, 60))
        assert bench.times == []

        await bench.pass_s(HOLD_S - 1)
        assert bench.times == [*range(30)]
        await bench.pass_s(1)
        assert bench.times == [*range(60)]


async def test_answer_that_waits_is_given_by_itself_in_time() -> None:
    """By the loop's own clock, without news."""
    merge: Merge[int] = Merge(0.01)
    one, _ = merge.source(), merge.source()
    await one.put(1, 1)

    assert await soon(anext(aiter(merge)), within_s=10) == 1


async def test_earlier_answer_of_another_goes_before_one_that_has_waited() -> None:
    bench = Bench()
    one, two, _ = (bench.merge.source() for _ in range(3))
    async with bench.reading():
        await bench.put(one, 9)
        await bench.pass_s(1)
        await bench.put(two, 3)
        await bench.settled()
        assert bench.times == []

        await bench.pass_s(HOLD_S - 1)

    assert bench.times == [3, 9][: len(bench.times)]
    assert bench.times


async def test_source_that_ends_holds_nobody_up_and_what_it_said_is_given() -> None:
    bench = Bench()
    one, two = bench.merge.source(), bench.merge.source()
    async with bench.reading() as task:
        await bench.put(one, 2)
        await bench.put(two, 3, 4)
        two.end()
        two.end()
        await bench.settled()
        assert bench.times == [2]

        one.end()
        await soon(task)
    assert bench.times == [2, 3, 4]


async def test_without_sources_it_ends_at_once() -> None:
    bench = Bench()
    async with bench.reading() as task:
        await soon(task)

    assert bench.given == []


async def test_it_stays_open_without_sources_until_that_is_let_go() -> None:
    bench = Bench()
    let_go = bench.merge.hold_open()
    async with bench.reading() as task:
        await bench.settled()
        assert not task.done()

        late = bench.merge.source()
        await bench.put(late, 1)
        late.end()
        await bench.settled()
        assert bench.times == [1]
        assert not task.done()

        let_go()
        await soon(task)


async def test_answer_out_of_turn_waits_for_nobody() -> None:
    bench = Bench()
    one, _ = bench.merge.source(), bench.merge.source()
    async with bench.reading():
        await bench.put(one, 1)
        bench.merge.tell((99, 99))
        await bench.settled()

        assert bench.given == [(99, 99)]


async def test_answer_out_of_turn_is_given_behind_the_last_source_too() -> None:
    bench = Bench()
    one = bench.merge.source()
    bench.merge.tell((99, 99))
    one.end()
    async with bench.reading() as task:
        await soon(task)

    assert bench.given == [(99, 99)]


async def test_who_is_read_slowly_is_asked_slowly() -> None:
    bench = Bench()
    one, _ = bench.merge.source(), bench.merge.source()
    putting = asyncio.ensure_future(bench.put(one, *range(100)))
    await until(lambda: len(one.waiting) == 64)
    await bench.settled()

    assert not putting.done()
    assert len(one.waiting) == 64

    reader = aiter(bench.merge)
    bench.now_s += HOLD_S
    assert await soon(anext(reader)) == (0, 0)
    await until(lambda: one.waiting[-1][0] == 64)
    assert len(one.waiting) == 64
    putting.cancel()
    await asyncio.wait([putting])


async def test_who_was_waited_for_in_vain_does_not_slow_down_who_says_much() -> None:
    """A node that takes minutes for its answer, beside one with a million flows."""
    bench = Bench()
    one, _ = bench.merge.source(), bench.merge.source()
    async with bench.reading():
        putting = asyncio.ensure_future(bench.put(one, *range(5000)))
        await bench.settled()
        assert bench.times == []

        await bench.pass_s(HOLD_S)
        await soon(putting)
        await bench.settled()

        assert len(bench.times) >= 5000 - 64
        assert bench.times == [*range(len(bench.times))]


async def test_who_was_late_and_speaks_is_waited_for_again() -> None:
    bench = Bench()
    one, two = bench.merge.source(), bench.merge.source()
    async with bench.reading():
        await bench.put(one, 1)
        await bench.pass_s(HOLD_S)
        await bench.put(two, 2)
        await bench.pass_s(HOLD_S)
        assert bench.times == [1, 2]

        putting = asyncio.ensure_future(bench.put(one, *range(10, 100)))
        await bench.pass_s(HOLD_S / 2)
        assert bench.times == [1, 2], "two has just spoken"

        await bench.put(two, 5)
        await bench.settled()
        assert bench.times == [1, 2, 5]
        putting.cancel()
        await asyncio.wait([putting])


async def test_what_is_noted_of_answers_does_not_grow_with_them() -> None:
    """Beside one whose clock is wrong: its answer waits until all others have none."""
    bench = Bench()
    one, two = bench.merge.source(), bench.merge.source()
    await bench.put(two, 10**18)
    async with bench.reading():
        for begin in range(0, 20_000, 1000):
            await bench.put(one, *range(begin, begin + 1000))
            assert len(bench.merge._since) < 3000
            assert len(bench.merge._gone) < 3000


#: Of each source the times of its answers, which grow.
histories = st.lists(st.lists(st.integers(0, 50), max_size=12).map(sorted), max_size=5)


async def played(
    bench: Bench, parts: Sequence[Sequence[int]], order: Sequence[int], pauses: Sequence[float]
) -> dict[int, list[Item]]:
    """Have sources answer in an order, with pauses; return what each has put."""
    sources = [bench.merge.source() for _ in parts]
    left, put = [list(part) for part in parts], {n: list[Item]() for n in range(len(parts))}
    numbers = count()
    async with bench.reading() as task:
        for step, choice in enumerate(order):
            number = choice % max(1, len(parts))
            if number < len(parts) and left[number]:
                item = (left[number].pop(0), next(numbers))
                put[number].append(item)
                await sources[number].put(item[0], item)
            if pauses:
                await bench.pass_s(pauses[step % len(pauses)])
        for number, rest in enumerate(left):
            for time in rest:
                item = (time, next(numbers))
                put[number].append(item)
                await sources[number].put(time, item)
            sources[number].end()
        await soon(task)
    return put


@given(parts=histories, order=st.lists(st.integers(0, 4), max_size=40))
def test_order_is_that_of_time_however_answers_come(
    parts: list[list[int]], order: list[int]
) -> None:
    """While nobody is waited for in vain."""
    bench = Bench()

    put = asyncio.run(played(bench, parts, order, ()))

    assert bench.times == sorted(bench.times)
    assert sorted(bench.given) == sorted(item for items in put.values() for item in items)


@given(
    parts=histories,
    order=st.lists(st.integers(0, 4), max_size=40),
    pauses=st.lists(st.floats(0, 2 * HOLD_S), min_size=1, max_size=5),
)
def test_nothing_is_lost_or_doubled_and_each_keeps_its_own_order(
    parts: list[list[int]], order: list[int], pauses: list[float]
) -> None:
    """Also where sources are late."""
    bench = Bench()

    put = asyncio.run(played(bench, parts, order, pauses))

    assert sorted(bench.given) == sorted(item for items in put.values() for item in items)
    for items in put.values():
        assert [each for each in bench.given if each in items] == items


@given(
    puts=st.lists(st.tuples(st.integers(0, 50), st.floats(0, HOLD_S)), max_size=30),
    silent=st.integers(1, 3),
)
def test_no_answer_is_held_up_for_longer_than_may_be(
    puts: list[tuple[int, float]], silent: int
) -> None:
    bench = Bench()

    async def play() -> None:
        speaking = bench.merge.source()
        for _ in range(silent):
            bench.merge.source()
        came_s: list[float] = []
        async with bench.reading():
            for time, pause_s in puts:
                came_s.append(bench.now_s)
                await bench.put(speaking, time)
                await bench.pass_s(pause_s)
                due = sum(1 for each in came_s if each + HOLD_S <= bench.now_s)
                assert len(bench.given) >= due

    asyncio.run(play())


@pytest.mark.parametrize("sources", [1, 3, 100])
async def test_reader_leaves_others_their_turn(sources: int) -> None:
    bench = Bench()
    made = [bench.merge.source() for _ in range(sources)]
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.ensure_future(count_turns())
    async with bench.reading() as task:
        async with asyncio.TaskGroup() as putting:
            for each in made:
                putting.create_task(bench.put(each, *range(6000 // sources)))
        for each in made:
            each.end()
        await soon(task)
    counting.cancel()

    assert len(bench.given) == 6000 // sources * sources
    assert turns > 10
