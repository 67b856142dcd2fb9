"""`flows/server/flow_message.py`: a record as clients of the API see it, field by field."""

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from tests.unit.flows.server.sample_records import (
    DB_IDENTITY,
    DB_IP,
    DB_IP6,
    EPOCH_OFFSET_NS,
    LINES,
    NODE_IP,
    NOW_NS,
    OUTSIDE_IP,
    SECOND_NS,
    SERVICE_IP,
    SERVICE_LINES,
    SYN,
    WEB_CGROUP,
    WEB_IDENTITY,
    WEB_IP,
    WEB_IP6,
    WORLD,
    call,
    drop,
    name_table,
    octets,
    packet,
    told_peer,
    view,
)

from ciliate.datapath.layout import (
    DropReason,
    Event,
    EventFlag,
    SocketPoint,
    TracePoint,
    TraceReason,
)
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server.field_mask import mask_tree
from ciliate.flows.server.flow_message import _POINTS, flow_message, summary
from ciliate.net.protocol import ICMP, ICMPV6, SCTP, UDP

EMITTER = flow_pb2.Emitter(name="Hubble", version="1.19.4")

WEB_END = {
    "ID": 7,
    "identity": WEB_IDENTITY,
    "cluster_name": "default",
    "namespace": "shop",
    "labels": ["k8s:app=web"],
    "pod_name": "web-0",
    "workloads": [{"name": "web", "kind": "Deployment"}],
}
DB_END = {
    "identity": DB_IDENTITY,
    "cluster_name": "default",
    "namespace": "shop-db",
    "labels": ["k8s:app=db"],
    "pod_name": "db-0",
}
WORLD_END = {"identity": WORLD, "labels": ["reserved:world"]}


def message(event: Event, *paths: str, **around: Any) -> flow_pb2.Flow:
    return flow_message(view(event, **around), EMITTER, mask_tree(paths))


def json(event: Event, *paths: str, **around: Any) -> dict[str, Any]:
    """Return a flow as `hubble observe -o json` writes it."""
    return MessageToDict(message(event, *paths, **around), preserving_proto_field_name=True)


def of_all(event: Event) -> dict[str, Any]:
    """Return what flows of an event have that is not the same for all of a node."""
    whole = json(event)
    assert whole.pop("uuid")
    assert whole.pop("node_name") == "k8s-w1"
    assert whole.pop("node_labels") == ["kubernetes.io/arch=amd64"]
    assert whole.pop("emitter") == {"name": "Hubble", "version": "1.19.4"}
    assert whole.pop("time").endswith("Z")
    return whole


def test_packet_that_leaves_towards_a_pod_of_another_node() -> None:
    assert of_all(packet()) == {
        "verdict": "FORWARDED",
        "ethernet": {"source": "02:00:00:00:00:01", "destination": "02:00:00:00:00:02"},
        "IP": {"source": WEB_IP, "destination": DB_IP, "ipVersion": "IPv4"},
        "l4": {"TCP": {"source_port": 40000, "destination_port": 80, "flags": {"SYN": True}}},
        "source": WEB_END,
        "destination": DB_END,
        "Type": "L3_L4",
        "event_type": {"type": 4, "sub_type": 11},
        "traffic_direction": "EGRESS",
        "trace_observation_point": "TO_NETWORK",
        "trace_reason": "NEW",
        "is_reply": False,
        "interface": {"index": 3, "name": "lxc3"},
        "Summary": "TCP Flags: SYN",
    }


def test_reply_of_version_6_into_a_pod() -> None:
    event = packet(
        DB_IP6,
        WEB_IP6,
        about=TracePoint.TRACE_TO_ENDPOINT,
        reason=TraceReason.TRACE_REPLY,
        source_identity=DB_IDENTITY,
        destination_identity=WEB_IDENTITY,
        source_endpoint=0,
        destination_endpoint=7,
        tcp_flags=18,
    )

    flow = of_all(event)

    assert flow["IP"] == {"source": DB_IP6, "destination": WEB_IP6, "ipVersion": "IPv6"}
    assert (flow["source"], flow["destination"]) == (DB_END, WEB_END)
    assert flow["event_type"] == {"type": 4}
    assert (flow["trace_observation_point"], flow["trace_reason"]) == ("TO_ENDPOINT", "REPLY")
    assert (flow["is_reply"], flow["reply"]) == (True, True)
    assert flow["traffic_direction"] == "EGRESS"
    assert flow["Summary"] == "TCP Flags: SYN, ACK"


