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
    "AttachPoint",
    "Connection",
    "ConnectionFlag",
    "ConnectionOwner",
    "ConnectionOwnerNumber",
    "ConnectionPhase",
    "ConnectionRef",
    "DROP_TEXT",
    "DropReason",
    "Endpoint",
    "EndpointFlag",
    "FragmentKey",
    "FragmentPorts",
    "Interface",
    "InterfaceFlag",
    "IpcacheEntry",
    "IpcacheFlag",
    "MAP_SHAPES",
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
    "PrefixKey",
    "Sweep",
    "SweepFlag",
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
    DROP_WRITE_ERROR = 141
    DROP_UNKNOWN_L3_TARGET = 150
    DROP_STALE_OR_UNROUTABLE_IP = 151
    DROP_L3_CHECKSUM = 153
    DROP_L4_CHECKSUM = 154
    DROP_CONNECTION_NOT_MADE = 155
    DROP_INVALID_IPV6_EXTENSION = 156
    DROP_UNKNOWN_ENDPOINT = 165
    DROP_UNSUPPORTED_L2_PROTOCOL = 166
    DROP_NAT_NO_MAPPING = 167
    DROP_NAT_UNSUPPORTED_PROTOCOL = 168
    DROP_FRAGMENT_NOT_FOUND = 175
    DROP_FORBIDDEN_ICMPV6 = 176
    DROP_VLAN_NOT_ALLOWED = 182
    DROP_REASON_COUNT = 256


class AttachPoint(IntEnum):
    """enum attach_point."""

    FROM_POD = 0
    TO_POD = 1
    FROM_UPLINK = 2
    TO_UPLINK = 3
    ATTACH_POINT_COUNT = 4


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
    CONNECTION_RESET = 32
    CONNECTION_INBOUND = 64


class MasqueradeAction(IntEnum):
    """enum masquerade_action."""

    MASQUERADE_NO_RULE = 0
    MASQUERADE_KEEP = 1
    MASQUERADE_DEVICE = 2
    MASQUERADE_ADDRESS = 3


class MasqueradeBound(IntEnum):
    """enum masquerade_bound."""

    MASQUERADE_CHOICES_MAX = 16
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
    OWNER_ALL = 65538
    OWNER_COUNT = 65539


class SweepFlag(IntFlag):
    """enum sweep_flag."""

    SWEEP_OVER = 1
    SWEEP_ORPHANS = 2
    SWEEP_MATCHING = 4


#: What Cilium's commands and metrics call each reason.
DROP_TEXT: Final[dict[int, str]] = {
    0: "Success",
    131: "Invalid destination mac",
    132: "Invalid source ip",
    134: "Invalid packet",
    139: "Unsupported L3 protocol",
    141: "Error writing to packet",
    150: "Unknown L3 target address",
    151: "Stale or unroutable IP",
    153: "Error while correcting L3 checksum",
    154: "Error while correcting L4 checksum",
    155: "CT: Map insertion failed",
    156: "Invalid IPv6 extension header",
    165: "No configuration available to perform policy decision",
    166: "Unsupported L2 protocol",
    167: "No mapping for NAT masquerade",
    168: "Unsupported protocol for NAT masquerade",
    175: "First logical datagram fragment not found",
    176: "Forbidden ICMPv6 message",
    182: "VLAN traffic disallowed by VLAN filter",
}


_CONNECTION: Final = struct.Struct("=16s16s16sHHHB1xIIQIIIIQQQIIH6x")


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
    service: int


class Connection(_ConnectionFields):
    """struct connection, 128 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=16s16s16sHHHB1xIIQIIIIQQQIIH6x"
    SIZE: ClassVar[int] = 128
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
        ("service", "=u2"),
        ("pad_end", "V6"),
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
            self.service,
        )

    @classmethod
    def unpack(cls, octets: Octets) -> "Connection":
        """Return the value that `octets` hold."""
        local, remote, seen, local_port, remote_port, seen_port, protocol, place, source_identity, expires_ns, state, owner, flags, rule, created_ns, packets, bytes, rules_generation, policy_epoch, service = _CONNECTION.unpack(octets)
        return cls(local, remote, seen, ntohs(local_port), ntohs(remote_port), ntohs(seen_port), protocol, place, source_identity, expires_ns, state, owner, flags, rule, created_ns, packets, bytes, rules_generation, policy_epoch, service)

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[Connection]":
        """Return the values that lie one after another in `octets`."""
        return [
            cls(local, remote, seen, ntohs(local_port), ntohs(remote_port), ntohs(seen_port), protocol, place, source_identity, expires_ns, state, owner, flags, rule, created_ns, packets, bytes, rules_generation, policy_epoch, service)
            for local, remote, seen, local_port, remote_port, seen_port, protocol, place, source_identity, expires_ns, state, owner, flags, rule, created_ns, packets, bytes, rules_generation, policy_epoch, service in _CONNECTION.iter_unpack(octets)
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


_SWEEP: Final = struct.Struct("=16s16sIII4x")


class _SweepFields(NamedTuple):
    local: Octets
    remote: Octets
    next: int
    what: int
    ended: int


class Sweep(_SweepFields):
    """struct sweep, 48 bytes."""

    __slots__ = ()
    FORMAT: ClassVar[str] = "=16s16sIII4x"
    SIZE: ClassVar[int] = 48
    DTYPE: ClassVar[list[tuple[str, str]]] = [
        ("local", "V16"),
        ("remote", "V16"),
        ("next", "=u4"),
        ("what", "=u4"),
        ("ended", "=u4"),
        ("pad", "=u4"),
    ]

    def pack(self) -> Octets:
        """Return the octets the kernel holds."""
        return _SWEEP.pack(*self)

    @classmethod
    def unpack(cls, octets: Octets) -> "Sweep":
        """Return the value that `octets` hold."""
        return cls._make(_SWEEP.unpack(octets))

    @classmethod
    def unpack_many(cls, octets: Octets | memoryview) -> "list[Sweep]":
        """Return the values that lie one after another in `octets`."""
        return list(map(cls._make, _SWEEP.iter_unpack(octets)))


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
    "connection_owners": MapShape(MapKind.ARRAY, 4, 24, 65539, 0x0),
    "connections": MapShape(MapKind.ARRAY, 4, 128, 65536, 0x0),
    "conntrack": MapShape(MapKind.HASH, 40, 8, 131072, 0x0),
    "endpoints": MapShape(MapKind.HASH, 16, 24, 65536, 0x1),
    "fragments": MapShape(MapKind.LRU_HASH, 40, 4, 8192, 0x0),
    "interfaces": MapShape(MapKind.HASH, 4, 48, 65536, 0x1),
    "ipcache": MapShape(MapKind.LPM_TRIE, 20, 24, 512000, 0x1),
    "masquerade_addresses": MapShape(MapKind.HASH, 4, 32, 256, 0x1),
    "masquerade_choices": MapShape(MapKind.HASH, 4, 28, 65536, 0x1),
    "masquerade_generations": MapShape(MapKind.ARRAY, 4, 8, 1, 0x0),
    "masquerade_looks": MapShape(MapKind.ARRAY, 4, 20, 1024, 0x0),
    "masquerade_rules": MapShape(MapKind.HASH, 24, 8, 262144, 0x1),
    "metrics": MapShape(MapKind.PERCPU_ARRAY, 4, 16, 1024, 0x0),
    "route_mtus": MapShape(MapKind.LPM_TRIE, 20, 4, 16384, 0x1),
}
