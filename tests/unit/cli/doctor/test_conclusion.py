"""`cli/doctor/conclusion.py` and what is shown of it."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations

import click
from tests.unit.cli.doctor.fake_path import path_report

from ciliate.cli.doctor.conclusion import Seen, conclude
from ciliate.cli.doctor.model import FindingKind, PathReport, PathStatus, Verdict
from ciliate.cli.doctor.pairs import Observations
from ciliate.cli.doctor.report_text import ROWS_MAX, report_text

PLANNED = {4: frozenset({("a", "b"), ("a", "c"), ("b", "c")})}


def well(*pairs: str) -> dict[tuple[str, str, int], PathReport]:
    return {(p[0], p[1], 4): path_report(status=PathStatus.PASSES, passes=1500) for p in pairs}


def seen(observations: Observations, problems: dict[str, str] | None = None) -> Seen:
    return Seen(
        nodes=("a", "b", "c"),
        observations=observations,
        planned=PLANNED,
        problems=problems or {},
        pairs_possible=3,
    )


def test_all_is_well_when_each_pair_of_the_plan_is() -> None:
    report = conclude(seen(well("ab", "ac", "bc")))

    assert report.verdict is Verdict.WELL
    assert report.says == (
        "No black hole: full size passes between 3 nodes; 3 of 3 pairs probed, IPv4."
    )


def test_router_that_tells_leaves_all_well() -> None:
    told = path_report(status=PathStatus.SMALLER, passes=1400, told=1400, told_by="10.0.0.1")

    report = conclude(seen({**well("ac", "bc"), ("a", "b", 4): told}))

    assert report.verdict is Verdict.WELL
    assert "between 3 nodes, or a router says what does; 3 of 3" in report.says


def test_black_hole_is_the_verdict_whatever_else_is_unknown() -> None:
    hole = path_report(status=PathStatus.BLACK_HOLE, passes=1400)

    report = conclude(seen({**well("ac", "bc"), ("a", "b", 4): hole}, {"b": "no answer"}))

    assert report.verdict is Verdict.BLACK_HOLE
    assert report.says == (
        "Black hole: between a and b, IPv4: 1400 of 1500 bytes pass (2 of 3 probed pairs are well)."
    )


def test_agent_without_answer_and_unprobed_pairs_leave_the_verdict_open() -> None:
    report = conclude(seen(well("ab", "ac"), {"c": "no answer"}))

    assert report.verdict is Verdict.INCOMPLETE
    assert report.unanswered == {"c": "no answer"}
    assert "1 agent unanswered, 1 pair not probed; 2 of 3 pairs are known" in report.says


def test_pairs_without_echoes_leave_the_verdict_open() -> None:
    silent = path_report(status=PathStatus.SILENT)

    report = conclude(seen({**well("ac", "bc"), ("a", "b", 4): silent}))

    assert report.verdict is Verdict.INCOMPLETE
    assert "1 pair without echoes" in report.says


def test_one_node_has_nothing_to_probe() -> None:
    report = conclude(Seen(nodes=("a",), observations={}, planned={}))

    assert (report.verdict, report.says) == (Verdict.WELL, "There is nothing to probe: 1 node.")


def test_verdict_is_the_last_line_and_pairs_that_are_well_one() -> None:
    hole = path_report(status=PathStatus.BLACK_HOLE, passes=1400)

    report = conclude(seen({**well("ac", "bc"), ("a", "b", 4): hole}, {"b": "no answer"}))
    lines = click.unstyle(report_text(report)).splitlines()

    assert [line.split() for line in lines[:3]] == [
        ["NODE", "NODE", "FAMILY", "ASSUMED", "PASSES", "RESULT"],
        ["a", "b", "IPv4", "1500", "1400", "black", "hole"],
        ["2", "pairs", "IPv4", "1500", "1500", "full", "size", "passes"],
    ]
    assert "  b: no answer" in lines
    assert lines[-1] == report.says


def test_table_of_many_faulty_pairs_is_cut_off_and_says_so() -> None:
    nodes = [f"n{number:02}" for number in range(12)]
    observations = {
        (a, b, 4): path_report(status=PathStatus.BLACK_HOLE, passes=1400)
        for a, b in combinations(nodes, 2)
    }

    report = conclude(Seen(nodes=tuple(nodes), observations=observations, planned={}))
    lines = click.unstyle(report_text(report)).splitlines()

    assert lines[1 + ROWS_MAX] == "16 pairs more are not well: -o json shows them"
    assert len(report.pairs) == 66
    assert len(report.findings) == 1


def holes(nodes: str, lost: Iterable[str], *, passes: int = 1400) -> str:
    """The verdict where the pairs of `lost`, as "ab", lose packets."""
    observations = well(*(a + b for a, b in combinations(nodes, 2)))
    for each in lost:
        hole = path_report(status=PathStatus.BLACK_HOLE, passes=passes)
        observations[each[0], each[1], 4] = hole
    return conclude(Seen(nodes=tuple(nodes), observations=observations, planned={})).says


def test_verdict_names_where_the_black_hole_is() -> None:
    half = ["ac", "ad", "bc", "bd"]
    sizes = "IPv4: 1400 of 1500 bytes pass"

    assert holes("abc", ["ab", "ac"]).startswith(f"Black hole: the link of a, {sizes}")
    assert holes("abcd", half).startswith(f"Black hole: between a and b and c and d, {sizes}")
    everybody = map("".join, combinations("abcd", 2))
    assert holes("abcd", everybody).startswith(f"Black hole: between a, b, c and d, {sizes}")
    assert "between a and b, IPv4: full size is lost" in holes("abc", ["ab"], passes=0)


def test_many_black_holes_are_cut_off_and_counted() -> None:
    lost = ["ab", "cd", "ef", "gh"]

    assert "; and 1 more (24 of 28 probed pairs are well)." in holes("abcdefgh", lost)


def test_agent_without_a_pod_is_told_and_leaves_no_doubt_where_others_probed_it() -> None:
    given = seen(well("ab", "ac", "bc"))

    report = conclude(replace(given, out_of_reach={"c": "no pod"}, seconds=1.239))

    assert (report.verdict, report.unanswered) == (Verdict.WELL, {"c": "no pod"})
    assert report.seconds == 1.24


def test_tunnels_overhead_counts_against_the_device() -> None:
    given = replace(seen(well("ab", "ac", "bc")), pod_mtus={"a": 1480}, overhead_bytes=50)

    assert [each.kind for each in conclude(given).findings] == [FindingKind.POD_MTU_TOO_LARGE]
    assert conclude(replace(given, overhead_bytes=0)).findings == ()
