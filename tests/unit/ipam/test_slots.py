"""`ipam/slots.py`: the longest free slot is given next."""

from hypothesis import given
from hypothesis import strategies as st

from ciliate.ipam.slots import Slots


def full(size: int, *, start: int = 0) -> Slots:
    """Return slots that all have an owner, each named after its number."""
    slots = Slots(size, start=start)
    for slot in range(size):
        slots.take(slot, str(slot))
    while slots.allocate("nobody") is not None:  # The first sweep ends; it finds nothing free.
        pass
    return slots


@given(start=st.integers(0, 100), freed=st.permutations(range(6)))
def test_slot_that_is_longest_free_is_given_first(start: int, freed: list[int]) -> None:
    slots = full(6, start=start)
    for slot in freed:
        slots.release(slot)

    assert [slots.allocate("new") for _ in freed] == freed
    assert slots.allocate("new") is None


def test_slot_that_was_never_given_comes_before_freed_ones() -> None:
    slots = Slots(4)
    first = slots.allocate("a")
    assert first is not None
    slots.release(first)

    assert [slots.allocate("b") for _ in range(4)] == [1, 2, 3, 0]


def test_first_sweep_goes_once_around_from_its_start() -> None:
    slots = Slots(4, start=6)

    assert [slots.allocate("a") for _ in range(5)] == [2, 3, 0, 1, None]


def test_slot_freed_before_the_sweep_reached_it_waits_for_the_sweep() -> None:
    slots = Slots(4, start=2)
    slots.take(0, "a")
    slots.release(0)

    assert [slots.allocate("b") for _ in range(4)] == [2, 3, 0, 1]


def test_freed_slot_that_is_taken_by_number_is_not_given_again() -> None:
    slots = full(4, start=1)
    for slot in (3, 0, 2):
        slots.release(slot)

    assert slots.take(0, "by number") == "by number"

    assert [slots.allocate("new") for _ in range(3)] == [3, 2, None]
    assert slots.owner(0) == "by number"


def test_slot_in_use_stays_its_owners() -> None:
    slots = Slots(2)
    slots.take(1, "a")

    assert slots.take(1, "b") == "a"
    assert slots.owner(1) == "a"


def test_release_says_whether_somebody_held_it() -> None:
    slots = Slots(2)
    slots.take(1, "a")

    assert slots.release(1)
    assert not slots.release(1)
    assert not slots.release(0)


def test_no_slots_are_full_from_the_beginning() -> None:
    assert Slots(0, start=5).allocate("a") is None
