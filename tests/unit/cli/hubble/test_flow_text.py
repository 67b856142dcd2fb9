"""Lines of `hubble observe`: the text that people and scripts know from Cilium."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from tests.unit.cli.hubble.sample_flows import (
    DROP,
    SOCKET,
    SYN,
    SYN_ACK,
    VERDICT,
    WEB,
    WORLD,
    at,
    flow,
    lost,
    tcp,
)

from ciliate.cli.hubble.flow_text import flow_line, flow_record, lost_line, lost_record
from ciliate.cli.hubble.record_text import render_record, render_table
from ciliate.cli.hubble.style import Style
from ciliate.flows.pb.observer import observer_pb2

PLAIN = Style()
WEB_HOST = "default/webpod-697b545f57-cxr5t"

LINES = [
    (
        SOCKET,
        (
            "Aug  2 07:11:40.494: default/curl-pod (ID:13646) <> 10.96.195.112:80 (world)"
            " pre-xlate-fwd TRACED (TCP)"
        ),
    ),
    (
        flow(
            495,
            l4={"TCP": {"destination_port": 80}},
            event_type={"type": 7, "sub_type": 2},
            sock_xlate_point="SOCK_XLATE_POINT_POST_DIRECTION_FWD",
            verdict="TRANSLATED",
            Summary="TCP",
        ),
        (
            f"Aug  2 07:11:40.495: default/curl-pod (ID:13646) <> {WEB_HOST}:80 (ID:54559)"
            " post-xlate-fwd TRANSLATED (TCP)"
        ),
    ),
    (
        SYN,
        (
            f"Aug  2 07:11:40.496: default/curl-pod:41394 (ID:13646) -> {WEB_HOST}:80 (ID:54559)"
            " to-endpoint FORWARDED (TCP Flags: SYN)"
        ),
    ),
    (
        SYN_ACK,
        (
            f"Aug  2 07:11:40.497: default/curl-pod:41394 (ID:13646) <- {WEB_HOST}:80 (ID:54559)"
            " to-endpoint FORWARDED (TCP Flags: SYN, ACK)"
        ),
    ),
    (
        DROP,
        (
            f"Aug  2 07:11:40.510: default/curl-pod:41400 (ID:13646) <> {WEB_HOST}:80 (ID:54559)"
            " Policy denied DROPPED (TCP Flags: SYN)"
        ),
    ),
    (
        VERDICT,
        (
            f"Aug  2 07:11:40.511: default/curl-pod:41402 (ID:13646) -> {WEB_HOST}:80 (ID:54559)"
            " policy-verdict:L3-L4 INGRESS ALLOWED (TCP Flags: SYN)"
        ),
    ),
    (
        flow(
            512,
            l4=tcp(41404, 80),
            event_type={"type": 5},
            traffic_direction="EGRESS",
            verdict="DROPPED",
        ),
        (
            f"Aug  2 07:11:40.512: default/curl-pod:41404 (ID:13646) <> {WEB_HOST}:80 (ID:54559)"
            " policy-verdict:none EGRESS DENIED (TCP Flags: SYN)"
        ),
    ),
    (
        flow(
            513,
            l4=tcp(41404, 80),
            is_reply=False,
            event_type={"type": 5},
            policy_match_type=1,
            traffic_direction="EGRESS",
            verdict="AUDIT",
        ),
        (
            f"Aug  2 07:11:40.513: default/curl-pod:41404 (ID:13646) -> {WEB_HOST}:80 (ID:54559)"
            " policy-verdict:L3-Only EGRESS AUDITED (TCP Flags: SYN)"
        ),
    ),
    (
        flow(
            520,
            l4={"UDP": {"source_port": 40000, "destination_port": 53}},
            is_reply=False,
            destination={
                "identity": 9000,
                "namespace": "kube-system",
                "pod_name": "coredns-abc",
            },
            event_type={"type": 129},
            l7={"type": "REQUEST", "dns": {"observation_source": "proxy"}},
            Summary="DNS Query webpod.default.svc.cluster.local. A",
        ),
        (
            "Aug  2 07:11:40.520: default/curl-pod:40000 (ID:13646) -> kube-system/coredns-abc:53"
            " (ID:9000) dns-request proxy FORWARDED (DNS Query webpod.default.svc.cluster.local. A)"
        ),
    ),
    (
        flow(
            531,
            l4=tcp(80, 41410),
            source=WEB,
            destination={"identity": 13646, "namespace": "default", "pod_name": "curl-pod"},
            is_reply=True,
            event_type={"type": 129},
            l7={"type": "RESPONSE", "http": {"code": 200}},
            Summary="HTTP/1.1 200 3ms (GET http://webpod/)",
        ),
        (
            f"Aug  2 07:11:40.531: default/curl-pod:41410 (ID:13646) <- {WEB_HOST}:80 (ID:54559)"
            " http-response FORWARDED (HTTP/1.1 200 3ms (GET http://webpod/))"
        ),
    ),
    (
        flow(
            540,
            l4=tcp(52000, 443),
            is_reply=False,
            destination=WORLD,
            destination_names=["dns.google"],
            event_type={"type": 4, "sub_type": 11},
        ),
        (
            "Aug  2 07:11:40.540: default/curl-pod:52000 (ID:13646) -> dns.google:443 (world)"
            " to-network FORWARDED (TCP Flags: SYN)"
        ),
    ),
    (
        flow(
            541,
            l4={"ICMPv4": {"type": 8}},
            event_type={"type": 4, "sub_type": 5},
            Summary="ICMPv4 EchoRequest",
        ),
        (
            f"Aug  2 07:11:40.541: default/curl-pod (ID:13646) <> {WEB_HOST} (ID:54559)"
            " from-endpoint FORWARDED (ICMPv4 EchoRequest)"
        ),
    ),
    (
        flow(
            543,
            IP=None,
            ethernet={"source": "a2:16:c9:00:00:01", "destination": "ff:ff:ff:ff:ff:ff"},
            destination={},
            event_type={"type": 1, "sub_type": 139},
            verdict="DROPPED",
            Summary="Ethernet",
        ),
        (
            "Aug  2 07:11:40.543: a2:16:c9:00:00:01 (ID:13646) <> ff:ff:ff:ff:ff:ff (unknown)"
            " Unsupported L3 protocol DROPPED (Ethernet)"
        ),
    ),
    (
        flow(
            544,
            l4=tcp(52010, 80),
            is_reply=False,
            destination=WORLD,
            destination_service={"name": "webpod", "namespace": "default"},
            event_type={"type": 4, "sub_type": 3},
            ip_trace_id={"trace_id": 42},
            auth_type="SPIRE",
            Summary="TCP Flags: ACK",
        ),
        (
            "Aug  2 07:11:40.544: default/curl-pod:52010 (ID:13646) -> default/webpod:80 (world)"
            " to-stack FORWARDED (IP Trace ID: 42; TCP Flags: ACK; Auth: SPIRE)"
        ),
    ),
]


@pytest.mark.parametrize(("response", "line"), LINES, ids=range(len(LINES)))
def test_line_is_that_of_cilium(response: observer_pb2.GetFlowsResponse, line: str) -> None:
    assert flow_line(response, PLAIN) == line


def test_node_and_policies_stand_where_they_are_asked_for() -> None:
    assert flow_line(VERDICT, Style(node=True, policies=True)) == (
        f"Aug  2 07:11:40.511 [k8s-w1]: default/curl-pod:41402 (ID:13646) -> {WEB_HOST}:80"
        " (ID:54559) policy-verdict:L3-L4 INGRESS ALLOWED BY allow-web (NetworkPolicy)"
        " (TCP Flags: SYN)"
    )


def test_numeric_line_has_addresses_in_brackets_before_a_port() -> None:
    response = flow(
        1,
        IP={"source": "fd00::5", "destination": "fd00::7", "ipVersion": "IPv6"},
        l4=tcp(50000, 0),
    )

    line = flow_line(response, Style(names=False))

    assert ": [fd00::5]:50000 (ID:13646) <> fd00::7 (ID:54559) " in line


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"source_service": {"name": "web", "namespace": "prod"}}, "prod/curl-pod"),
        ({"source_service": {}}, "curl-pod"),
        ({"source": {"identity": 1}}, "10.244.1.5"),
        ({"source": {"identity": 1}, "source_names": ["a.b", "c.d"]}, "a.b,c.d"),
        ({"source": {}, "IP": None}, ""),
    ],
)
def test_name_of_an_end_is_a_pods_before_a_services(fields: dict[str, Any], shown: str) -> None:
    assert flow_record(flow(1, **fields), PLAIN)["SOURCE"] == shown


CALLED: dict[str, Any] = {
    "IP": {"source": "10.244.1.5", "destination": "10.96.195.112", "ipVersion": "IPv4"},
    "l4": {"TCP": {"destination_port": 80}},
    "destination": WORLD,
    "destination_service": {"name": "webpod", "namespace": "default"},
}
TOLD: dict[str, Any] = {
    "IP": {"source": "10.96.195.112", "destination": "10.244.1.5", "ipVersion": "IPv4"},
    "l4": {"TCP": {"source_port": 80}},
    "source": WORLD,
    "source_service": {"name": "webpod", "namespace": "default"},
}


@pytest.mark.parametrize("with_point", [True, False])
@pytest.mark.parametrize(
    ("fields", "point", "column"),
    [
        (CALLED, 1, "DESTINATION"),
        (CALLED, 2, "DESTINATION"),
        (TOLD, 3, "SOURCE"),
        (TOLD, 4, "SOURCE"),
    ],
)
def test_call_shows_the_address_that_was_asked_for_where_a_packet_shows_the_service(
    fields: dict[str, Any], point: int, column: str, *, with_point: bool
) -> None:
    about = {"sock_xlate_point": point} if with_point else {}
    called = flow(1, **fields, event_type={"type": 7, "sub_type": point}, **about)

    assert flow_record(called, PLAIN)[column] == "10.96.195.112:80"
    assert flow_record(flow(1, **fields), PLAIN)[column] == "default/webpod:80"


def test_call_s_pod_is_named_in_its_own_namespace() -> None:
    """A Service's namespace would go for the pod at that end, too."""
    called = flow(1, source_service={"namespace": "prod", "name": "web"}, event_type={"type": 7})

    assert flow_record(called, PLAIN)["SOURCE"] == "default/curl-pod"


