"""`masquerade/ports/book.py`: fill, holders and growth of each remote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.masquerade.ports.samples import (
    CURL,
    NAMES,
    PORTS,
    RANGE,
    WEB,
    counts,
    page,
    remote,
)

from ciliate.datapath.layout import ConnectionOwnerNumber, PortFailure, PortUser, Tuple
from ciliate.masquerade.ports.book import (
    LISTED_PORTS_MAX,
    LISTED_SHARE,
    Growth,
    Remote,
    is_recent,
    largest,
    least_listed,
    read_counts,
    write_book,
)

ALL = ConnectionOwnerNumber.OWNER_ALL


def user(of: Remote, owner: int) -> PortUser:
    return PortUser(of.address, of.remote, of.port, of.protocol, owner)


def test_counts_tell_each_remote_and_its_holders() -> None:
    web, dns = remote(80), remote(53, protocol=17)
    entries = [
        (user(web, ALL), 5),
        (user(web, 1), 3),
        (user(web, 2), 2),
        (user(dns, ALL), 1),
        (user(dns, 2), 1),
    ]

    found = read_counts(entries, used=9, entered=6, least=2)

    assert found.by_remote == {web: 5, dns: 1}
    assert found.by_owner == {web: {1: 3, 2: 2}, dns: {2: 1}}
    assert (found.used, found.unlisted, found.least) == (9, 3, 2)


def test_a_failure_is_of_the_remote_that_its_answers_would_come_from() -> None:
    web = remote(80)
    key = Tuple(web.remote, web.address, 80, 0, 6, 1)

    assert Remote.of_failure(key) == web


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (remote(80), "203.0.113.10:80/TCP"),
        (remote(53, world="2001:db8::10", protocol=17), "[2001:db8::10]:53/UDP"),
        (remote(0, protocol=1), "203.0.113.10/ICMP"),
        (remote(0, world="2001:db8::10", protocol=58), "2001:db8::10/ICMPv6"),
    ],
)
def test_a_remote_reads_as_address_port_and_protocol(found: Remote, text: str) -> None:
    assert str(found) == text


@given(st.integers(0, 1_000_000))
def test_however_large_the_table_few_remotes_are_listed(held: int) -> None:
    least = least_listed(held)

    assert held // least <= max(LISTED_PORTS_MAX, LISTED_SHARE)
    assert least == 1 or held > LISTED_PORTS_MAX


def test_every_remote_is_listed_up_to_the_bound() -> None:
    assert [least_listed(LISTED_PORTS_MAX + more) for more in (0, 1)] == [1, 5]


def test_pages_come_by_fill_then_by_failures() -> None:
    full, half, failing = remote(1), remote(2), remote(3)

    book = write_book(
        counts({half: PORTS // 2, full: PORTS}),
        {failing: PortFailure(7, 1, 0), half: PortFailure(1, 1, 0)},
        {half: 64.0},
        RANGE,
    )

    assert [each.remote for each in book.pages] == [full, half, failing]
    assert [each.fill for each in book.pages] == [1.0, 0.5, 0.0]
    assert [each.failed for each in book.pages] == [0, 1, 7]
    assert [each.holders for each in book.pages] == [{1: PORTS}, {1: PORTS // 2}, {}]
    assert [each.seconds_to_exhaustion for each in book.pages] == [0.0, 256.0, None]


def test_sctp_keeps_its_ports_so_all_numbers_are_its_range() -> None:
    assert RANGE.ports(remote(80, protocol=132)) == 65535
    assert RANGE.ports(remote(80)) == PORTS


def test_a_failure_is_recent_while_its_client_may_be_trying() -> None:
    second = 1_000_000_000
    failure = PortFailure(1, 100 * second, 0)

    found = [is_recent(failure, now_ns=(100 + age) * second) for age in (0, 9, 10)]

    assert found == [True, True, False]


@pytest.mark.parametrize("growth", [None, 0.0, -5.0])
def test_what_does_not_grow_is_not_exhausted(growth: float | None) -> None:
    assert page(100, growth=growth).seconds_to_exhaustion is None


def test_growth_is_measured_over_the_latest_rounds() -> None:
    web, growth = remote(80), Growth()
    for number in range(6):
        growth.note(number * 10.0, counts({web: number * 100}))

    assert growth.since_then(60.0, counts({web: 900})) == {web: (900 - 200) / 40}


def test_a_remote_that_is_new_has_grown_from_nothing() -> None:
    growth = Growth()
    growth.note(0.0, counts({remote(81): 9}, least=14))

    assert growth.since_then(10.0, counts({remote(80): 500})) == {remote(80): 50.0}


def test_growth_is_not_told_before_it_is_known() -> None:
    web, growth = remote(80), Growth()
    assert growth.since_then(0.0, counts({web: 1})) == {}

    growth.note(50.0, counts({web: 1}))
    assert growth.since_then(50.9, counts({web: 2})) == {}
    assert growth.since_then(51.0, counts({web: 2})) == {web: 1.0}


def test_of_remotes_that_a_round_may_have_left_out_growth_is_not_told() -> None:
    web, growth = remote(80), Growth()
    growth.note(0.0, counts({remote(1000 + each): 9 for each in range(256)}))

    assert growth.since_then(10.0, counts({web: 5})) == {}


def test_a_pods_interfaces_count_together() -> None:
    assert largest({1: 3, 2: 4, 3: 2}, NAMES.__getitem__, 2) == [(WEB, 5), (CURL, 4)]
    assert largest({1: 3, 2: 4, 3: 2}, NAMES.__getitem__, 1) == [(WEB, 5)]


def test_of_equal_holders_the_first_by_name_comes_first() -> None:
    assert largest({1: 4, 2: 4}, NAMES.__getitem__, 2) == [(CURL, 4), (WEB, 4)]
