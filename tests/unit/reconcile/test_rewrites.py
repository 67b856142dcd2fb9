"""`reconcile/rewrites.py`: writes that somebody undoes go out with growing pauses, and are told."""

import asyncio
from itertools import pairwise

from tests.unit.reconcile.memory_target import NEVER_S, MemoryTarget, running, until

from ciliate.reconcile.reconciler import Reconciler
from ciliate.reconcile.rewrites import FORGET_S, FREE_WRITES, KEYS_MAX, Rewrites


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def written(rewrites: Rewrites[int, int], times: int, value: int | None = 1) -> None:
    for _ in range(times):
        rewrites.note({1: value})


def test_equal_writes_wait_once_there_were_many() -> None:
    rewrites: Rewrites[int, int] = Rewrites(clock=Clock())
    written(rewrites, FREE_WRITES - 1)
    before = rewrites.waits(1, 1)
    written(rewrites, 1)

    assert (before, rewrites.waits(1, 1)) == (False, True)
    assert not rewrites.waits(1, 2), "another value is written at once"
    assert not rewrites.waits(2, 1)


def test_removals_that_are_undone_wait_too() -> None:
    rewrites: Rewrites[int, int] = Rewrites(clock=Clock())
    written(rewrites, FREE_WRITES, None)

    assert rewrites.waits(1, None)
    assert not rewrites.waits(1, 1)


def test_pauses_grow_and_end() -> None:
    clock = Clock()
    rewrites: Rewrites[int, int] = Rewrites(clock=clock)
    written(rewrites, FREE_WRITES)
    times = []
    for _ in range(600):
        clock.now_s += 1
        if not rewrites.waits(1, 1):
            times.append(clock.now_s)
            written(rewrites, 1)

    pauses = [after - before for before, after in pairwise(times)]
    assert 10 <= len(times) <= 16
    assert max(pauses) <= 60
    assert pauses[0] < pauses[3] < pauses[-1]


def test_what_only_a_touch_asked_for_again_is_no_failure() -> None:
    rewrites: Rewrites[int, int] = Rewrites(clock=Clock())
    written(rewrites, FREE_WRITES)

    assert rewrites.error(1) is None
    rewrites.lasts_but(set())
    assert not rewrites.waits(1, 1), "a walk found it in its place"


def test_what_a_walk_finds_undone_is_told_with_numbers_and_waits() -> None:
    clock = Clock()
    rewrites: Rewrites[int, int] = Rewrites(clock=clock)
    written(rewrites, FREE_WRITES)
    clock.now_s += 1
    lacking: dict[int, int | None] = {1: 1, 2: 2}

    undone = rewrites.take_lacking(lacking)
    rewrites.lasts_but({1, 2})

    assert lacking == {2: 2}
    assert f"written {FREE_WRITES} times in 1 s and undone each time" in str(undone[1])
    assert rewrites.error(1) is undone[1]


def test_writes_long_apart_are_no_war() -> None:
    clock = Clock()
    rewrites: Rewrites[int, int] = Rewrites(clock=clock)
    for _ in range(3 * FREE_WRITES):
        written(rewrites, 1)
        clock.now_s += FORGET_S + 1

    assert not rewrites.waits(1, 1)


def test_memory_is_bounded_and_a_table_that_is_filled_costs_none() -> None:
    rewrites: Rewrites[int, int] = Rewrites(clock=Clock())
    rewrites.note({key: key for key in range(KEYS_MAX + 1)})
    filled = len(rewrites._written)
    for first in range(0, 3 * KEYS_MAX, 1000):
        rewrites.note({key: key for key in range(first, first + 1000)})

    assert (filled, len(rewrites._written)) == (0, KEYS_MAX)


async def test_war_with_another_writer_is_slow_told_and_ends_when_the_other_stops() -> None:
    """Each write is undone at once, and the undoing touches the key."""
    target = MemoryTarget()
    reconciler = Reconciler(
        target, lambda: {1: 1}, resync_s=NEVER_S, settle_s=0.0, after_failure_s=0.05
    )
    other_stops = asyncio.Event()

    def undo() -> None:
        if not other_stops.is_set() and target.held.pop(1, 0):
            reconciler.touch([1])

    target.while_changing = undo
    async with running(reconciler):
        await until(lambda: reconciler.status.failing_keys)
        told = reconciler.status.failing_keys["1"].message
        during = sum(1 in entries for entries in target.puts)
        other_stops.set()
        await until(lambda: target.held == {1: 1})
        await until(lambda: not reconciler.status.failing_keys)

    assert during <= FREE_WRITES + 1
    assert "something else changes it too" in told
    assert reconciler.status.consecutive_failures == 0


async def test_a_key_that_waits_holds_up_no_other_and_no_other_value() -> None:
    target, desired = MemoryTarget(), {1: 1}
    reconciler = Reconciler(target, lambda: desired, resync_s=NEVER_S, settle_s=0.0)
    async with running(reconciler):
        for number in range(2 * FREE_WRITES):
            reconciler.touch([1])
            desired[100 + number] = 0
            reconciler.touch([100 + number])
            await until(lambda number=number: target.held.get(100 + number) == 0)  # type: ignore[misc]
        desired[1] = 2
        reconciler.touch([1])
        await until(lambda: target.held[1] == 2)

    assert sum(entries.get(1) == 1 for entries in target.puts) <= FREE_WRITES
    assert not reconciler.status.failing_keys, "nobody undid it"


async def test_what_a_target_leaves_alone_is_never_told_as_undone() -> None:
    """It observes less than it accepts: a route of somebody else that is as good, for one."""

    class Content(MemoryTarget):
        left_alone = frozenset({1})

        async def observe(self) -> dict[int, int]:
            return {}

    reconciler = Reconciler(Content(), lambda: {1: 1}, resync_s=NEVER_S, settle_s=0.0)

    assert all([await reconciler.run_once() for _ in range(3 * FREE_WRITES)])
