"""`reconcile/reconciler.py`: what fails is tried again, and does not stop the rest."""

import logging
import time
from collections.abc import Mapping

import pytest
from tests.unit.reconcile.memory_target import NEVER_S, MemoryTarget, reconciler_of, running, until

from ciliate.reconcile.backoff import Backoff
from ciliate.reconcile.reconciler import Reconciler


async def test_failing_key_is_not_asked_for_in_a_busy_loop_while_nothing_is_known() -> None:
    known: dict[int, int] | None = {1: 1}
    target = MemoryTarget(broken={1})
    asked = 0

    def desired() -> Mapping[int, int] | None:
        nonlocal asked
        asked += 1
        return known

    reconciler = Reconciler(target, desired, resync_s=NEVER_S, settle_s=0)
    async with running(reconciler):
        await until(lambda: reconciler.status.failing_keys)
        known, asked = None, 0

        with pytest.raises(TimeoutError):
            await until(lambda: asked > 20, deadline_s=0.5)

        assert asked
        assert reconciler.status.failing_keys == {}, "nothing is known to be wrong"


async def test_failing_key_does_not_stop_the_others() -> None:
    desired = {1: 1, 5: 5}
    target = MemoryTarget(desired, broken={2, 5})
    reconciler = reconciler_of(target, desired)
    async with running(reconciler):
        await until(lambda: target.observes == 1)
        desired.update({2: 2, 3: 3})
        del desired[5]
        reconciler.touch([2, 3, 5])
        await until(lambda: len(reconciler.status.failing_keys) == 2)

        assert target.held == {1: 1, 3: 3, 5: 5}
        assert reconciler.status.failing_keys.keys() == {"2", "5"}
        assert reconciler.status.last_failure.startswith("2 failed; first ")
        assert target.observes == 1, "the batch says what failed, no walk has to find it"


async def test_failing_key_is_tried_again_by_itself_with_growing_pauses() -> None:
    desired = {1: 1}
    target = MemoryTarget(desired, broken={2})
    reconciler = reconciler_of(target, desired)
    tries: list[float] = []
    target.while_changing = lambda: tries.append(time.monotonic())
    async with running(reconciler):
        await until(lambda: target.observes == 1)
        desired[2] = 2
        reconciler.touch([2])
        await until(lambda: len(tries) == 3)
        failure = reconciler.status.failing_keys["2"]

        assert target.puts == [{2: 2}] * 3, "it alone is tried"
        assert (failure.message, failure.attempts) == ("key 2 is broken", 3)
        assert failure.since < failure.next_try
        assert tries[1] - tries[0] >= 0.75 * 0.2
        assert tries[2] - tries[1] >= 0.75 * 0.4

        target.broken.clear()
        await until(lambda: not reconciler.status.failing_keys)

    assert target.held == {1: 1, 2: 2}
    assert reconciler.status.last_failure == ""
    assert reconciler.status.consecutive_failures == 0
    assert target.observes == 1


async def test_failing_key_that_is_no_longer_wanted_fails_no_more() -> None:
    desired = {1: 1}
    target = MemoryTarget(desired)
    reconciler = reconciler_of(target, desired)
    async with running(reconciler):
        await until(lambda: target.observes == 1)
        target.broken = {2}
        desired[2] = 2
        reconciler.touch([2])
        await until(lambda: reconciler.status.failing_keys)

        target.broken = set()
        del desired[2]
        reconciler.touch([2])
        await until(lambda: not reconciler.status.failing_keys)

    assert target.held == {1: 1}
    assert reconciler.status.last_failure == ""


async def test_walk_that_finds_a_failing_key_well_takes_its_failure_back() -> None:
    """A user made the entry by hand."""
    target = MemoryTarget(broken={1})
    reconciler = reconciler_of(target, {1: 1})
    assert not await reconciler.run_once()
    assert reconciler.status.failing_keys.keys() == {"1"}

    target.held[1] = 1
    assert await reconciler.run_once()

    assert reconciler.status.failing_keys == {}


async def test_key_that_fails_in_a_walk_is_tried_again_without_another_walk() -> None:
    target = MemoryTarget(broken={1})
    reconciler = reconciler_of(target, {1: 1})
    async with running(reconciler):
        await until(lambda: reconciler.status.failing_keys)
        target.broken.clear()
        await until(lambda: target.held == {1: 1})

    assert target.observes == 1


async def test_walk_is_tried_again_while_the_target_cannot_be_observed() -> None:
    target = MemoryTarget({9: 9})
    target.unreadable = "no answer"
    reconciler = reconciler_of(target, {1: 1})
    async with running(reconciler):
        await until(lambda: reconciler.status.consecutive_failures == 2)
        assert reconciler.status.last_failure == "no answer"
        assert target.held == {9: 9}

        target.unreadable = ""
        await until(lambda: target.held == {1: 1})

    assert reconciler.status.last_failure == ""


