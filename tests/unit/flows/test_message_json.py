"""JSON lines: names, order and form of Hubble's."""

import json
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict, Parse
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tests.unit.cli.hubble.sample_flows import DROP, flow, lost, node_status

from ciliate.flows.message_json import (
    MessageJsonError,
    message_array,
    message_line,
    message_object,
)
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2

LINE = (
    '{"flow":{"time":"2025-08-02T07:11:40.494123456Z",'
    '"uuid":"f6a5d0b2-0000-4000-8000-000000000494","verdict":"TRACED",'
    '"IP":{"source":"10.244.1.5","destination":"10.96.195.112","ipVersion":"IPv4"},'
    '"l4":{"TCP":{"destination_port":80}},'
    '"source":{"ID":1234,"identity":13646,"cluster_name":"default","namespace":"default",'
    '"labels":["k8s:app=curl"],"pod_name":"curl-pod"},'
    '"destination":{"identity":2,"labels":["reserved:world"]},"Type":"SOCK","node_name":"k8s-w1",'
    '"event_type":{"type":7,"sub_type":1},'
    '"sock_xlate_point":"SOCK_XLATE_POINT_PRE_DIRECTION_FWD","socket_cookie":"4711",'
    '"cgroup_id":"9876","Summary":"TCP"},"node_name":"k8s-w1",'
    '"time":"2025-08-02T07:11:40.494123456Z"}'
)


def test_line_that_was_read_is_written_again_in_the_order_of_declaration() -> None:
    written = message_line(Parse(LINE, observer_pb2.GetFlowsResponse()))

    assert json.loads(written) == json.loads(LINE)
    flow_keys = list(json.loads(written)["flow"])
    assert flow_keys == list(json.loads(LINE)["flow"])
    # Neither blanks nor other escapes: the same characters, but for the order in an endpoint.
    assert sorted(written) == sorted(LINE)


def test_drop_has_its_reason_twice_and_where_it_happened() -> None:
    text = message_line(DROP)

    assert '"drop_reason":133,' in text
    assert (
        '"event_type":{"type":1,"sub_type":133},"file":{"name":"bpf_lxc.c","line":2127},'
        '"drop_reason_desc":"POLICY_DENIED"' in text
    )


def test_false_reply_is_printed_and_an_unknown_one_left_out() -> None:
    assert '"is_reply":false' in message_line(flow(1, is_reply=False))
    assert "is_reply" not in message_line(flow(1))
    assert '"event_type":{"type":4}' in message_line(flow(1))


def test_other_answers_are_lines_too() -> None:
    assert message_line(lost(600, source="HUBBLE_RING_BUFFER", num_events_lost=5)) == (
        '{"lost_events":{"source":"HUBBLE_RING_BUFFER","num_events_lost":"5"},'
        '"node_name":"k8s-w1","time":"2025-08-02T07:11:40.600123456Z"}'
    )
    assert message_line(node_status("NODE_UNAVAILABLE", ["k8s-w2"])) == (
        '{"node_status":{"state_change":"NODE_UNAVAILABLE","node_names":["k8s-w2"]},'
        '"node_name":"hubble-relay-x","time":"2025-08-02T07:11:40.000123456Z"}'
    )


def test_whole_numbers_have_no_fraction() -> None:
    status = observer_pb2.ServerStatusResponse(flows_rate=46.0)

    assert message_line(status) == '{"flows_rate":46}'


def filled(message: Message, depth: int = 3) -> Message:
    """The message with every field set, to that depth; of alternatives the last stays."""
    for field in message.DESCRIPTOR.fields:
        kind = field.message_type
        if kind is not None and not depth:
            continue
        if kind is not None and kind.full_name == "google.protobuf.Any":
            continue
        held = getattr(message, field.name)
        if kind is not None:
            filled(held.add() if field.is_repeated else held, depth - 1)
        elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            set_value(message, field, "text")
        else:
            set_value(message, field, 1)
    return message


def set_value(message: Message, field: Any, value: Any) -> None:
    if field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


@pytest.mark.parametrize(
    "kind",
    [
        observer_pb2.GetFlowsResponse,
        observer_pb2.GetAgentEventsResponse,
        observer_pb2.GetDebugEventsResponse,
        observer_pb2.ServerStatusResponse,
        observer_pb2.Node,
        flow_pb2.Flow,
        flow_pb2.FlowFilter,
    ],
)
def test_values_are_those_of_protobufs_own_mapping(kind: type[Message]) -> None:
    message = filled(kind())

    assert message_object(message) == MessageToDict(message, preserving_proto_field_name=True)


@pytest.mark.parametrize("nanos", [0, 5, 5_000, 5_000_000, 999_999_999, 120_000_000])
@pytest.mark.parametrize("seconds", [-1, 0, 1_790_000_000, 253_402_300_799, -62_135_596_800])
def test_times_are_those_of_protobufs_own_mapping(seconds: int, nanos: int) -> None:
    message = flow_pb2.Flow(time=Timestamp(seconds=seconds, nanos=nanos))

    assert message_object(message) == MessageToDict(message)


@pytest.mark.parametrize(
    "time", [Timestamp(nanos=-1), Timestamp(nanos=10**9), Timestamp(seconds=1 << 40)]
)
def test_time_that_is_none_is_an_error(time: Timestamp) -> None:
    with pytest.raises(MessageJsonError):
        message_line(flow_pb2.Flow(time=time))


def test_value_that_nobody_knows_is_a_number() -> None:
    assert message_line(flow_pb2.Flow(verdict=99)) == '{"verdict":99}'  # type: ignore[arg-type]
    infinite = observer_pb2.ServerStatusResponse(flows_rate=float("inf"))
    assert message_line(infinite) == '{"flows_rate":"Infinity"}'


def test_what_has_no_form_is_an_error_of_its_own() -> None:
    odd = flow_pb2.Flow()
    odd.extensions.type_url = "type.googleapis.com/vendor.Thing"

    with pytest.raises(MessageJsonError, match="vendor"):
        message_line(odd)


def test_controls_are_escaped_and_read_back_as_they_were() -> None:
    found = flow_pb2.Flow(Summary="ü\x1b[2J\u202e\x9b\u2028\n")

    text = message_line(found)

    assert text.isprintable()
    assert "ü\\u001b[2J\\u202e\\u009b\\u2028\\n" in text
    assert Parse(text, flow_pb2.Flow()) == found


def test_array_stands_in_several_lines() -> None:
    nodes = [observer_pb2.Node(name="a", version="v\x9b"), observer_pb2.Node()]

    text = message_array(nodes)

    assert text == '[\n  {\n    "name": "a",\n    "version": "v\\u009b"\n  },\n  {}\n]'
