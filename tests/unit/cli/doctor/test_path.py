"""`cli/doctor/path.py`: one target examined, on paths of every kind."""

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.cli.doctor.fake_path import FakePath, path_report

from ciliate.cli.doctor.model import PathReport, PathStatus, ReplyStatus
from ciliate.cli.doctor.path import examine


async def found(path: FakePath, *, searches: bool = True, version: int = 4) -> PathReport:
    return await examine(path, path_report(), version=version, searches=searches)


async def test_two_questions_are_enough_where_full_size_passes() -> None:
    path = FakePath(there=1500)

    report = await found(path)

    assert (report.status, report.passes) == (PathStatus.PASSES, 1500)
    assert path.asked == [68, 1500]


@given(there=st.integers(68, 1499), back=st.integers(68, 9000), version=st.just(4))
async def test_silent_loss_is_a_black_hole_with_its_exact_size(
    there: int, back: int, version: int
) -> None:
    report = await found(FakePath(there=there, back=back), version=version)

    assert (report.status, report.passes) == (PathStatus.BLACK_HOLE, min(there, back))
    assert report.replies is (ReplyStatus.COME if back >= 1500 else ReplyStatus.LOST)


async def test_direction_is_unknown_where_pieces_get_nowhere() -> None:
    report = await found(FakePath(there=1400, pieces_pass=False))

    assert (report.status, report.replies) == (PathStatus.BLACK_HOLE, ReplyStatus.UNKNOWN)


@given(told=st.integers(68, 1499))
async def test_router_that_tells_its_mtu_is_no_black_hole(told: int) -> None:
    path = FakePath(there=told, told=told)

    report = await found(path)

    assert (report.status, report.passes, report.told) == (PathStatus.SMALLER, told, told)
    assert report.told_by == "10.0.0.1"
    assert len(path.asked) == 3


async def test_router_whose_answer_is_lost_by_chance_is_heard_in_the_search() -> None:
    # Lost are the two questions of full size; those of the search are answered.
    report = await found(FakePath(there=1400, told=1400, losses=[2, 4]))

    assert (report.status, report.passes, report.told) == (PathStatus.SMALLER, 1400, 1400)


async def test_router_that_does_not_say_how_much_passes_is_no_black_hole() -> None:
    class Elderly(FakePath):
        async def ask(self, size: int, *, patience_s: float):  # type: ignore[no-untyped-def] # noqa: ANN202
            outcome = await super().ask(size, patience_s=patience_s)
            return type(outcome)(outcome.kind, outcome.seconds, mtu=0, by=outcome.by)

    report = await found(Elderly(there=1400, told=1400))

    assert (report.status, report.passes, report.told) == (PathStatus.SMALLER, 1400, 0)


async def test_black_hole_behind_a_router_that_tells_its_mtu_is_found() -> None:
    report = await found(FakePath(there=1300, told=1400))

    assert (report.status, report.passes, report.told) == (PathStatus.BLACK_HOLE, 1300, 1400)


async def test_full_size_that_was_lost_once_is_no_black_hole() -> None:
    report = await found(FakePath(there=1500, losses=[2]))

    assert (report.status, report.passes) == (PathStatus.PASSES, 1500)


async def test_path_that_loses_small_ones_as_well_is_no_black_hole() -> None:
    report = await found(FakePath(there=1400, losses=[3]))

    assert report.status is PathStatus.UNSTEADY
    assert "68 bytes" in report.problem


async def test_nothing_is_said_of_sizes_where_nothing_answers() -> None:
    path = FakePath(there=1500, mute=True)

    report = await found(path)

    assert (report.status, report.passes, path.asked) == (PathStatus.SILENT, 0, [68])


async def test_own_packet_filter_is_told_from_the_way() -> None:
    report = await found(FakePath(there=1500, refused_above=1200))

    assert (report.status, report.passes) == (PathStatus.BLACK_HOLE, 1200)
    assert report.refused_here


async def test_size_is_not_searched_where_it_is_not_asked_for() -> None:
    path = FakePath(there=1400)

    report = await found(path, searches=False)

    assert (report.status, report.passes) == (PathStatus.BLACK_HOLE, 0)
    assert path.asked == [68, 1500, 68, 1500]
