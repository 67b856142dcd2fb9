"""Layout of the datapath's maps. Generated from BTF by tools/generate_layout.py: do not edit.

Fields are those of bpf/abi.h without padding. An address is its 16 octets, IPv4 mapped; a value of
network order is a plain integer here. `DTYPE` is what numpy.dtype takes.
"""

import struct
from enum import IntEnum, IntFlag
from socket import htonl, htons, ntohl, ntohs
from typing import ClassVar, Final, NamedTuple

from ciliate.datapath.shape import MapKind, MapShape

__all__ = [
    "Adoption",
    "Affinity",
    "AffinityKey",
    "AffinitySlotKey",
    "AggregationLevel",
    "AttachPoint",
    "Backend",
    "Connection",
    "ConnectionFlag",
    "ConnectionOwner",
    "ConnectionOwnerNumber",
    "ConnectionPhase",
    "ConnectionRef",
    "DROP_TEXT",
    "Decision",
    "DecisionStep",
    "DropReason",
    "Endpoint",
    "EndpointFlag",
    "Event",
    "EventCounts",
    "EventFlag",
    "EventKind",
    "EventSettings",
    "EventWantedFlag",
    "FlowTrace",
    "FragmentKey",
    "FragmentPorts",
    "Frontend",
    "FrontendFlag",
    "FrontendKey",
    "FrontendScope",
    "FrontendType",
    "Interface",
    "InterfaceFlag",
    "IpcacheEntry",
    "IpcacheFlag",
    "L2Responder",
    "L2ResponderKey",
    "MAP_SHAPES",
    "MaglevBound",
    "MaglevChunk",
    "MaglevKey",
    "MasqueradeAction",
    "MasqueradeAddress",
    "MasqueradeBound",
    "MasqueradeChoice",
    "MasqueradeGeneration",
    "MasqueradeGenerationFlag",
    "MasqueradeLook",
    "MasqueradeRule",
    "MasqueradeRuleFlag",
    "MasqueradeRuleKey",
    "Metric",
    "PortFailure",
    "PortUser",
    "PrefixKey",
    "Service",
    "ServiceFlag",
    "ServiceProgram",
    "ServiceSlotKey",
    "SocketPeerBound",
    "SocketPeers",
    "SocketPoint",
    "SourceFile",
    "SourceRangeKey",
    "Sweep",
    "SweepFlag",
    "Tally",
    "TracePoint",
    "TraceReason",
    "TunnelDevice",
    "Tuple",
    "TupleDirection",
]
_ = htonl, ntohl  # Imported for layouts with a __be32; there may be none.
Octets = bytes  # A field may be called `bytes` and would hide the type.


class DropReason(IntEnum):
    """enum drop_reason."""

    FORWARDED = 0
    DROP_INVALID_DESTINATION_MAC = 131
    DROP_INVALID_SOURCE_IP = 132
    DROP_INVALID_PACKET = 134
    DROP_UNSUPPORTED_L3_PROTOCOL = 139
    DROP_MISSED_TAIL_CALL = 140
    DROP_WRITE_ERROR = 141
    DROP_NO_TUNNEL_KEY = 147
    DROP_UNKNOWN_L3_TARGET = 150
    DROP_STALE_OR_UNROUTABLE_IP = 151
    DROP_L3_CHECKSUM = 153
    DROP_L4_CHECKSUM = 154
    DROP_CONNECTION_NOT_MADE = 155
    DROP_INVALID_IPV6_EXTENSION = 156
    DROP_NO_BACKEND = 158
    DROP_NO_TUNNEL_ENDPOINT = 160
    DROP_UNKNOWN_ENDPOINT = 165
    DROP_UNSUPPORTED_L2_PROTOCOL = 166
    DROP_NAT_NO_MAPPING = 167
    DROP_NAT_UNSUPPORTED_PROTOCOL = 168
    DROP_ENCAPSULATION_PROHIBITED = 170
    DROP_INVALID_IDENTITY = 171
    DROP_UNKNOWN_SENDER = 172
    DROP_CLUSTER_IP_FROM_OUTSIDE = 174
    DROP_FRAGMENT_NOT_FOUND = 175
    DROP_FORBIDDEN_ICMPV6 = 176
    DROP_NOT_IN_SOURCE_RANGE = 177
    DROP_VLAN_NOT_ALLOWED = 182
    DROP_REASON_COUNT = 256


class AttachPoint(IntEnum):
    """enum attach_point."""

    FROM_POD = 0
    TO_POD = 1
    FROM_UPLINK = 2
    TO_UPLINK = 3
    FROM_TUNNEL = 4
    FROM_HOST = 5
    ATTACH_POINT_COUNT = 6


class TupleDirection(IntEnum):
    """enum tuple_direction."""

    TUPLE_OUT = 0
    TUPLE_IN = 1


class InterfaceFlag(IntFlag):
    """enum interface_flag."""

    INTERFACE_STACK_ROUTED = 1
    INTERFACE_CHAINED = 2


class EndpointFlag(IntFlag):
    """enum endpoint_flag."""

    ENDPOINT_HOST = 1
    ENDPOINT_STACK_ROUTED = 2


class IpcacheFlag(IntFlag):
    """enum ipcache_flag."""

    IPCACHE_CLUSTER = 1
    IPCACHE_TUNNEL = 2


class ConnectionPhase(IntEnum):
    """enum connection_phase."""

    CONNECTION_FREE = 0
    CONNECTION_MAKING = 1
    CONNECTION_LIVE = 2
    CONNECTION_ENDING = 3
    CONNECTION_PHASES = 3


class ConnectionFlag(IntFlag):
    """enum connection_flag."""

    CONNECTION_SEEN_NON_SYN = 1
    CONNECTION_CLOSING_ORIGINAL = 2
    CONNECTION_CLOSING_REPLY = 4
    CONNECTION_SEEN_REPLY = 8
    CONNECTION_ASSURED = 16
    CONNECTION_RESET_ORIGINAL = 32
    CONNECTION_INBOUND = 64
    CONNECTION_RESET_REPLY = 256
    CONNECTION_RULE_ADDRESS = 128
    CONNECTION_SERVICE = 512
    CONNECTION_CLIENTS = 1024
    CONNECTION_OTHER_PORT = 2048


class MasqueradeAction(IntEnum):
    """enum masquerade_action."""

    MASQUERADE_NO_RULE = 0
    MASQUERADE_KEEP = 1
    MASQUERADE_DEVICE = 2
    MASQUERADE_ADDRESS = 3


class MasqueradeBound(IntEnum):
    """enum masquerade_bound."""

    MASQUERADE_CHOICES_MAX = 64
    MASQUERADE_LENGTH_MAX = 128
    MASQUERADE_LOOKS_MAX = 8
    MASQUERADE_LOOKS_BITS = 8
    MASQUERADE_NO_LOOK = 255


class MasqueradeRuleFlag(IntFlag):
    """enum masquerade_rule_flag."""

    MASQUERADE_AGENT_PREFIX = 1
    MASQUERADE_BY_CHOICE = 2
    MASQUERADE_MARKER = 4


class MasqueradeGenerationFlag(IntFlag):
    """enum masquerade_generation_flag."""

    MASQUERADE_AGENT_ON = 1


