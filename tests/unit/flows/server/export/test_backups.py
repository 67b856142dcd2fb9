"""`flows/server/export/backups.py`: names of backups follow each other, and only so many stay."""

from datetime import UTC, datetime, timedelta

import pytest

from ciliate.flows.server.export.backups import Tidying, backup_name, tidying

NOW = datetime(2026, 1, 2, 15, 4, 5, 678_900, tzinfo=UTC)
FIRST = "events-2026-01-02T15-04-05.678.log"
SECOND = "events-2026-01-02T15-04-05.679.log"
THIRD = "events-2026-01-02T15-04-06.000.log"


@pytest.mark.parametrize(
    ("name", "backup"),
    [
        ("events.log", FIRST),
        ("events", "events-2026-01-02T15-04-05.678"),
        ("a.b.json", "a.b-2026-01-02T15-04-05.678.json"),
    ],
)
def test_backup_has_its_moment_before_its_ending(name: str, backup: str) -> None:
    assert backup_name(name, NOW, ()) == backup


@pytest.mark.parametrize("step", [timedelta(0), timedelta(microseconds=50), -timedelta(days=1)])
def test_a_later_backup_is_called_later_whatever_the_clock_says(step: timedelta) -> None:
    assert backup_name("events.log", NOW + step, {FIRST, "events.log"}) == SECOND
    assert backup_name("events.log", NOW + step, {f"{FIRST}.gz"}) == SECOND


def test_the_newest_stay() -> None:
    present = {FIRST, SECOND, THIRD, "events.log"}

    assert tidying("events.log", present, backups=2, compress=False).remove == (FIRST,)
    assert len(tidying("events.log", present, backups=0, compress=False).remove) == 3
    assert tidying("events.log", present, backups=3, compress=False) == Tidying((), ())


def test_what_stays_is_compressed_once() -> None:
    present = {FIRST, f"{SECOND}.gz", THIRD}

    found = tidying("events.log", present, backups=2, compress=True)

    assert found == Tidying(remove=(FIRST,), compress=(THIRD,))


def test_what_a_process_that_was_killed_left_is_removed() -> None:
    present = {FIRST, f"{FIRST}.gz", SECOND, f"{SECOND}.gz.unfinished"}

    found = tidying("events.log", present, backups=5, compress=True)

    assert found.remove == (FIRST, f"{SECOND}.gz.unfinished")
    assert found.compress == (SECOND,)


def test_files_of_others_are_left_alone() -> None:
    others = {"events-old.log", "events.log", "x-2026-01-02T15-04-05.678.log", f"{FIRST}.txt"}

    assert tidying("events.log", others, backups=0, compress=True) == Tidying((), ())
