"""`flows/server/message_view.py`: what a message holds, and what it does not, as filters ask it."""

from collections.abc import Callable

import pytest

from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server.message_view import MessageView, tcp_flag_bits
from ciliate.flows.server.view import FlowView


def seen(message: flow_pb2.Flow) -> FlowView:
    return MessageView(message)


def test_a_message_without_fields_says_that_nothing_is_known() -> None:
    view = seen(flow_pb2.Flow())

    for end in (view.source, view.destination):
        assert (end.ip, end.ip_octets, end.port, end.identity) == ("", b"", 0, 0)
        assert (end.namespace, end.pod, end.cluster, end.service) == ("", "", "", None)
        assert (end.labels, list(end.workloads), list(end.names)) == ((), [], [])
    assert (view.event_type, view.verdict, view.drop_reason, view.is_reply) == (None, 0, 0, None)
    assert (view.traffic_direction, view.ip_version, view.protocol) == (0, 0, "")
    assert (view.tcp_flags, view.encrypted, view.interface) == (None, False, None)
    assert (view.source_xlated, view.source_xlated_octets) == ("", b"")
    assert (view.node_name, view.node_labels, view.uuid) == ("", (), "")
    assert (view.trace_id, view.ip_trace_id) == ("", None)
    assert (view.l7_protocol, view.dns_query, view.http) == ("", None, None)


def test_ends_are_not_mixed_up() -> None:
    flow = flow_pb2.Flow(
        IP=flow_pb2.IP(source="10.0.0.1", destination="fd00::1", source_xlated="1.2.3.4"),
        l4=flow_pb2.Layer4(UDP=flow_pb2.UDP(source_port=1, destination_port=2)),
        source=flow_pb2.Endpoint(
            identity=3,
            namespace="n",
            pod_name="p",
            cluster_name="c",
            labels=["k8s:a=b"],
            workloads=[flow_pb2.Workload(kind="Job", name="j")],
        ),
        destination=flow_pb2.Endpoint(identity=4),
        source_names=["s"],
        destination_names=["d"],
        destination_service=flow_pb2.Service(namespace="n", name="svc"),
    )

    source, destination = seen(flow).source, seen(flow).destination

    assert source.ip == "10.0.0.1"
    assert source.ip_octets == bytes(10) + b"\xff\xff\x0a\x00\x00\x01"
    assert (source.port, source.identity, source.namespace, source.pod) == (1, 3, "n", "p")
    assert (source.cluster, source.labels) == ("c", ("k8s:a=b",))
    assert (list(source.workloads), list(source.names)) == ([("Job", "j")], ["s"])
    assert source.service is None
    assert (destination.ip, destination.ip_octets[:2]) == ("fd00::1", b"\xfd\x00")
    assert (destination.port, destination.identity) == (2, 4)
    assert list(destination.names) == ["d"]
    assert destination.service == ("n", "svc")
    assert seen(flow).source_xlated_octets[-4:] == b"\x01\x02\x03\x04"


def test_an_address_that_is_none_has_no_octets() -> None:
    assert seen(flow_pb2.Flow(IP=flow_pb2.IP(source="pod"))).source.ip_octets == b""


def test_only_protocols_with_ports_have_ports() -> None:
    icmp = flow_pb2.Layer4(ICMPv4=flow_pb2.ICMPv4(type=8))
    sctp = flow_pb2.Layer4(SCTP=flow_pb2.SCTP(source_port=9))

    assert seen(flow_pb2.Flow(l4=icmp)).source.port == 0
    assert seen(flow_pb2.Flow(l4=icmp)).protocol == "icmpv4"
    assert seen(flow_pb2.Flow(l4=sctp)).source.port == 9


@pytest.mark.parametrize(
    ("name", "bit"),
    [
        ("FIN", 0x001),
        ("SYN", 0x002),
        ("RST", 0x004),
        ("PSH", 0x008),
        ("ACK", 0x010),
        ("URG", 0x020),
        ("ECE", 0x040),
        ("CWR", 0x080),
        ("NS", 0x100),
    ],
)
def test_flags_are_the_bits_of_the_header(name: str, bit: int) -> None:
    flags = flow_pb2.TCPFlags()
    setattr(flags, name, True)

    assert tcp_flag_bits(flags) == bit
    assert seen(flow_pb2.Flow(l4={"TCP": {"flags": flags}})).tcp_flags == bit


def test_flags_that_are_all_clear_are_known_to_be() -> None:
    assert seen(flow_pb2.Flow(l4={"TCP": {"flags": {}}})).tcp_flags == 0


def test_an_answer_that_is_set_to_its_zero_is_known() -> None:
    flow = flow_pb2.Flow(event_type={}, is_reply={"value": False}, interface={}, ip_trace_id={})

    assert seen(flow).event_type == (0, 0)
    assert seen(flow).is_reply is False
    assert seen(flow).interface == (0, "")
    assert seen(flow).ip_trace_id == 0


@pytest.mark.parametrize(
    ("message", "asked", "expected"),
    [
        (flow_pb2.Flow(IP={"ipVersion": flow_pb2.IPv4}), lambda view: view.ip_version, 4),
        (flow_pb2.Flow(IP={"ipVersion": flow_pb2.IPv6}), lambda view: view.ip_version, 6),
        (flow_pb2.Flow(IP={"encrypted": True}), lambda view: view.encrypted, True),
        (flow_pb2.Flow(verdict=flow_pb2.AUDIT), lambda view: view.verdict, 4),
        (flow_pb2.Flow(drop_reason_desc="POLICY_DENIED"), lambda view: view.drop_reason, 133),
        (flow_pb2.Flow(traffic_direction="EGRESS"), lambda view: view.traffic_direction, 2),
        (flow_pb2.Flow(node_labels=["a=b"]), lambda view: view.node_labels, ("a=b",)),
        (flow_pb2.Flow(uuid="u"), lambda view: view.uuid, "u"),
        (flow_pb2.Flow(l7={"kafka": {}}), lambda view: view.l7_protocol, "kafka"),
        (flow_pb2.Flow(l7={"dns": {"query": "a."}}), lambda view: view.dns_query, "a."),
        (
            flow_pb2.Flow(trace_context={"parent": {"trace_id": "t"}}),
            lambda view: view.trace_id,
            "t",
        ),
    ],
)
def test_the_rest_is_as_the_message_says(
    message: flow_pb2.Flow, asked: Callable[[FlowView], object], expected: object
) -> None:
    assert asked(seen(message)) == expected


def test_http_is_its_record() -> None:
    headers = [flow_pb2.HTTPHeader(key="k", value="v")]
    record = flow_pb2.HTTP(code=200, method="GET", url="/", headers=headers)

    http = seen(flow_pb2.Flow(l7=flow_pb2.Layer7(http=record))).http

    assert http is not None
    assert (http.code, http.method, http.url) == (200, "GET", "/")
    assert list(http.headers) == [("k", "v")]
