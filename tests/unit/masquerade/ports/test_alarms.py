"""`masquerade/ports/alarms.py`: a mark that is passed is told once, and with a pause."""

import pytest
from tests.unit.masquerade.ports.samples import PORTS, page, remote

from ciliate.masquerade.ports.alarms import ALARMS_MAX, PAUSE_S, FillAlarms
from ciliate.masquerade.ports.book import RemotePorts

#: Of a clock that began long ago.
NOW_S = 55_000.0


def marks(alarms: FillAlarms, per_cent: float, time_s: float = 0.0) -> list[int]:
    used = round(per_cent * PORTS / 100)
    return [alarm.mark for alarm in alarms.look([page(used)], time_s)]


def test_each_mark_is_told_when_it_is_passed_and_not_while_it_stays_so() -> None:
    alarms = FillAlarms()

    told = [marks(alarms, each, NOW_S) for each in (79.9, 80.1, 85, 94.9, 95.1, 99, 96, 100)]

    assert told == [[], [80], [], [], [95], [], [], []]


def test_a_fill_that_jumps_over_both_marks_tells_the_higher_one() -> None:
    assert marks(FillAlarms(), 100) == [95]


@pytest.mark.parametrize(("high", "low"), [(81, 70.1), (96, 90.1)])
def test_a_fill_that_hovers_around_a_mark_tells_it_once(high: float, low: float) -> None:
    alarms = FillAlarms()
    marks(alarms, high)

    again = [marks(alarms, each, PAUSE_S * (n + 1)) for n, each in enumerate((low, high) * 3)]

    assert again == [[]] * 6


@pytest.mark.parametrize(("high", "low", "mark"), [(81, 69.9, 80), (96, 89.9, 95)])
def test_a_mark_that_is_passed_anew_is_told_again_after_a_pause(
    high: float, low: float, mark: int
) -> None:
    alarms = FillAlarms()
    assert marks(alarms, high, NOW_S) == [mark]
    assert marks(alarms, low, NOW_S + 10) == []

    assert marks(alarms, high, NOW_S + 20) == []
    assert marks(alarms, low, NOW_S + 30) == []
    assert marks(alarms, high, NOW_S + PAUSE_S) == [mark]


def test_a_remote_that_is_gone_and_comes_back_is_told_anew() -> None:
    alarms = FillAlarms()
    assert marks(alarms, 81) == [80]
    assert alarms.look([], 10) == []

    assert marks(alarms, 81, PAUSE_S) == [80]


def test_many_full_remotes_are_told_in_several_rounds() -> None:
    alarms = FillAlarms()
    pages = [page(PORTS, remote(port)) for port in range(1, 2 * ALARMS_MAX + 2)]

    told = [alarms.look(pages, float(each)) for each in range(4)]

    assert [len(each) for each in told] == [ALARMS_MAX, ALARMS_MAX, 1, 0]
    assert {alarm.page.remote for each in told for alarm in each} == {p.remote for p in pages}


def test_a_fill_of_just_the_mark_passes_it() -> None:
    exactly = RemotePorts(remote(), 80, 100, {})

    assert [alarm.mark for alarm in FillAlarms().look([exactly], NOW_S)] == [80]
