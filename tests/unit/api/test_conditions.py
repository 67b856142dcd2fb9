"""Conditions are written anew where they change, beside those of others."""

from datetime import UTC, datetime

from ciliate.api.conditions import Verdict, shown_conditions, written
from ciliate.api.metadata import Condition

NOW = datetime(2026, 1, 2, tzinfo=UTC)
BEFORE = "2026-01-01T00:00:00Z"


def test_the_time_is_that_of_the_last_change_of_the_status() -> None:
    before = [
        Condition(type="a", status="True", reason="A", last_transition_time=BEFORE),
        Condition(type="b", status="True", reason="B", last_transition_time=BEFORE),
    ]
    ours = [
        ("a", "True", "A", "other"),
        ("b", "False", "B", ""),
    ]

    found = {each["type"]: each for each in written(before, ours, 7, NOW)}

    assert found["a"]["lastTransitionTime"] == BEFORE
    assert found["b"]["lastTransitionTime"] == "2026-01-02T00:00:00Z"
    assert found["a"]["observedGeneration"] == 7
    assert found["b"]["message"] == ""  # The API wants the field.


def test_others_conditions_stay() -> None:
    other = Condition(type="other", status="True", reason="R", last_transition_time=BEFORE)

    found = written([other], [("a", "True", "A", "")], 1, NOW)

    assert [each["type"] for each in found] == ["other", "a"]


def said(kind: str, generation: int = 3) -> Condition:
    return Condition(
        type=kind, status="True", reason="R", message="m", observed_generation=generation
    )


def test_shown_is_what_all_of_ours_say_of_one_generation() -> None:
    conditions = [said("other", 9), said("b"), said("a")]

    assert shown_conditions(conditions, ("a", "b")) == Verdict(
        (("a", "True", "R", "m"), ("b", "True", "R", "m")), 3
    )


def test_nothing_is_shown_where_one_is_missing_or_of_another_generation() -> None:
    assert shown_conditions([said("a")], ("a", "b")) is None
    assert shown_conditions([said("a"), said("b", 2)], ("a", "b")) is None
