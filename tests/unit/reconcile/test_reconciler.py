"""`reconcile/reconciler.py`: key by key as changes come, as a whole now and then."""

import asyncio
import time
from collections.abc import Mapping

import pytest
from tests.unit.reconcile.memory_target import NEVER_S, MemoryTarget, reconciler_of, running, until

from ciliate.reconcile.reconciler import Reconciler


async def test_start_brings_the_whole_target_to_what_it_should_be() -> None:
    target = MemoryTarget({1: 1, 2: 2})
    reconciler = reconciler_of(target, {1: 9, 3: 3})

    assert await reconciler.run_once()

    assert target.held == {1: 9, 3: 3}
    assert reconciler.status.successes == 1
    assert reconciler.status.name == "memory"


async def test_touched_key_costs_one_change_and_no_observation_of_the_target() -> None:
    desired = {1: 1, 2: 2}
    target = MemoryTarget(desired)
    reconciler = reconciler_of(target, desired)
    async with running(reconciler):
        await until(lambda: target.observes == 1)

        desired[3] = 3
        reconciler.touch([3])
        await until(lambda: target.held == {1: 1, 2: 2, 3: 3})
        del desired[1]
        reconciler.touch([1])
        await until(lambda: target.held == {2: 2, 3: 3})

    assert target.puts == [{3: 3}]
    assert target.removals == [[1]]
    assert target.observes == 1


async def test_walk_covers_what_was_touched_before_it() -> None:
    desired = {1: 1, 2: 2}
    target = MemoryTarget()
    reconciler = reconciler_of(target, desired)
    reconciler.touch([1])
    async with running(reconciler):
        await until(lambda: target.held == {1: 1, 2: 2})

        desired[3] = 3
        reconciler.touch([3])
        await until(lambda: target.held == desired)

    assert target.puts == [{1: 1, 2: 2}, {3: 3}]


async def test_many_touches_within_the_settle_time_are_one_batch() -> None:
    desired = {100: 0, 101: 0}
    target = MemoryTarget(desired)
    reconciler = reconciler_of(target, desired, settle_s=0.05)
    async with running(reconciler):
        await until(lambda: target.observes == 1)

        for key in range(10):
            desired[key] = key
            reconciler.touch([key])
            await asyncio.sleep(0)
        del desired[100]
        reconciler.touch([100])
        await until(lambda: target.held == desired)

    assert target.puts == [{key: key for key in range(10)}]
    assert target.removals == [[100]]


async def test_touching_no_key_does_nothing() -> None:
    desired = {1: 1}
    target = MemoryTarget()
    reconciler = reconciler_of(target, desired)
    async with running(reconciler):
        await until(lambda: target.held == {1: 1})
        runs = reconciler.status.successes

        reconciler.touch([])
        desired[2] = 2
        reconciler.touch([2])
        await until(lambda: reconciler.status.successes > runs)

    assert target.held == {1: 1, 2: 2}
    assert reconciler.status.successes == runs + 1


async def test_touch_that_comes_while_a_batch_goes_out_is_not_lost() -> None:
    desired = {1: 1}
    target = MemoryTarget(desired)
    reconciler = reconciler_of(target, desired)

    def next_comes() -> None:
        if len(desired) < 5:
            key = len(desired) + 1
            desired[key] = key
            reconciler.touch([key])

    async with running(reconciler):
        await until(lambda: target.observes == 1)
        target.while_changing = next_comes
        next_comes()
        await until(lambda: target.held == {key: key for key in range(1, 6)})

    assert target.puts == [{2: 2}, {3: 3}, {4: 4}, {5: 5}]


@pytest.mark.parametrize("puts_first", [False, True])
async def test_touch_that_comes_while_the_target_is_walked_is_not_lost(
    *, puts_first: bool
) -> None:
    """The walk may have passed the key already."""
    desired = {1: 1, 2: 2}
    target = MemoryTarget({1: 0})
    reconciler = reconciler_of(target, desired, puts_first=puts_first)

    def changes_behind_the_walk() -> None:
        target.while_changing = nothing_more
        desired[1] = 7
        del desired[2]
        reconciler.touch([1, 2])

    def nothing_more() -> None:
        pass

    target.while_changing = changes_behind_the_walk
    async with running(reconciler):
        await until(lambda: target.held == {1: 7})

    assert target.observes == 1


async def test_resync_heals_what_was_changed_by_hand() -> None:
    desired = {1: 1, 2: 2}
    target = MemoryTarget()
    async with running(reconciler_of(target, desired, resync_s=0.02)):
        await until(lambda: target.held == desired)

        target.held = {1: 9, 3: 3}
        await until(lambda: target.held == {1: 1, 2: 2})


