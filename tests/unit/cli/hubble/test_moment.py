"""Moments as flags take them and as lines show them."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from tests.unit.cli.hubble.sample_flows import SECONDS, at

from ciliate.cli.hubble.errors import FlagError
from ciliate.cli.hubble.moment import read_moment, render_moment

NOW_NS = SECONDS * 1_000_000_000


@pytest.mark.parametrize(
    ("layout", "shown"),
    [
        ("StampMilli", "Aug  2 07:11:40.494"),
        ("YearMonthDay", "2025-08-02"),
        ("YearMonthDayHour", "2025-08-02T07Z"),
        ("YearMonthDayHourMinute", "2025-08-02T07:11Z"),
        ("RFC3339", "2025-08-02T07:11:40Z"),
        ("RFC3339Milli", "2025-08-02T07:11:40.494Z"),
        ("RFC3339Micro", "2025-08-02T07:11:40.494123Z"),
        ("RFC3339Nano", "2025-08-02T07:11:40.494123456Z"),
        ("RFC1123Z", "Sat, 02 Aug 2025 07:11:40 +0000"),
    ],
)
def test_layouts_are_those_of_cilium(layout: str, shown: str) -> None:
    assert render_moment(at(494), layout) == shown


def test_nanoseconds_end_without_zeros() -> None:
    assert render_moment(at(500, nanos=0), "RFC3339Nano") == "2025-08-02T07:11:40.5Z"
    assert render_moment(at(0, nanos=0), "RFC3339Nano") == "2025-08-02T07:11:40Z"


@pytest.mark.parametrize(
    ("text", "seconds", "nanos"),
    [
        ("3s", SECONDS - 3, 0),
        ("1h43m", SECONDS - 6180, 0),
        ("500ms", SECONDS - 1, 500_000_000),
        ("2025-08-02", 1754092800, 0),
        ("2025-08-02T07Z", 1754118000, 0),
        ("2025-08-02T16:11+09:00", 1754118660, 0),
        ("2025-08-02T07:11:40Z", SECONDS, 0),
        ("2025-08-02T07:11:40.494123456Z", SECONDS, 494_123_456),
        ("2025-08-02T02:11:40.5-05:00", SECONDS, 500_000_000),
        ("Sat, 02 Aug 2025 09:11:40 +0200", SECONDS, 0),
        ("1960-01-01T00:00:00.5Z", -315619200, 500_000_000),
    ],
)
def test_moment_is_a_span_or_a_date(text: str, seconds: int, nanos: int) -> None:
    assert read_moment("since", text, now_ns=NOW_NS) == Timestamp(seconds=seconds, nanos=nanos)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "5", "2025-02-31", "2025-08-02T25Z", "2025-08-02 07:11", "Aug  2"]
)
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(FlagError, match="1h30m"):
        read_moment("since", text, now_ns=NOW_NS)
