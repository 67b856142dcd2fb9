"""Backends in slots: no gap, and the fewest writes."""

from array import array

from hypothesis import given
from hypothesis import strategies as st

from ciliate.services.slots import arrange, changed

IDS = st.lists(st.integers(1, 30), unique=True, max_size=20)


@given(IDS, IDS)
def test_slots_hold_the_wanted_ones_and_nothing_else(
    current: list[int], wanted: list[int]
) -> None:
    assert sorted(arrange(current, wanted)) == sorted(wanted)


@given(IDS, IDS)
def test_what_stays_keeps_its_slot_unless_that_is_beyond_the_last(
    current: list[int], wanted: list[int]
) -> None:
    found = arrange(current, wanted)

    for at, number in enumerate(current):
        if number in wanted and at < len(wanted):
            assert found[at] == number


@given(IDS, st.data())
def test_one_that_goes_costs_one_write_and_one_removal(
    current: list[int], data: st.DataObject
) -> None:
    current = [*current, 31]
    gone = data.draw(st.sampled_from(current))
    after = arrange(current, [each for each in current if each != gone])

    moved = [slot for slot in changed(current, after) if slot <= len(after)]
    assert len(moved) <= 1
    assert [slot for slot in changed(current, after) if slot > len(after)] == [len(current)]


@given(IDS)
def test_one_that_comes_is_the_last(current: list[int]) -> None:
    assert arrange(current, [*current, 31]) == array("I", [*current, 31])


def test_one_for_another_takes_its_slot() -> None:
    assert arrange([1, 2, 3], [1, 3, 9]) == array("I", [1, 9, 3])


def test_gaps_and_doubles_of_a_damaged_map_are_filled() -> None:
    assert arrange([0, 5, 5, 7], [5, 7, 8]) == array("I", [7, 5, 8])


def test_same_slots_for_whoever_starts_from_the_same_map() -> None:
    assert arrange([4, 2], [2, 4]) == arrange([4, 2], [4, 2]) == array("I", [4, 2])
