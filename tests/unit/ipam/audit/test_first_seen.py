"""`ipam/audit/first_seen.py`: how long a finding lasts, over inspections without a gap."""

from datetime import UTC, datetime, timedelta

from ciliate.api.ipam_audit import Evidence, Finding, Severity
from ciliate.ipam.audit.first_seen import FirstSeen


def finding(thing: str, *, says: str = "x") -> Finding:
    return Finding(
        kind="k",
        severity=Severity.ERROR,
        object=thing,
        evidence=(Evidence(source="api", says=says),),
        remedy="",
    )


def test_age_counts_from_the_first_inspection_that_found_it() -> None:
    seen = FirstSeen()

    assert [each.age_s for each in seen.note([finding("a")], 10.0)] == [0.0]
    ages = {
        each.finding.object: each.age_s for each in seen.note([finding("b"), finding("a")], 17)
    }

    assert ages == {"a": 7.0, "b": 0.0}


def test_what_one_inspection_did_not_find_begins_anew() -> None:
    seen = FirstSeen()
    seen.note([finding("a")], 10.0)
    seen.note([], 11.0)

    assert [each.age_s for each in seen.note([finding("a")], 12.0)] == [0.0]


def test_other_evidence_is_another_finding() -> None:
    seen = FirstSeen()
    seen.note([finding("a")], 10.0)

    assert [each.age_s for each in seen.note([finding("a", says="y")], 12.0)] == [0.0]


def test_date_is_reckoned_back_from_now() -> None:
    seen = FirstSeen()
    seen.note([finding("a")], 10.0)
    (aged,) = seen.note([finding("a")], 40.0)
    now = datetime(2026, 1, 1, tzinfo=UTC)

    assert aged.dated(now).since == now - timedelta(seconds=30)
