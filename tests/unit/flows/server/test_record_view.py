"""`flows/server/record_view.py`: what filters ask of a record, with the names of its time."""

from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.flows.server.sample_records import (
    DB,
    DB_IDENTITY,
    DB_IP,
    DB_IP6,
    EPOCH_OFFSET_NS,
    LINES,
    NODE_IP,
    NOW_NS,
    OTHER_CGROUP,
    OUTSIDE_IP,
    SERVICE_IP,
    SERVICE_LINES,
    WEB,
    WEB_IDENTITY,
    WEB_IP,
    WEB_IP6,
    WORLD,
    call,
    drop,
    loss,
    name_table,
    octets,
    packet,
    told_peer,
    view,
)

from ciliate.datapath.layout import Event, EventFlag, SocketPoint, TracePoint, TraceReason
from ciliate.flows.feed import PodGone, ServiceNamed, ServicePlaces, place_octets
from ciliate.flows.pb.flow import flow_pb2
from ciliate.net.protocol import ICMP, ICMPV6, SCTP, TCP, UDP

EGRESS, INGRESS, NEITHER = (
    flow_pb2.EGRESS,
    flow_pb2.INGRESS,
    flow_pb2.TRAFFIC_DIRECTION_UNKNOWN,
)
NEW, REPLY, RELATED, UNKNOWN = (
    TraceReason.TRACE_NEW,
    TraceReason.TRACE_REPLY,
    TraceReason.TRACE_RELATED,
    TraceReason.TRACE_UNKNOWN,
)


def to_web(**fields: object) -> Event:
    """Return a packet of `db-0` into `web-0`, as this node's pod gets it."""
    about = {
        "about": TracePoint.TRACE_TO_ENDPOINT,
        "source_identity": DB_IDENTITY,
        "destination_identity": WEB_IDENTITY,
        "source_endpoint": 0,
        "destination_endpoint": 7,
    }
    return packet(DB_IP, WEB_IP, **(about | fields))


def test_pod_of_this_node_is_told_with_all_that_is_known() -> None:
    source = view(packet()).source

    assert (source.ip, source.ip_octets, source.port) == (WEB_IP, octets(WEB_IP), 40000)
    assert (source.namespace, source.pod, source.identity) == ("shop", "web-0", WEB_IDENTITY)
    assert source.labels == ("k8s:app=web",)
    assert source.workloads == (("Deployment", "web"),)
    assert source.cluster == "default"


def test_pod_of_another_node_has_the_labels_of_its_identity() -> None:
    destination = view(packet()).destination

    assert (destination.namespace, destination.pod) == ("shop-db", "db-0")
    assert destination.labels == ("k8s:app=db",)
    assert destination.workloads == ()


def test_who_is_no_pod_is_told_by_identity_alone() -> None:
    outside = view(packet(destination=OUTSIDE_IP, destination_identity=WORLD)).destination
    node = view(packet(destination=NODE_IP, destination_identity=6)).destination

    assert (outside.pod, outside.identity, outside.labels) == ("", WORLD, ("reserved:world",))
    assert outside.cluster == ""
    assert node.labels == ("reserved:remote-node",)


@pytest.mark.parametrize(("ip", "identity"), [(DB_IP, DB_IDENTITY), (OUTSIDE_IP, WORLD)])
def test_where_the_datapath_knows_no_identity_that_of_the_pod_or_the_world_is_told(
    ip: str, identity: int
) -> None:
    assert view(packet(destination=ip, destination_identity=0)).destination.identity == identity


def test_where_the_datapath_knows_an_identity_its_word_counts() -> None:
    source = view(packet(source_identity=9999)).source

    assert (source.pod, source.identity) == ("web-0", 9999)


def test_pod_that_is_gone_names_its_flows_and_not_those_after_it() -> None:
    names = name_table(*LINES, PodGone(key=DB.key, at_ns=NOW_NS))
    pods = [
        view(packet(time_ns=when), names=names).destination.pod for when in (NOW_NS - 1, NOW_NS)
    ]

    assert pods == ["db-0", ""]


def test_name_that_comes_after_the_packet_is_found_when_it_is_asked_for_later() -> None:
    names = name_table(WEB)
    event = packet()
    before = view(event, names=names).destination.pod

    names.take(replace(DB, since_ns=NOW_NS + 1))

    assert (before, view(event, names=names).destination.pod) == ("", "db-0")


