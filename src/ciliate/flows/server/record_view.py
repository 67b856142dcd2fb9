"""A record of the datapath with the names of its time: what filters ask, and messages say. Pure.

Each thing is found when it is asked for, and once: most records are looked at for a number or two.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Generic, Self, TypeVar, overload
from uuid import UUID

from ciliate.datapath.layout import (
    Event,
    EventFlag,
    EventKind,
    SocketPoint,
    TracePoint,
    TraceReason,
)
from ciliate.flows.feed import PodName
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server.name_table import NameTable
from ciliate.flows.server.view import HttpView
from ciliate.net.address import address_text, from_octets
from ciliate.net.identity import ReservedIdentity
from ciliate.net.protocol import ICMP, ICMPV6, SCTP, TCP, UDP

T = TypeVar("T")
V = TypeVar("V")

# Of enumerations as plain numbers: these are asked for of every record.
_IS_IP: Final = int(EventFlag.EVENT_IS_IP)
_DROP: Final = int(EventKind.EVENT_DROP)
_TRACE: Final = int(EventKind.EVENT_TRACE)
_SOCKET: Final = int(EventKind.EVENT_SOCKET)
_UNKNOWN: Final = int(TraceReason.TRACE_UNKNOWN)
_REPLY: Final = int(TraceReason.TRACE_REPLY)
_WORLD: Final = int(ReservedIdentity.WORLD)

#: An odd number (2**128 by the golden ratio): numbers that follow each other make UUIDs far apart.
_MIX: Final = 0x9E3779B97F4A7C15F39CC0605CEDC835

_PROTOCOLS: Final[Mapping[int, str]] = {
    TCP: "tcp",
    UDP: "udp",
    SCTP: "sctp",
    ICMP: "icmpv4",
    ICMPV6: "icmpv6",
}
_WITH_PORTS: Final = frozenset({TCP, UDP, SCTP})

_BEFORE: Final = frozenset(
    map(int, (SocketPoint.SOCKET_PRE_FORWARD, SocketPoint.SOCKET_PRE_REVERSE))
)
_ANSWERS: Final = frozenset(
    map(int, (SocketPoint.SOCKET_PRE_REVERSE, SocketPoint.SOCKET_POST_REVERSE))
)

#: At these points the pod that a program works for is the destination.
_TO_POD: Final = int(TracePoint.TRACE_TO_ENDPOINT)
_FROM_POD: Final = frozenset(
    map(
        int,
        (
            TracePoint.TRACE_FROM_ENDPOINT,
            TracePoint.TRACE_TO_STACK,
            TracePoint.TRACE_TO_NETWORK,
            TracePoint.TRACE_TO_OVERLAY,
        ),
    )
)


class _Once(Generic[V, T]):
    """A property that is found once. functools' takes a lock for it in Python 3.11."""

    def __init__(self, find: Callable[[V], T]) -> None:
        self._find = find
        self._name = find.__name__
        self.__doc__ = find.__doc__

    @overload
    def __get__(self, view: None, kind: type[V]) -> Self: ...

    @overload
    def __get__(self, view: V, kind: type[V]) -> T: ...

    def __get__(self, view: V | None, kind: type[V]) -> "Self | T":
        if view is None:
            return self
        found = view.__dict__[self._name] = self._find(view)
        return found


