"""`cli/trace/event.py`: flows as events."""

from google.protobuf.json_format import ParseDict
from tests.unit.cli.trace.seen_flows import (
    CTR,
    POD,
    SERVICE,
    WEB,
    curl,
    flow,
    forged_ping,
    ping_world,
)

from ciliate.cli.trace.event import Drop, End, event_of
from ciliate.flows.pb.flow import flow_pb2


def test_packet_has_the_point_the_ends_and_the_flags_that_were_told() -> None:
    syn = curl()[2]

    assert (syn.node, syn.point, syn.protocol, syn.packet) == (CTR, "to-network", "tcp", "SYN")
    assert syn.source == End(POD, 36234, "default/curl-pod")
    assert syn.destination == End(WEB, 80, "default/webpod-n77wf")
    assert syn.is_opening


def test_answer_to_a_syn_opens_nothing() -> None:
    assert not curl()[4].is_opening


def test_call_of_a_socket_is_no_packet() -> None:
    asked = curl()[0]

    assert asked.is_call
    assert (asked.point, asked.destination) == (
        "pre-xlate-fwd",
        End(SERVICE, 80, identity="world"),
    )


def test_masqueraded_packet_keeps_both_sources() -> None:
    request = ping_world()[0]

    assert (request.source.address, request.seen) == (POD, "10.0.2.15")


def test_drop_says_why_and_where() -> None:
    assert forged_ping().drop == Drop(132, "from_pod.bpf.c", 42)


def test_router_s_complaint_is_an_icmp_error() -> None:
    more = {"protocol": "ICMP", "packet": "DestinationUnreachable(Host)"}

    assert flow(0, CTR, "to-endpoint", "192.168.10.101", POD, **more).is_icmp_error
    assert not ping_world()[1].is_icmp_error


def test_flow_that_tells_nothing_of_a_way_is_none() -> None:
    http = {"event_type": {"type": 129}, "IP": {"source": POD, "destination": WEB}}

    assert event_of(ParseDict(http, flow_pb2.Flow())) is None
