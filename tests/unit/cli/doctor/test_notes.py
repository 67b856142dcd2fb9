"""`cli/doctor/notes.py`: routers that tell, and pairs that nothing is known of."""

from ciliate.cli.doctor.model import FindingKind, PairReport, PathStatus, Severity
from ciliate.cli.doctor.notes import silent_pairs, smaller_paths


def pair(
    one: str, other: str, status: PathStatus = PathStatus.PASSES, **fields: object
) -> PairReport:
    given = {"nodes": (one, other), "family": 4, "assumed": 1500, "passes": 1500, **fields}
    return PairReport(status=status, **given)  # type: ignore[arg-type]


def test_router_that_tells_is_a_note_for_all_its_pairs() -> None:
    smaller = {"passes": 1400, "told": 1400, "told_by": "10.0.0.1"}
    pairs = [pair("a", b, PathStatus.SMALLER, **smaller) for b in "bc"]

    (found,) = smaller_paths(pairs)

    assert (found.kind, found.severity) == (FindingKind.SMALLER_PATH, Severity.NOTE)
    assert (found.nodes, found.passes) == (("a", "b", "c"), 1400)
    assert "10.0.0.1 says so" in found.says


def test_node_that_answers_nobody_is_one_warning_and_other_pairs_one_each() -> None:
    silent = PathStatus.SILENT
    pairs = [
        pair("a", "b", silent),
        pair("a", "c", silent),
        pair("b", "c"),
        pair("b", "d"),
        pair("c", "d", silent),
        pair("a", "b", family=6),
    ]

    found = silent_pairs(pairs)

    assert [(each.nodes, each.family) for each in found] == [(("a",), 4), (("c", "d"), 4)]
    assert "2 others" in found[0].says


def test_many_silent_pairs_are_one_warning() -> None:
    silent = [pair("a", other, PathStatus.SILENT) for other in "bcde"]
    well = [pair("a", "f"), *(pair(other, "f") for other in "bcde")]

    (found,) = silent_pairs([*silent, *well])

    assert "4 pairs" in found.says
    assert "net.ipv4.neigh.default.gc_thresh3" in found.remedy
