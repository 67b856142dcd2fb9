"""Events: what the programs tell of packets, to whom listens, and what they leave out."""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw
from tests.datapath.node_rig import (
    IN,
    NODE_4,
    NODE_6,
    OUT,
    WORLD_4,
    WORLD_6,
    Node,
)

from ciliate.datapath.layout import (
    AggregationLevel,
    DropReason,
    Event,
    EventCounts,
    EventFlag,
    EventKind,
    EventSettings,
    EventWantedFlag,
    TracePoint,
    TraceReason,
)
from ciliate.datapath.ring import EVENTS, EventRing
from ciliate.flows.maps import EVENT_COUNTS, EVENT_SETTINGS
from ciliate.flows.source_file import file_name
from ciliate.net.address import from_octets
from ciliate.net.identity import ReservedIdentity

POD1_4, POD1_6, POD2_4 = "10.244.0.1", "fd00:244::1", "10.244.0.2"
ALL: Final = (
    EventWantedFlag.EVENT_WANTED_DROP
    | EventWantedFlag.EVENT_WANTED_TRACE
    | EventWantedFlag.EVENT_WANTED_SOCKET
)
NONE, MEDIUM = AggregationLevel.AGGREGATION_NONE, AggregationLevel.AGGREGATION_MEDIUM


#: With another seed, flows have other names: all are news.
SEEDS: Final = itertools.count(1)


class Listening:
    """What was told since this began, read from the ring."""

    def __init__(self, node: Node, ring: EventRing) -> None:
        self._node = node
        self._ring = ring
        self._before = self._counts()

    def _counts(self) -> EventCounts:
        with self._node.datapath.opened(EVENT_COUNTS) as opened:
            return opened.get(0) or EventCounts(0, 0)

    def events(self, most: int = 100_000) -> list[Event]:
        """The events that came since they were asked for last."""
        return Event.unpack_many(self._ring.read(most))

    @property
    def counted(self) -> tuple[int, int]:
        """How many were told, and how many lost."""
        now = self._counts()
        return now.told - self._before.told, now.lost - self._before.lost


@contextmanager
def listening(
    node: Node,
    level: AggregationLevel = MEDIUM,
    *,
    wanted: EventWantedFlag = ALL,
    interval_ms: int = 60_000,
    tcp_flags: int = 0xFF,
    cost_ns: int = 0,
    burst_ns: int = 0,
) -> Iterator[Listening]:
    with (
        EventRing(node.datapath.map_fd(EVENTS)) as ring,
        node.datapath.opened(EVENT_SETTINGS) as settings,
    ):
        ring.skip()
        seed = next(SEEDS)
        settings.put(
            0, EventSettings(wanted, level, interval_ms, tcp_flags, seed, cost_ns, burst_ns)
        )
        try:
            yield Listening(node, ring)
        finally:
            settings.put(0, EventSettings(0, level, interval_ms, tcp_flags, 0, 0, 0))


def ends(event: Event) -> tuple[str, int, str, int]:
    """Who sends to whom, as text."""
    return (
        str(from_octets(event.source)),
        event.source_port,
        str(from_octets(event.destination)),
        event.destination_port,
    )


def frame(node: Node, packet: Any) -> Any:
    """What pod1 sends."""
    return Ether(src=node.pod1.mac, dst=node.pod1.host_mac) / packet


def points(events: list[Event]) -> list[tuple[TracePoint, TraceReason]]:
    assert all(event.kind == EventKind.EVENT_TRACE for event in events)
    return [(TracePoint(event.about), TraceReason(event.reason)) for event in events]


def test_where_nobody_listens_nothing_is_told(node: Node) -> None:
    with listening(node, wanted=EventWantedFlag(0)) as told:
        node.from_pod(frame(node, IP(src=POD1_4, dst=WORLD_4) / UDP(sport=5000, dport=53)))
        node.from_pod(frame(node, IP(src="1.2.3.4", dst=WORLD_4) / UDP()))
        assert told.events() == []
        assert told.counted == (0, 0)


@pytest.mark.parametrize(
    ("packet", "has_addresses"),
    [
        (IP(src="1.2.3.4", dst=WORLD_4) / UDP(sport=1, dport=2), True),
        (IPv6(src="fd00::bad", dst=WORLD_6) / UDP(sport=1, dport=2), True),
    ],
    ids=["v4", "v6"],
)
def test_drop_is_told_with_reason_and_place(
    node: Node, packet: Any, *, has_addresses: bool
) -> None:
    with listening(node) as told:
        sent = frame(node, packet)
        node.from_pod(sent)
        (event,) = told.events()

    assert (event.kind, event.about) == (EventKind.EVENT_DROP, DropReason.DROP_INVALID_SOURCE_IP)
    assert file_name(event.file) == "from_pod.bpf.c"
    assert event.line > 10
    assert ends(event) == (packet.src, 1, packet.dst, 2)
    assert bool(event.flags & EventFlag.EVENT_IS_IP) is has_addresses
    assert event.flags & EventFlag.EVENT_HAS_ETHERNET
    assert event.source_mac.hex(":") == node.pod1.mac
    assert (event.ifindex, event.bytes) == (node.pod1.host_ifindex, len(bytes(sent)))
    assert event.source_identity == event.destination_identity == ReservedIdentity.WORLD