@pytest.mark.parametrize(
    ("fields", "version", "protocol", "port"),
    [
        ({}, 4, "tcp", 40000),
        ({"source": octets(WEB_IP6), "destination": octets(DB_IP6)}, 6, "tcp", 40000),
        ({"protocol": UDP}, 4, "udp", 40000),
        ({"protocol": SCTP}, 4, "sctp", 40000),
        ({"protocol": ICMP}, 4, "icmpv4", 0),
        ({"protocol": ICMPV6}, 4, "icmpv6", 0),
        ({"protocol": 47}, 4, "", 0),
    ],
)
def test_what_a_packet_is(fields: dict[str, Any], version: int, protocol: str, port: int) -> None:
    seen = view(packet(**fields))

    assert (seen.ip_version, seen.protocol, seen.source.port) == (version, protocol, port)
    assert seen.tcp_flags == (2 if protocol == "tcp" else None)


def test_frame_that_is_no_packet_has_no_addresses_and_no_names() -> None:
    seen = view(
        drop(flags=EventFlag.EVENT_HAS_ETHERNET, source_identity=0, destination_identity=0)
    )

    for end in (seen.source, seen.destination):
        assert (end.ip, end.ip_octets, end.pod, end.identity) == ("", b"", "", 0)
    assert (seen.ip_version, seen.protocol, seen.tcp_flags) == (0, "", None)
    assert seen.is_flow


@pytest.mark.parametrize(
    ("event", "verdict"),
    [
        (packet(), flow_pb2.FORWARDED),
        (drop(), flow_pb2.DROPPED),
        (call(about=SocketPoint.SOCKET_PRE_FORWARD), flow_pb2.TRACED),
        (call(about=SocketPoint.SOCKET_POST_FORWARD), flow_pb2.TRANSLATED),
        (told_peer(DB_IP, about=SocketPoint.SOCKET_PRE_REVERSE), flow_pb2.TRACED),
        (told_peer(DB_IP, about=SocketPoint.SOCKET_POST_REVERSE), flow_pb2.TRANSLATED),
    ],
)
def test_verdict_is_what_became_of_it(event: Event, verdict: int) -> None:
    assert view(event).verdict == verdict


@pytest.mark.parametrize(
    ("event", "is_reply"),
    [
        (packet(reason=NEW), False),
        (packet(reason=TraceReason.TRACE_ESTABLISHED), False),
        (packet(reason=RELATED), False),
        (packet(reason=REPLY), True),
        (packet(reason=UNKNOWN), None),
        (drop(reason=REPLY), None),
        (call(), None),
    ],
)
def test_reply_is_what_goes_back_and_unknown_without_a_connection(
    event: Event,
    is_reply: bool | None,  # noqa: FBT001 - a table's.
) -> None:
    assert view(event).is_reply is is_reply


@pytest.mark.parametrize(
    ("event", "direction"),
    [
        (packet(reason=NEW), EGRESS),
        (packet(reason=REPLY), INGRESS),
        (packet(reason=RELATED, about=TracePoint.TRACE_TO_STACK), EGRESS),
        (packet(reason=NEW, about=TracePoint.TRACE_FROM_ENDPOINT), EGRESS),
        (to_web(reason=NEW), INGRESS),
        (to_web(reason=REPLY), EGRESS),
        (to_web(reason=NEW, source_endpoint=8), INGRESS),
        (to_web(reason=REPLY, source_endpoint=8), EGRESS),
        (packet(reason=REPLY, seen=octets(NODE_IP)), EGRESS),
        (packet(reason=NEW, seen=octets(NODE_IP)), EGRESS),
        (packet(reason=UNKNOWN), NEITHER),
        (packet(reason=NEW, source_endpoint=0), NEITHER),
        (to_web(reason=NEW, about=TracePoint.TRACE_FROM_NETWORK), NEITHER),
        (drop(), EGRESS),
        (drop(source_endpoint=0, destination_endpoint=7), INGRESS),
        (drop(source_endpoint=0), NEITHER),
        (call(), NEITHER),
    ],
)
def test_direction_is_the_connection_s_as_the_pod_of_this_node_has_it(
    event: Event, direction: int
) -> None:
    assert view(event).traffic_direction == direction


def test_process_that_calls_is_its_pod_with_the_address_of_its_peer_s_family() -> None:
    for peer, own in ((SERVICE_IP, WEB_IP), ("fd00:96::10", WEB_IP6)):
        seen = view(call(peer))
        assert (seen.source.ip, seen.source.pod, seen.source.port) == (own, "web-0", 0)
        assert seen.source.identity == WEB_IDENTITY
        assert (seen.destination.ip, seen.destination.port) == (peer, 80)
        assert (seen.destination.identity, seen.destination.pod) == (WORLD, "")
        assert seen.tcp_flags is None


