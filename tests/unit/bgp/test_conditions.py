"""Conditions are written anew where they change, beside those of others."""

from datetime import UTC, datetime

from ciliate.api.metadata import Condition
from ciliate.bgp.conditions import MESSAGE_LENGTH_MAX, shown_words, words, written

NOW = datetime(2026, 1, 2, tzinfo=UTC)
BEFORE = "2026-01-01T00:00:00Z"


def test_the_time_is_that_of_the_last_change_of_the_status() -> None:
    before = [
        Condition(type="a", status="True", reason="A", last_transition_time=BEFORE),
        Condition(type="b", status="True", reason="B", last_transition_time=BEFORE),
    ]
    ours = [
        words("a", holds=True, reason="A", message="other"),
        words("b", holds=False, reason="B"),
    ]

    found = {each["type"]: each for each in written(before, ours, 7, NOW)}

    assert found["a"]["lastTransitionTime"] == BEFORE
    assert found["b"]["lastTransitionTime"] == "2026-01-02T00:00:00Z"
    assert found["a"]["observedGeneration"] == 7
    assert found["b"]["message"] == ""  # The API wants the field.


def test_others_conditions_stay() -> None:
    other = Condition(type="other", status="True", reason="R", last_transition_time=BEFORE)

    found = written([other], [words("a", holds=True, reason="A")], 1, NOW)

    assert [each["type"] for each in found] == ["other", "a"]


def test_what_is_written_is_what_is_shown() -> None:
    ours = (words("a", holds=True, reason="A", message="m"),)
    shown = [Condition(type="a", status="True", reason="A", message="m")]

    assert shown_words(shown, ("a", "b")) == ours


def test_a_message_fits_the_schema() -> None:
    assert len(words("a", holds=True, reason="A", message="x" * 10**6)[3]) == MESSAGE_LENGTH_MAX