async def test_resync_comes_although_keys_are_touched_all_the_time() -> None:
    desired = {1: 1, 2: 2}
    target = MemoryTarget()
    reconciler = reconciler_of(target, desired, resync_s=0.02, settle_s=0.001)

    async def touch_on() -> None:
        while True:
            reconciler.touch([1])
            await asyncio.sleep(0)

    busy = asyncio.create_task(touch_on())
    try:
        async with running(reconciler):
            await until(lambda: target.held == desired)
            for _ in range(3):
                target.held = {1: 1, 3: 3}
                await until(lambda: target.held == {1: 1, 2: 2})
    finally:
        busy.cancel()


async def test_walk_that_takes_long_comes_less_often() -> None:
    """At most one part in a hundred of the time is spent on it, give or take a quarter."""
    target = MemoryTarget()
    began: list[float] = []

    def five_milliseconds() -> None:
        began.append(time.monotonic())
        while time.monotonic() < began[-1] + 0.005:
            pass

    target.while_observing = five_milliseconds
    async with running(reconciler_of(target, {1: 1}, resync_s=0.01)):
        # On busy cores the first takes longer, and the second comes a hundred times as much later.
        await until(lambda: len(began) == 2, deadline_s=200)

    assert began[1] - began[0] >= 0.75 * 100 * 0.005


async def test_wake_makes_the_reconciler_walk_over_everything() -> None:
    desired = {1: 1}
    target = MemoryTarget()
    reconciler = reconciler_of(target, desired)
    async with running(reconciler):
        await until(lambda: target.held == {1: 1})

        target.held[5] = 5
        desired[2] = 2
        reconciler.wake()
        await until(lambda: target.held == {1: 1, 2: 2})


async def test_wake_during_a_walk_is_followed_by_another() -> None:
    target = MemoryTarget()
    reconciler = reconciler_of(target, {1: 1})

    def wake_once() -> None:
        if target.observes == 1:
            reconciler.wake()

    target.while_observing = wake_once
    async with running(reconciler):
        await until(lambda: target.observes == 2)


@pytest.mark.parametrize("puts_first", [False, True])
async def test_walk_and_batch_both_go_out_in_the_order_that_was_asked_for(
    *, puts_first: bool
) -> None:
    order = ["put", "remove"] if puts_first else ["remove", "put"]
    desired = {1: 1}
    target = MemoryTarget({7: 7})
    reconciler = reconciler_of(target, desired, puts_first=puts_first)
    async with running(reconciler):
        await until(lambda: target.held == {1: 1})
        assert target.calls == order
        target.calls.clear()

        del desired[1]
        desired[2] = 2
        reconciler.touch([1, 2])
        await until(lambda: target.held == {2: 2})

    assert target.calls == order


async def test_nothing_is_touched_before_it_is_known_and_nothing_is_lost_after() -> None:
    known: dict[int, int] | None = None
    target = MemoryTarget({7: 7, 8: 8})
    asked = 0

    def desired() -> Mapping[int, int] | None:
        nonlocal asked
        asked += 1
        return known

    reconciler = Reconciler(target, desired, resync_s=NEVER_S, settle_s=0)
    async with running(reconciler):
        await until(lambda: asked == 1)
        reconciler.touch([1, 7])
        await until(lambda: asked == 2)
        assert target.calls == []

        known = {1: 1, 8: 8}
        reconciler.wake()
        await until(lambda: target.held == {1: 1, 8: 8})

    assert reconciler.status.consecutive_failures == 0


async def test_walk_that_knows_no_desired_state_yet_is_no_failure() -> None:
    reconciler: Reconciler[int, int] = Reconciler(MemoryTarget({7: 7}), lambda: None)

    assert await reconciler.run_once()


async def test_reconcilers_of_many_nodes_do_not_walk_in_step() -> None:
    reconcilers = [reconciler_of(MemoryTarget(), {}, resync_s=1000.0) for _ in range(30)]
    for each in reconcilers:
        await each.run_once()

    pauses = [each._resync_at_s - time.monotonic() for each in reconcilers]

    assert all(740.0 < pause < 1260.0 for pause in pauses)
    assert max(pauses) - min(pauses) > 50.0


async def test_keys_touched_while_nothing_is_known_make_the_next_turn_a_walk() -> None:
    known: dict[int, int] | None = None
    target = MemoryTarget({7: 7})
    asked = 0

    def desired() -> Mapping[int, int] | None:
        nonlocal asked
        asked += 1
        return known

    reconciler = Reconciler(target, desired, resync_s=NEVER_S, settle_s=0)
    async with running(reconciler):
        await until(lambda: asked == 1)
        reconciler.touch([1])
        await until(lambda: asked == 2)

        known = {1: 1}
        reconciler.touch([1])
        await until(lambda: target.held == {1: 1})
