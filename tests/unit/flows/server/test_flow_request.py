"""`flows/server/flow_request.py`: which flows are asked for, from where on, and how many."""

from collections.abc import Iterable

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from tests.unit.flows.server.sample_records import (
    EPOCH_OFFSET_NS,
    NOW_NS,
    OTHER_CGROUP,
    SECOND_NS,
    call,
    drop,
    loss,
    packet,
    view,
)

from ciliate.datapath.layout import Event
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.server.errors import FieldMaskError, FlowFilterError, FlowRequestError
from ciliate.flows.server.flow_request import FlowRequest, is_loss, newest, read_request
from ciliate.flows.server.record_view import RecordView

Asked = observer_pb2.GetFlowsRequest

DROPPED = flow_pb2.FlowFilter(verdict=[flow_pb2.DROPPED])


def moment(time_ns: int) -> Timestamp:
    """Return the moment of a record as a request says it."""
    seconds, nanos = divmod(time_ns + EPOCH_OFFSET_NS, SECOND_NS)
    return Timestamp(seconds=seconds, nanos=nanos)


def views(events: Iterable[Event]) -> list[RecordView]:
    return [view(event, number) for number, event in enumerate(events)]


def numbers(request: FlowRequest, events: Iterable[Event]) -> list[int]:
    """Return the numbers of the records that are given, newest first."""
    found = newest(request, iter(views(events)[::-1]))
    return [each.number for each in found if each is not None]


@pytest.mark.parametrize(
    ("asked", "at_the_end", "counts_back"),
    [
        (Asked(), False, False),
        (Asked(number=20), False, True),
        (Asked(number=20, first=True), False, False),
        (Asked(follow=True), True, False),
        (Asked(follow=True, number=20), False, True),
        (Asked(number=2**64 - 1), False, True),
        (Asked(since=moment(0)), False, False),
        (Asked(since=moment(0), number=20), False, False),
        (Asked(since=moment(0), follow=True), False, False),
        (Asked(until=moment(0), number=20), False, True),
    ],
)
def test_where_an_answer_begins(asked: Asked, at_the_end: bool, counts_back: bool) -> None:  # noqa: FBT001 - a table's.
    request = read_request(asked)

    assert (request.starts_at_the_end, request.counts_back) == (at_the_end, counts_back)


def test_moments_are_inclusive_bounds() -> None:
    request = read_request(Asked(since=moment(NOW_NS), until=moment(NOW_NS + 5)))
    before, first, last, after = (
        view(packet(time_ns=NOW_NS + offset)) for offset in (-1, 0, 5, 6)
    )

    assert [request.is_wanted(each) for each in (before, first)] == [False, True]
    assert [request.is_past(each) for each in (last, after)] == [False, True]


def test_time_of_the_epoch_is_a_bound_too() -> None:
    request = read_request(Asked(since=Timestamp()))

    assert request.since_ns == 0


def test_flow_is_wanted_by_whitelist_without_blacklist() -> None:
    request = read_request(Asked(whitelist=[DROPPED]))
    refused = read_request(Asked(blacklist=[DROPPED]))

    assert [request.is_wanted(view(event)) for event in (packet(), drop())] == [False, True]
    assert [refused.is_wanted(view(event)) for event in (packet(), drop())] == [True, False]


def test_what_is_no_flow_is_none_whatever_is_asked_for() -> None:
    request = read_request(Asked())

    assert not request.is_wanted(view(loss(1)))
    assert not request.is_wanted(view(call(cgroup=OTHER_CGROUP)))
    assert is_loss(view(loss(1)))
    assert not is_loss(view(packet()))


def test_mask_stands_where_new_or_old_clients_put_it() -> None:
    mask = FieldMask(paths=["uuid"])
    old = Asked.Experimental(field_mask=mask)

    assert read_request(Asked(field_mask=mask)).tree == {"uuid": None}
    assert read_request(Asked(experimental=old)).tree == {"uuid": None}
    assert read_request(Asked(field_mask=FieldMask(), experimental=old)).tree is None
    assert read_request(Asked()).tree is None


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        (
            Asked(first=True, follow=True),
            FlowRequestError,
            "first cannot be specified with follow",
        ),
        (
            Asked(whitelist=[flow_pb2.FlowFilter(protocol=["foo"])]),
            FlowFilterError,
            'invalid protocol filter: unknown protocol: "foo"',
        ),
        (Asked(field_mask=FieldMask(paths=["foo"])), FieldMaskError, 'path "foo"'),
    ],
)
def test_what_cannot_be_answered_is_refused_with_its_reason(
    asked: Asked, error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as refused:
        read_request(asked)

    assert words in str(refused.value)


def test_newest_are_counted_by_what_is_wanted() -> None:
    events = [drop(), packet(), drop(), packet(), packet(), drop(), packet()]
    request = read_request(Asked(number=2, whitelist=[DROPPED]))

    assert numbers(request, events) == [5, 2]


def test_newest_are_counted_from_the_last_moment_that_is_wanted() -> None:
    events = [packet(time_ns=NOW_NS + number) for number in range(10)]
    request = read_request(Asked(number=2, until=moment(NOW_NS + 6)))

    assert numbers(request, events) == [6, 5]


def test_losses_among_the_newest_are_told_and_not_counted() -> None:
    events = [packet(), loss(9), packet(), loss(3), packet(), loss(1)]
    request = read_request(Asked(number=2, blacklist=[DROPPED]))

    assert numbers(request, events) == [5, 4, 3, 2]


def test_place_for_a_pause_stands_for_what_is_not_given() -> None:
    request = read_request(Asked(number=1, whitelist=[DROPPED]))

    assert list(newest(request, iter(views([packet(), packet()])))) == [None, None]