class ConnectionOwnerNumber(IntEnum):
    """enum connection_owner_number."""

    OWNER_NODE = 65536
    OWNER_OUTSIDE = 65537
    OWNER_SERVICES = 65538
    OWNER_ALL = 65539
    OWNER_COUNT = 65540


class SweepFlag(IntFlag):
    """enum sweep_flag."""

    SWEEP_OVER = 1
    SWEEP_ORPHANS = 2
    SWEEP_MATCHING = 4
    SWEEP_BACKEND = 8


class DecisionStep(IntEnum):
    """enum decision_step."""

    DECISION_NONE = 0
    DECISION_POD = 1
    DECISION_NODE = 2
    DECISION_STACK = 3
    DECISION_OFF = 4
    DECISION_NATIVE = 5
    DECISION_CLUSTER = 6
    DECISION_CONNECTION = 7
    DECISION_RULE = 8
    DECISION_ECHO_REPLY = 9


class ServiceProgram(IntEnum):
    """enum service_program."""

    SERVE_POD = 0
    SERVE_OUTSIDE = 1
    SERVE_OUTSIDE_BARE = 2
    SERVICE_PROGRAM_COUNT = 3


class FrontendType(IntEnum):
    """enum frontend_type."""

    FRONTEND_CLUSTER_IP = 1
    FRONTEND_NODE_PORT = 2
    FRONTEND_EXTERNAL_IP = 3
    FRONTEND_LOAD_BALANCER = 4
    FRONTEND_HOST_PORT = 5


class FrontendFlag(IntFlag):
    """enum frontend_flag."""

    FRONTEND_INSIDE_ONLY = 1
    FRONTEND_TWO_SCOPES = 2
    FRONTEND_SOURCE_RANGES = 4
    FRONTEND_DENY_RANGES = 8
    FRONTEND_DROP_IF_EMPTY = 16
    FRONTEND_LOOPBACK_ONLY = 32
    FRONTEND_UNKNOWN_PORT = 64


class FrontendScope(IntEnum):
    """enum frontend_scope."""

    SCOPE_OUTSIDE = 0
    SCOPE_INSIDE = 1


class ServiceFlag(IntFlag):
    """enum service_flag."""

    SERVICE_MAGLEV = 1


class MaglevBound(IntEnum):
    """enum maglev_bound."""

    MAGLEV_CHUNK_BITS = 8
    MAGLEV_CHUNK_SLOTS = 256


class SocketPeerBound(IntEnum):
    """enum socket_peer_bound."""

    SOCKET_PEERS_MAX = 8


class EventKind(IntEnum):
    """enum event_kind."""

    EVENT_DROP = 1
    EVENT_LOST = 2
    EVENT_TRACE = 4
    EVENT_POLICY_VERDICT = 5
    EVENT_SOCKET = 7


class TracePoint(IntEnum):
    """enum trace_point."""

    TRACE_TO_ENDPOINT = 0
    TRACE_TO_STACK = 3
    TRACE_TO_OVERLAY = 4
    TRACE_FROM_ENDPOINT = 5
    TRACE_FROM_HOST = 7
    TRACE_FROM_OVERLAY = 9
    TRACE_FROM_NETWORK = 10
    TRACE_TO_NETWORK = 11


class SocketPoint(IntEnum):
    """enum socket_point."""

    SOCKET_PRE_FORWARD = 1
    SOCKET_POST_FORWARD = 2
    SOCKET_PRE_REVERSE = 3
    SOCKET_POST_REVERSE = 4


class TraceReason(IntEnum):
    """enum trace_reason."""

    TRACE_NEW = 0
    TRACE_ESTABLISHED = 1
    TRACE_REPLY = 2
    TRACE_RELATED = 3
    TRACE_UNKNOWN = 5


class EventFlag(IntFlag):
    """enum event_flag."""

    EVENT_IS_IP = 1
    EVENT_HAS_ETHERNET = 2


class SourceFile(IntEnum):
    """enum source_file."""

    SOURCE_UNKNOWN = 0
    SOURCE_FROM_POD_BPF_C = 1
    SOURCE_TO_POD_BPF_C = 2
    SOURCE_FROM_UPLINK_BPF_C = 3
    SOURCE_TO_UPLINK_BPF_C = 4
    SOURCE_SERVE_POD_BPF_C = 5
    SOURCE_SERVE_OUTSIDE_BPF_C = 6
    SOURCE_ADMIT_H = 7
    SOURCE_ARP_H = 8
    SOURCE_LEAVE_H = 9
    SOURCE_NEXT_HOP_H = 10
    SOURCE_REFUSE_H = 11
    SOURCE_ROUTE_H = 12
    SOURCE_SERVE_H = 13
    SOURCE_SERVICE_OPEN_H = 14
    SOURCE_FROM_TUNNEL_BPF_C = 15
    SOURCE_FROM_HOST_BPF_C = 16
    SOURCE_ENCAPSULATE_H = 17
    SOURCE_ARRIVE_H = 18


class EventWantedFlag(IntFlag):
    """enum event_wanted_flag."""

    EVENT_WANTED_DROP = 1
    EVENT_WANTED_TRACE = 2
    EVENT_WANTED_SOCKET = 4
    EVENT_WANTED_WAKE = 8


class AggregationLevel(IntEnum):
    """enum aggregation_level."""

    AGGREGATION_NONE = 0
    AGGREGATION_LOWEST = 1
    AGGREGATION_MEDIUM = 3


#: What Cilium's commands and metrics call each reason.
DROP_TEXT: Final[dict[int, str]] = {
    0: "Success",
    131: "Invalid destination mac",
    132: "Invalid source ip",
    134: "Invalid packet",
    139: "Unsupported L3 protocol",
    140: "Missed tail call",
    141: "Error writing to packet",
    147: "Error retrieving tunnel key",
    150: "Unknown L3 target address",
    151: "Stale or unroutable IP",
    153: "Error while correcting L3 checksum",
    154: "Error while correcting L4 checksum",
    155: "CT: Map insertion failed",
    156: "Invalid IPv6 extension header",
    158: "Service backend not found",
    160: "No tunnel/encapsulation endpoint (datapath BUG!)",
    165: "No configuration available to perform policy decision",
    166: "Unsupported L2 protocol",
    167: "No mapping for NAT masquerade",
    168: "Unsupported protocol for NAT masquerade",
    170: "Encapsulation traffic is prohibited",
    171: "Invalid identity",
    172: "Unknown sender",
    174: "Is a ClusterIP",
    175: "First logical datagram fragment not found",
    176: "Forbidden ICMPv6 message",
    177: "Denied by LB src range check",
    182: "VLAN traffic disallowed by VLAN filter",
}


_ADOPTION: Final = struct.Struct("=16s16sHHBB2x")


class _AdoptionFields(NamedTuple):
    seen: Octets
    remote: Octets
    seen_port: int
    remote_port: int
    protocol: int
    adopted: int