def test_packet_whose_source_is_translated_shows_both() -> None:
    event = packet(destination=OUTSIDE_IP, destination_identity=WORLD, seen=octets(NODE_IP))

    flow = json(event)

    assert flow["IP"] == {
        "source": WEB_IP,
        "source_xlated": NODE_IP,
        "destination": OUTSIDE_IP,
        "ipVersion": "IPv4",
    }
    assert flow["destination"] == WORLD_END


def test_dropped_packet_shows_why_and_where() -> None:
    flow = of_all(drop())

    assert flow["verdict"] == "DROPPED"
    assert flow["drop_reason"] == DropReason.DROP_INVALID_SOURCE_IP
    assert flow["drop_reason_desc"] == "INVALID_SOURCE_IP"
    assert flow["file"] == {"name": "from_pod.bpf.c", "line": 77}
    assert flow["event_type"] == {"type": 1, "sub_type": DropReason.DROP_INVALID_SOURCE_IP}
    assert flow["traffic_direction"] == "EGRESS"
    assert not {"is_reply", "trace_observation_point", "trace_reason"} & flow.keys()


def test_call_that_asks_for_a_service() -> None:
    assert of_all(call()) == {
        "verdict": "TRACED",
        "IP": {"source": WEB_IP, "destination": SERVICE_IP, "ipVersion": "IPv4"},
        "l4": {"TCP": {"destination_port": 80}},
        "source": WEB_END,
        "destination": WORLD_END,
        "Type": "SOCK",
        "event_type": {"type": 7, "sub_type": 1},
        "sock_xlate_point": "SOCK_XLATE_POINT_PRE_DIRECTION_FWD",
        "socket_cookie": "99",
        "cgroup_id": str(WEB_CGROUP),
        "Summary": "TCP",
    }


@pytest.mark.parametrize(
    ("event", "point", "verdict", "source", "destination"),
    [
        (
            call(DB_IP, about=SocketPoint.SOCKET_POST_FORWARD),
            "SOCK_XLATE_POINT_POST_DIRECTION_FWD",
            "TRANSLATED",
            WEB_END,
            DB_END,
        ),
        (
            told_peer(DB_IP),
            "SOCK_XLATE_POINT_PRE_DIRECTION_REV",
            "TRACED",
            DB_END,
            WEB_END,
        ),
        (
            told_peer(SERVICE_IP, about=SocketPoint.SOCKET_POST_REVERSE),
            "SOCK_XLATE_POINT_POST_DIRECTION_REV",
            "TRANSLATED",
            WORLD_END,
            WEB_END,
        ),
    ],
)
def test_call_at_each_of_its_points(
    event: Event, point: str, verdict: str, source: object, destination: object
) -> None:
    flow = json(event)

    assert (flow["sock_xlate_point"], flow["verdict"]) == (point, verdict)
    assert (flow["source"], flow["destination"]) == (source, destination)
    assert event.about == flow["event_type"]["sub_type"]


SERVICE = {"namespace": "shop", "name": "front"}


