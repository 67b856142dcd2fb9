"""`reconcile/failing_keys.py`: why a key fails, since when, and when it is tried again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.errors import CiliateError
from ciliate.reconcile.backoff import Backoff
from ciliate.reconcile.failing_keys import FailingKeys


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def failing(clock: Clock) -> FailingKeys[str]:
    return FailingKeys(lambda: Backoff(first_s=1.0, limit_s=8.0), clock=clock)


def error(text: str = "no room") -> CiliateError:
    return CiliateError(text)


def test_nothing_fails_at_first(failing: FailingKeys[str]) -> None:
    assert not failing
    assert failing.due() == set()
    assert failing.wait_s() is None
    assert failing.shown() == {}
    assert failing.summary() == ""


def test_failing_key_is_due_after_a_pause_and_not_before(
    failing: FailingKeys[str], clock: Clock
) -> None:
    failing.note({"a"}, {"a": error()})

    assert failing.due() == set()
    assert 0.75 <= (failing.wait_s() or 0) <= 1.0
    clock.now_s += 1.0
    assert failing.due() == {"a"}
    assert failing.wait_s() == 0.0


def test_pauses_of_one_key_grow_up_to_a_limit(failing: FailingKeys[str], clock: Clock) -> None:
    pauses = []
    for _ in range(5):
        failing.note({"a"}, {"a": error()})
        pauses.append(failing.wait_s() or 0)
        clock.now_s += 10.0

    limits = [1.0, 2.0, 4.0, 8.0, 8.0]
    assert all(0.75 * limit <= pause <= limit for pause, limit in zip(pauses, limits, strict=True))


def test_each_key_has_its_own_pause(failing: FailingKeys[str], clock: Clock) -> None:
    for _ in range(4):
        failing.note({"old"}, {"old": error()})
    failing.note({"new"}, {"new": error()})

    assert (failing.wait_s() or 0) <= 1.0, "until the next one is due, not until all are"
    clock.now_s += 1.0

    assert failing.due() == {"new"}


def test_success_forgets_a_key_and_its_next_failure_begins_anew(
    failing: FailingKeys[str],
) -> None:
    for _ in range(4):
        failing.note({"a"}, {"a": error()})

    failing.note({"a"}, {})
    assert not failing
    failing.note({"a"}, {"a": error()})

    assert (failing.wait_s() or 0) <= 1.0
    assert failing.shown()["a"].attempts == 1


def test_keys_that_were_not_tried_stay_as_they_are(failing: FailingKeys[str]) -> None:
    failing.note({"a", "b"}, {"a": error(), "b": error()})

    failing.note({"a"}, {})

    assert failing.shown().keys() == {"b"}


def test_whole_outcome_takes_the_place_of_what_failed_before(failing: FailingKeys[str]) -> None:
    failing.note({"a", "b"}, {"a": error(), "b": error("first")})

    failing.replace({"b": error("second"), "c": error()})

    shown = failing.shown()
    assert shown.keys() == {"b", "c"}
    assert (shown["b"].message, shown["b"].attempts) == ("second", 2)


def test_people_are_shown_why_since_when_and_when_next(
    failing: FailingKeys[str], clock: Clock
) -> None:
    began = datetime.now(UTC)
    failing.note({"a"}, {"a": error("no room")})
    first = failing.shown()["a"]
    clock.now_s += 5.0
    failing.note({"a"}, {"a": error("still no room")})
    second = failing.shown()["a"]

    assert (first.message, second.message) == ("no room", "still no room")
    assert began <= first.since == second.since <= datetime.now(UTC)
    assert second.attempts == 2
    pause = second.next_try - datetime.now(UTC)
    assert timedelta(seconds=1.0) < pause <= timedelta(seconds=2.0)


def test_many_keys_are_counted_and_some_are_shown(failing: FailingKeys[str]) -> None:
    keys = [f"key-{number}" for number in range(1000)]

    failing.note(keys, {key: error("full") for key in keys})

    assert len(failing.shown()) == 16
    assert failing.summary() == "1000 failed; first key-0: full"


@given(rounds=st.lists(st.dictionaries(st.integers(0, 5), st.booleans())))
def test_exactly_those_keys_fail_whose_last_try_failed(rounds: list[dict[int, bool]]) -> None:
    failing: FailingKeys[int] = FailingKeys(Backoff)
    last: dict[int, bool] = {}

    for tried in rounds:
        failing.note(tried, {key: error() for key, fails in tried.items() if fails})
        last |= tried

    expected = {str(key) for key, fails in last.items() if fails}
    assert failing.shown().keys() == expected
    assert len(failing) == len(expected)