class Adoption(_AdoptionFields):
    """struct adoption, 40 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=16s16sHHBB2x"
    SIZE: ClassVar[int] = 40
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("seen", "V16"),
        ("remote", "V16"),
        ("seen_port", ">u2"),
        ("remote_port", ">u2"),
        ("protocol", "=u1"),
        ("adopted", "=u1"),
        ("pad", "V2"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _ADOPTION.pack(
            self.seen,
            self.remote,
            htons(self.seen_port),
            htons(self.remote_port),
            self.protocol,
            self.adopted,
        )

    @classmethod
    def unpack(cls, octets: Octets) -> "Adoption":
        """Return the value that `octets` hold."""
        seen, remote, seen_port, remote_port, protocol, adopted = _ADOPTION.unpack(octets)
        return cls(seen, remote, ntohs(seen_port), ntohs(remote_port), protocol, adopted)

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[Adoption]":
        """Return the values that lie one after another in `octets`."""
        return [
            cls(seen, remote, ntohs(seen_port), ntohs(remote_port), protocol, adopted)
            for seen, remote, seen_port, remote_port, protocol, adopted in _ADOPTION.iter_unpack(octets)
        ]


_AFFINITY: Final = struct.Struct("=QI4x")


class _AffinityFields(NamedTuple):
    last_ns: int
    backend: int


class Affinity(_AffinityFields):
    """struct affinity, 16 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=QI4x"
    SIZE: ClassVar[int] = 16
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("last_ns", "=u8"),
        ("backend", "=u4"),
        ("pad", "=u4"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _AFFINITY.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "Affinity":
        """Return the value that `octets` hold."""
        return cls._make(_AFFINITY.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[Affinity]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _AFFINITY.iter_unpack(octets)))


_AFFINITY_KEY: Final = struct.Struct("=16sI")


class _AffinityKeyFields(NamedTuple):
    client: Octets
    service: int


class AffinityKey(_AffinityKeyFields):
    """struct affinity_key, 20 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=16sI"
    SIZE: ClassVar[int] = 20
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("client", "V16"),
        ("service", "=u4"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _AFFINITY_KEY.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "AffinityKey":
        """Return the value that `octets` hold."""
        return cls._make(_AFFINITY_KEY.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[AffinityKey]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _AFFINITY_KEY.iter_unpack(octets)))


_AFFINITY_SLOT_KEY: Final = struct.Struct("=II")


class _AffinitySlotKeyFields(NamedTuple):
    service: int
    backend: int


class AffinitySlotKey(_AffinitySlotKeyFields):
    """struct affinity_slot_key, 8 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=II"
    SIZE: ClassVar[int] = 8
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("service", "=u4"),
        ("backend", "=u4"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _AFFINITY_SLOT_KEY.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "AffinitySlotKey":
        """Return the value that `octets` hold."""
        return cls._make(_AFFINITY_SLOT_KEY.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[AffinitySlotKey]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _AFFINITY_SLOT_KEY.iter_unpack(octets)))


_BACKEND: Final = struct.Struct("=16sH2xI")


class _BackendFields(NamedTuple):
    address: Octets
    port: int
    id: int


