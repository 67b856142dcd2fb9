"""`reconcile/rewrites.py`: writes that somebody undoes go out with growing pauses, and are told."""

import asyncio
from itertools import pairwise

import pytest
from tests.unit.reconcile.memory_target import NEVER_S, MemoryTarget, running, until

from ciliate.reconcile import rewrites as rewrites_module
from ciliate.reconcile.reconciler import Reconciler
from ciliate.reconcile.rewrites import FORGET_S, FREE_WRITES, KEYS_MAX, Rewrites, UndoneError


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def written(
    rewrites: Rewrites[int, int], times: int, value: int | None = 1, *, lacked: bool = True
) -> None:
    for _ in range(times):
        rewrites.note({1: value}, lacked=lacked)


def has_to_wait(rewrites: Rewrites[int, int], value: int | None = 1) -> bool:
    """Whether what was found lacking is not written now."""
    writes = {1: value}
    rewrites.take_lacking(writes, {})
    return not writes


def test_equal_writes_are_left_to_who_looks_once_there_were_many() -> None:
    rewrites: Rewrites[int, int] = Rewrites(clock=Clock())
    written(rewrites, FREE_WRITES - 1)
    before = rewrites.is_suspect(1, 1)
    written(rewrites, 1)

    assert (before, rewrites.is_suspect(1, 1)) == (False, True)
    assert not rewrites.is_suspect(1, 2), "another value is written at once"
    assert not rewrites.is_suspect(2, 1)


def test_what_the_kernel_itself_undid_is_no_war() -> None:
    rewrites: Rewrites[int, int] = Rewrites(clock=Clock())
    for _ in range(3):
        written(rewrites, FREE_WRITES - 1)
        rewrites.clear()

    assert not rewrites
    assert not has_to_wait(rewrites)


def test_removals_that_are_undone_wait_too() -> None:
    rewrites: Rewrites[int, int] = Rewrites(clock=Clock())
    written(rewrites, FREE_WRITES, None)

    assert has_to_wait(rewrites, None)
    assert not has_to_wait(rewrites, 1)


def test_pauses_grow_and_end() -> None:
    clock = Clock()
    rewrites: Rewrites[int, int] = Rewrites(clock=clock)
    written(rewrites, FREE_WRITES)
    times = []
    for _ in range(600):
        clock.now_s += 1
        if not has_to_wait(rewrites):
            times.append(clock.now_s)
            written(rewrites, 1)

    pauses = [after - before for before, after in pairwise(times)]
    assert 10 <= len(times) <= 16
    assert max(pauses) <= 60
    assert pauses[0] < pauses[3] < pauses[-1]


def test_what_only_touches_asked_for_again_is_no_failure_and_forgotten_by_a_walk() -> None:
    rewrites: Rewrites[int, int] = Rewrites(clock=Clock())
    written(rewrites, FREE_WRITES, lacked=False)

    assert rewrites.error(1) is None
    rewrites.lasts_but(set())
    assert not rewrites.is_suspect(1, 1), "a walk found it in its place"


def test_what_a_walk_finds_undone_is_told_with_numbers_and_waits() -> None:
    clock = Clock()
    rewrites: Rewrites[int, int] = Rewrites(clock=clock)
    written(rewrites, FREE_WRITES)
    clock.now_s += 1
    lacking: dict[int, int | None] = {1: 1, 2: 2}

    assert rewrites.untold(lacking) == [1]
    undone = rewrites.take_lacking(lacking, {1: "a cat walks over the keyboard"})
    rewrites.lasts_but({1, 2})

    assert lacking == {2: 2}
    assert str(undone[1]).startswith(
        f"written {FREE_WRITES} times in 1 s and undone each time: a cat walks over the keyboard;"
    )
    assert rewrites.error(1) is undone[1]
    assert rewrites.untold({1: 1}) == [], "it is asked once a write"


def test_error_says_how_long_the_pause_lasts_and_stays_the_same_until_the_next_write() -> None:
    clock = Clock()
    rewrites: Rewrites[int, int] = Rewrites(clock=clock)
    written(rewrites, FREE_WRITES)
    first = rewrites.take_lacking({1: 1}, {})[1]
    assert isinstance(first, UndoneError)
    before_s = first.pause_s
    clock.now_s += 1
    again = rewrites.take_lacking({1: 1}, {})[1]
    clock.now_s += 1
    due = rewrites.take_lacking({1: 1}, {})[1]

    assert first is again is due
    assert 1.5 <= before_s <= 2
    assert due.pause_s == 0


