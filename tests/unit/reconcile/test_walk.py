"""`reconcile/walk.py`: everything observed against everything desired, piece by piece."""

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.reconcile.memory_target import MemoryTarget, StreamedMemoryTarget, reconciler_of

from ciliate.errors import CiliateError
from ciliate.reconcile.walk import walk, walk_in_pieces

TABLES = st.dictionaries(st.integers(0, 20), st.integers(0, 3))
PIECE = 1024


@given(desired=TABLES, observed=TABLES, puts_first=st.booleans())
def test_walk_leads_to_the_desired_state_and_a_second_one_changes_nothing(
    *, desired: dict[int, int], observed: dict[int, int], puts_first: bool
) -> None:
    target = MemoryTarget(observed)

    first = asyncio.run(walk(lambda: desired, target, puts_first=puts_first))
    target.calls.clear()
    second = asyncio.run(walk(lambda: desired, target, puts_first=puts_first))

    assert target.held == desired
    assert target.calls == []
    assert first is not None
    assert first.put == sum(observed.get(key) != value for key, value in desired.items())
    assert first.removed == len(observed.keys() - desired.keys())
    assert second is not None
    assert (second.put, second.removed, second.tried) == (0, 0, set())


async def test_leftovers_make_room_before_anything_is_put() -> None:
    target = MemoryTarget({1: 1})

    await walk(lambda: {2: 2}, target)

    assert target.calls == ["remove", "put"]


async def test_puts_come_first_where_keys_stand_in_for_each_other() -> None:
    target = MemoryTarget({1: 1})

    await walk(lambda: {2: 2}, target, puts_first=True)

    assert target.calls == ["put", "remove"]


@pytest.mark.parametrize("puts_first", [False, True])
async def test_failing_key_does_not_stop_the_others(*, puts_first: bool) -> None:
    target = MemoryTarget({1: 1, 2: 2}, broken={3, 2})

    outcome = await walk(lambda: {1: 9, 3: 3, 4: 4}, target, puts_first=puts_first)

    assert target.held == {1: 9, 2: 2, 4: 4}
    assert outcome is not None
    assert outcome.failures.keys() == {2, 3}
    assert (outcome.put, outcome.removed) == (2, 0)
    assert outcome.tried == {1, 2, 3, 4}


async def test_nothing_is_touched_while_the_desired_state_is_not_known() -> None:
    target = MemoryTarget({1: 1})

    assert await walk(lambda: None, target) is None

    assert target.held == {1: 1}
    assert target.calls == []


async def test_nothing_is_changed_when_the_target_cannot_be_observed() -> None:
    target = MemoryTarget({1: 1})
    target.unreadable = "the map is gone"

    with pytest.raises(CiliateError, match="the map is gone"):
        await walk(lambda: {2: 2}, target)

    assert target.calls == []


@pytest.mark.parametrize("puts_first", [False, True])
async def test_entry_added_while_observing_is_not_taken_for_a_leftover(
    *, puts_first: bool
) -> None:
    desired = {1: 1}
    target = MemoryTarget(desired)

    async def observe() -> Mapping[int, int]:
        target.held[2] = desired[2] = 2  # A pod comes before the answer does.
        return dict(target.held)

    target.observe = observe  # type: ignore[method-assign]
    await walk(lambda: desired, target, puts_first=puts_first)

    assert target.held == {1: 1, 2: 2}
    assert target.removals == []


async def test_entry_that_comes_between_two_pieces_is_not_taken_for_a_leftover() -> None:
    target = MemoryTarget(dict.fromkeys(range(2 * PIECE), 0))
    desired: dict[int, int] = {}
    last = 2 * PIECE - 1

    def pod_comes() -> None:
        desired[last] = 0

    target.while_changing = pod_comes
    await walk(lambda: desired, target)

    assert target.held == {last: 0}
    assert [len(keys) for keys in target.removals] == [PIECE, PIECE - 1]


@pytest.mark.parametrize("live", [True, False], ids=["live view", "computed anew"])
async def test_value_that_changes_between_two_pieces_is_put_as_it_is_then(*, live: bool) -> None:
    target = MemoryTarget()
    desired = dict.fromkeys(range(2 * PIECE), 0)
    first, last = 0, 2 * PIECE - 1

    def both_change() -> None:
        desired[last] = 7
        desired.pop(last - 1, None)

    target.while_changing = both_change
    await walk(lambda: desired if live else dict(desired), target)

    assert target.held[last] == 7
    assert last - 1 not in target.held
    assert first in target.held


