"""What the status of a MasqueradePolicy says."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from msgspec import convert, structs
from tests.unit.masquerade.policy.policies import policy

from ciliate.api.masquerade_policy import RULES_MAX, MasqueradePolicy, MasqueradePolicyStatus
from ciliate.api.metadata import Condition
from ciliate.masquerade.operator.plan import shown_verdict, status_patch, verdicts
from ciliate.masquerade.policy.book import POLICY_RULES_MAX, PolicyBook

KEEP, WRONG = {"source": "Pod"}, {"source": "Nobody"}
NOW = datetime(2026, 11, 29, 16, 0, tzinfo=UTC)


def _generation(made: MasqueradePolicy, generation: int) -> MasqueradePolicy:
    meta = structs.replace(made.metadata, generation=generation, resource_version="7")
    return structs.replace(made, metadata=meta)


def _after(made: MasqueradePolicy, patch: dict[str, Any]) -> MasqueradePolicy:
    return structs.replace(made, status=convert(patch["status"], MasqueradePolicyStatus))


def test_object_that_can_be_read_is_accepted_with_its_rules() -> None:
    made, book = _generation(policy(KEEP, KEEP), 3), PolicyBook()
    book.put(made)

    verdict = verdicts([made], book)["shop"]
    patch = status_patch(made, verdict, NOW)

    assert patch == {
        "metadata": {"resourceVersion": "7"},
        "status": {
            "rules": 2,
            "conditions": [
                {
                    "type": "Accepted",
                    "status": "True",
                    "observedGeneration": 3,
                    "reason": "Accepted",
                    "message": "nodes use this version",
                    "lastTransitionTime": "2026-11-29T16:00:00Z",
                }
            ],
        },
    }
    assert shown_verdict(_after(made, patch)) == verdict


def test_wrong_object_is_not_accepted_and_says_where_it_is_wrong() -> None:
    book = PolicyBook()
    book.put(policy(KEEP))
    made = _generation(policy(KEEP, WRONG), 4)
    book.put(made)

    verdict = verdicts([made], book)["shop"]

    assert verdict.is_accepted is False
    assert (verdict.reason, verdict.rules, verdict.generation) == ("Invalid", 0, 4)
    assert verdict.message == (
        'spec.rules[1].source: "Nobody" is no source: write one of Pod, Device, Address;'
        " nodes that know its former rules keep them"
    )


def test_object_that_does_not_fit_is_told_by_what_comes_before() -> None:
    book = PolicyBook()
    made = [
        policy(*[KEEP] * RULES_MAX, name=f"p{number:02}")
        for number in range(POLICY_RULES_MAX // RULES_MAX + 1)
    ]
    for each in made:
        book.put(each)

    found = verdicts(made, book)

    assert [each.reason for each in found.values()] == ["Accepted"] * 16 + ["TooManyRules"]
    assert "former" not in found["p16"].message


def test_time_of_the_condition_is_that_of_its_last_change() -> None:
    made, book = _generation(policy(KEEP), 1), PolicyBook()
    book.put(made)
    verdict = verdicts([made], book)["shop"]
    once = _after(made, status_patch(made, verdict, NOW))

    later = datetime(2026, 11, 30, tzinfo=UTC)
    again = status_patch(once, replace(verdict, generation=2), later)
    book.put(policy(WRONG))
    refused = status_patch(once, verdicts([made], book)["shop"], later)

    assert again["status"]["conditions"][0]["lastTransitionTime"] == "2026-11-29T16:00:00Z"
    assert refused["status"]["conditions"][0]["lastTransitionTime"] == "2026-11-30T00:00:00Z"


def test_conditions_of_others_are_left_alone() -> None:
    other = Condition(type="Seen", status="True")
    made = structs.replace(policy(KEEP), status=MasqueradePolicyStatus(conditions=(other,)))
    book = PolicyBook()
    book.put(made)

    patch = status_patch(made, verdicts([made], book)["shop"], NOW)

    assert [each["type"] for each in patch["status"]["conditions"]] == ["Seen", "Accepted"]
    assert shown_verdict(made) is None