def test_drop_of_what_is_no_ip_packet_is_told_too(node: Node) -> None:
    with listening(node) as told:
        node.from_pod(
            Ether(src=node.pod1.mac, dst=node.pod1.host_mac, type=0x88CC) / Raw(b"x" * 50)
        )
        (event,) = told.events()

    assert event.about == DropReason.DROP_UNSUPPORTED_L3_PROTOCOL
    assert not event.flags & EventFlag.EVENT_IS_IP
    assert event.source == event.destination == bytes(16)


def test_answered_question_for_a_neighbour_is_no_event(node: Node) -> None:
    with listening(node, NONE) as told:
        node.from_pod(
            Ether(src=node.pod1.mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, psrc=POD1_4, pdst=NODE_4)
        )
        assert told.events() == []


@pytest.mark.parametrize(
    ("ip", "pod", "world", "node_address"),
    [(IP, POD1_4, WORLD_4, NODE_4), (IPv6, POD1_6, WORLD_6, NODE_6)],
    ids=["v4", "v6"],
)
def test_masqueraded_packet_shows_both_sources_and_its_answer_the_pod(
    node: Node, ip: Any, pod: str, world: str, node_address: str
) -> None:
    with listening(node) as told:
        run = node.from_pod(frame(node, ip(src=pod, dst=world) / UDP(sport=5353, dport=53)))
        left = Ether(run.packet)
        node.from_uplink(
            IN / ip(src=world, dst=node_address) / UDP(sport=53, dport=left[UDP].sport) / b"x"
        )
        there, back = told.events()

    assert points([there, back]) == [
        (TracePoint.TRACE_TO_NETWORK, TraceReason.TRACE_NEW),
        (TracePoint.TRACE_TO_ENDPOINT, TraceReason.TRACE_REPLY),
    ]
    assert ends(there) == (pod, 5353, world, 53)
    assert (str(from_octets(there.seen)), there.seen_port) == (node_address, left[UDP].sport)
    assert (there.source_endpoint, there.destination_endpoint) == (node.pod1.number, 0)
    assert there.destination_identity == ReservedIdentity.WORLD
    assert ends(back) == (world, 53, pod, 5353)
    assert (back.seen, back.destination_endpoint) == (bytes(16), node.pod1.number)
    assert back.destination_mac.hex(":") == node.pod1.mac


def test_of_a_connection_that_goes_on_only_news_are_told(node: Node) -> None:
    def pass_by(flags: str) -> None:
        node.from_pod(
            frame(node, IP(src=POD1_4, dst=POD2_4) / TCP(sport=4000, dport=80, flags=flags))
        )

    with listening(node) as told:
        for flags in ("S", "A", "PA", "PA", "A", "FA", "FA"):
            pass_by(flags)
        events = told.events()
    assert [event.tcp_flags for event in events] == [0x02, 0x10, 0x18, 0x11]
    assert [reason for _, reason in points(events)] == [
        TraceReason.TRACE_NEW,
        *[TraceReason.TRACE_ESTABLISHED] * 3,
    ]
    assert {event.destination_endpoint for event in events} == {node.pod2.number}

    with listening(node, tcp_flags=0x07) as told:
        for flags in ("A", "PA", "PA", "FA"):
            pass_by(flags)
        events = told.events()
    assert [event.tcp_flags for event in events] == [0x10, 0x11]
    assert {reason for _, reason in points(events)} == {TraceReason.TRACE_UNKNOWN}

    with listening(node, interval_ms=0) as told:
        pass_by("A")
        pass_by("A")
        assert len(told.events()) == 2


def test_another_connection_by_the_same_ports_is_news(node: Node) -> None:
    there = IP(src=POD1_4, dst=POD2_4) / TCP(sport=4001, dport=80)
    with listening(node) as told:
        for flags in ("S", "S", "A", "FA", "S", "A"):
            there[TCP].flags = flags
            node.from_pod(frame(node, there))
        events = told.events()

    assert [event.tcp_flags for event in events] == [0x02, 0x10, 0x11, 0x02, 0x10]
    assert [reason for _, reason in points(events)] == [
        TraceReason.TRACE_NEW,
        TraceReason.TRACE_ESTABLISHED,
        TraceReason.TRACE_ESTABLISHED,
        TraceReason.TRACE_NEW,
        TraceReason.TRACE_ESTABLISHED,
    ]


