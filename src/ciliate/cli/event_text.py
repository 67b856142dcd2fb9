"""An event as `dbg monitor` prints it: a line in Cilium's words, or an object. Pure."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zlib import crc32

from ciliate.config.flow_settings import TCP_FLAGS
from ciliate.datapath.layout import (
    DROP_TEXT,
    Event,
    EventFlag,
    EventKind,
    SocketPoint,
    TracePoint,
    TraceReason,
)
from ciliate.flows.source_file import file_name
from ciliate.net.address import from_octets
from ciliate.net.icmp import message_name
from ciliate.net.identity import ReservedIdentity
from ciliate.net.protocol import ICMP, ICMPV6, TCP, protocol_name

#: Returns the name of a device, by its number.
DeviceName = Callable[[int], str]

_POINTS: Final[Mapping[int, str]] = {
    TracePoint.TRACE_TO_ENDPOINT: "to-endpoint",
    TracePoint.TRACE_TO_STACK: "to-stack",
    TracePoint.TRACE_TO_OVERLAY: "to-overlay",
    TracePoint.TRACE_FROM_ENDPOINT: "from-endpoint",
    TracePoint.TRACE_FROM_HOST: "from-host",
    TracePoint.TRACE_FROM_OVERLAY: "from-overlay",
    TracePoint.TRACE_FROM_NETWORK: "from-network",
    TracePoint.TRACE_TO_NETWORK: "to-network",
}
_STATES: Final[Mapping[int, str]] = {
    TraceReason.TRACE_NEW: "new",
    TraceReason.TRACE_ESTABLISHED: "established",
    TraceReason.TRACE_REPLY: "reply",
    TraceReason.TRACE_RELATED: "related",
    TraceReason.TRACE_UNKNOWN: "unknown",
}
_SOCKET_POINTS: Final[Mapping[int, str]] = {
    SocketPoint.SOCKET_PRE_FORWARD: "pre-xlate-fwd",
    SocketPoint.SOCKET_POST_FORWARD: "post-xlate-fwd",
    SocketPoint.SOCKET_PRE_REVERSE: "pre-xlate-rev",
    SocketPoint.SOCKET_POST_REVERSE: "post-xlate-rev",
}
_REVERSE: Final = frozenset({SocketPoint.SOCKET_PRE_REVERSE, SocketPoint.SOCKET_POST_REVERSE})

#: In the order in which Cilium names them.
_FLAG_ORDER: Final = ("syn", "ack", "rst", "fin", "psh", "urg", "ece", "cwr")


def event_line(event: Event, device: DeviceName) -> str:
    """Return the line that says what happened."""
    match event.kind:
        case EventKind.EVENT_DROP:
            return (
                f"xx drop ({_drop_text(event)}) flow {_flow(event):#x}"
                f" to endpoint {event.destination_endpoint}, ifindex {device(event.ifindex)},"
                f" file {file_name(event.file)}:{event.line}, , identity {_identities(event)}:"
                f" {_ends(event)}"
            )
        case EventKind.EVENT_TRACE:
            original = _address(event.source) if any(event.seen) else "0.0.0.0"  # noqa: S104 - Cilium's word for none.
            return (
                f"{_where(event)} flow {_flow(event):#x} , identity {_identities(event)}"
                f" state {_state(event)} ifindex {device(event.ifindex)} orig-ip {original}:"
                f" {_ends(event)}"
            )
        case EventKind.EVENT_SOCKET:
            return (
                f"CPU {event.cpu:02}: [{_socket_point(event)}] cgroup_id: {event.cgroup}"
                f" sock_cookie: {event.cookie}, {_socket_end(event)}"
                f" {protocol_name(event.protocol).lower()}"
            )
        case EventKind.EVENT_LOST:
            return f"-- {event.bytes} events were lost: they came faster than they were read"
    return f"-- event of an unknown kind {event.kind}"


def event_details(event: Event, *, epoch_offset_ns: int) -> str:
    """Return the line that `-v` puts before an event: when and where it was, and its frame."""
    words = [f"CPU {event.cpu:02}:", _time(event, epoch_offset_ns), f"{event.bytes} bytes"]
    if event.flags & EventFlag.EVENT_HAS_ETHERNET:
        words.append(f"{_mac(event.source_mac)} -> {_mac(event.destination_mac)}")
    return " ".join(words)


def event_object(
    event: Event, device: DeviceName, *, node: str, epoch_offset_ns: int
) -> dict[str, Any]:
    """Return the object that `-j` prints; what an event does not have is left out."""
    found: dict[str, Any] = {
        "time": _time(event, epoch_offset_ns),
        "node": node,
        "cpu": event.cpu,
    }
    match event.kind:
        case EventKind.EVENT_LOST:
            return {**found, "type": "lost", "lost": event.bytes}
        case EventKind.EVENT_SOCKET:
            found |= {
                "type": "trace-sock",
                "observationPoint": _socket_point(event),
                "cgroupId": event.cgroup,
                "socketCookie": event.cookie,
                "protocol": protocol_name(event.protocol).lower(),
            }
            side = "source" if event.about in _REVERSE else "destination"
            address = event.source if side == "source" else event.destination
            port = event.source_port or event.destination_port
            return {**found, side: {"ip": _address(address), "port": port}}
        case EventKind.EVENT_DROP:
            found |= {
                "type": "drop",
                "reason": event.about,
                "reasonText": _drop_text(event),
                "file": file_name(event.file),
                "line": event.line,
            }
        case EventKind.EVENT_TRACE:
            found |= {
                "type": "trace",
                "observationPoint": _point(event),
                "state": _state(event),
            }
    found |= {
        "interface": device(event.ifindex),
        "ifindex": event.ifindex,
        "bytes": event.bytes,
    }
    if event.flags & EventFlag.EVENT_HAS_ETHERNET:
        found["ethernet"] = {
            "source": _mac(event.source_mac),
            "destination": _mac(event.destination_mac),
        }
    if event.flags & EventFlag.EVENT_IS_IP:
        found |= _ip_object(event)
    return found


def _ip_object(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = {
        "source": _end_object(
            event.source, event.source_port, event.source_identity, event.source_endpoint
        ),
        "destination": _end_object(
            event.destination,
            0 if _is_icmp(event) else event.destination_port,
            event.destination_identity,
            event.destination_endpoint,
        ),
        "protocol": protocol_name(event.protocol).lower(),
        "summary": _summary(event),
    }
    if any(event.seen):
        found["seen"] = {"ip": _address(event.seen), "port": event.seen_port}
    if _is_icmp(event):
        found["icmp"] = {
            "type": event.destination_port >> 8,
            "code": event.destination_port & 0xFF,
        }
    return found


def _end_object(octets: bytes, port: int, identity: int, endpoint: int) -> dict[str, Any]:
    found: dict[str, Any] = {"ip": _address(octets), "identity": identity}
    if port:
        found["port"] = port
    if endpoint:
        found["endpoint"] = endpoint
    return found


def _drop_text(event: Event) -> str:
    return DROP_TEXT.get(event.about, f"{event.about}, 0")


def _point(event: Event) -> str:
    return _POINTS.get(event.about, f"point-{event.about}")


def _socket_point(event: Event) -> str:
    return _SOCKET_POINTS.get(event.about, f"point-{event.about}")


def _state(event: Event) -> str:
    return _STATES.get(event.reason, "unknown")


def _where(event: Event) -> str:
    direction, _, place = _point(event).partition("-")
    if place == "endpoint":
        number = event.destination_endpoint if direction == "to" else event.source_endpoint
        place = f"endpoint {number}"
    return f"{'->' if direction == 'to' else '<-'} {place}"


def _identities(event: Event) -> str:
    return f"{_identity(event.source_identity)}->{_identity(event.destination_identity)}"


def _identity(number: int) -> str:
    try:
        return ReservedIdentity(number).label.removeprefix("reserved:")
    except ValueError:
        return str(number)


def _ends(event: Event) -> str:
    """Return who sends to whom what, as it stands in the packet."""
    if not event.flags & EventFlag.EVENT_IS_IP:
        return f"{event.bytes} bytes that are no IP packet"
    source, port = event.source, event.source_port
    if any(event.seen):
        source, port = event.seen, event.seen_port
    to = 0 if _is_icmp(event) else event.destination_port
    return f"{_end(source, port)} -> {_end(event.destination, to)} {_summary(event)}"


def _end(octets: bytes, port: int) -> str:
    address = _address(octets)
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _socket_end(event: Event) -> str:
    if event.about in _REVERSE:
        return f"src [{_address(event.source)}]:{event.source_port}"
    return f"dst [{_address(event.destination)}]:{event.destination_port}"


def _summary(event: Event) -> str:
    if event.protocol == TCP:
        flags = (name.upper() for name in _FLAG_ORDER if event.tcp_flags & TCP_FLAGS[name])
        return f"tcp {', '.join(flags)}".rstrip()
    if _is_icmp(event):
        return message_name(event.protocol, *divmod(event.destination_port, 256))
    return protocol_name(event.protocol).lower()


def _is_icmp(event: Event) -> bool:
    return event.protocol in (ICMP, ICMPV6)


def _flow(event: Event) -> int:
    """Return a number that both directions of a connection share, to look for in the output."""
    ports = (0, 0) if _is_icmp(event) else (event.source_port, event.destination_port)
    ends = sorted(zip((event.source, event.destination), ports, strict=True))
    return crc32(repr((event.protocol, ends)).encode())


def _address(octets: bytes) -> str:
    return str(from_octets(octets))


def _mac(octets: bytes) -> str:
    return octets.hex(":")


def _time(event: Event, epoch_offset_ns: int) -> str:
    seconds, nanoseconds = divmod(event.time_ns + epoch_offset_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}Z"
