"""What each metric counts, and the labels it has of its own. Pure.

Counts follow Hubble's metrics of the same names.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

from ciliate.config.hubble_metrics_settings import HubbleMetric
from ciliate.datapath.layout import TraceReason
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server.metrics.groups import FAMILY, Only
from ciliate.flows.server.metrics.series import Labels
from ciliate.flows.server.record_view import RecordView
from ciliate.net.icmp import message_name
from ciliate.net.protocol import ICMP, ICMPV6

#: Types of events, by Hubble's numbers -> what they are called here.
_DROP, _TRACE, _POLICY_VERDICT = 1, 4, 5
_TYPES: Final[Mapping[int, str]] = {
    _DROP: "Drop",
    3: "Capture",
    _TRACE: "Trace",
    _POLICY_VERDICT: "PolicyVerdict",
    129: "L7",
}
_OF_PACKETS: Final = frozenset({_DROP, _TRACE, _POLICY_VERDICT})
#: Where a packet was seen, by the datapath's numbers.
_POINTS: Final = (
    *("to-endpoint", "to-proxy", "to-host", "to-stack", "to-overlay"),
    *("from-endpoint", "from-proxy", "from-host", "from-stack", "from-overlay", "from-network"),
    *("to-network", "from-crypto", "to-crypto"),
)
_PROTOCOLS: Final[Mapping[str, str]] = {
    "tcp": "TCP",
    "udp": "UDP",
    "sctp": "SCTP",
    "icmpv4": "ICMPv4",
    "icmpv6": "ICMPv6",
    "vrrp": "VRRP",
    "igmp": "IGMP",
}
_WITH_PORTS: Final = frozenset({"tcp", "udp", "sctp"})
_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_WORLD: Final = "reserved:world"

#: Clients' ports make groups many: replies have them, and ICMP is rare.
_NO_REPLIES: Final = Only("reason", frozenset(range(256)) - {TraceReason.TRACE_REPLY})
_ICMP: Final = Only("protocol", frozenset({ICMP, ICMPV6}))

#: Returns the own labels of each series that a flow counts in: mostly of one, or of none.
Counting = Callable[[RecordView], Iterable[Labels]]


@dataclass(frozen=True, slots=True)
class Counter:
    """A metric that flows are counted in."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    columns: frozenset[str]  # What `count` looks at.
    count: Counting
    deciding: frozenset[str]  # What `may_count` looks at: a few of them, with few values.
    may_count: Callable[[RecordView], bool]  # Whether it is worth while to ask `count`.
    is_of_names: bool = False  # Whether it depends on who had an address when.
    only: Only | None = None  # What else is not even made groups of.


def protocol_of(flow: RecordView) -> str:
    """Return what a flow's protocol is called: of sockets' calls it is not said."""
    if flow.event.kind in _OF_PACKETS:
        return _PROTOCOLS.get(flow.protocol, "Unknown L4")
    return "Unknown flow"


def _verdict(flow: RecordView) -> str:
    return flow_pb2.Verdict.Name(cast("flow_pb2.Verdict", flow.verdict))


def _flow(flow: RecordView) -> Iterator[Labels]:
    kind, about = flow.event.kind, flow.event.about
    subtype = ""
    if kind == _TRACE:
        subtype = _POINTS[about] if about < len(_POINTS) else str(about)
    elif kind not in _TYPES:
        subtype = str(kind)
    yield protocol_of(flow), _TYPES.get(kind, "Unknown"), subtype, _verdict(flow)


def _drop(flow: RecordView) -> Iterator[Labels]:
    yield _drop_reason(flow.drop_reason), protocol_of(flow)


def _drop_reason(number: int) -> str:
    try:
        return flow_pb2.DropReason.Name(cast("flow_pb2.DropReason", number))
    except ValueError:  # One that this API does not know yet.
        return str(number)


def _tcp(flow: RecordView) -> Iterator[Labels]:
    flags, family = flow.tcp_flags or 0, _family(flow)
    if flags & _FIN:
        yield "FIN", family
    if flags & _SYN:
        yield ("SYN-ACK" if flags & _ACK else "SYN"), family
    if flags & _RST:
        yield "RST", family


def _icmp(flow: RecordView) -> Iterator[Labels]:
    number = ICMP if flow.protocol == "icmpv4" else ICMPV6
    kind, code = divmod(flow.event.destination_port, 256)
    yield "IPv4" if number == ICMP else "IPv6", message_name(number, kind, code)