def test_writes_long_apart_are_no_war() -> None:
    clock = Clock()
    rewrites: Rewrites[int, int] = Rewrites(clock=clock)
    for _ in range(3 * FREE_WRITES):
        written(rewrites, 1)
        clock.now_s += FORGET_S + 1

    assert not rewrites.is_suspect(1, 1)


def test_what_lasted_is_not_suspect_when_it_is_undone_long_after() -> None:
    clock = Clock()
    rewrites: Rewrites[int, int] = Rewrites(clock=clock)
    written(rewrites, FREE_WRITES)
    clock.now_s += FORGET_S + 1

    assert not rewrites.is_suspect(1, 1)
    assert rewrites.take_lacking({1: 1}, {}) == {}


@pytest.mark.parametrize("period_s", [1, 10, 30, 50, 90])
def test_war_of_any_period_is_told_though_walks_between_find_nothing_wrong(period_s: int) -> None:
    """A walk each minute, and one that looks 5 s after a touch of a suspect, as reconcilers do."""
    clock = Clock()
    rewrites: Rewrites[int, int] = Rewrites(clock=clock)
    stands, told, writes, walk_at = True, 0, 0, clock.now_s + 60
    for second in range(1200):
        clock.now_s += 1
        if second % period_s == 0:
            stands = False
            if rewrites.is_suspect(1, 1):
                walk_at = min(walk_at, clock.now_s + 5)
            else:
                written(rewrites, 1)
                stands, writes = True, writes + 1
        if clock.now_s >= walk_at:
            walk_at = clock.now_s + 60
            lacking: dict[int, int | None] = {} if stands else {1: 1}
            undone = rewrites.take_lacking(lacking, {})
            told += len(undone)
            rewrites.lasts_but(set() if stands else {1})
            if lacking:
                written(rewrites, 1)
                stands, writes = True, writes + 1
            if undone:
                walk_at = clock.now_s + 5

    assert told > 0
    assert writes <= FREE_WRITES + 1200 / max(period_s, 45) + 8


def test_memory_is_bounded_and_a_table_that_is_filled_costs_none() -> None:
    rewrites: Rewrites[int, int] = Rewrites(clock=Clock())
    rewrites.note({key: key for key in range(KEYS_MAX + 1)}, lacked=True)
    filled = len(rewrites._written)
    for first in range(0, 3 * KEYS_MAX, 1000):
        rewrites.note({key: key for key in range(first, first + 1000)}, lacked=True)

    assert (filled, len(rewrites._written)) == (0, KEYS_MAX)


async def test_war_with_another_writer_is_slow_told_and_ends_when_the_other_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each write is undone at once, and the undoing touches the key."""
    monkeypatch.setattr(rewrites_module, "_PAUSE_FIRST_S", 0.1)
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
    assert "undone each time: something removes it;" in told
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


async def test_target_that_knows_is_asked_before_its_key_is_overwritten_and_named() -> None:
    """Once a write: the error stays the same until the next."""

    class Witnessed(MemoryTarget):
        def __init__(self) -> None:
            super().__init__()
            self.asked: list[int | None] = []

        async def last_writer(self, key: int) -> str:
            self.asked.append(self.held.get(key))
            return f"number {self.held.get(key)} is somebody's"

    target = Witnessed()
    reconciler = Reconciler(target, lambda: {1: 1}, resync_s=NEVER_S, settle_s=0.0)
    target.while_changing = lambda: target.held.update({1: 7})
    for _ in range(FREE_WRITES + 3):
        await reconciler.run_once()

    assert target.asked == [7]
    assert (
        "undone each time: something changes it (number 7 is somebody's); find"
        in reconciler.status.failing_keys["1"].message
    )


async def test_removal_that_is_undone_says_so() -> None:
    target = MemoryTarget({1: 1})
    reconciler = Reconciler(target, dict, resync_s=NEVER_S, settle_s=0.0)
    target.while_changing = lambda: target.held.update({1: 1})
    for _ in range(FREE_WRITES + 1):
        await reconciler.run_once()

    assert "something makes it again" in reconciler.status.failing_keys["1"].message