async def test_key_that_is_wanted_no_more_between_two_pieces_is_left_to_its_touch() -> None:
    last = 2 * PIECE - 1
    target = MemoryTarget({last: 5})
    desired = dict.fromkeys(range(2 * PIECE), 0)

    target.while_changing = lambda: desired.pop(last, None)
    await walk(lambda: desired, target)

    assert target.held[last] == 5
    assert target.calls == ["put", "put"]


async def test_putting_ends_where_the_desired_state_ceases_to_be_known() -> None:
    target = MemoryTarget()
    desired: dict[int, int] | None = dict.fromkeys(range(3 * PIECE), 0)

    def forget() -> None:
        nonlocal desired
        desired = None

    target.while_changing = forget
    outcome = await walk(lambda: desired, target)

    assert outcome is not None
    assert outcome.put == PIECE
    assert target.calls == ["put"]


async def test_walk_ends_where_the_desired_state_ceases_to_be_known() -> None:
    target = MemoryTarget(dict.fromkeys(range(3 * PIECE), 0))
    known = True

    def forget() -> None:
        nonlocal known
        known = False

    target.while_changing = forget
    await walk(lambda: {} if known else None, target)

    assert len(target.held) == 2 * PIECE
    assert target.calls == ["remove"]


async def test_loop_is_given_back_between_pieces() -> None:
    target = MemoryTarget()
    desired = dict.fromkeys(range(5 * PIECE), 0)
    turns = 0

    async def other_work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(other_work())
    await walk(lambda: desired, target)
    other.cancel()

    assert [len(entries) for entries in target.puts] == [PIECE] * 5
    assert turns >= 4


@given(desired=TABLES, observed=TABLES, puts_first=st.booleans())
def test_walk_in_pieces_does_what_a_walk_does(
    *, desired: dict[int, int], observed: dict[int, int], puts_first: bool
) -> None:
    plain, streamed = MemoryTarget(observed), StreamedMemoryTarget(observed)

    first = asyncio.run(walk(lambda: desired, plain, puts_first=puts_first))
    second = asyncio.run(walk_in_pieces(lambda: desired, streamed, puts_first=puts_first))

    assert streamed.held == plain.held
    assert streamed.calls == plain.calls
    assert second == first


@pytest.mark.parametrize(
    ("held", "desired"),
    [({}, {1: 1, 2: 2}), ({1: 1, 2: 2}, {1: 1, 2: 2}), ({1: 1, 2: 0, 9: 9}, {1: 1, 2: 2})],
    ids=["nothing is held", "all is right", "all is held"],
)
async def test_walk_in_pieces_looks_for_no_key_where_counts_agree(
    held: dict[int, int], desired: dict[int, int]
) -> None:
    target = StreamedMemoryTarget(held)

    await walk_in_pieces(lambda: desired, target)

    assert target.held == desired
    assert target.asked == []


async def test_walk_in_pieces_without_a_desired_state_changes_nothing() -> None:
    target = StreamedMemoryTarget({1: 1})

    assert await walk_in_pieces(lambda: None, target) is None
    assert target.held == {1: 1}


async def test_walk_in_pieces_removes_nothing_that_came_to_be_desired_meanwhile() -> None:
    target, desired = StreamedMemoryTarget({1: 1}), {2: 2}
    target.while_changing = lambda: desired.setdefault(1, 1)

    await walk_in_pieces(lambda: desired, target, puts_first=True)

    assert target.held == {1: 1, 2: 2}


async def test_reconciler_walks_a_streamed_target_in_pieces() -> None:
    target = StreamedMemoryTarget({1: 1, 3: 3})

    assert await reconciler_of(target, {1: 1, 2: 2}).run_once()
    assert target.held == {1: 1, 2: 2}


async def test_failing_keys_of_a_walk_in_pieces_do_not_stop_the_others() -> None:
    target = StreamedMemoryTarget({1: 1, 2: 2}, broken={3, 2})

    outcome = await walk_in_pieces(lambda: {1: 9, 3: 3, 4: 4}, target)

    assert target.held == {1: 9, 2: 2, 4: 4}
    assert outcome is not None
    assert set(outcome.failures) == {2, 3}
