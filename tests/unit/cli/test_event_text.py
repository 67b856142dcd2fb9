"""`cli/event_text.py`: an event as a line in Cilium's words, and as an object."""

import re
from pathlib import Path
from typing import Any

import pytest

from ciliate.cli.event_text import event_details, event_line, event_object
from ciliate.datapath.layout import (
    DropReason,
    Event,
    EventFlag,
    EventKind,
    SocketPoint,
    SourceFile,
    TracePoint,
    TraceReason,
)
from ciliate.flows.source_file import file_name
from ciliate.net.address import ip_address, to_octets

BPF = Path(__file__).parents[3] / "bpf"
BLANK = Event.unpack(bytes(Event.SIZE))


def device(number: int) -> str:
    return {3: "eth1"}.get(number, str(number))


def event(**fields: Any) -> Event:
    """A TCP packet of endpoint 7 to the world, but for what is said."""
    usual: dict[str, Any] = {
        "kind": EventKind.EVENT_TRACE,
        "about": TracePoint.TRACE_TO_NETWORK,
        "reason": TraceReason.TRACE_NEW,
        "flags": EventFlag.EVENT_IS_IP,
        "source": "10.244.1.5",
        "destination": "203.0.113.10",
        "source_port": 5000,
        "destination_port": 443,
        "source_identity": 54117,
        "destination_identity": 2,
        "source_endpoint": 7,
        "protocol": 6,
        "tcp_flags": 0x02,
        "ifindex": 3,
        "bytes": 74,
    }
    values = {**usual, **fields}
    for name in ("source", "destination", "seen"):
        if isinstance(values.get(name), str):
            values[name] = to_octets(ip_address(values[name]))
    return BLANK._replace(**values)


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (
            event(),
            (
                "-> network flow 0x0 , identity 54117->world state new ifindex eth1"
                " orig-ip 0.0.0.0: 10.244.1.5:5000 -> 203.0.113.10:443 tcp SYN"
            ),
        ),
        (
            event(seen="192.168.10.101", seen_port=40000, tcp_flags=0x18),
            (
                "-> network flow 0x0 , identity 54117->world state new ifindex eth1"
                " orig-ip 10.244.1.5: 192.168.10.101:40000 -> 203.0.113.10:443 tcp ACK, PSH"
            ),
        ),
        (
            event(
                about=TracePoint.TRACE_TO_ENDPOINT,
                reason=TraceReason.TRACE_REPLY,
                source="fd00::1",
                destination="fd00::2",
                protocol=17,
                destination_endpoint=9,
                ifindex=12,
            ),
            (
                "-> endpoint 9 flow 0x0 , identity 54117->world state reply ifindex 12"
                " orig-ip 0.0.0.0: [fd00::1]:5000 -> [fd00::2]:443 udp"
            ),
        ),
        (
            event(
                about=TracePoint.TRACE_FROM_ENDPOINT,
                reason=TraceReason.TRACE_UNKNOWN,
                protocol=1,
                source_port=0,
                destination_port=8 << 8,
            ),
            (
                "<- endpoint 7 flow 0x0 , identity 54117->world state unknown ifindex eth1"
                " orig-ip 0.0.0.0: 10.244.1.5 -> 203.0.113.10 EchoRequest"
            ),
        ),
        (
            event(
                kind=EventKind.EVENT_DROP,
                about=DropReason.DROP_INVALID_SOURCE_IP,
                file=SourceFile.SOURCE_FROM_POD_BPF_C,
                line=41,
            ),
            (
                "xx drop (Invalid source ip) flow 0x0 to endpoint 0, ifindex eth1, file"
                " from_pod.bpf.c:41, , identity 54117->world:"
                " 10.244.1.5:5000 -> 203.0.113.10:443 tcp SYN"
            ),
        ),
        (
            event(kind=EventKind.EVENT_DROP, about=255, flags=0),
            (
                "xx drop (255, 0) flow 0x0 to endpoint 0, ifindex eth1, file unknown:0, , identity"
                " 54117->world: 74 bytes that are no IP packet"
            ),
        ),
        (
            event(
                kind=EventKind.EVENT_SOCKET,
                about=SocketPoint.SOCKET_PRE_FORWARD,
                destination="10.96.0.1",
                cookie=12,
                cgroup=34,
                cpu=1,
            ),
            "CPU 01: [pre-xlate-fwd] cgroup_id: 34 sock_cookie: 12, dst [10.96.0.1]:443 tcp",
        ),
        (
            event(kind=EventKind.EVENT_SOCKET, about=SocketPoint.SOCKET_POST_REVERSE),
            "CPU 00: [post-xlate-rev] cgroup_id: 0 sock_cookie: 0, src [10.244.1.5]:5000 tcp",
        ),
        (
            event(kind=EventKind.EVENT_LOST, bytes=9),
            "-- 9 events were lost: they came faster than they were read",
        ),
        (event(kind=77), "-- event of an unknown kind 77"),
    ],
)
def test_line(found: Event, line: str) -> None:
    assert re.sub(r"flow 0x[0-9a-f]+", "flow 0x0", event_line(found, device)) == line


def test_both_directions_of_a_connection_have_one_number() -> None:
    def flow(found: Event) -> str:
        number = re.search(r"flow (0x[0-9a-f]+)", event_line(found, device))
        assert number
        return number[1]

    there = event(about=TracePoint.TRACE_TO_ENDPOINT)
    back = there._replace(
        source=there.destination,
        destination=there.source,
        source_port=there.destination_port,
        destination_port=there.source_port,
    )
    assert flow(there) == flow(back)
    assert flow(there) != flow(there._replace(source_port=5001))


def test_details_say_when_and_which_frame() -> None:
    found = event(
        time_ns=1_000_000_007,
        flags=EventFlag.EVENT_IS_IP | EventFlag.EVENT_HAS_ETHERNET,
        source_mac=bytes.fromhex("020000000001"),
        destination_mac=bytes.fromhex("020000000002"),
    )
    assert event_details(found, epoch_offset_ns=10**18) == (
        "CPU 00: 2001-09-09T01:46:41.000000007Z 74 bytes 02:00:00:00:00:01 -> 02:00:00:00:00:02"
    )


def test_object_has_what_the_event_has_and_no_more() -> None:
    found = event_object(
        event(seen="192.168.10.101", seen_port=40000), device, node="k8s-w1", epoch_offset_ns=0
    )
    assert found == {
        "time": "1970-01-01T00:00:00.000000000Z",
        "node": "k8s-w1",
        "cpu": 0,
        "type": "trace",
        "observationPoint": "to-network",
        "state": "new",
        "interface": "eth1",
        "ifindex": 3,
        "bytes": 74,
        "source": {"ip": "10.244.1.5", "identity": 54117, "port": 5000, "endpoint": 7},
        "destination": {"ip": "203.0.113.10", "identity": 2, "port": 443},
        "protocol": "tcp",
        "summary": "tcp SYN",
        "seen": {"ip": "192.168.10.101", "port": 40000},
    }


def test_every_file_that_drops_is_known_by_its_name() -> None:
    dropping = {
        path.name
        for path in (*BPF.glob("*.c"), *BPF.glob("lib/*.h"))
        if re.search(r"\b(drop|answer)\(skb, ", path.read_text()) and path.name != "verdict.h"
    }
    assert dropping == {file_name(each) for each in SourceFile} - {"unknown"}
    text = (BPF / "lib/source_file.h").read_text()
    assert set(re.findall(r'IS_FILE\("([^"]+)"\)', text)) == dropping