def test_where_nothing_is_left_out_every_packet_is_told_where_it_comes_from_too(
    node: Node,
) -> None:
    with listening(node, NONE) as told:
        for _ in range(2):
            node.from_pod(frame(node, IP(src=POD1_4, dst=POD2_4) / UDP(sport=1, dport=2)))
        node.from_pod(frame(node, IP(src="1.2.3.4", dst=POD2_4) / UDP()))
        node.from_uplink(IN / IP(src=WORLD_4, dst=NODE_4) / TCP(dport=22, flags="S"))
        events = told.events()

    assert [(event.kind, event.about) for event in events] == [
        *[
            (EventKind.EVENT_TRACE, TracePoint.TRACE_FROM_ENDPOINT),
            (EventKind.EVENT_TRACE, TracePoint.TRACE_TO_ENDPOINT),
        ]
        * 2,
        (EventKind.EVENT_TRACE, TracePoint.TRACE_FROM_ENDPOINT),
        (EventKind.EVENT_DROP, DropReason.DROP_INVALID_SOURCE_IP),
        (EventKind.EVENT_TRACE, TracePoint.TRACE_FROM_NETWORK),
    ]


def test_types_that_nobody_wants_are_left_out(node: Node) -> None:
    good = frame(node, IP(src=POD1_4, dst=POD2_4) / UDP(sport=1, dport=2))
    bad = frame(node, IP(src="1.2.3.4", dst=POD2_4) / UDP(sport=1, dport=2))
    for wanted, kind in (
        (EventWantedFlag.EVENT_WANTED_DROP, EventKind.EVENT_DROP),
        (EventWantedFlag.EVENT_WANTED_TRACE, EventKind.EVENT_TRACE),
    ):
        with listening(node, wanted=wanted) as told:
            node.from_pod(good)
            node.from_pod(bad)
            assert [event.kind for event in told.events()] == [kind]


@pytest.mark.parametrize(
    ("packet", "shown"),
    [
        (IP(src=POD1_4, dst=WORLD_4) / ICMP(type=8, id=7), 8 << 8),
        (IPv6(src=POD1_6, dst=WORLD_6) / ICMPv6EchoRequest(id=7), 128 << 8),
    ],
    ids=["v4", "v6"],
)
def test_echo_shows_type_and_code_and_no_port(node: Node, packet: Any, shown: int) -> None:
    with listening(node) as told:
        node.from_pod(frame(node, packet))
        (event,) = told.events()

    assert (event.source_port, event.destination_port, event.seen_port) == (0, shown, 0)
    assert any(event.seen)


def test_the_nodes_own_packet_is_told_as_it_leaves(node: Node) -> None:
    with listening(node) as told:
        node.to_uplink(OUT / IP(src=NODE_4, dst=WORLD_4) / TCP(sport=40000, dport=443, flags="S"))
        (event,) = told.events()

    assert points([event]) == [(TracePoint.TRACE_TO_NETWORK, TraceReason.TRACE_NEW)]
    assert ends(event) == (NODE_4, 40000, WORLD_4, 443)


def test_what_finds_no_room_is_counted_and_nothing_else_is_lost(node: Node) -> None:
    bad = bytes(frame(node, IP(src="1.2.3.4", dst=WORLD_4) / UDP()))
    offered = 18_000
    with listening(node) as told:
        for _ in range(offered):
            node.from_pod(bad)
        events = told.events()
        in_ring, lost = told.counted
        assert in_ring + lost == offered
        assert lost > 0
        assert len(events) == in_ring

        node.from_pod(bad)
        assert len(told.events()) == 1


def test_no_more_is_told_than_the_limit_allows_and_the_rest_is_counted(node: Node) -> None:
    bad = bytes(frame(node, IP(src="1.2.3.4", dst=WORLD_4) / UDP()))
    offered, burst, hour_ns = 50, 7, 3600 * 10**9
    began_ns = time.monotonic_ns()
    with listening(node, cost_ns=hour_ns // 10**6, burst_ns=burst * hour_ns // 10**6) as told:
        while time.monotonic_ns() < began_ns + burst * hour_ns // 10**6:
            pass  # What a burst costs is saved by then, whatever was told before.
        told.events()
        before = sum(told.counted)
        began_ns = time.monotonic_ns()
        for _ in range(offered):
            node.from_pod(bad)
        took_ns = time.monotonic_ns() - began_ns
        events = told.events()
        in_ring, lost = told.counted

    assert before == 0
    assert in_ring + lost == offered
    assert burst <= len(events) == in_ring <= burst + took_ns * 10**6 // hour_ns + 1


def test_time_that_was_not_spent_is_saved_up_to_a_burst(node: Node) -> None:
    bad = bytes(frame(node, IP(src="1.2.3.4", dst=WORLD_4) / UDP()))
    with listening(node, cost_ns=3600 * 10**9, burst_ns=3600 * 10**9 - 1) as told:
        node.from_pod(bad)
        assert told.events() == []
        assert told.counted == (0, 1), "no burst pays for one"
    with listening(node) as told:
        node.from_pod(bad)
        assert len(told.events()) == 1, "without a limit each is told"
