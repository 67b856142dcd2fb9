"""`flows/server/metrics/counters.py`: what counts in which metric, under which labels."""

from typing import Any

import pytest
from tests.unit.flows.server.sample_records import (
    OUTSIDE_IP,
    WEB_IP6,
    WORLD,
    call,
    drop,
    packet,
    view,
)

from ciliate.config.hubble_metrics_settings import METRICS, HubbleMetric
from ciliate.datapath.layout import Event, TracePoint, TraceReason
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server.metrics.counters import counter_of
from ciliate.flows.server.metrics.empty_families import empty_families
from ciliate.flows.server.metrics.series import Labels
from ciliate.net.protocol import ICMP, ICMPV6, SCTP, UDP

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
TO_WORLD: dict[str, Any] = {"destination": OUTSIDE_IP, "destination_identity": WORLD}
REPLY = TraceReason.TRACE_REPLY


def counted(name: str, event: Event, *switches: str) -> list[Labels]:
    """Return what a flow counts as."""
    counter = counter_of(HubbleMetric(name, {}, switches=switches))
    assert counter is not None
    flow = view(event)
    if not counter.may_count(flow):
        return []
    found = list(counter.count(flow))
    assert all(len(each) == len(counter.labels) for each in found)
    return found


@pytest.mark.parametrize(
    ("event", "labels"),
    [
        (packet(), ("TCP", "Trace", "to-network", "FORWARDED")),
        (
            packet(protocol=UDP, about=TracePoint.TRACE_TO_ENDPOINT),
            ("UDP", "Trace", "to-endpoint", "FORWARDED"),
        ),
        (packet(protocol=ICMP), ("ICMPv4", "Trace", "to-network", "FORWARDED")),
        (packet(protocol=50), ("Unknown L4", "Trace", "to-network", "FORWARDED")),
        (drop(flags=0), ("Unknown L4", "Drop", "", "DROPPED")),
        (call(), ("Unknown flow", "Unknown", "7", "TRACED")),
    ],
)
def test_every_flow_is_processed(event: Event, labels: Labels) -> None:
    assert counted("flow", event) == [labels]


def test_drops_have_their_reason() -> None:
    assert counted("drop", drop()) == [("INVALID_SOURCE_IP", "TCP")]
    assert counted("drop", drop(about=255)) == [("255", "TCP")]
    assert counted("drop", packet()) == []


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (SYN, ["SYN"]),
        (SYN | ACK, ["SYN-ACK"]),
        (FIN | ACK, ["FIN"]),
        (FIN | SYN | RST, ["FIN", "SYN", "RST"]),
        (ACK | PSH, []),
    ],
)
def test_flags_that_begin_and_end_connections_are_counted(flags: int, names: list[str]) -> None:
    assert counted("tcp", packet(tcp_flags=flags)) == [(name, "IPv4") for name in names]


def test_flags_are_those_of_forwarded_tcp() -> None:
    assert counted("tcp", packet(destination=WEB_IP6)) == [("SYN", "IPv6")]
    assert counted("tcp", packet(protocol=UDP)) == []
    assert counted("tcp", drop()) == []
    assert counted("tcp", call()) == []


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ({"protocol": ICMP, "destination_port": 8 * 256}, ("IPv4", "EchoRequest")),
        ({"protocol": ICMP, "destination_port": 0, "reason": REPLY}, ("IPv4", "EchoReply")),
        (
            {"protocol": ICMP, "destination_port": 3 * 256 + 3},
            ("IPv4", "DestinationUnreachable(Port)"),
        ),
        (
            {"protocol": ICMPV6, "destination_port": 135 * 256},
            ("IPv6", "NeighborSolicitation"),
        ),
    ],
)
def test_icmp_messages_have_their_names(fields: dict[str, Any], labels: Labels) -> None:
    assert counted("icmp", packet(**fields)) == [labels]


def test_other_protocols_are_no_icmp() -> None:
    assert counted("icmp", packet()) == []


def test_ports_are_those_that_connections_go_to() -> None:
    assert counted("port-distribution", packet()) == [("TCP", "80")]
    assert counted("port-distribution", packet(protocol=SCTP)) == [("SCTP", "80")]
    assert counted("port-distribution", packet(protocol=ICMP)) == [("ICMPv4", "0")]


def test_port_that_may_be_a_clients_says_nothing() -> None:
    assert counted("port-distribution", packet(reason=REPLY)) == []
    assert counted("port-distribution", packet(reason=TraceReason.TRACE_UNKNOWN)) == []
    assert counted("port-distribution", drop()) == []
    assert counted("port-distribution", call()) == []


def test_flows_to_the_world_are_those_that_open_toward_it() -> None:
    assert counted("flows-to-world", packet(**TO_WORLD)) == [("TCP", "FORWARDED")]
    assert counted("flows-to-world", packet()) == []
    assert counted("flows-to-world", packet(**TO_WORLD, reason=REPLY)) == []
    assert counted("flows-to-world", packet(**TO_WORLD, protocol=50)) == []


def test_port_of_a_flow_to_the_world_is_shown_if_asked_for() -> None:
    assert counted("flows-to-world", packet(**TO_WORLD), "port") == [("TCP", "FORWARDED", "80")]
    icmp = packet(**TO_WORLD, protocol=ICMP)
    assert counted("flows-to-world", icmp, "port") == [("ICMPv4", "FORWARDED", "")]


def test_only_drops_by_policy_go_to_the_world_unless_all_are_asked_for() -> None:
    by_policy = drop(**TO_WORLD, about=flow_pb2.POLICY_DENIED)

    assert counted("flows-to-world", by_policy) == [("TCP", "DROPPED")]
    assert counted("flows-to-world", drop(**TO_WORLD)) == []
    assert counted("flows-to-world", drop(**TO_WORLD), "any-drop") == [("TCP", "DROPPED")]


def test_connections_to_the_world_may_be_counted_by_their_first_packet() -> None:
    assert counted("flows-to-world", packet(**TO_WORLD), "syn-only") == [("TCP", "FORWARDED")]
    later = packet(**TO_WORLD, tcp_flags=ACK, reason=TraceReason.TRACE_ESTABLISHED)
    assert counted("flows-to-world", later, "syn-only") == []
    assert counted("flows-to-world", packet(**TO_WORLD, protocol=UDP), "syn-only") == []


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_counts_or_has_families_without_series(name: str) -> None:
    metric = HubbleMetric(name, {})

    assert (counter_of(metric) is None) == bool(empty_families(metric))


def test_counters_look_at_no_other_columns_than_they_say() -> None:
    blank = Event.unpack(bytes(Event.SIZE))
    events = [packet(), packet(**TO_WORLD), drop(), packet(protocol=ICMP), call()]
    for name in METRICS:
        counter = counter_of(HubbleMetric(name, {}))
        if counter is None:
            continue
        for event in events:
            for columns in (counter.columns, counter.columns | counter.deciding):
                names = {"destination" if c == "destination-family" else c for c in columns}
                kept = {each: getattr(event, each) for each in names}
                group = view(blank._replace(**kept, time_ns=event.time_ns))
                assert counter.may_count(group) == counter.may_count(view(event))
                if counter.may_count(group):
                    assert list(counter.count(group)) == list(counter.count(view(event)))
        assert counter.deciding <= counter.columns
