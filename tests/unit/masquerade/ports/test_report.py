"""`masquerade/ports/report.py`: what the agent answers of the book of ports."""

from tests.unit.masquerade.ports.samples import CURL, NAMES, RANGE, counts, page, remote

from ciliate.datapath.layout import PortFailure
from ciliate.masquerade.ports.book import Account, Counts, OwnerName, PortBook, write_book
from ciliate.masquerade.ports.report import (
    HOLDERS_MAX,
    ConnectionHolder,
    PortHolder,
    PortRow,
    PortsReport,
    ports_report,
)

SECOND = 1_000_000_000
ACCOUNT = Account(CURL, connections=7, evicted=2, refused=3)


def report(book: PortBook, *, rows_max: int | None = 50) -> PortsReport:
    return ports_report(
        book,
        [ACCOUNT] * 3,
        NAMES.__getitem__,
        back_end="BPF",
        now_ns=100 * SECOND,
        rows_max=rows_max,
    )


def test_a_row_says_all_that_is_known_of_a_destination() -> None:
    book = write_book(
        counts({remote(80): 16384}), {remote(80): PortFailure(4, 97 * SECOND, 0)}, {}, RANGE
    )
    pages = [page(16384, growth=128.04, failed=4, holders={1: 16000, 2: 384})]
    shown = report(PortBook(book.counts, tuple(pages)))

    assert shown.destinations == (
        PortRow(
            source_address="192.168.10.100",
            destination="203.0.113.10:80/TCP",
            remote_address="203.0.113.10",
            remote_port=80,
            protocol="TCP",
            used=16384,
            ports=32768,
            fill_percent=50.0,
            failed=4,
            last_failed_seconds_ago=100,
            growth_per_second=128.0,
            seconds_to_exhaustion=128.0,
            holders=(
                PortHolder(namespace="default", name="web", ports=16000),
                PortHolder(namespace="default", name="curl", ports=384),
            ),
        ),
    )
    (row,) = report(book).destinations
    assert (row.last_failed_seconds_ago, row.growth_per_second) == (3, None)


def test_owners_say_what_they_have_and_what_they_lost() -> None:
    assert (
        report(PortBook()).owners
        == (
            ConnectionHolder(
                namespace="default", name="curl", connections=7, evicted=2, refused=3
            ),
        )
        * 3
    )


def test_rows_beyond_the_bound_are_counted() -> None:
    book = PortBook(Counts(9, 4, 3), tuple(page(5, remote(port)) for port in range(1, 4)))

    few, every = report(book, rows_max=2), report(book, rows_max=None)

    assert (len(few.destinations), few.left_out, len(few.owners)) == (2, 1, 2)
    assert (len(every.destinations), every.left_out, len(every.owners)) == (3, 0, 3)
    assert (few.used, few.unlisted, few.least_listed) == (9, 4, 3)


def test_figures_have_one_decimal_and_holders_are_bounded() -> None:
    names = {number: OwnerName("default", f"pod-{number}") for number in range(20)}
    full = page(26400, growth=12.345, holders=dict.fromkeys(names, 9))
    (row,) = ports_report(
        PortBook(Counts(), (full,)),
        [],
        names.__getitem__,
        back_end="BPF",
        now_ns=0,
        rows_max=50,
    ).destinations

    assert (row.fill_percent, row.growth_per_second) == (80.6, 12.3)
    assert len(row.holders) == HOLDERS_MAX
