"""`cli/doctor/pairs.py`: what two ends say of one pair."""

from tests.unit.cli.doctor.fake_path import path_report

from ciliate.cli.doctor.model import PairReport, PathStatus, ReplyStatus
from ciliate.cli.doctor.pairs import pair_reports, pairs_by_status

HOLE = PathStatus.BLACK_HOLE


def merged(there: dict[str, object], back: dict[str, object]) -> PairReport:
    (report,) = pair_reports(
        {
            ("a", "b", 4): path_report(**there),  # type: ignore[arg-type]
            ("b", "a", 4): path_report(**back),  # type: ignore[arg-type]
        }
    )
    return report


def test_direction_is_what_replies_in_either_direction_show() -> None:
    comes, lost = ReplyStatus.COME, ReplyStatus.LOST
    unknown = ReplyStatus.UNKNOWN

    def towards(there: ReplyStatus, back: ReplyStatus) -> tuple[str, ...]:
        ends = ({"status": HOLE, "replies": seen, "passes": 1400} for seen in (there, back))
        return merged(*ends).lost_towards

    assert towards(comes, lost) == ("b",)
    assert towards(lost, comes) == ("a",)
    assert towards(lost, lost) == ("a", "b")
    assert towards(comes, unknown) == ("b",)
    assert towards(unknown, unknown) == ()


def test_end_that_saw_a_loss_counts_more_than_one_that_assumes_less() -> None:
    report = merged(
        {"status": PathStatus.PASSES, "passes": 1500},
        {"status": HOLE, "assumed": 9000, "passes": 1500, "mtu": 9000},
    )

    assert (report.status, report.assumed, report.passes) == (HOLE, 9000, 1500)


def test_end_that_was_answered_counts_more_than_one_that_was_not() -> None:
    report = merged({"status": PathStatus.SILENT}, {"status": PathStatus.PASSES, "passes": 1500})

    assert (report.status, report.passes) == (PathStatus.PASSES, 1500)


def test_smaller_of_two_sizes_counts_and_a_search_that_was_not_made_does_not() -> None:
    assert (
        merged({"status": HOLE, "passes": 1400}, {"status": HOLE, "passes": 1380}).passes == 1380
    )
    assert merged({"status": HOLE, "passes": 1400}, {"status": HOLE, "passes": 0}).passes == 1400


def test_pairs_are_chosen_by_family_and_status() -> None:
    reports = pair_reports(
        {
            ("a", "b", 4): path_report(status=PathStatus.PASSES),
            ("a", "c", 4): path_report(status=HOLE),
            ("a", "b", 6): path_report(status=HOLE),
        }
    )

    assert pairs_by_status(reports, 4, {HOLE}) == {("a", "c")}


def test_loss_counts_before_what_a_router_told_the_other_end_and_keeps_who_refused() -> None:
    report = merged(
        {"status": HOLE, "passes": 1300, "told": 1400, "told_by": "r", "refused_here": True},
        {"status": PathStatus.SMALLER, "passes": 1350, "told": 1350, "told_by": "s"},
    )

    assert (report.status, report.passes) == (HOLE, 1300)
    assert (report.told, report.told_by, report.refused_by) == (1400, "r", ("a",))


def test_of_two_routers_that_tell_the_smaller_size_is_kept() -> None:
    smaller = PathStatus.SMALLER
    report = merged(
        {"status": smaller, "passes": 1400, "told": 1400, "told_by": "r"},
        {"status": smaller, "passes": 1350, "told": 1350, "told_by": "s"},
    )

    assert (report.passes, report.told, report.told_by) == (1350, 1350, "s")


def test_size_that_neither_end_searched_is_not_known() -> None:
    assert merged({"status": HOLE}, {"status": HOLE}).passes == 0


def test_answer_of_any_size_counts_more_than_none() -> None:
    told = {"status": PathStatus.SMALLER, "passes": 1400, "told": 1400, "told_by": "r"}

    assert merged({"status": PathStatus.UNSTEADY}, told).status is PathStatus.SMALLER
    assert merged({"status": PathStatus.FAILED}, {"status": PathStatus.SILENT}).status is (
        PathStatus.SILENT
    )
