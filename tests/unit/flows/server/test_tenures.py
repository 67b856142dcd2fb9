"""`flows/server/tenures.py`: a thing is its holder's for that time, and what is kept is bounded."""

from hypothesis import given
from hypothesis import strategies as st

from ciliate.flows.server.tenures import Tenure, Tenures

A, B = b"a", b"b"


def some(*, now_max: int = 100, former_max: int = 100) -> Tenures[str]:
    return Tenures(now_max=now_max, former_max=former_max)


def test_thing_is_whose_it_was_at_the_moment() -> None:
    found = some()
    found.begin(A, Tenure("old", 100))
    found.end(A, 200)
    found.begin(A, Tenure("new", 300))

    assert [found.at(A, when) for when in (99, 100, 199, 200, 299, 300, 10**18)] == [
        *(None, "old", "old"),
        *(None, None),
        *("new", "new"),
    ]
    assert found.at(B, 150) is None
    assert (found.holder(A), found.holder(B)) == ("new", None)


def test_another_holder_takes_over_without_a_gap_and_the_same_one_goes_on() -> None:
    found = some()
    found.begin(A, Tenure("old", 100))
    found.begin(A, Tenure("old", 150))
    found.begin(A, Tenure("new", 200))

    assert [found.at(A, when) for when in (100, 199, 200)] == ["old", "old", "new"]


def test_end_of_what_nobody_has_is_passed_over() -> None:
    found = some()
    found.begin(A, Tenure("old", 100))
    for when in (200, 300):
        found.end(A, when)
    found.end(B, 200)

    assert [found.at(A, when) for when in (199, 250)] == ["old", None]


def test_those_that_last_are_bounded_and_who_is_there_still_changes() -> None:
    found = some(now_max=1)
    found.begin(A, Tenure("old", 100))
    found.begin(B, Tenure("other", 100))
    found.begin(A, Tenure("new", 200))

    assert (found.at(B, 150), found.at(A, 250), len(found)) == (None, "new", 1)
    found.end(A, 300)
    found.begin(B, Tenure("other", 400))
    assert found.at(B, 400) == "other"


def test_former_ones_are_bounded_and_the_oldest_goes_whole() -> None:
    found = some(former_max=2)
    for number, key in enumerate((A, B, A), start=1):
        found.begin(key, Tenure(f"h{number}", number * 10))
        found.end(key, number * 10 + 5)

    assert [found.at(key, when) for key, when in ((A, 10), (B, 20), (A, 30))] == [
        *(None, "h2", "h3")
    ]
    assert [*found.keys_of(lambda holder: holder == "h1")] == []


def test_keys_are_found_by_holders_of_now_and_of_the_past() -> None:
    found = some()
    found.begin(A, Tenure("web", 100))
    found.begin(A, Tenure("db", 200))
    found.begin(B, Tenure("web", 100))

    assert {*found.keys_of(lambda holder: holder == "web")} == {A, B}
    assert {*found.keys_of(lambda holder: holder == "db")} == {A}


@given(
    st.lists(st.tuples(st.sampled_from((A, B)), st.sampled_from(("x", "y", None)))),
    st.integers(0, 40),
)
def test_any_history_is_remembered_as_it_was(
    changes: list[tuple[bytes, str | None]], moment: int
) -> None:
    found, then = some(), dict[bytes, str | None]()
    for when, (key, holder) in enumerate(changes):
        if holder is None:
            found.end(key, when)
        else:
            found.begin(key, Tenure(holder, when))
        if when <= moment:
            then[key] = holder

    assert [found.at(key, moment) for key in (A, B)] == [then.get(A), then.get(B)]
