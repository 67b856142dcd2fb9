"""`flows/server/record_ring.py`: the newest records, whatever came how, and their fields as columns."""

import random
import sys

import pytest
from tests.unit.flows.server.sample_records import WEB_IP, drop, joined, octets, packet

from ciliate.datapath.layout import Event, EventKind
from ciliate.flows.server.record_ring import KIND, RecordRing, column_of, kinds


def numbered(first: int, last: int) -> list[Event]:
    """Return records that can be told apart by `bytes`."""
    return [packet(bytes=number) for number in range(first, last)]


def held(ring: RecordRing) -> list[int]:
    """Return what is in a ring, by `bytes`, read one by one and as a column."""
    one_by_one = [
        Event.unpack(ring.octets(number)).bytes for number in range(ring.oldest, ring.end)
    ]
    assert ring.column(column_of("bytes"), ring.oldest, ring.end) == one_by_one
    return one_by_one


def test_new_ring_is_empty() -> None:
    ring = RecordRing(7)

    assert (len(ring), ring.oldest, ring.end) == (0, 0, 0)
    assert held(ring) == []


def test_what_came_first_goes_first_and_numbers_go_on() -> None:
    ring = RecordRing(7)
    for first in range(0, 20, 4):
        ring.append(joined(numbered(first, first + 4)))

    assert (len(ring), ring.oldest, ring.end) == (7, 13, 20)
    assert held(ring) == [*range(13, 20)]


@pytest.mark.parametrize("before", [0, 5])
@pytest.mark.parametrize("count", [7, 8, 9, 100])
def test_of_more_than_fit_at_once_the_newest_are_kept_and_all_are_counted(
    before: int, count: int
) -> None:
    ring = RecordRing(7)
    ring.append(joined(numbered(0, before)))

    ring.append(joined(numbered(before, before + count)))

    assert ring.end == before + count
    assert held(ring) == [*range(ring.end - 7, ring.end)]


def test_ring_of_one_keeps_the_newest() -> None:
    ring = RecordRing(1)
    ring.append(joined(numbered(0, 3)))

    assert held(ring) == [2]


@pytest.mark.parametrize("seed", range(5))
def test_whatever_comes_at_once_the_ring_holds_the_newest(seed: int) -> None:
    chance, ring = random.Random(seed), RecordRing(15)
    for _ in range(50):
        count = chance.randrange(40)
        ring.append(joined(numbered(ring.end, ring.end + count)))
        assert held(ring) == [*range(max(0, ring.end - 15), ring.end)]


def test_columns_are_the_fields_of_records() -> None:
    ring = RecordRing(3)
    ring.append(joined([packet(), packet(), packet(), drop(cookie=1 << 63, line=500)]))

    assert ring.column(KIND, 1, 4) == [EventKind.EVENT_TRACE] * 2 + [EventKind.EVENT_DROP]
    assert ring.column(column_of("cookie"), 3, 4) == [1 << 63]
    assert ring.column(column_of("line"), 2, 4) == [0, 500]
    assert ring.column(column_of("time_ns"), 1, 2) == [packet().time_ns]


def test_half_of_an_address_is_a_column() -> None:
    ring = RecordRing(3)
    ring.append(packet().pack())

    halves = [ring.column(column_of("source", within=at), 0, 1)[0] for at in (0, 8)]

    assert b"".join(half.to_bytes(8, sys.byteorder) for half in halves) == octets(WEB_IP)


def test_column_of_part_of_what_is_there_goes_over_the_ring_s_end() -> None:
    ring = RecordRing(7)
    ring.append(joined(numbered(0, 12)))

    assert ring.column(column_of("bytes"), 6, 10) == [6, 7, 8, 9]
    assert ring.column(column_of("bytes"), 9, 9) == []


def test_field_that_records_have_not_has_no_column() -> None:
    with pytest.raises(KeyError):
        column_of("colour")


def test_kinds_of_records_are_told_before_they_are_kept() -> None:
    assert list(kinds(joined([packet(), drop()]))) == [
        EventKind.EVENT_TRACE,
        EventKind.EVENT_DROP,
    ]
