"""`net/owner_index.py`: of several owners of one thing, the one who came last counts."""

from hypothesis import given
from hypothesis import strategies as st

from ciliate.net.owner_index import OwnerIndex

CHANGES = st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 4)), max_size=60)


@given(changes=CHANGES)
def test_owner_is_the_last_entered_of_those_that_are_left(
    changes: list[tuple[bool, int, int]],
) -> None:
    index: OwnerIndex[int, int] = OwnerIndex()
    entered: list[tuple[int, int]] = []

    for is_added, thing, owner in changes:
        if (thing, owner) in entered:
            entered.remove((thing, owner))
        if is_added:
            entered.append((thing, owner))
            index.add(thing, owner)
        else:
            index.remove(thing, owner)

        assert {each: index.get(each) for each in range(4) if index.get(each) is not None} == (
            dict(entered)
        )
        assert set(index) == {known for known, _ in entered}
        assert len(index) == len(set(index))


def test_nothing_is_kept_of_owners_that_left() -> None:
    index: OwnerIndex[str, str] = OwnerIndex()
    for owner in ("a", "b", "c"):
        index.add("10.0.0.1", owner)
    for owner in ("b", "c", "a"):
        index.remove("10.0.0.1", owner)

    assert list(index) == []
    assert index._former == {}


def test_owner_that_comes_back_is_entered_once() -> None:
    index: OwnerIndex[str, str] = OwnerIndex()
    for owner in ("a", "b", "a"):
        index.add("10.0.0.1", owner)

    index.remove("10.0.0.1", "a")
    assert index.get("10.0.0.1") == "b"
    index.remove("10.0.0.1", "b")

    assert index.get("10.0.0.1") is None


def test_all_owners_are_told_the_one_who_counts_last() -> None:
    index: OwnerIndex[str, str] = OwnerIndex()
    assert index.owners("x") == ()

    index.add("x", "a")
    index.add("x", "b")
    assert index.owners("x") == ("a", "b")

    index.remove("x", "b")
    assert index.owners("x") == ("a",)