@pytest.mark.parametrize(
    ("event", "source", "destination"),
    [
        (call(), None, SERVICE),
        (call(DB_IP, about=SocketPoint.SOCKET_POST_FORWARD), None, None),
        (told_peer(SERVICE_IP, about=SocketPoint.SOCKET_POST_REVERSE), SERVICE, None),
        (packet(destination=SERVICE_IP), None, SERVICE),
        (drop(destination=SERVICE_IP), None, SERVICE),
        (drop(destination=SERVICE_IP, destination_port=81), None, None),
        (packet(destination=NODE_IP, destination_port=30080), None, SERVICE),
        (packet(NODE_IP, OUTSIDE_IP, source_port=30080), SERVICE, None),
        (packet(), None, None),
        (packet(destination=SERVICE_IP, protocol=UDP), None, None),
        (packet(destination=SERVICE_IP, protocol=ICMP, destination_port=80), None, None),
        (drop(destination=SERVICE_IP, flags=EventFlag.EVENT_HAS_ETHERNET), None, None),
    ],
)
def test_service_is_named_for_every_kind_of_event_and_absent_where_there_is_none(
    event: Event, source: object, destination: object
) -> None:
    names = name_table(*LINES, *SERVICE_LINES)
    paths = ("source_service", "destination_service")

    whole, masked = json(event, names=names), json(event, *paths, names=names)

    expected = {"source_service": source, "destination_service": destination}
    assert {path: whole.get(path) for path in paths} == expected
    assert {path: masked.get(path) for path in paths} == expected
    assert all(expected[path] for path in masked), "an empty message is no absent one"


def test_told_peer_s_port_is_the_source_s() -> None:
    assert json(told_peer(DB_IP, protocol=UDP))["l4"] == {"UDP": {"source_port": 80}}


@pytest.mark.parametrize(
    ("protocol", "ports", "l4"),
    [
        (UDP, 53, {"UDP": {"source_port": 40000, "destination_port": 53}}),
        (SCTP, 53, {"SCTP": {"source_port": 40000, "destination_port": 53}}),
        (ICMP, 8 * 256, {"ICMPv4": {"type": 8}}),
        (ICMP, 3 * 256 + 1, {"ICMPv4": {"type": 3, "code": 1}}),
        (ICMPV6, 128 * 256, {"ICMPv6": {"type": 128}}),
    ],
)
def test_fourth_layer(protocol: int, ports: int, l4: object) -> None:
    event = packet(protocol=protocol, destination_port=ports, tcp_flags=0)

    assert json(event)["l4"] == l4


def test_packet_of_another_protocol_has_no_fourth_layer() -> None:
    flow = message(packet(protocol=47))

    assert not flow.HasField("l4") or flow.l4.WhichOneof("protocol") is None
    assert flow.IP.source == WEB_IP


def test_frame_that_is_no_packet_has_ethernet_alone() -> None:
    frame = drop(flags=EventFlag.EVENT_HAS_ETHERNET, source_identity=0, destination_identity=0)

    flow = json(frame)

    assert "IP" not in flow
    assert flow.get("l4", {}) == {}
    assert flow["ethernet"]["source"] == "02:00:00:00:00:01"
    assert flow["source"]["ID"] == 7
    assert flow["Summary"] == "Ethernet"


def test_packet_without_ethernet_has_none() -> None:
    assert "ethernet" not in json(packet(flags=EventFlag.EVENT_IS_IP))


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (packet(tcp_flags=SYN), "TCP Flags: SYN"),
        (packet(tcp_flags=0x18), "TCP Flags: ACK, PSH"),
        (packet(tcp_flags=0x11), "TCP Flags: ACK, FIN"),
        (packet(tcp_flags=0xFF), "TCP Flags: SYN, ACK, RST, FIN, PSH, URG, ECE, CWR"),
        (packet(protocol=UDP), "UDP"),
        (packet(protocol=SCTP), "SCTP"),
        (packet(protocol=ICMP, destination_port=8 * 256), "ICMPv4 EchoRequest"),
        (
            packet(protocol=ICMP, destination_port=3 * 256 + 3),
            "ICMPv4 DestinationUnreachable(Port)",
        ),
        (packet(protocol=ICMPV6, destination_port=135 * 256), "ICMPv6 NeighborSolicitation"),
        (packet(protocol=47), "IPv4"),
        (packet(WEB_IP6, DB_IP6, protocol=47), "IPv6"),
        (drop(flags=0), "Ethernet"),
        (call(), "TCP"),
        (call(protocol=UDP), "UDP"),
        (call(protocol=SCTP), "Unknown"),
    ],
)
def test_summary_in_the_words_of_decoders(event: Event, words: str) -> None:
    assert summary(view(event)) == words


def test_each_flag_of_tcp_is_named() -> None:
    bits = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ECE": 64, "CWR": 128}
    for name, bit in bits.items():
        flags = message(packet(tcp_flags=bit)).l4.TCP.flags
        assert [field.name for field, _ in flags.ListFields()] == [name]


