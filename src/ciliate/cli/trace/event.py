"""A flow as one event of a packet's way. Pure."""

from dataclasses import dataclass
from typing import Final

from ciliate.cli.hubble.event_names import (
    IDENTITIES,
    SOCKET_POINTS,
    TRACE_POINTS,
    TYPE_DROP,
    TYPE_POLICY_VERDICT,
    TYPE_SOCKET,
    TYPE_TRACE,
)
from ciliate.flows.pb.flow import flow_pb2

#: Of a socket's call: it names a Service, gets a backend, and is told its peer as the Service.
ASKED: Final = "pre-xlate-fwd"
GIVEN: Final = "post-xlate-fwd"
TOLD: Final = "post-xlate-rev"

_NS: Final = 1_000_000_000
_WITH_PORTS: Final = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}
#: Unreachable, too big, time exceeded and their like, by ICMP's version.
_ERRORS: Final = {"ICMPv4": frozenset({3, 4, 5, 11, 12}), "ICMPv6": frozenset({1, 2, 3, 4})}


@dataclass(frozen=True, slots=True)
class End:
    """One end of a packet, as its headers have it."""

    address: str
    #: 0: it has none, or it is not known.
    port: int = 0
    #: "namespace/name" of a pod; empty: it is none.
    pod: str = ""
    #: Of who is no pod: "world", "host", "remote-node".
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a packet went no further, and where in the programs."""

    reason: int
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that a node told."""

    time_ns: int
    node: str
    #: "to-network", "drop", "pre-xlate-fwd".
    point: str
    verdict: str
    #: "tcp", "udp", "sctp", "icmp"; empty: another one.
    protocol: str
    #: What the packet is: "SYN, ACK", "EchoRequest".
    packet: str
    source: End
    destination: End
    #: The source that it left with, where that is another; else empty.
    seen: str = ""
    device: str = ""
    is_reply: bool | None = None
    is_icmp_error: bool = False
    drop: Drop | None = None
    cookie: int = 0

    @property
    def is_call(self) -> bool:
        """Whether it is of a socket's call, and of no packet."""
        return self.point in SOCKET_POINTS.values()

    @property
    def is_opening(self) -> bool:
        """Whether it is the first packet of a TCP connection, which the client sends."""
        flags = self.packet.split(", ")
        return self.protocol == "tcp" and "SYN" in flags and "ACK" not in flags


def event_of(flow: flow_pb2.Flow) -> Event | None:
    """Return the event; None: it tells nothing of a packet's way."""
    point = _point(flow)
    if not point or not flow.HasField("IP"):
        return None
    protocol, ports, is_error = _transport(flow.l4)
    is_drop = flow.event_type.type == TYPE_DROP
    return Event(
        time_ns=flow.time.seconds * _NS + flow.time.nanos,
        node=flow.node_name,
        point=point,
        verdict=flow_pb2.Verdict.Name(flow.verdict),
        protocol=protocol,
        packet=_packet(flow.Summary),
        source=_end(flow.source, flow.IP.source, ports[0]),
        destination=_end(flow.destination, flow.IP.destination, ports[1]),
        seen=flow.IP.source_xlated,
        device=flow.interface.name,
        is_reply=flow.is_reply.value if flow.HasField("is_reply") else None,
        is_icmp_error=is_error,
        drop=Drop(flow.drop_reason_desc, flow.file.name, flow.file.line) if is_drop else None,
        cookie=flow.socket_cookie,
    )


def _point(flow: flow_pb2.Flow) -> str:
    kind, about = flow.event_type.type, flow.event_type.sub_type
    if kind == TYPE_SOCKET:
        return SOCKET_POINTS.get(flow.sock_xlate_point, "")
    if kind == TYPE_TRACE:
        return TRACE_POINTS[about] if 0 <= about < len(TRACE_POINTS) else ""
    return {TYPE_DROP: "drop", TYPE_POLICY_VERDICT: "policy-verdict"}.get(kind, "")


def _transport(l4: flow_pb2.Layer4) -> tuple[str, tuple[int, int], bool]:
    """Return protocol, ports, and whether it is an ICMP error."""
    kind = l4.WhichOneof("protocol") or ""
    if kind in _WITH_PORTS:
        header = getattr(l4, kind)
        return _WITH_PORTS[kind], (header.source_port, header.destination_port), False
    if kind in _ERRORS:
        return "icmp", (0, 0), getattr(l4, kind).type in _ERRORS[kind]
    return "", (0, 0), False


def _packet(summary: str) -> str:
    for start in ("TCP Flags: ", "ICMPv4 ", "ICMPv6 "):
        if summary.startswith(start):
            return summary.removeprefix(start)
    return summary


def _end(endpoint: flow_pb2.Endpoint, address: str, port: int) -> End:
    if endpoint.pod_name:
        return End(address, port, f"{endpoint.namespace}/{endpoint.pod_name}")
    reserved = 0 < endpoint.identity < len(IDENTITIES)
    return End(address, port, identity=IDENTITIES[endpoint.identity] if reserved else "")
