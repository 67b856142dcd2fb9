"""proto/: names and numbers are those that Hubble's clients know, and our numbers fit in them."""

import pytest
from google.protobuf.descriptor import Descriptor, ServiceDescriptor
from google.protobuf.json_format import MessageToDict

from ciliate.datapath import layout
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.pb.peer import peer_pb2
from ciliate.flows.pb.relay import relay_pb2

OURS = [reason for reason in layout.DropReason if not reason.name.endswith("_COUNT")]


@pytest.mark.parametrize("reason", OURS, ids=lambda reason: reason.name)
def test_each_drop_reason_of_the_datapath_has_a_name(reason: layout.DropReason) -> None:
    assert reason in flow_pb2.DropReason.values()


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (flow_pb2.Flow.DESCRIPTOR, "flow.Flow"),
        (flow_pb2.FlowFilter.DESCRIPTOR, "flow.FlowFilter"),
        (flow_pb2.LostEvent.DESCRIPTOR, "flow.LostEvent"),
        (observer_pb2.GetFlowsRequest.DESCRIPTOR, "observer.GetFlowsRequest"),
        (observer_pb2.GetFlowsResponse.DESCRIPTOR, "observer.GetFlowsResponse"),
        (peer_pb2.ChangeNotification.DESCRIPTOR, "peer.ChangeNotification"),
        (relay_pb2.NodeStatusEvent.DESCRIPTOR, "relay.NodeStatusEvent"),
    ],
)
def test_a_message_is_named_as_clients_know_it(message: Descriptor, name: str) -> None:
    package, _, _ = name.partition(".")
    assert message.full_name == name
    assert message.file.name == f"{package}/{package}.proto"


@pytest.mark.parametrize(
    ("message", "numbers"),
    [
        (
            flow_pb2.Flow.DESCRIPTOR,
            {
                "time": 1,
                "verdict": 2,
                "IP": 5,
                "Type": 10,
                "is_reply": 26,
                "uuid": 34,
                "emitter": 41,
                "egress_allowed_by": 21001,
                "aggregate": 21007,
                "Summary": 100000,
                "extensions": 150000,
            },
        ),
        (flow_pb2.FlowFilter.DESCRIPTOR, {"reply": 15, "encrypted": 40, "experimental": 999}),
        (flow_pb2.SCTP.DESCRIPTOR, {"chunk_type": 3}),
        (flow_pb2.Layer7.DESCRIPTOR, {"latency_ns": 2, "dns": 100, "http": 101, "kafka": 102}),
        (
            observer_pb2.GetFlowsRequest.DESCRIPTOR,
            {"number": 1, "follow": 3, "field_mask": 10, "experimental": 999},
        ),
        # The only place where clients up to 1.18 put their mask.
        (observer_pb2.GetFlowsRequest.Experimental.DESCRIPTOR, {"field_mask": 1}),
        (observer_pb2.GetFlowsResponse.DESCRIPTOR, {"node_name": 1000, "time": 1001}),
    ],
    ids=lambda case: case.full_name if isinstance(case, Descriptor) else "",
)
def test_a_field_has_its_number(message: Descriptor, numbers: dict[str, int]) -> None:
    assert {name: message.fields_by_name[name].number for name in numbers} == numbers


def test_a_flow_s_numbers_of_old_are_not_given_again() -> None:
    assert not {7, 12, 17, 18} & set(flow_pb2.Flow.DESCRIPTOR.fields_by_number)


@pytest.mark.parametrize(
    ("message", "name", "fields"),
    [
        (flow_pb2.Layer7.DESCRIPTOR, "record", ["dns", "http", "kafka"]),
        (
            flow_pb2.Layer4.DESCRIPTOR,
            "protocol",
            ["TCP", "UDP", "ICMPv4", "ICMPv6", "SCTP", "VRRP", "IGMP"],
        ),
        (
            observer_pb2.GetFlowsResponse.DESCRIPTOR,
            "response_types",
            ["flow", "node_status", "lost_events"],
        ),
    ],
)
def test_what_excludes_each_other(message: Descriptor, name: str, fields: list[str]) -> None:
    assert [field.name for field in message.oneofs_by_name[name].fields] == fields


def test_an_enum_has_its_numbers() -> None:
    assert flow_pb2.TraceObservationPoint.Value("TO_ENDPOINT") == 101
    assert flow_pb2.TraceObservationPoint.Value("TO_CRYPTO") == 13
    assert flow_pb2.DropReason.Value("POLICY_DENIED") == 133
    assert flow_pb2.DropReason.Value("DROP_PUNT_PROXY") == 205
    assert flow_pb2.Verdict.Value("TRANSLATED") == 7
    assert relay_pb2.NodeState.Value("NODE_ERROR") == 4


@pytest.mark.parametrize(
    ("service", "name", "streams"),
    [
        (
            observer_pb2.DESCRIPTOR.services_by_name["Observer"],
            "observer.Observer",
            {
                "GetFlows": True,
                "GetAgentEvents": True,
                "GetDebugEvents": True,
                "GetNodes": False,
                "GetNamespaces": False,
                "ServerStatus": False,
            },
        ),
        (peer_pb2.DESCRIPTOR.services_by_name["Peer"], "peer.Peer", {"Notify": True}),
    ],
)
def test_a_service_s_methods_stream_or_answer_once(
    service: ServiceDescriptor, name: str, streams: dict[str, bool]
) -> None:
    assert service.full_name == name
    assert {method.name: method.server_streaming for method in service.methods} == streams
    assert not any(method.client_streaming for method in service.methods)


def test_a_flow_in_json_is_written_with_the_names_of_the_fields() -> None:
    flow = flow_pb2.Flow(
        IP=flow_pb2.IP(source="10.0.0.1", ipVersion=flow_pb2.IPVersion.IPv4),
        source=flow_pb2.Endpoint(ID=7, pod_name="a"),
        Type=flow_pb2.FlowType.L3_L4,
        socket_cookie=5,
    )
    assert MessageToDict(flow, preserving_proto_field_name=True) == {
        "IP": {"source": "10.0.0.1", "ipVersion": "IPv4"},
        "source": {"ID": 7, "pod_name": "a"},
        "Type": "L3_L4",
        "socket_cookie": "5",
    }