@pytest.mark.parametrize(
    ("point", "name"),
    [
        (TracePoint.TRACE_TO_ENDPOINT, "TO_ENDPOINT"),
        (TracePoint.TRACE_TO_STACK, "TO_STACK"),
        (TracePoint.TRACE_FROM_ENDPOINT, "FROM_ENDPOINT"),
        (TracePoint.TRACE_FROM_NETWORK, "FROM_NETWORK"),
        (TracePoint.TRACE_TO_NETWORK, "TO_NETWORK"),
    ],
)
def test_point_where_a_packet_was_seen(point: TracePoint, name: str) -> None:
    flow = message(packet(about=point))

    assert flow_pb2.TraceObservationPoint.Name(flow.trace_observation_point) == name
    assert flow.event_type.sub_type == point


@pytest.mark.parametrize(
    ("reason", "name"),
    [
        (TraceReason.TRACE_NEW, "NEW"),
        (TraceReason.TRACE_ESTABLISHED, "ESTABLISHED"),
        (TraceReason.TRACE_REPLY, "REPLY"),
        (TraceReason.TRACE_RELATED, "RELATED"),
        (TraceReason.TRACE_UNKNOWN, "TRACE_REASON_UNKNOWN"),
    ],
)
def test_what_a_packet_is_to_its_connection(reason: TraceReason, name: str) -> None:
    flow = message(packet(reason=reason))

    assert flow_pb2.TraceReason.Name(flow.trace_reason) == name
    assert flow.HasField("is_reply") is (reason != TraceReason.TRACE_UNKNOWN)


def test_time_is_told_to_the_nanosecond() -> None:
    flow = message(packet(time_ns=NOW_NS + 123))

    assert flow.time.seconds == (NOW_NS + EPOCH_OFFSET_NS) // SECOND_NS
    assert flow.time.nanos == 123


@pytest.mark.parametrize(
    "paths",
    [
        ("time",),
        ("source.pod_name", "destination.identity"),
        ("IP", "l4"),
        ("l4.TCP.flags.SYN",),
        ("is_reply",),
        ("is_reply.value",),
        ("drop_reason_desc",),
        ("file.line", "Summary"),
        ("emitter.name",),
        ("sock_xlate_point",),
        ("event_type.sub_type", "node_name"),
        ("destination_service",),
        ("destination_service.name", "source_service"),
    ],
)
@pytest.mark.parametrize("event", [packet(), drop(), call()], ids=["trace", "drop", "sock"])
def test_masked_flow_is_the_whole_one_without_what_the_mask_leaves_out(
    event: Event, paths: tuple[str, ...]
) -> None:
    names = name_table(*LINES, *SERVICE_LINES)
    whole, masked = message(event, names=names), message(event, *paths, names=names)

    expected = flow_pb2.Flow()
    for path in paths:
        _copy(whole, expected, path.split("."))
    assert MessageToDict(masked) == MessageToDict(expected)


def _copy(source: Any, target: Any, path: list[str]) -> None:
    name, *below = path
    if source.DESCRIPTOR.fields_by_name[name].message_type is None:
        setattr(target, name, getattr(source, name))
    elif not source.HasField(name):
        return
    elif below:
        getattr(target, name).SetInParent()
        _copy(getattr(source, name), getattr(target, name), below)
    else:
        getattr(target, name).CopyFrom(getattr(source, name))


def test_mask_of_what_flows_have_not_leaves_nothing() -> None:
    assert json(packet(), "l7", "policy_match_type") == {}


def test_mask_of_clients_is_kept_to() -> None:
    paths = ("time", "verdict", "IP", "l4", "source.pod_name", "Type", "event_type", "Summary")

    assert json(packet(), *paths).keys() == {path.partition(".")[0] for path in paths}


def test_every_point_of_the_programs_is_one_of_the_api() -> None:
    assert set(_POINTS) == set(TracePoint)
    assert {flow_pb2.TraceObservationPoint.Name(each) for each in _POINTS.values()} == {
        each.name.removeprefix("TRACE_") for each in TracePoint
    }