class Backend(_BackendFields):
    """struct backend, 24 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=16sH2xI"
    SIZE: ClassVar[int] = 24
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("address", "V16"),
        ("port", ">u2"),
        ("pad", "=u2"),
        ("id", "=u4"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _BACKEND.pack(
            self.address,
            htons(self.port),
            self.id,
        )

    @classmethod
    def unpack(cls, octets: Octets) -> "Backend":
        """Return the value that `octets` hold."""
        address, port, id = _BACKEND.unpack(octets)
        return cls(address, ntohs(port), id)

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[Backend]":
        """Return the values that lie one after another in `octets`."""
        return [
            cls(address, ntohs(port), id)
            for address, port, id in _BACKEND.iter_unpack(octets)
        ]


_CONNECTION: Final = struct.Struct("=16s16s16sHHHB1xIIQIIIIQQQIIII16sH2xII36x")


class _ConnectionFields(NamedTuple):
    local: Octets
    remote: Octets
    seen: Octets
    local_port: int
    remote_port: int
    seen_port: int
    protocol: int
    place: int
    source_identity: int
    expires_ns: int
    state: int
    owner: int
    flags: int
    rule: int
    created_ns: int
    packets: int
    bytes: int
    rules_generation: int
    policy_epoch: int
    frontend: int
    answered: int
    asked: Octets
    asked_port: int
    slot: int
    service: int


class Connection(_ConnectionFields):
    """struct connection, 192 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=16s16s16sHHHB1xIIQIIIIQQQIIII16sH2xII36x"
    SIZE: ClassVar[int] = 192
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("local", "V16"),
        ("remote", "V16"),
        ("seen", "V16"),
        ("local_port", ">u2"),
        ("remote_port", ">u2"),
        ("seen_port", ">u2"),
        ("protocol", "=u1"),
        ("pad", "=u1"),
        ("place", "=u4"),
        ("source_identity", "=u4"),
        ("expires_ns", "=u8"),
        ("state", "=u4"),
        ("owner", "=u4"),
        ("flags", "=u4"),
        ("rule", "=u4"),
        ("created_ns", "=u8"),
        ("packets", "=u8"),
        ("bytes", "=u8"),
        ("rules_generation", "=u4"),
        ("policy_epoch", "=u4"),
        ("frontend", "=u4"),
        ("answered", "=u4"),
        ("asked", "V16"),
        ("asked_port", ">u2"),
        ("pad_asked", "=u2"),
        ("slot", "=u4"),
        ("service", "=u4"),
        ("pad_end", "V36"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _CONNECTION.pack(
            self.local,
            self.remote,
            self.seen,
            htons(self.local_port),
            htons(self.remote_port),
            htons(self.seen_port),
            self.protocol,
            self.place,
            self.source_identity,
            self.expires_ns,
            self.state,
            self.owner,
            self.flags,
            self.rule,
            self.created_ns,
            self.packets,
            self.bytes,
            self.rules_generation,
            self.policy_epoch,
            self.frontend,
            self.answered,
            self.asked,
            htons(self.asked_port),
            self.slot,
            self.service,
        )

    @classmethod
    def unpack(cls, octets: Octets) -> "Connection":
        """Return the value that `octets` hold."""
        local, remote, seen, local_port, remote_port, seen_port, protocol, place, source_identity, expires_ns, state, owner, flags, rule, created_ns, packets, bytes, rules_generation, policy_epoch, frontend, answered, asked, asked_port, slot, service = _CONNECTION.unpack(octets)
        return cls(local, remote, seen, ntohs(local_port), ntohs(remote_port), ntohs(seen_port), protocol, place, source_identity, expires_ns, state, owner, flags, rule, created_ns, packets, bytes, rules_generation, policy_epoch, frontend, answered, asked, ntohs(asked_port), slot, service)

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[Connection]":
        """Return the values that lie one after another in `octets`."""
        return [
            cls(local, remote, seen, ntohs(local_port), ntohs(remote_port), ntohs(seen_port), protocol, place, source_identity, expires_ns, state, owner, flags, rule, created_ns, packets, bytes, rules_generation, policy_epoch, frontend, answered, asked, ntohs(asked_port), slot, service)
            for local, remote, seen, local_port, remote_port, seen_port, protocol, place, source_identity, expires_ns, state, owner, flags, rule, created_ns, packets, bytes, rules_generation, policy_epoch, frontend, answered, asked, asked_port, slot, service in _CONNECTION.iter_unpack(octets)
        ]


_CONNECTION_OWNER: Final = struct.Struct("=IIQQ")


class _ConnectionOwnerFields(NamedTuple):
    held: int
    holders: int
    evicted: int
    refused: int


class ConnectionOwner(_ConnectionOwnerFields):
    """struct connection_owner, 24 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=IIQQ"
    SIZE: ClassVar[int] = 24
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("held", "=u4"),
        ("holders", "=u4"),
        ("evicted", "=u8"),
        ("refused", "=u8"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _CONNECTION_OWNER.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "ConnectionOwner":
        """Return the value that `octets` hold."""
        return cls._make(_CONNECTION_OWNER.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[ConnectionOwner]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _CONNECTION_OWNER.iter_unpack(octets)))


_CONNECTION_REF: Final = struct.Struct("=II")


class _ConnectionRefFields(NamedTuple):
    place: int
    state: int


class ConnectionRef(_ConnectionRefFields):
    """struct connection_ref, 8 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=II"
    SIZE: ClassVar[int] = 8
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("place", "=u4"),
        ("state", "=u4"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _CONNECTION_REF.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "ConnectionRef":
        """Return the value that `octets` hold."""
        return cls._make(_CONNECTION_REF.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[ConnectionRef]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _CONNECTION_REF.iter_unpack(octets)))


_DECISION: Final = struct.Struct("=16s16sIIIIIIIIH6x")


class _DecisionFields(NamedTuple):
    seen: Octets
    next_hop: Octets
    next_hop_family: int
    ifindex: int
    step: int
    reason: int
    rule: int
    generation: int
    action: int
    connection_flags: int
    seen_port: int


class Decision(_DecisionFields):
    """struct decision, 72 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=16s16sIIIIIIIIH6x"
    SIZE: ClassVar[int] = 72
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("seen", "V16"),
        ("next_hop", "V16"),
        ("next_hop_family", "=u4"),
        ("ifindex", "=u4"),
        ("step", "=u4"),
        ("reason", "=u4"),
        ("rule", "=u4"),
        ("generation", "=u4"),
        ("action", "=u4"),
        ("connection_flags", "=u4"),
        ("seen_port", ">u2"),
        ("pad", "V6"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _DECISION.pack(
            self.seen,
            self.next_hop,
            self.next_hop_family,
            self.ifindex,
            self.step,
            self.reason,
            self.rule,
            self.generation,
            self.action,
            self.connection_flags,
            htons(self.seen_port),
        )

    @classmethod
    def unpack(cls, octets: Octets) -> "Decision":
        """Return the value that `octets` hold."""
        seen, next_hop, next_hop_family, ifindex, step, reason, rule, generation, action, connection_flags, seen_port = _DECISION.unpack(octets)
        return cls(seen, next_hop, next_hop_family, ifindex, step, reason, rule, generation, action, connection_flags, ntohs(seen_port))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[Decision]":
        """Return the values that lie one after another in `octets`."""
        return [
            cls(seen, next_hop, next_hop_family, ifindex, step, reason, rule, generation, action, connection_flags, ntohs(seen_port))
            for seen, next_hop, next_hop_family, ifindex, step, reason, rule, generation, action, connection_flags, seen_port in _DECISION.iter_unpack(octets)
        ]


_ENDPOINT: Final = struct.Struct("=IIHH6s6s")


class _EndpointFields(NamedTuple):
    ifindex: int
    identity: int
    endpoint_id: int
    flags: int
    mac: Octets
    node_mac: Octets


class Endpoint(_EndpointFields):
    """struct endpoint, 24 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=IIHH6s6s"
    SIZE: ClassVar[int] = 24
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("ifindex", "=u4"),
        ("identity", "=u4"),
        ("endpoint_id", "=u2"),
        ("flags", "=u2"),
        ("mac", "V6"),
        ("node_mac", "V6"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _ENDPOINT.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "Endpoint":
        """Return the value that `octets` hold."""
        return cls._make(_ENDPOINT.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[Endpoint]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _ENDPOINT.iter_unpack(octets)))


_EVENT: Final = struct.Struct("=Q16s16s16sHHIIIIHHBBBBBBHHBB6s6sQQ")


class _EventFields(NamedTuple):
    time_ns: int
    source: Octets
    destination: Octets
    seen: Octets
    source_port: int
    destination_port: int
    source_identity: int
    destination_identity: int
    ifindex: int
    bytes: int
    source_endpoint: int
    destination_endpoint: int
    kind: int
    about: int
    reason: int
    flags: int
    protocol: int
    tcp_flags: int
    seen_port: int
    line: int
    file: int
    cpu: int
    destination_mac: Octets
    source_mac: Octets
    cookie: int
    cgroup: int


class Event(_EventFields):
    """struct event, 120 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=Q16s16s16sHHIIIIHHBBBBBBHHBB6s6sQQ"
    SIZE: ClassVar[int] = 120
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("time_ns", "=u8"),
        ("source", "V16"),
        ("destination", "V16"),
        ("seen", "V16"),
        ("source_port", ">u2"),
        ("destination_port", ">u2"),
        ("source_identity", "=u4"),
        ("destination_identity", "=u4"),
        ("ifindex", "=u4"),
        ("bytes", "=u4"),
        ("source_endpoint", "=u2"),
        ("destination_endpoint", "=u2"),
        ("kind", "=u1"),
        ("about", "=u1"),
        ("reason", "=u1"),
        ("flags", "=u1"),
        ("protocol", "=u1"),
        ("tcp_flags", "=u1"),
        ("seen_port", ">u2"),
        ("line", "=u2"),
        ("file", "=u1"),
        ("cpu", "=u1"),
        ("destination_mac", "V6"),
        ("source_mac", "V6"),
        ("cookie", "=u8"),
        ("cgroup", "=u8"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _EVENT.pack(
            self.time_ns,
            self.source,
            self.destination,
            self.seen,
            htons(self.source_port),
            htons(self.destination_port),
            self.source_identity,
            self.destination_identity,
            self.ifindex,
            self.bytes,
            self.source_endpoint,
            self.destination_endpoint,
            self.kind,
            self.about,
            self.reason,
            self.flags,
            self.protocol,
            self.tcp_flags,
            htons(self.seen_port),
            self.line,
            self.file,
            self.cpu,
            self.destination_mac,
            self.source_mac,
            self.cookie,
            self.cgroup,
        )

    @classmethod
    def unpack(cls, octets: Octets) -> "Event":
        """Return the value that `octets` hold."""
        time_ns, source, destination, seen, source_port, destination_port, source_identity, destination_identity, ifindex, bytes, source_endpoint, destination_endpoint, kind, about, reason, flags, protocol, tcp_flags, seen_port, line, file, cpu, destination_mac, source_mac, cookie, cgroup = _EVENT.unpack(octets)
        return cls(time_ns, source, destination, seen, ntohs(source_port), ntohs(destination_port), source_identity, destination_identity, ifindex, bytes, source_endpoint, destination_endpoint, kind, about, reason, flags, protocol, tcp_flags, ntohs(seen_port), line, file, cpu, destination_mac, source_mac, cookie, cgroup)

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[Event]":
        """Return the values that lie one after another in `octets`."""
        return [
            cls(time_ns, source, destination, seen, ntohs(source_port), ntohs(destination_port), source_identity, destination_identity, ifindex, bytes, source_endpoint, destination_endpoint, kind, about, reason, flags, protocol, tcp_flags, ntohs(seen_port), line, file, cpu, destination_mac, source_mac, cookie, cgroup)
            for time_ns, source, destination, seen, source_port, destination_port, source_identity, destination_identity, ifindex, bytes, source_endpoint, destination_endpoint, kind, about, reason, flags, protocol, tcp_flags, seen_port, line, file, cpu, destination_mac, source_mac, cookie, cgroup in _EVENT.iter_unpack(octets)
        ]


_EVENT_COUNTS: Final = struct.Struct("=QQ")


class _EventCountsFields(NamedTuple):
    told: int
    lost: int


class EventCounts(_EventCountsFields):
    """struct event_counts, 16 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=QQ"
    SIZE: ClassVar[int] = 16
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("told", "=u8"),
        ("lost", "=u8"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _EVENT_COUNTS.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "EventCounts":
        """Return the value that `octets` hold."""
        return cls._make(_EVENT_COUNTS.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[EventCounts]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _EVENT_COUNTS.iter_unpack(octets)))


_EVENT_SETTINGS: Final = struct.Struct("=IIIIQQQ")


class _EventSettingsFields(NamedTuple):
    wanted: int
    aggregation: int
    interval_ms: int
    tcp_flags: int
    seed: int
    cost_ns: int
    burst_ns: int


class EventSettings(_EventSettingsFields):
    """struct event_settings, 40 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=IIIIQQQ"
    SIZE: ClassVar[int] = 40
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("wanted", "=u4"),
        ("aggregation", "=u4"),
        ("interval_ms", "=u4"),
        ("tcp_flags", "=u4"),
        ("seed", "=u8"),
        ("cost_ns", "=u8"),
        ("burst_ns", "=u8"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _EVENT_SETTINGS.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "EventSettings":
        """Return the value that `octets` hold."""
        return cls._make(_EVENT_SETTINGS.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[EventSettings]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _EVENT_SETTINGS.iter_unpack(octets)))


_FLOW_TRACE: Final = struct.Struct("=Q32s8s8sBB6x")


class _FlowTraceFields(NamedTuple):
    name: int
    told_ms: Octets
    tcp_flags: Octets
    seen: Octets
    opener: int
    ended: int


class FlowTrace(_FlowTraceFields):
    """struct flow_trace, 64 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=Q32s8s8sBB6x"
    SIZE: ClassVar[int] = 64
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("name", "=u8"),
        ("told_ms", "V32"),
        ("tcp_flags", "V8"),
        ("seen", "V8"),
        ("opener", "=u1"),
        ("ended", "=u1"),
        ("pad", "V6"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _FLOW_TRACE.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "FlowTrace":
        """Return the value that `octets` hold."""
        return cls._make(_FLOW_TRACE.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[FlowTrace]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _FLOW_TRACE.iter_unpack(octets)))


_FRAGMENT_KEY: Final = struct.Struct("=16s16sIB3x")


class _FragmentKeyFields(NamedTuple):
    source: Octets
    destination: Octets
    id: int
    protocol: int


class FragmentKey(_FragmentKeyFields):
    """struct fragment_key, 40 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=16s16sIB3x"
    SIZE: ClassVar[int] = 40
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("source", "V16"),
        ("destination", "V16"),
        ("id", ">u4"),
        ("protocol", "=u1"),
        ("pad", "V3"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _FRAGMENT_KEY.pack(
            self.source,
            self.destination,
            htonl(self.id),
            self.protocol,
        )

    @classmethod
    def unpack(cls, octets: Octets) -> "FragmentKey":
        """Return the value that `octets` hold."""
        source, destination, id, protocol = _FRAGMENT_KEY.unpack(octets)
        return cls(source, destination, ntohl(id), protocol)

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[FragmentKey]":
        """Return the values that lie one after another in `octets`."""
        return [
            cls(source, destination, ntohl(id), protocol)
            for source, destination, id, protocol in _FRAGMENT_KEY.iter_unpack(octets)
        ]


_FRAGMENT_PORTS: Final = struct.Struct("=HH")


class _FragmentPortsFields(NamedTuple):
    source_port: int
    destination_port: int


class FragmentPorts(_FragmentPortsFields):
    """struct fragment_ports, 4 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=HH"
    SIZE: ClassVar[int] = 4
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("source_port", ">u2"),
        ("destination_port", ">u2"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _FRAGMENT_PORTS.pack(
            htons(self.source_port),
            htons(self.destination_port),
        )

    @classmethod
    def unpack(cls, octets: Octets) -> "FragmentPorts":
        """Return the value that `octets` hold."""
        source_port, destination_port = _FRAGMENT_PORTS.unpack(octets)
        return cls(ntohs(source_port), ntohs(destination_port))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[FragmentPorts]":
        """Return the values that lie one after another in `octets`."""
        return [
            cls(ntohs(source_port), ntohs(destination_port))
            for source_port, destination_port in _FRAGMENT_PORTS.iter_unpack(octets)
        ]


_FRONTEND: Final = struct.Struct("=IIHH")


class _FrontendFields(NamedTuple):
    id: int
    service: int
    type: int
    flags: int


class Frontend(_FrontendFields):
    """struct frontend, 12 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=IIHH"
    SIZE: ClassVar[int] = 12
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("id", "=u4"),
        ("service", "=u4"),
        ("type", "=u2"),
        ("flags", "=u2"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _FRONTEND.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "Frontend":
        """Return the value that `octets` hold."""
        return cls._make(_FRONTEND.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[Frontend]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _FRONTEND.iter_unpack(octets)))


_FRONTEND_KEY: Final = struct.Struct("=16sHBB")


class _FrontendKeyFields(NamedTuple):
    address: Octets
    port: int
    protocol: int
    scope: int


class FrontendKey(_FrontendKeyFields):
    """struct frontend_key, 20 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=16sHBB"
    SIZE: ClassVar[int] = 20
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("address", "V16"),
        ("port", ">u2"),
        ("protocol", "=u1"),
        ("scope", "=u1"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _FRONTEND_KEY.pack(
            self.address,
            htons(self.port),
            self.protocol,
            self.scope,
        )

    @classmethod
    def unpack(cls, octets: Octets) -> "FrontendKey":
        """Return the value that `octets` hold."""
        address, port, protocol, scope = _FRONTEND_KEY.unpack(octets)
        return cls(address, ntohs(port), protocol, scope)

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[FrontendKey]":
        """Return the values that lie one after another in `octets`."""
        return [
            cls(address, ntohs(port), protocol, scope)
            for address, port, protocol, scope in _FRONTEND_KEY.iter_unpack(octets)
        ]


_INTERFACE: Final = struct.Struct("=16s16sIH6sI")


class _InterfaceFields(NamedTuple):
    ipv4: Octets
    ipv6: Octets
    identity: int
    endpoint_id: int
    node_mac: Octets
    flags: int


class Interface(_InterfaceFields):
    """struct interface, 48 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=16s16sIH6sI"
    SIZE: ClassVar[int] = 48
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("ipv4", "V16"),
        ("ipv6", "V16"),
        ("identity", "=u4"),
        ("endpoint_id", "=u2"),
        ("node_mac", "V6"),
        ("flags", "=u4"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _INTERFACE.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "Interface":
        """Return the value that `octets` hold."""
        return cls._make(_INTERFACE.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[Interface]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _INTERFACE.iter_unpack(octets)))


_IPCACHE_ENTRY: Final = struct.Struct("=II16s")


class _IpcacheEntryFields(NamedTuple):
    identity: int
    flags: int
    node: Octets


class IpcacheEntry(_IpcacheEntryFields):
    """struct ipcache_entry, 24 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=II16s"
    SIZE: ClassVar[int] = 24
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("identity", "=u4"),
        ("flags", "=u4"),
        ("node", "V16"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _IPCACHE_ENTRY.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "IpcacheEntry":
        """Return the value that `octets` hold."""
        return cls._make(_IPCACHE_ENTRY.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[IpcacheEntry]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _IPCACHE_ENTRY.iter_unpack(octets)))


_L2_RESPONDER: Final = struct.Struct("=Q6sH")


class _L2ResponderFields(NamedTuple):
    answered: int
    mac: Octets
    reserved: int


class L2Responder(_L2ResponderFields):
    """struct l2_responder, 16 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=Q6sH"
    SIZE: ClassVar[int] = 16
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("answered", "=u8"),
        ("mac", "V6"),
        ("reserved", "=u2"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _L2_RESPONDER.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "L2Responder":
        """Return the value that `octets` hold."""
        return cls._make(_L2_RESPONDER.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[L2Responder]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _L2_RESPONDER.iter_unpack(octets)))


_L2_RESPONDER_KEY: Final = struct.Struct("=16sI")


class _L2ResponderKeyFields(NamedTuple):
    address: Octets
    ifindex: int


class L2ResponderKey(_L2ResponderKeyFields):
    """struct l2_responder_key, 20 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=16sI"
    SIZE: ClassVar[int] = 20
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("address", "V16"),
        ("ifindex", "=u4"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _L2_RESPONDER_KEY.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "L2ResponderKey":
        """Return the value that `octets` hold."""
        return cls._make(_L2_RESPONDER_KEY.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[L2ResponderKey]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _L2_RESPONDER_KEY.iter_unpack(octets)))


_MAGLEV_CHUNK: Final = struct.Struct("=512s")


class _MaglevChunkFields(NamedTuple):
    slots: Octets


class MaglevChunk(_MaglevChunkFields):
    """struct maglev_chunk, 512 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=512s"
    SIZE: ClassVar[int] = 512
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("slots", "V512"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _MAGLEV_CHUNK.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "MaglevChunk":
        """Return the value that `octets` hold."""
        return cls._make(_MAGLEV_CHUNK.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[MaglevChunk]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _MAGLEV_CHUNK.iter_unpack(octets)))


_MAGLEV_KEY: Final = struct.Struct("=II")


class _MaglevKeyFields(NamedTuple):
    service: int
    chunk: int


class MaglevKey(_MaglevKeyFields):
    """struct maglev_key, 8 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=II"
    SIZE: ClassVar[int] = 8
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("service", "=u4"),
        ("chunk", "=u4"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _MAGLEV_KEY.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "MaglevKey":
        """Return the value that `octets` hold."""
        return cls._make(_MAGLEV_KEY.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[MaglevKey]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _MAGLEV_KEY.iter_unpack(octets)))


_MASQUERADE_ADDRESS: Final = struct.Struct("=16s16s")


class _MasqueradeAddressFields(NamedTuple):
    ipv4: Octets
    ipv6: Octets


class MasqueradeAddress(_MasqueradeAddressFields):
    """struct masquerade_address, 32 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=16s16s"
    SIZE: ClassVar[int] = 32
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("ipv4", "V16"),
        ("ipv6", "V16"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _MASQUERADE_ADDRESS.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "MasqueradeAddress":
        """Return the value that `octets` hold."""
        return cls._make(_MASQUERADE_ADDRESS.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[MasqueradeAddress]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _MASQUERADE_ADDRESS.iter_unpack(octets)))


_MASQUERADE_CHOICE: Final = struct.Struct("=16sIHHHBB")


class _MasqueradeChoiceFields(NamedTuple):
    address: Octets
    rule: int
    port_first: int
    port_last: int
    action: int
    protocol: int
    is_last: int


class MasqueradeChoice(_MasqueradeChoiceFields):
    """struct masquerade_choice, 28 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=16sIHHHBB"
    SIZE: ClassVar[int] = 28
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("address", "V16"),
        ("rule", "=u4"),
        ("port_first", "=u2"),
        ("port_last", "=u2"),
        ("action", "=u2"),
        ("protocol", "=u1"),
        ("is_last", "=u1"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _MASQUERADE_CHOICE.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "MasqueradeChoice":
        """Return the value that `octets` hold."""
        return cls._make(_MASQUERADE_CHOICE.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[MasqueradeChoice]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _MASQUERADE_CHOICE.iter_unpack(octets)))


_MASQUERADE_GENERATION: Final = struct.Struct("=II")


class _MasqueradeGenerationFields(NamedTuple):
    number: int
    flags: int


class MasqueradeGeneration(_MasqueradeGenerationFields):
    """struct masquerade_generation, 8 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=II"
    SIZE: ClassVar[int] = 8
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("number", "=u4"),
        ("flags", "=u4"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _MASQUERADE_GENERATION.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "MasqueradeGeneration":
        """Return the value that `octets` hold."""
        return cls._make(_MASQUERADE_GENERATION.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[MasqueradeGeneration]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _MASQUERADE_GENERATION.iter_unpack(octets)))


_MASQUERADE_LOOK: Final = struct.Struct("=16sBBB1x")


class _MasqueradeLookFields(NamedTuple):
    mask: Octets
    length: int
    longer: int
    shorter: int


class MasqueradeLook(_MasqueradeLookFields):
    """struct masquerade_look, 20 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=16sBBB1x"
    SIZE: ClassVar[int] = 20
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("mask", "V16"),
        ("length", "=u1"),
        ("longer", "=u1"),
        ("shorter", "=u1"),
        ("pad", "=u1"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _MASQUERADE_LOOK.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "MasqueradeLook":
        """Return the value that `octets` hold."""
        return cls._make(_MASQUERADE_LOOK.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[MasqueradeLook]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _MASQUERADE_LOOK.iter_unpack(octets)))


_MASQUERADE_RULE: Final = struct.Struct("=IHH")


class _MasqueradeRuleFields(NamedTuple):
    rule: int
    action: int
    flags: int


class MasqueradeRule(_MasqueradeRuleFields):
    """struct masquerade_rule, 8 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=IHH"
    SIZE: ClassVar[int] = 8
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("rule", "=u4"),
        ("action", "=u2"),
        ("flags", "=u2"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _MASQUERADE_RULE.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "MasqueradeRule":
        """Return the value that `octets` hold."""
        return cls._make(_MASQUERADE_RULE.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[MasqueradeRule]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _MASQUERADE_RULE.iter_unpack(octets)))


_MASQUERADE_RULE_KEY: Final = struct.Struct("=II16s")


class _MasqueradeRuleKeyFields(NamedTuple):
    prefix_length: int
    table: int
    address: Octets


class MasqueradeRuleKey(_MasqueradeRuleKeyFields):
    """struct masquerade_rule_key, 24 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=II16s"
    SIZE: ClassVar[int] = 24
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("prefix_length", "=u4"),
        ("table", "=u4"),
        ("address", "V16"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _MASQUERADE_RULE_KEY.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "MasqueradeRuleKey":
        """Return the value that `octets` hold."""
        return cls._make(_MASQUERADE_RULE_KEY.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[MasqueradeRuleKey]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _MASQUERADE_RULE_KEY.iter_unpack(octets)))


_METRIC: Final = struct.Struct("=QQ")


class _MetricFields(NamedTuple):
    packets: int
    bytes: int


class Metric(_MetricFields):
    """struct metric, 16 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=QQ"
    SIZE: ClassVar[int] = 16
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("packets", "=u8"),
        ("bytes", "=u8"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _METRIC.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "Metric":
        """Return the value that `octets` hold."""
        return cls._make(_METRIC.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[Metric]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _METRIC.iter_unpack(octets)))


_PORT_FAILURE: Final = struct.Struct("=QQH6x")


class _PortFailureFields(NamedTuple):
    failed: int
    last_ns: int
    freed_port: int


class PortFailure(_PortFailureFields):
    """struct port_failure, 24 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=QQH6x"
    SIZE: ClassVar[int] = 24
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("failed", "=u8"),
        ("last_ns", "=u8"),
        ("freed_port", ">u2"),
        ("pad", "V6"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _PORT_FAILURE.pack(
            self.failed,
            self.last_ns,
            htons(self.freed_port),
        )

    @classmethod
    def unpack(cls, octets: Octets) -> "PortFailure":
        """Return the value that `octets` hold."""
        failed, last_ns, freed_port = _PORT_FAILURE.unpack(octets)
        return cls(failed, last_ns, ntohs(freed_port))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[PortFailure]":
        """Return the values that lie one after another in `octets`."""
        return [
            cls(failed, last_ns, ntohs(freed_port))
            for failed, last_ns, freed_port in _PORT_FAILURE.iter_unpack(octets)
        ]


_PORT_USER: Final = struct.Struct("=16s16sHB1xI")


class _PortUserFields(NamedTuple):
    address: Octets
    remote: Octets
    remote_port: int
    protocol: int
    owner: int


class PortUser(_PortUserFields):
    """struct port_user, 40 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=16s16sHB1xI"
    SIZE: ClassVar[int] = 40
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("address", "V16"),
        ("remote", "V16"),
        ("remote_port", ">u2"),
        ("protocol", "=u1"),
        ("pad", "=u1"),
        ("owner", "=u4"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _PORT_USER.pack(
            self.address,
            self.remote,
            htons(self.remote_port),
            self.protocol,
            self.owner,
        )

    @classmethod
    def unpack(cls, octets: Octets) -> "PortUser":
        """Return the value that `octets` hold."""
        address, remote, remote_port, protocol, owner = _PORT_USER.unpack(octets)
        return cls(address, remote, ntohs(remote_port), protocol, owner)

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[PortUser]":
        """Return the values that lie one after another in `octets`."""
        return [
            cls(address, remote, ntohs(remote_port), protocol, owner)
            for address, remote, remote_port, protocol, owner in _PORT_USER.iter_unpack(octets)
        ]


_PREFIX_KEY: Final = struct.Struct("=I16s")


class _PrefixKeyFields(NamedTuple):
    prefix_length: int
    address: Octets


class PrefixKey(_PrefixKeyFields):
    """struct prefix_key, 20 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=I16s"
    SIZE: ClassVar[int] = 20
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("prefix_length", "=u4"),
        ("address", "V16"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _PREFIX_KEY.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "PrefixKey":
        """Return the value that `octets` hold."""
        return cls._make(_PREFIX_KEY.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[PrefixKey]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _PREFIX_KEY.iter_unpack(octets)))


_SERVICE: Final = struct.Struct("=III")


class _ServiceFields(NamedTuple):
    backends: int
    affinity_s: int
    flags: int


class Service(_ServiceFields):
    """struct service, 12 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=III"
    SIZE: ClassVar[int] = 12
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("backends", "=u4"),
        ("affinity_s", "=u4"),
        ("flags", "=u4"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _SERVICE.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "Service":
        """Return the value that `octets` hold."""
        return cls._make(_SERVICE.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[Service]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _SERVICE.iter_unpack(octets)))


_SERVICE_SLOT_KEY: Final = struct.Struct("=II")


class _ServiceSlotKeyFields(NamedTuple):
    service: int
    slot: int


class ServiceSlotKey(_ServiceSlotKeyFields):
    """struct service_slot_key, 8 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=II"
    SIZE: ClassVar[int] = 8
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("service", "=u4"),
        ("slot", "=u4"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _SERVICE_SLOT_KEY.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "ServiceSlotKey":
        """Return the value that `octets` hold."""
        return cls._make(_SERVICE_SLOT_KEY.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[ServiceSlotKey]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _SERVICE_SLOT_KEY.iter_unpack(octets)))


_SOCKET_PEERS: Final = struct.Struct("=128s128s16s16s32sI4x")


class _SocketPeersFields(NamedTuple):
    frontend: Octets
    backend: Octets
    frontend_port: Octets
    backend_port: Octets
    slot: Octets
    next: int


class SocketPeers(_SocketPeersFields):
    """struct socket_peers, 328 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=128s128s16s16s32sI4x"
    SIZE: ClassVar[int] = 328
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("frontend", "V128"),
        ("backend", "V128"),
        ("frontend_port", "V16"),
        ("backend_port", "V16"),
        ("slot", "V32"),
        ("next", "=u4"),
        ("pad", "=u4"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _SOCKET_PEERS.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "SocketPeers":
        """Return the value that `octets` hold."""
        return cls._make(_SOCKET_PEERS.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[SocketPeers]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _SOCKET_PEERS.iter_unpack(octets)))


_SOURCE_RANGE_KEY: Final = struct.Struct("=II16s")


class _SourceRangeKeyFields(NamedTuple):
    prefix_length: int
    service: int
    address: Octets


class SourceRangeKey(_SourceRangeKeyFields):
    """struct source_range_key, 24 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=II16s"
    SIZE: ClassVar[int] = 24
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("prefix_length", "=u4"),
        ("service", "=u4"),
        ("address", "V16"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _SOURCE_RANGE_KEY.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "SourceRangeKey":
        """Return the value that `octets` hold."""
        return cls._make(_SOURCE_RANGE_KEY.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[SourceRangeKey]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _SOURCE_RANGE_KEY.iter_unpack(octets)))


_SWEEP: Final = struct.Struct("=16s16sIIIH2x")


class _SweepFields(NamedTuple):
    local: Octets
    remote: Octets
    next: int
    what: int
    ended: int
    remote_port: int


class Sweep(_SweepFields):
    """struct sweep, 48 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=16s16sIIIH2x"
    SIZE: ClassVar[int] = 48
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("local", "V16"),
        ("remote", "V16"),
        ("next", "=u4"),
        ("what", "=u4"),
        ("ended", "=u4"),
        ("remote_port", ">u2"),
        ("pad", "=u2"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _SWEEP.pack(
            self.local,
            self.remote,
            self.next,
            self.what,
            self.ended,
            htons(self.remote_port),
        )

    @classmethod
    def unpack(cls, octets: Octets) -> "Sweep":
        """Return the value that `octets` hold."""
        local, remote, next, what, ended, remote_port = _SWEEP.unpack(octets)
        return cls(local, remote, next, what, ended, ntohs(remote_port))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[Sweep]":
        """Return the values that lie one after another in `octets`."""
        return [
            cls(local, remote, next, what, ended, ntohs(remote_port))
            for local, remote, next, what, ended, remote_port in _SWEEP.iter_unpack(octets)
        ]


_TALLY: Final = struct.Struct("=IIIII4x")


class _TallyFields(NamedTuple):
    next: int
    round: int
    least: int
    ports: int
    entered: int


class Tally(_TallyFields):
    """struct tally, 24 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=IIIII4x"
    SIZE: ClassVar[int] = 24
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("next", "=u4"),
        ("round", "=u4"),
        ("least", "=u4"),
        ("ports", "=u4"),
        ("entered", "=u4"),
        ("pad", "=u4"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _TALLY.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "Tally":
        """Return the value that `octets` hold."""
        return cls._make(_TALLY.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[Tally]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _TALLY.iter_unpack(octets)))


_TUNNEL_DEVICE: Final = struct.Struct("=16s16sIIH2x")


class _TunnelDeviceFields(NamedTuple):
    ipv4: Octets
    ipv6: Octets
    ifindex: int
    mtu: int
    port: int


class TunnelDevice(_TunnelDeviceFields):
    """struct tunnel_device, 44 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=16s16sIIH2x"
    SIZE: ClassVar[int] = 44
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("ipv4", "V16"),
        ("ipv6", "V16"),
        ("ifindex", "=u4"),
        ("mtu", "=u4"),
        ("port", ">u2"),
        ("pad", "=u2"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _TUNNEL_DEVICE.pack(
            self.ipv4,
            self.ipv6,
            self.ifindex,
            self.mtu,
            htons(self.port),
        )

    @classmethod
    def unpack(cls, octets: Octets) -> "TunnelDevice":
        """Return the value that `octets` hold."""
        ipv4, ipv6, ifindex, mtu, port = _TUNNEL_DEVICE.unpack(octets)
        return cls(ipv4, ipv6, ifindex, mtu, ntohs(port))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[TunnelDevice]":
        """Return the values that lie one after another in `octets`."""
        return [
            cls(ipv4, ipv6, ifindex, mtu, ntohs(port))
            for ipv4, ipv6, ifindex, mtu, port in _TUNNEL_DEVICE.iter_unpack(octets)
        ]


_TUPLE: Final = struct.Struct("=16s16sHHBB2x")


class _TupleFields(NamedTuple):
    source: Octets
    destination: Octets
    source_port: int
    destination_port: int
    protocol: int
    direction: int


class Tuple(_TupleFields):
    """struct tuple, 40 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=16s16sHHBB2x"
    SIZE: ClassVar[int] = 40
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("source", "V16"),
        ("destination", "V16"),
        ("source_port", ">u2"),
        ("destination_port", ">u2"),
        ("protocol", "=u1"),
        ("direction", "=u1"),
        ("pad", "=u2"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _TUPLE.pack(
            self.source,
            self.destination,
            htons(self.source_port),
            htons(self.destination_port),
            self.protocol,
            self.direction,
        )

    @classmethod
    def unpack(cls, octets: Octets) -> "Tuple":
        """Return the value that `octets` hold."""
        source, destination, source_port, destination_port, protocol, direction = _TUPLE.unpack(octets)
        return cls(source, destination, ntohs(source_port), ntohs(destination_port), protocol, direction)

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[Tuple]":
        """Return the values that lie one after another in `octets`."""
        return [
            cls(source, destination, ntohs(source_port), ntohs(destination_port), protocol, direction)
            for source, destination, source_port, destination_port, protocol, direction in _TUPLE.iter_unpack(octets)
        ]


#: bpf/maps.h as the kernel must show it.
MAP_SHAPES: Final = {
    "affinity_slots": MapShape(MapKind.HASH, 8, 4, 65536, 0x1),
    "connection_owners": MapShape(MapKind.ARRAY, 4, 24, 65540, 0x0),
    "connections": MapShape(MapKind.ARRAY, 4, 192, 65536, 0x400),
    "conntrack": MapShape(MapKind.HASH, 40, 8, 131072, 0x0),
    "decisions": MapShape(MapKind.ARRAY, 4, 72, 1, 0x0),
    "endpoints": MapShape(MapKind.HASH, 16, 24, 65536, 0x1),
    "event_budget": MapShape(MapKind.ARRAY, 4, 8, 1, 0x0),
    "event_counts": MapShape(MapKind.PERCPU_ARRAY, 4, 16, 1, 0x0),
    "event_settings": MapShape(MapKind.ARRAY, 4, 40, 1, 0x0),
    "events": MapShape(MapKind.RINGBUF, 0, 0, 2097152, 0x0),
    "flow_traces": MapShape(MapKind.ARRAY, 4, 64, 16384, 0x0),
    "fragments": MapShape(MapKind.LRU_HASH, 40, 4, 8192, 0x0),
    "frontends": MapShape(MapKind.HASH, 20, 12, 65536, 0x1),
    "interfaces": MapShape(MapKind.HASH, 4, 48, 65536, 0x1),
    "ipcache": MapShape(MapKind.LPM_TRIE, 20, 24, 512000, 0x1),
    "l2_alive": MapShape(MapKind.ARRAY, 4, 8, 1, 0x0),
    "l2_responders": MapShape(MapKind.HASH, 20, 16, 4096, 0x1),
    "maglev_tables": MapShape(MapKind.HASH, 8, 512, 65536, 0x1),
    "masquerade_addresses": MapShape(MapKind.HASH, 4, 32, 256, 0x1),
    "masquerade_choices": MapShape(MapKind.HASH, 4, 28, 65536, 0x1),
    "masquerade_classes": MapShape(MapKind.HASH, 4, 4, 131072, 0x1),
    "masquerade_generations": MapShape(MapKind.ARRAY, 4, 8, 1, 0x0),
    "masquerade_looks": MapShape(MapKind.ARRAY, 4, 20, 1024, 0x0),
    "masquerade_rules": MapShape(MapKind.HASH, 24, 8, 262144, 0x1),
    "metrics": MapShape(MapKind.PERCPU_ARRAY, 4, 16, 1536, 0x0),
    "outside_affinities": MapShape(MapKind.LRU_HASH, 20, 16, 65536, 0x0),
    "port_failures": MapShape(MapKind.LRU_HASH, 40, 24, 1024, 0x0),
    "port_users": MapShape(MapKind.HASH, 40, 4, 32768, 0x1),
    "route_mtus": MapShape(MapKind.LPM_TRIE, 20, 4, 16384, 0x1),
    "service_affinities": MapShape(MapKind.LRU_HASH, 20, 16, 65536, 0x0),
    "service_ends": MapShape(MapKind.ARRAY, 4, 4, 65540, 0x0),
    "service_in_native": MapShape(MapKind.ARRAY, 4, 4, 1, 0x0),
    "service_programs": MapShape(MapKind.PROG_ARRAY, 4, 4, 3, 0x0),
    "service_slots": MapShape(MapKind.HASH, 8, 24, 65536, 0x1),
    "services": MapShape(MapKind.HASH, 4, 12, 65536, 0x1),
    "socket_peers": MapShape(MapKind.SK_STORAGE, 4, 328, 0, 0x1),
    "source_ranges": MapShape(MapKind.LPM_TRIE, 24, 1, 65536, 0x1),
    "tunnel_devices": MapShape(MapKind.ARRAY, 4, 44, 1, 0x0),
}