@pytest.mark.parametrize(
    ("identity", "shown"),
    [(0, "unknown"), (8, "ingress"), (10, "world-ipv6"), (11, "ID:11"), (16777217, "ID:16777217")],
)
def test_identity_is_a_name_only_where_cilium_has_one(identity: int, shown: str) -> None:
    assert f"curl-pod ({shown}) <>" in flow_line(
        flow(1, source={"pod_name": "curl-pod", "identity": identity}), PLAIN
    )


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"event_type": {"type": 1, "sub_type": 136}}, "Fragmentation needed"),
        ({"event_type": {"type": 1, "sub_type": 299}}, "299, 0"),
        ({"event_type": {"type": 4, "sub_type": 77}}, "77"),
        ({"event_type": {"type": 5}, "policy_match_type": 99}, "policy-verdict:unknown"),
        (
            {"event_type": {"type": 3}, "debug_capture_point": "DBG_CAPTURE_DELIVERY"},
            "DBG_CAPTURE_DELIVERY",
        ),
        ({"event_type": {"type": 7, "sub_type": 4}}, "post-xlate-rev"),
        ({"event_type": {"type": 7}}, "SOCK_XLATE_POINT_UNKNOWN"),
        ({"event_type": None}, "UNKNOWN"),
        ({"l7": {"type": "SAMPLE", "kafka": {}}}, "kafka-sample"),
        ({"l7": {"type": "REQUEST"}}, "l7-request"),
    ],
)
def test_type_falls_back_to_what_is_known(fields: dict[str, Any], kind: str) -> None:
    assert flow_record(flow(1, **fields), PLAIN)["TYPE"].startswith(kind)


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        (None, "N/A"),
        (Timestamp(seconds=1, nanos=1_000_000_000), "N/A"),
        (Timestamp(seconds=1 << 40), "N/A"),
        (at(999, nanos=999_999), "Aug  2 07:11:40.999"),
    ],
)
def test_impossible_time_is_not_made_up(time: Timestamp | None, shown: str) -> None:
    response = flow(1)
    response.flow.ClearField("time")
    if time is not None:
        response.flow.time.CopyFrom(time)

    assert flow_line(response, PLAIN).startswith(f"{shown}: ")


