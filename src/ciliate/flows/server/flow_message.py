"""A record as a message of the API. Pure."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, cast

from ciliate.datapath.layout import EventFlag, EventKind, TracePoint, TraceReason
from ciliate.flows.feed import PodName
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server.field_mask import Tree, keep
from ciliate.flows.server.record_view import RecordEnd, RecordView
from ciliate.flows.source_file import file_name
from ciliate.net.icmp import message_name
from ciliate.net.protocol import ICMP, ICMPV6, SCTP, TCP, UDP

_DROP: Final = int(EventKind.EVENT_DROP)
_TRACE: Final = int(EventKind.EVENT_TRACE)
_SOCKET: Final = int(EventKind.EVENT_SOCKET)
_HAS_ETHERNET: Final = int(EventFlag.EVENT_HAS_ETHERNET)

#: In the order in which a summary names them -> their bits.
_FLAGS: Final[Mapping[str, int]] = {
    "SYN": 2,
    "ACK": 16,
    "RST": 4,
    "FIN": 1,
    "PSH": 8,
    "URG": 32,
    "ECE": 64,
    "CWR": 128,
}

#: The API has 101 for to-endpoint: 0 is unknown there.
_POINTS: Final[Mapping[int, flow_pb2.TraceObservationPoint]] = {
    TracePoint.TRACE_TO_ENDPOINT: flow_pb2.TO_ENDPOINT,
    TracePoint.TRACE_TO_STACK: flow_pb2.TO_STACK,
    TracePoint.TRACE_TO_OVERLAY: flow_pb2.TO_OVERLAY,
    TracePoint.TRACE_FROM_ENDPOINT: flow_pb2.FROM_ENDPOINT,
    TracePoint.TRACE_FROM_HOST: flow_pb2.FROM_HOST,
    TracePoint.TRACE_FROM_OVERLAY: flow_pb2.FROM_OVERLAY,
    TracePoint.TRACE_FROM_NETWORK: flow_pb2.FROM_NETWORK,
    TracePoint.TRACE_TO_NETWORK: flow_pb2.TO_NETWORK,
}
_REASONS: Final[Mapping[int, flow_pb2.TraceReason]] = {
    TraceReason.TRACE_NEW: flow_pb2.NEW,
    TraceReason.TRACE_ESTABLISHED: flow_pb2.ESTABLISHED,
    TraceReason.TRACE_REPLY: flow_pb2.REPLY,
    TraceReason.TRACE_RELATED: flow_pb2.RELATED,
}
_IP_VERSIONS: Final = {0: flow_pb2.IP_NOT_USED, 4: flow_pb2.IPv4, 6: flow_pb2.IPv6}


def flow_message(
    view: RecordView, emitter: flow_pb2.Emitter, tree: Tree | None = None
) -> flow_pb2.Flow:
    """Return the flow, or of it what `tree` names."""
    flow = flow_pb2.Flow()
    if tree is None:
        for fill in _EVERY:
            fill(flow, view)
        flow.emitter.CopyFrom(emitter)
        return flow
    for fill in {fill for name, fill in _FILLERS.items() if name in tree}:
        fill(flow, view)
    if "emitter" in tree:
        flow.emitter.CopyFrom(emitter)
    keep(flow, tree)
    return flow


def summary(view: RecordView) -> str:
    """Return the words for the packet."""
    event = view.event
    if event.kind == _SOCKET:
        return {TCP: "TCP", UDP: "UDP"}.get(event.protocol, "Unknown")
    if not view.is_ip:
        return "Ethernet"
    if view.tcp_flags is not None:
        flags = ", ".join(name for name, bit in _FLAGS.items() if view.tcp_flags & bit)
        return f"TCP Flags: {flags}"
    if event.protocol in (ICMP, ICMPV6):
        kind, code = divmod(event.destination_port, 256)
        version = "ICMPv4" if event.protocol == ICMP else "ICMPv6"
        return f"{version} {message_name(event.protocol, kind, code)}"
    names = {UDP: "UDP", SCTP: "SCTP"}
    return names.get(event.protocol, f"IPv{view.ip_version}")


def _time(flow: flow_pb2.Flow, view: RecordView) -> None:
    flow.time.seconds, flow.time.nanos = divmod(view.time_ns, 10**9)


def _uuid(flow: flow_pb2.Flow, view: RecordView) -> None:
    flow.uuid = view.uuid


def _verdict(flow: flow_pb2.Flow, view: RecordView) -> None:
    flow.verdict = cast("flow_pb2.Verdict", view.verdict)


def _ethernet(flow: flow_pb2.Flow, view: RecordView) -> None:
    if view.event.flags & _HAS_ETHERNET:
        flow.ethernet.source = view.event.source_mac.hex(":")
        flow.ethernet.destination = view.event.destination_mac.hex(":")


def _ip(flow: flow_pb2.Flow, view: RecordView) -> None:
    if view.is_ip:
        flow.IP.source, flow.IP.destination = view.source.ip, view.destination.ip
        flow.IP.ipVersion = _IP_VERSIONS[view.ip_version]
        flow.IP.source_xlated = view.source_xlated


def _l4(flow: flow_pb2.Flow, view: RecordView) -> None:
    event, l4 = view.event, flow.l4
    source_port, destination_port = view.source.port, view.destination.port
    match view.protocol:
        case "tcp":
            l4.TCP.source_port, l4.TCP.destination_port = source_port, destination_port
            if view.tcp_flags is not None:
                flags = l4.TCP.flags
                flags.SetInParent()
                for name, bit in _FLAGS.items():
                    if view.tcp_flags & bit:
                        setattr(flags, name, True)
        case "udp":
            l4.UDP.source_port, l4.UDP.destination_port = source_port, destination_port
        case "sctp":
            l4.SCTP.source_port, l4.SCTP.destination_port = source_port, destination_port
        case "icmpv4":
            kind, code = divmod(event.destination_port, 256)
            l4.ICMPv4.CopyFrom(flow_pb2.ICMPv4(type=kind, code=code))
        case "icmpv6":
            kind, code = divmod(event.destination_port, 256)
            l4.ICMPv6.CopyFrom(flow_pb2.ICMPv6(type=kind, code=code))


def _endpoint(end: RecordEnd) -> flow_pb2.Endpoint:
    """Return the message of an end: many flows have the same."""
    return _shared_endpoint(end.name, end.identity, end.endpoint, end.labels, end.cluster)


@lru_cache(maxsize=8192)
def _shared_endpoint(
    name: PodName | None, identity: int, endpoint: int, labels: tuple[str, ...], cluster: str
) -> flow_pb2.Endpoint:
    found = flow_pb2.Endpoint(ID=endpoint, identity=identity, labels=labels, cluster_name=cluster)
    if name is not None:
        found.ID = name.endpoint
        found.namespace, found.pod_name = name.namespace, name.pod
        if name.workload:
            found.workloads.add(kind=name.workload_kind, name=name.workload)
    return found


def _source(flow: flow_pb2.Flow, view: RecordView) -> None:
    flow.source.CopyFrom(_endpoint(view.source))


def _destination(flow: flow_pb2.Flow, view: RecordView) -> None:
    flow.destination.CopyFrom(_endpoint(view.destination))


@lru_cache(maxsize=4096)
def _shared_service(namespace: str, name: str) -> flow_pb2.Service:
    return flow_pb2.Service(namespace=namespace, name=name)


def _services(flow: flow_pb2.Flow, view: RecordView) -> None:
    source, destination = view.source.service, view.destination.service
    if source is not None:
        flow.source_service.CopyFrom(_shared_service(*source))
    if destination is not None:
        flow.destination_service.CopyFrom(_shared_service(*destination))


def _type(flow: flow_pb2.Flow, view: RecordView) -> None:
    is_call = view.event.kind == _SOCKET
    flow.Type = flow_pb2.SOCK if is_call else flow_pb2.L3_L4


def _node(flow: flow_pb2.Flow, view: RecordView) -> None:
    flow.node_name = view.node_name


def _node_labels(flow: flow_pb2.Flow, view: RecordView) -> None:
    flow.node_labels.extend(view.node_labels)


def _event_type(flow: flow_pb2.Flow, view: RecordView) -> None:
    flow.event_type.type, flow.event_type.sub_type = view.event.kind, view.event.about


def _direction(flow: flow_pb2.Flow, view: RecordView) -> None:
    flow.traffic_direction = cast("flow_pb2.TrafficDirection", view.traffic_direction)


def _reply(flow: flow_pb2.Flow, view: RecordView) -> None:
    if view.is_reply is not None:
        flow.is_reply.value = view.is_reply
        flow.reply = view.is_reply


def _trace(flow: flow_pb2.Flow, view: RecordView) -> None:
    if view.event.kind == _TRACE:
        flow.trace_observation_point = _POINTS.get(view.event.about, flow_pb2.UNKNOWN_POINT)
        flow.trace_reason = _REASONS.get(view.event.reason, flow_pb2.TRACE_REASON_UNKNOWN)


def _drop(flow: flow_pb2.Flow, view: RecordView) -> None:
    if view.event.kind == _DROP:
        flow.drop_reason = view.drop_reason
        flow.drop_reason_desc = cast("flow_pb2.DropReason", view.drop_reason)
        flow.file.name, flow.file.line = file_name(view.event.file), view.event.line


def _interface(flow: flow_pb2.Flow, view: RecordView) -> None:
    if view.interface is not None:
        flow.interface.index, flow.interface.name = view.interface


def _socket(flow: flow_pb2.Flow, view: RecordView) -> None:
    if view.event.kind == _SOCKET:
        flow.sock_xlate_point = cast("flow_pb2.SocketTranslationPoint", view.event.about)
        flow.socket_cookie, flow.cgroup_id = view.event.cookie, view.event.cgroup


def _summary(flow: flow_pb2.Flow, view: RecordView) -> None:
    flow.Summary = summary(view)


#: By field: what fills it, alone or with others.
_FILLERS: Final[Mapping[str, Callable[[flow_pb2.Flow, RecordView], None]]] = {
    "time": _time,
    "uuid": _uuid,
    "verdict": _verdict,
    "ethernet": _ethernet,
    "IP": _ip,
    "l4": _l4,
    "source": _source,
    "destination": _destination,
    "source_service": _services,
    "destination_service": _services,
    "Type": _type,
    "node_name": _node,
    "node_labels": _node_labels,
    "event_type": _event_type,
    "traffic_direction": _direction,
    "reply": _reply,
    "is_reply": _reply,
    "trace_observation_point": _trace,
    "trace_reason": _trace,
    "drop_reason": _drop,
    "drop_reason_desc": _drop,
    "file": _drop,
    "interface": _interface,
    "sock_xlate_point": _socket,
    "socket_cookie": _socket,
    "cgroup_id": _socket,
    "Summary": _summary,
}
_EVERY: Final = tuple(dict.fromkeys(_FILLERS.values()))
