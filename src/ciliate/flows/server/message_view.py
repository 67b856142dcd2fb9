"""A message of the API as filters see a flow: for files of flows, and to compare with. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from ciliate.flows.pb.flow import flow_pb2
from ciliate.net.address import ip_address, to_octets

_IP_VERSIONS = {flow_pb2.IPv4: 4, flow_pb2.IPv6: 6}
_WITH_PORTS = frozenset({"TCP", "UDP", "SCTP"})
#: By their bits in TCP's header.
_TCP_FLAGS = {
    "FIN": 1,
    "SYN": 2,
    "RST": 4,
    "PSH": 8,
    "ACK": 16,
    "URG": 32,
    "ECE": 64,
    "CWR": 128,
    "NS": 256,
}


def tcp_flag_bits(flags: flow_pb2.TCPFlags) -> int:
    """Return the flags of a message as the bits that TCP has."""
    return sum(bit for name, bit in _TCP_FLAGS.items() if getattr(flags, name))


def _octets(text: str) -> bytes:
    try:
        return to_octets(ip_address(text))
    except ValueError:
        return b""


@dataclass(frozen=True, slots=True)
class MessageEnd:
    """The source or the destination of a message."""

    endpoint: flow_pb2.Endpoint
    ip: str
    port: int
    names: Sequence[str]
    service: tuple[str, str] | None

    @property
    def ip_octets(self) -> bytes:
        """See `EndView`."""
        return _octets(self.ip)

    @property
    def identity(self) -> int:
        """See `EndView`."""
        return self.endpoint.identity

    @property
    def namespace(self) -> str:
        """See `EndView`."""
        return self.endpoint.namespace

    @property
    def pod(self) -> str:
        """See `EndView`."""
        return self.endpoint.pod_name

    @property
    def labels(self) -> tuple[str, ...]:
        """See `EndView`."""
        return tuple(self.endpoint.labels)

    @property
    def workloads(self) -> Sequence[tuple[str, str]]:
        """See `EndView`."""
        return [(each.kind, each.name) for each in self.endpoint.workloads]

    @property
    def cluster(self) -> str:
        """See `EndView`."""
        return self.endpoint.cluster_name


@dataclass(frozen=True, slots=True)
class MessageHttp:
    """The record of HTTP in a message."""

    message: flow_pb2.HTTP

    @property
    def code(self) -> int:
        """See `HttpView`."""
        return self.message.code

    @property
    def method(self) -> str:
        """See `HttpView`."""
        return self.message.method

    @property
    def url(self) -> str:
        """See `HttpView`."""
        return self.message.url

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """See `HttpView`."""
        return [(each.key, each.value) for each in self.message.headers]


@dataclass(frozen=True, slots=True)
class MessageView:
    """A `Flow` as a `FlowView`."""

    message: flow_pb2.Flow

    @property
    def source(self) -> MessageEnd:
        """See `FlowView`."""
        flow = self.message
        has_service = flow.HasField("source_service")
        service = flow.source_service
        return MessageEnd(
            endpoint=flow.source,
            ip=flow.IP.source,
            port=self._port("source_port"),
            names=flow.source_names,
            service=(service.namespace, service.name) if has_service else None,
        )

    @property
    def destination(self) -> MessageEnd:
        """See `FlowView`."""
        flow = self.message
        has_service = flow.HasField("destination_service")
        service = flow.destination_service
        return MessageEnd(
            endpoint=flow.destination,
            ip=flow.IP.destination,
            port=self._port("destination_port"),
            names=flow.destination_names,
            service=(service.namespace, service.name) if has_service else None,
        )

    def _port(self, name: str) -> int:
        layer = self.message.l4.WhichOneof("protocol")
        if layer not in _WITH_PORTS:
            return 0
        return int(getattr(getattr(self.message.l4, layer), name))

    @property
    def event_type(self) -> tuple[int, int] | None:
        """See `FlowView`."""
        if not self.message.HasField("event_type"):
            return None
        return self.message.event_type.type, self.message.event_type.sub_type

    @property
    def verdict(self) -> int:
        """See `FlowView`."""
        return self.message.verdict

    @property
    def drop_reason(self) -> int:
        """See `FlowView`."""
        return self.message.drop_reason_desc

    @property
    def is_reply(self) -> bool | None:
        """See `FlowView`."""
        return self.message.is_reply.value if self.message.HasField("is_reply") else None

    @property
    def traffic_direction(self) -> int:
        """See `FlowView`."""
        return self.message.traffic_direction

    @property
    def ip_version(self) -> int:
        """See `FlowView`."""
        return _IP_VERSIONS.get(self.message.IP.ipVersion, 0)

    @property
    def protocol(self) -> str:
        """See `FlowView`."""
        return (self.message.l4.WhichOneof("protocol") or "").lower()

    @property
    def tcp_flags(self) -> int | None:
        """See `FlowView`."""
        tcp = self.message.l4.TCP
        return tcp_flag_bits(tcp.flags) if tcp.HasField("flags") else None

    @property
    def encrypted(self) -> bool:
        """See `FlowView`."""
        return self.message.IP.encrypted

    @property
    def source_xlated(self) -> str:
        """See `FlowView`."""
        return self.message.IP.source_xlated

    @property
    def source_xlated_octets(self) -> bytes:
        """See `FlowView`."""
        return _octets(self.message.IP.source_xlated)

    @property
    def interface(self) -> tuple[int, str] | None:
        """See `FlowView`."""
        if not self.message.HasField("interface"):
            return None
        return self.message.interface.index, self.message.interface.name

    @property
    def node_name(self) -> str:
        """See `FlowView`."""
        return self.message.node_name

    @property
    def node_labels(self) -> tuple[str, ...]:
        """See `FlowView`."""
        return tuple(self.message.node_labels)

    @property
    def uuid(self) -> str:
        """See `FlowView`."""
        return self.message.uuid

    @property
    def trace_id(self) -> str:
        """See `FlowView`."""
        return self.message.trace_context.parent.trace_id

    @property
    def ip_trace_id(self) -> int | None:
        """See `FlowView`."""
        if not self.message.HasField("ip_trace_id"):
            return None
        return self.message.ip_trace_id.trace_id

    @property
    def l7_protocol(self) -> str:
        """See `FlowView`."""
        return self.message.l7.WhichOneof("record") or ""

    @property
    def dns_query(self) -> str | None:
        """See `FlowView`."""
        return self.message.l7.dns.query if self.message.l7.HasField("dns") else None

    @property
    def http(self) -> MessageHttp | None:
        """See `FlowView`."""
        return MessageHttp(self.message.l7.http) if self.message.l7.HasField("http") else None