#: The text of an address: a node speaks with some thousands.
_text = lru_cache(maxsize=16384)(address_text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all records of a node have in common."""

    node: str
    node_labels: tuple[str, ...]
    cluster: str
    names: NameTable
    uuid_seed: int  # 128 bits of this process's own.
    epoch_offset_ns: int = 0  # What to add to a record's time for nanoseconds since 1970.
    #: Returns a device's name by its number; empty: it is gone.
    device: Callable[[int], str] = field(default=lambda _index: "")
    #: Returns the UID of the pod that has a control group; empty: no pod's.
    pod_of_cgroup: Callable[[int], str] = field(default=lambda _cgroup: "")

    @property
    def node_name(self) -> str:
        """The node as the API names it: without its cluster where that has the usual name."""
        return self.node if self.cluster in ("", "default") else f"{self.cluster}/{self.node}"


class RecordEnd:
    """The source or the destination of a record."""

    def __init__(self, view: "RecordView", *, is_source: bool) -> None:
        event = view.event
        self._view = view
        if is_source:
            self.octets, self._port = event.source, event.source_port
            self._identity, self.endpoint = event.source_identity, event.source_endpoint
        else:
            self.octets, self._port = event.destination, event.destination_port
            self._identity, self.endpoint = event.destination_identity, event.destination_endpoint
        self._is_caller = event.kind == _SOCKET and is_source != view.is_answer

    @property
    def ip(self) -> str:
        """See `EndView`."""
        return _text(self.ip_octets) if self._view.is_ip else ""

    @_Once
    def ip_octets(self) -> bytes:
        """See `EndView`; of a process that calls, its pod's address of the peer's family."""
        if not self._view.is_ip:
            return b""
        if not self._is_caller:
            return self.octets
        return self._caller_address()

    def _caller_address(self) -> bytes:
        caller, event = self._view.caller, self._view.event
        if caller is None:
            return b""
        peer = event.source if self._view.is_answer else event.destination
        version = from_octets(peer).version
        fitting = (each for each in caller.addresses if from_octets(each).version == version)
        return next(fitting, b"")

    @property
    def port(self) -> int:
        """See `EndView`."""
        return self._port if self._view.event.protocol in _WITH_PORTS else 0

    @_Once
    def name(self) -> PodName | None:
        """The pod, where it is one."""
        if self._is_caller:
            return self._view.caller
        if not self._view.is_ip:
            return None
        around = self._view.around
        return around.names.at(self.octets, self._view.event.time_ns, self._identity)

    @_Once
    def identity(self) -> int:
        """See `EndView`: the datapath's word counts; it has none of sockets and their peers."""
        if self._identity:
            return self._identity
        if self.name is not None:
            return self.name.identity
        return _WORLD if self._view.is_ip else 0

    @property
    def namespace(self) -> str:
        """See `EndView`."""
        return self.name.namespace if self.name is not None else ""

    @property
    def pod(self) -> str:
        """See `EndView`."""
        return self.name.pod if self.name is not None else ""

    @_Once
    def labels(self) -> tuple[str, ...]:
        """See `EndView`."""
        if self.name is not None and self.name.labels:
            return self.name.labels
        return self._view.around.names.labels(self.identity)

    @property
    def workloads(self) -> Sequence[tuple[str, str]]:
        """See `EndView`."""
        if self.name is None or not self.name.workload:
            return ()
        return ((self.name.workload_kind, self.name.workload),)

    @property
    def names(self) -> Sequence[str]:
        """See `EndView`; names of DNS are not known yet."""
        return ()

    @_Once
    def service(self) -> tuple[str, str] | None:
        """See `EndView`."""
        view, event, port = self._view, self._view.event, self._port
        if not port or not view.is_ip or event.protocol not in _WITH_PORTS:
            return None
        return view.around.names.services.at(self.octets, port, event.protocol, event.time_ns)

    @property
    def cluster(self) -> str:
        """See `EndView`."""
        return self._view.around.cluster if self.name is not None else ""


class RecordView:
    """One record; `number` is its place among all of the node."""

    def __init__(self, event: Event, number: int, around: Surroundings) -> None:
        self.event = event
        self.number = number
        self.around = around
        self.is_ip = bool(event.flags & _IS_IP)
        self.is_answer = event.kind == _SOCKET and event.about in _ANSWERS

    @property
    def time_ns(self) -> int:
        """When it was, in nanoseconds since 1970."""
        return self.event.time_ns + self.around.epoch_offset_ns

    @property
    def is_flow(self) -> bool:
        """Whether it is one: calls of processes that are no pod's are not, nor are lost events."""
        kind = self.event.kind
        if kind == _SOCKET:
            return self.caller is not None
        return kind in (_TRACE, _DROP)

    @_Once
    def caller(self) -> PodName | None:
        """The pod whose process called, of a socket's event."""
        uid = self.around.pod_of_cgroup(self.event.cgroup)
        return self.around.names.of_uid(uid) if uid else None

    @_Once
    def source(self) -> RecordEnd:
        """See `FlowView`."""
        return RecordEnd(self, is_source=True)

    @_Once
    def destination(self) -> RecordEnd:
        """See `FlowView`."""
        return RecordEnd(self, is_source=False)

    @property
    def event_type(self) -> tuple[int, int] | None:
        """See `FlowView`: the programs use the API's numbers."""
        return self.event.kind, self.event.about

    @property
    def verdict(self) -> int:
        """See `FlowView`."""
        kind = self.event.kind
        if kind == _SOCKET:
            before = self.event.about in _BEFORE
            return flow_pb2.TRACED if before else flow_pb2.TRANSLATED
        return flow_pb2.DROPPED if kind == _DROP else flow_pb2.FORWARDED

    @property
    def drop_reason(self) -> int:
        """See `FlowView`."""
        return self.event.about if self.event.kind == _DROP else 0

    @property
    def is_reply(self) -> bool | None:
        """See `FlowView`."""
        event = self.event
        if event.kind != _TRACE or event.reason == _UNKNOWN:
            return None
        return event.reason == _REPLY

    @property
    def traffic_direction(self) -> int:
        """See `FlowView`: of the connection, as the pod of this node has it."""
        event = self.event
        if event.kind == _DROP:
            if event.source_endpoint:
                return flow_pb2.EGRESS
            known = event.destination_endpoint != 0
            return flow_pb2.INGRESS if known else flow_pb2.TRAFFIC_DIRECTION_UNKNOWN
        if self.is_reply is None:
            return flow_pb2.TRAFFIC_DIRECTION_UNKNOWN
        if event.about == _TO_POD and event.destination_endpoint:
            is_source = False
        elif event.about in _FROM_POD and event.source_endpoint:
            is_source = True
        else:
            return flow_pb2.TRAFFIC_DIRECTION_UNKNOWN
        was_translated = any(event.seen)
        is_egress = was_translated or is_source != self.is_reply
        return flow_pb2.EGRESS if is_egress else flow_pb2.INGRESS

    @_Once
    def ip_version(self) -> int:
        """See `FlowView`."""
        if not self.is_ip:
            return 0
        octets = self.event.destination if not self.is_answer else self.event.source
        return from_octets(octets).version

    @property
    def protocol(self) -> str:
        """See `FlowView`."""
        return _PROTOCOLS.get(self.event.protocol, "") if self.is_ip else ""

    @property
    def tcp_flags(self) -> int | None:
        """See `FlowView`."""
        has_flags = self.protocol == "tcp" and self.event.kind != _SOCKET
        return self.event.tcp_flags if has_flags else None

    @property
    def encrypted(self) -> bool:
        """See `FlowView`: nothing is encrypted here."""
        return False

    @property
    def source_xlated(self) -> str:
        """See `FlowView`."""
        return _text(self.event.seen)

    @property
    def source_xlated_octets(self) -> bytes:
        """See `FlowView`."""
        return self.event.seen if any(self.event.seen) else b""

    @_Once
    def interface(self) -> tuple[int, str] | None:
        """See `FlowView`."""
        index = self.event.ifindex
        return (index, self.around.device(index)) if index else None

    @property
    def node_name(self) -> str:
        """See `FlowView`."""
        return self.around.node_name

    @property
    def node_labels(self) -> tuple[str, ...]:
        """See `FlowView`."""
        return self.around.node_labels

    @property
    def uuid(self) -> str:
        """See `FlowView`: the same each time that the flow is given."""
        mixed = (self.number * _MIX + self.around.uuid_seed) % (1 << 128)
        return str(UUID(int=mixed, version=4))

    @property
    def trace_id(self) -> str:
        """See `FlowView`."""
        return ""

    @property
    def ip_trace_id(self) -> int | None:
        """See `FlowView`."""
        return None

    @property
    def l7_protocol(self) -> str:
        """See `FlowView`."""
        return ""

    @property
    def dns_query(self) -> str | None:
        """See `FlowView`."""
        return None

    @property
    def http(self) -> HttpView | None:
        """See `FlowView`."""
        return None