def test_record_keeps_the_packets_direction() -> None:
    text = render_record(flow_record(SYN_ACK, Style(node=True)))

    assert text == (
        "  TIMESTAMP: Aug  2 07:11:40.497\n"
        "       NODE: k8s-w1\n"
        f"     SOURCE: {WEB_HOST}:80\n"
        "DESTINATION: default/curl-pod:41394\n"
        "       TYPE: to-endpoint\n"
        "    VERDICT: FORWARDED\n"
        "    SUMMARY: TCP Flags: SYN, ACK\n"
    )


def test_table_has_three_blanks_between_columns() -> None:
    text = render_table([flow_record(each, PLAIN) for each in (SOCKET, SYN_ACK)])

    assert text == (
        "TIMESTAMP             SOURCE                               DESTINATION"
        "              TYPE            VERDICT     SUMMARY\n"
        "Aug  2 07:11:40.494   default/curl-pod                     10.96.195.112:80"
        "         pre-xlate-fwd   TRACED      TCP\n"
        "Aug  2 07:11:40.497   default/webpod-697b545f57-cxr5t:80   default/curl-pod:41394"
        "   to-endpoint     FORWARDED   TCP Flags: SYN, ACK\n"
    )


def test_lost_events_are_told_with_their_span() -> None:
    short = lost(600, source="HUBBLE_RING_BUFFER", num_events_lost=5)
    spanned = lost(
        601,
        source="PERF_EVENT_RING_BUFFER",
        num_events_lost=7,
        cpu=3,
        first="2025-08-02T07:11:40.100Z",
        last="2025-08-02T07:11:40.599Z",
    )

    assert lost_line(short, PLAIN) == (
        "Aug  2 07:11:40.600 EVENTS LOST: HUBBLE_RING_BUFFER CPU(0) 5"
    )
    assert lost_line(spanned, PLAIN) == (
        "Aug  2 07:11:40.601 EVENTS LOST: PERF_EVENT_RING_BUFFER CPU(3) 7"
        " (first: Aug  2 07:11:40.100, last: Aug  2 07:11:40.599)"
    )
    style = Style(node=True)
    assert lost_record(short, style).keys() == flow_record(SYN, style).keys()


def test_what_a_packet_carries_does_not_reach_the_terminal() -> None:
    response = flow(
        1,
        destination=WORLD,
        destination_names=["a\u202eb"],
        node_name="n\x1b[2J",
        Summary="GET /\r\n\x1b]0;x\x07\x9b",
    )

    line = flow_line(response, Style(node=True))

    assert line.isprintable()
    assert "[n^[[2J]" in line
    assert "a\\u202eb (world)" in line
    assert line.endswith("(GET /\\r\\n^[]0;x\\x07\\x9b)")


@pytest.mark.parametrize(
    ("verdict", "code"), [("FORWARDED", 32), ("DROPPED", 31), ("AUDIT", 33), ("TRACED", 33)]
)
def test_colours_tell_hosts_ports_identities_and_verdicts_apart(verdict: str, code: int) -> None:
    response = flow(1, l4=tcp(1, 2), verdict=verdict)

    line = flow_line(response, Style(colours=True))

    assert "\x1b[36mdefault/curl-pod\x1b[0m:\x1b[33m1\x1b[0m \x1b[35m(ID:13646)\x1b[0m" in line
    assert f"\x1b[{code}m{verdict}\x1b[0m" in line
