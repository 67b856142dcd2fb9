"""`flows/relay/node_statuses.py`: what clients are told of nodes, equal errors once."""

import time

from ciliate.flows.pb.relay import relay_pb2
from ciliate.flows.relay.node_statuses import NodeErrors, node_status


def test_status_names_nodes_in_order_and_who_tells() -> None:
    before_ns = time.time_ns()

    told = node_status("relay-0", relay_pb2.NODE_CONNECTED, {"b", "a", "c"})

    assert told.node_name == "relay-0"
    assert told.node_status.state_change == relay_pb2.NODE_CONNECTED
    assert [*told.node_status.node_names] == ["a", "b", "c"]
    assert before_ns <= told.time.ToNanoseconds() <= time.time_ns()


def test_status_of_many_nodes_names_some() -> None:
    names = [f"node-{number:05}" for number in range(5000)]

    told = node_status("relay-0", relay_pb2.NODE_UNAVAILABLE, names)

    assert [*told.node_status.node_names] == names[:1000]


def test_equal_errors_are_one_message_and_others_are_their_own() -> None:
    errors = NodeErrors("relay-0")

    assert errors.note("b", "bad filter") is True
    assert errors.note("a", "bad filter") is False
    assert errors.note("c", "away") is False
    told = [each.node_status for each in errors.take()]

    assert [(each.message, [*each.node_names]) for each in told] == [
        ("bad filter", ["a", "b"]),
        ("away", ["c"]),
    ]
    assert {each.state_change for each in told} == {relay_pb2.NODE_ERROR}


def test_errors_are_told_once() -> None:
    errors = NodeErrors("relay-0")
    errors.note("a", "away")
    errors.note("a", "away")
    [told] = errors.take()

    assert [*told.node_status.node_names] == ["a"]
    assert errors.take() == []
    assert errors.note("a", "away") is True, "and from then on anew"