def test_peer_that_a_process_gets_or_is_told_is_named() -> None:
    asked = view(call(DB_IP, about=SocketPoint.SOCKET_POST_FORWARD))
    answered = view(told_peer(DB_IP6))

    assert (asked.source.pod, asked.destination.pod) == ("web-0", "db-0")
    assert (answered.source.pod, answered.source.port) == ("db-0", 80)
    assert (answered.destination.pod, answered.destination.ip) == ("web-0", WEB_IP6)
    assert answered.ip_version == 6
    assert answered.source.identity == DB_IDENTITY


def test_process_of_a_pod_without_an_address_of_that_family_has_none() -> None:
    only_v4 = replace(WEB, addresses=(octets(WEB_IP),))

    assert view(call("fd00:96::10"), names=name_table(only_v4)).source.ip == ""


def test_call_of_who_is_no_pod_and_a_loss_are_no_flows() -> None:
    assert view(call()).is_flow
    assert not view(call(cgroup=OTHER_CGROUP)).is_flow
    assert not view(loss(3)).is_flow


def test_call_of_a_pod_that_is_gone_remains_its() -> None:
    names = name_table(*LINES, PodGone(key=WEB.key, at_ns=NOW_NS + 1))

    assert view(call(), names=names).source.pod == "web-0"


def test_end_is_the_service_that_had_its_address_then() -> None:
    at, later = place_octets(octets(SERVICE_IP), 80, TCP), NOW_NS + 10
    names = name_table(
        *LINES,
        ServiceNamed(since_ns=NOW_NS, services=(ServicePlaces("shop", "old", (at,)),)),
        ServiceNamed(since_ns=later, gone=(at,)),
        ServiceNamed(since_ns=later + 10, services=(ServicePlaces("shop", "new", (at,)),)),
    )

    moments = (NOW_NS - 1, NOW_NS, later, later + 10)
    found = [view(call(time_ns=each), names=names).destination.service for each in moments]

    assert found == [None, ("shop", "old"), None, ("shop", "new")]


def test_process_that_calls_is_no_service_whatever_it_asks_for() -> None:
    names = name_table(*LINES, *SERVICE_LINES)

    assert view(call(), names=names).source.service is None
    assert view(told_peer(SERVICE_IP), names=names).destination.service is None


def test_translated_source_is_beside_the_pod_s_own() -> None:
    seen = view(packet(seen=octets(NODE_IP)))

    assert (seen.source.ip, seen.source_xlated) == (WEB_IP, NODE_IP)
    assert seen.source_xlated_octets == octets(NODE_IP)
    assert view(packet()).source_xlated == ""
    assert view(packet()).source_xlated_octets == b""


def test_uuid_is_the_same_each_time_and_another_for_each_record_and_process() -> None:
    first = view(packet(), 5).uuid
    many = {view(packet(), number).uuid for number in range(10_000)}

    assert view(packet(), 5).uuid == first
    assert len(many) == 10_000
    assert view(packet(), 5, uuid_seed=7).uuid != first
    assert (first[14], first[19] in "89ab") == ("4", True)


def test_time_is_that_of_the_world() -> None:
    assert view(packet()).time_ns == NOW_NS + EPOCH_OFFSET_NS


@pytest.mark.parametrize(
    ("cluster", "name"), [("default", "k8s-w1"), ("", "k8s-w1"), ("east", "east/k8s-w1")]
)
def test_node_is_named_with_its_cluster_where_that_has_a_name(cluster: str, name: str) -> None:
    assert view(packet(), cluster=cluster).node_name == name


def test_device_is_named_and_absent_where_there_is_none() -> None:
    assert view(packet()).interface == (3, "lxc3")
    assert view(call()).interface is None


def test_what_is_not_kept_of_flows_is_absent() -> None:
    seen = view(packet())

    assert seen.event_type == (4, TracePoint.TRACE_TO_NETWORK)
    assert (seen.http, seen.dns_query, seen.ip_trace_id) == (None, None, None)
    assert (seen.l7_protocol, seen.trace_id, seen.encrypted) == ("", "", False)
    assert (seen.source.names, seen.source.service) == ((), None)
    assert (seen.drop_reason, view(drop()).drop_reason) == (0, 132)