async def test_touch_that_came_before_a_walk_that_failed_is_not_lost() -> None:
    desired = {1: 1}
    target = MemoryTarget()
    reconciler = reconciler_of(target, desired)
    async with running(reconciler):
        await until(lambda: target.held == {1: 1})
        target.unreadable = "no answer"
        desired[2] = 2
        reconciler.touch([2])
        reconciler.wake()
        await until(lambda: reconciler.status.consecutive_failures)

        target.unreadable = ""
        await until(lambda: target.held == {1: 1, 2: 2})


async def test_touched_keys_go_out_while_the_target_cannot_be_observed() -> None:
    """A table that is never read whole, because it changes all the time, is one more reason."""
    desired = {1: 1}
    target = MemoryTarget()
    reconciler = reconciler_of(target, desired)
    async with running(reconciler):
        await until(lambda: target.held == {1: 1})
        target.unreadable = "no answer"
        desired[2] = 2
        reconciler.touch([2])
        reconciler.wake()
        await until(lambda: target.held == {1: 1, 2: 2})

        desired[3] = 3
        reconciler.touch([3])
        await until(lambda: target.held == {1: 1, 2: 2, 3: 3})
        assert reconciler.status.last_failure == "no answer"


async def test_key_touched_while_another_goes_out_does_not_wait_for_the_next_walk() -> None:
    desired = {1: 1}
    target = MemoryTarget()
    target.unreadable = "no answer"
    reconciler = reconciler_of(target, desired)
    reconciler._walk_backoff = Backoff(first_s=NEVER_S, limit_s=NEVER_S)

    def change() -> None:
        if 2 not in desired:
            desired[2] = 2
            reconciler.touch([2])

    target.while_changing = change
    async with running(reconciler):
        await until(lambda: target.observes)
        reconciler.touch([1])
        await until(lambda: target.held == {1: 1, 2: 2})


async def test_one_cause_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    target = MemoryTarget()
    target.unreadable = "no answer"
    reconciler = reconciler_of(target, {1: 1})

    with caplog.at_level(logging.INFO):
        for _ in range(3):
            await reconciler.run_once()
        target.unreadable = ""
        await reconciler.run_once()

    assert [record.getMessage() for record in caplog.records] == [
        "memory: no answer",
        "memory: recovered",
    ]


async def test_failure_is_followed_by_a_walk_which_makes_room() -> None:
    """A map edited by hand is full of what nobody wants: trying the key alone would never help."""
    desired = {1: 1}
    target = MemoryTarget(desired)
    reconciler = Reconciler(
        target, lambda: desired, resync_s=NEVER_S, settle_s=0, after_failure_s=0.05
    )
    async with running(reconciler):
        await until(lambda: target.observes == 1)
        target.held[9] = 9
        target.capacity = 2
        desired[2] = 2
        reconciler.touch([2])

        await until(lambda: target.held == {1: 1, 2: 2})

    assert reconciler.status.failures > 0


async def test_failure_does_not_put_off_a_resync_that_is_due_sooner() -> None:
    desired = {1: 1}
    target = MemoryTarget(desired, broken={2})
    reconciler = Reconciler(
        target, lambda: desired, resync_s=0.05, settle_s=0, after_failure_s=NEVER_S
    )
    async with running(reconciler):
        await until(lambda: target.observes == 1)
        desired[2] = 2
        reconciler.touch([2])
        await until(lambda: reconciler.status.failing_keys)

        target.held = {1: 9}
        await until(lambda: target.held == {1: 1})


class RecordingBackoff(Backoff):
    """Short pauses, and which of them were taken."""

    def __init__(self) -> None:
        super().__init__(first_s=0.001)
        self.pauses: list[float] = []

    def next(self) -> float:
        self.pauses.append(super().next())
        return self.pauses[-1]


async def test_walk_that_came_through_makes_the_next_pause_short_again() -> None:
    target = MemoryTarget()
    reconciler = reconciler_of(target, {1: 1})
    reconciler._walk_backoff = backoff = RecordingBackoff()

    def every_other_fails() -> None:
        target.unreadable = "no answer" if target.observes % 2 else ""
        if target.observes < 8:
            reconciler.wake()

    target.while_observing = every_other_fails
    async with running(reconciler):
        await until(lambda: target.observes == 8)

    assert len(backoff.pauses) == 4
    assert max(backoff.pauses) <= 0.001


async def test_walk_that_leaves_a_failing_key_does_not_put_off_the_next_one() -> None:
    """The key has a pause of its own; only a walk that could not be made is made later."""
    target = MemoryTarget(broken={1})
    reconciler = reconciler_of(target, {1: 1})
    reconciler._walk_backoff = backoff = RecordingBackoff()
    async with running(reconciler):
        await until(lambda: reconciler.status.failing_keys)
        reconciler.wake()
        await until(lambda: target.observes == 2)

    assert backoff.pauses == []