def _port_distribution(flow: RecordView) -> Iterator[Labels]:
    yield _PROTOCOLS[flow.protocol], str(flow.destination.port)


def _always(_flow: RecordView) -> bool:
    return True


def _is_dropped(flow: RecordView) -> bool:
    return flow.verdict == flow_pb2.DROPPED


def _has_told_flag(flow: RecordView) -> bool:
    flags = flow.tcp_flags or 0
    return flow.verdict == flow_pb2.FORWARDED and bool(flags & (_FIN | _SYN | _RST))


def _is_icmp(flow: RecordView) -> bool:
    return flow.protocol in ("icmpv4", "icmpv6")


def _goes_to_a_port(flow: RecordView) -> bool:
    """Whose direction is not known may be a reply: its port says nothing."""
    is_forwarded = flow.verdict in (flow_pb2.FORWARDED, flow_pb2.REDIRECTED)
    return is_forwarded and flow.is_reply is False and flow.protocol in _PROTOCOLS


def _is_no_reply(flow: RecordView) -> bool:
    return flow.verdict == flow_pb2.DROPPED or not flow.is_reply


def _family(flow: RecordView) -> str:
    return "IPv4" if flow.ip_version == 4 else "IPv6"


def _to_world(switches: Iterable[str]) -> Counting:
    any_drop, port, syn_only = (each in switches for each in ("any-drop", "port", "syn-only"))

    def count(flow: RecordView) -> Iterator[Labels]:
        if not flow.protocol or _WORLD not in flow.destination.labels:
            return
        is_dropped = flow.verdict == flow_pb2.DROPPED
        if is_dropped and not any_drop and flow.drop_reason != flow_pb2.POLICY_DENIED:
            return
        if syn_only and (flow.is_reply or not (flow.tcp_flags or 0) & _SYN):
            return
        own = (protocol_of(flow), _verdict(flow))
        if not port:
            yield own
        elif flow.protocol in _WITH_PORTS:
            yield (*own, str(flow.destination.port))
        else:
            yield (*own, "")

    return count


def counter_of(metric: HubbleMetric) -> Counter | None:
    """Return what a metric of the list counts; None: nothing that there is."""
    match metric.name:
        case "flow":
            return Counter(
                "hubble_flows_processed_total",
                "Flows that were seen.",
                ("protocol", "type", "subtype", "verdict"),
                frozenset({"kind", "about", "flags", "protocol"}),
                _flow,
                frozenset({"kind"}),
                _always,
            )
        case "drop":
            return Counter(
                "hubble_drop_total",
                "Packets that were dropped.",
                ("reason", "protocol"),
                frozenset({"kind", "about", "flags", "protocol"}),
                _drop,
                frozenset({"kind"}),
                _is_dropped,
            )
        case "tcp":
            return Counter(
                "hubble_tcp_flags_total",
                "TCP flags in packets that were forwarded.",
                ("flag", "family"),
                frozenset({"kind", "about", "flags", "protocol", "tcp_flags", FAMILY}),
                _tcp,
                frozenset({"kind", "flags", "protocol", "tcp_flags"}),
                _has_told_flag,
            )
        case "icmp":
            return Counter(
                "hubble_icmp_total",
                "ICMP messages.",
                ("family", "type"),
                frozenset({"kind", "flags", "protocol", "destination_port"}),
                _icmp,
                frozenset({"flags", "protocol"}),
                _is_icmp,
                only=_ICMP,
            )
        case "port-distribution":
            return Counter(
                "hubble_port_distribution_total",
                "Packets that were forwarded and are no replies, by the port they go to.",
                ("protocol", "port"),
                frozenset({"kind", "reason", "flags", "protocol", "destination_port"}),
                _port_distribution,
                frozenset({"kind", "reason", "flags", "protocol"}),
                _goes_to_a_port,
                only=_NO_REPLIES,
            )
        case "flows-to-world":
            own = ("port",) if "port" in metric.switches else ()
            return Counter(
                "hubble_flows_to_world_total",
                "Flows out of the cluster.",
                ("protocol", "verdict", *own),
                frozenset({"kind", "about", "reason", "flags", "protocol", "tcp_flags"})
                | {"destination_port", "destination", "destination_identity", "cgroup"},
                _to_world(metric.switches),
                frozenset({"kind", "reason"}),
                _is_no_reply,
                is_of_names=True,
            )
        case _:
            return None
