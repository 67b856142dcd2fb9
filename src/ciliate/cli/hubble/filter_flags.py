"""Every flag of `hubble observe` that chooses flows: its field, and how its value is read.

`flow_filters` makes filters of them. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from ciliate.cli.hubble.errors import FlagError
from ciliate.cli.hubble.event_names import EVENT_TYPES, IDENTITY_NAMES, SUB_TYPES
from ciliate.flows.pb.flow import flow_pb2

#: What one field of a filter is given, out of a flag's name and value.
Read = Callable[[str, str], Any]

_PORT_MAX: Final = (1 << 16) - 1
_IDENTITY_MAX: Final = (1 << 32) - 1
_TRACE_ID_MAX: Final = (1 << 64) - 1


class Side(Enum):
    """Which end of a flow a flag speaks of."""

    EITHER = "either"
    SOURCE = "source"
    DESTINATION = "destination"
    #: The flow as a whole.
    NONE = "none"


@dataclass(frozen=True, slots=True)
class FilterFlag:
    """One flag that chooses flows.

    `field` is the filter's field, without "source_" or "destination_" where the flag has a side.
    """

    name: str
    field: str
    help: str
    side: Side = Side.NONE
    metavar: str = "TEXT"
    #: Other spellings: "-n".
    short: str | None = None
    #: What a flag without a value stands for.
    constant: str | None = None
    read: Read = lambda _flag, value: value
    #: What a shell offers.
    choices: tuple[str, ...] = ()


def _enum(values: EnumTypeWrapper, *, prefix: str = "") -> Read:
    names = [name.removeprefix(prefix) for name in values.keys()]  # noqa: SIM118 - no mapping.

    def read(flag: str, value: str) -> int:
        for name, number in values.items():
            if name.removeprefix(prefix).casefold() == value.casefold():
                return int(number)
        raise FlagError(flag=flag, value=value, problem=f"is none of {', '.join(names)}")

    return read


def _number(value: str, most: int) -> int | None:
    """Return a decimal number up to `most`, or None."""
    if not (value.isascii() and value.isdecimal()) or int(value) > most:
        return None
    return int(value)


def _read_port(flag: str, value: str) -> str:
    if _number(value, _PORT_MAX) is None:
        raise FlagError(flag=flag, value=value, problem="is no port: 0 to 65535")
    return value


def _read_identity(flag: str, value: str) -> int:
    number = IDENTITY_NAMES.get(value.casefold(), _number(value, _IDENTITY_MAX))
    if number is None:
        raise FlagError(
            flag=flag, value=value, problem=f"is no number and none of {', '.join(IDENTITY_NAMES)}"
        )
    return number


def _read_trace_id(flag: str, value: str) -> int:
    number = _number(value, _TRACE_ID_MAX)
    if not number:
        raise FlagError(flag=flag, value=value, problem="is no number above 0")
    return number


def _read_workload(_flag: str, value: str) -> flow_pb2.Workload:
    kind, slash, name = value.partition("/")
    return flow_pb2.Workload(kind=kind, name=name) if slash else flow_pb2.Workload(name=value)


def _read_interface(_flag: str, value: str) -> flow_pb2.NetworkInterface:
    return flow_pb2.NetworkInterface(name=value)


def _read_header(flag: str, value: str) -> flow_pb2.HTTPHeader:
    key, colon, content = value.partition(":")
    if not colon:
        raise FlagError(flag=flag, value=value, problem='is no header: write "name:value"')
    return flow_pb2.HTTPHeader(key=key, value=content)


def _read_tcp_flags(flag: str, value: str) -> flow_pb2.TCPFlags:
    known = [each.name for each in flow_pb2.TCPFlags.DESCRIPTOR.fields]
    found = flow_pb2.TCPFlags()
    for word in value.split(","):
        if word.strip().upper() not in known:
            problem = f"is none of {', '.join(known)}, with commas between several"
            raise FlagError(flag=flag, value=word, problem=problem)
        setattr(found, word.strip().upper(), True)
    return found


def _read_ip_version(flag: str, value: str) -> int:
    words = {"v4": 1, "4": 1, "ipv4": 1, "v6": 2, "6": 2, "ipv6": 2, "none": 0}
    number = words.get(value.casefold())
    if number is None:
        raise FlagError(flag=flag, value=value, problem="is none of v4, v6, none")
    return number


def _read_bool(_flag: str, value: str) -> bool:
    return value == "true"


def _read_type(flag: str, value: str) -> flow_pb2.EventTypeFilter:
    name, colon, sub_name = value.partition(":")
    kind = EVENT_TYPES.get(name, _number(name, (1 << 31) - 1))
    if kind is None:
        problem = f"is no type of event: {', '.join(EVENT_TYPES)}, or a number"
        raise FlagError(flag=flag, value=name, problem=problem)
    if not colon:
        return flow_pb2.EventTypeFilter(type=kind)
    names = SUB_TYPES.get(kind, {})
    sub_type = names.get(sub_name, _number(sub_name, (1 << 31) - 1))
    if sub_type is None:
        problem = f"is no sub-type of {name}: {', '.join([*names, 'a number'])}"
        raise FlagError(flag=flag, value=sub_name, problem=problem)
    return flow_pb2.EventTypeFilter(type=kind, match_sub_type=True, sub_type=sub_type)


_PROTOCOLS: Final = (
    "tcp udp sctp icmp icmpv4 icmpv6 vrrp igmp dns http kafka".split()  # noqa: SIM905
)

#: Flags that exist three times: for either end, and with "from-" and "to-" for one.
_OF_ENDS: Final = (
    FilterFlag("pod", "pod", "pods of this name, or one that begins so", metavar="[NS/]POD"),
    FilterFlag("ip", "ip", "this address, or one of this prefix", metavar="ADDRESS"),
    FilterFlag(
        "label", "label", "pods whose labels match this selector", metavar="SELECTOR", short="-l"
    ),
    FilterFlag("service", "service", "this service", metavar="[NS/]NAME"),
    FilterFlag("port", "port", "this port", metavar="PORT", read=_read_port),
    FilterFlag("fqdn", "fqdn", "this name of DNS, which may hold *", metavar="NAME"),
    FilterFlag(
        "workload", "workload", "pods of this workload", metavar="[KIND/]NAME", read=_read_workload
    ),
    FilterFlag(
        "identity",
        "identity",
        "this security identity",
        metavar="NUMBER|NAME",
        read=_read_identity,
        choices=tuple(IDENTITY_NAMES),
    ),
    FilterFlag("cluster", "cluster_name", "this cluster", metavar="NAME"),
    FilterFlag("namespace", "pod", "pods of this namespace", metavar="NAME", short="-n"),
    FilterFlag("all-namespaces", "pod", "pods of any namespace", short="-A", constant="true"),
)

_OF_FLOWS: Final = (
    FilterFlag(
        "snat-ip", "source_ip_xlated", "whose source became this address", metavar="ADDRESS"
    ),
    FilterFlag(
        "protocol",
        "protocol",
        "of this protocol of layer 4 or 7",
        metavar="NAME",
        choices=tuple(_PROTOCOLS),
    ),
    FilterFlag(
        "verdict",
        "verdict",
        "with this verdict: FORWARDED, DROPPED, AUDIT, REDIRECTED, ERROR, TRACED, TRANSLATED",
        metavar="NAME",
        read=_enum(flow_pb2.Verdict),
        choices=tuple(flow_pb2.Verdict.keys()),
    ),
    FilterFlag(
        "drop-reason-desc",
        "drop_reason_desc",
        "dropped for this reason, such as POLICY_DENIED",
        metavar="NAME",
        read=_enum(flow_pb2.DropReason),
        choices=tuple(flow_pb2.DropReason.keys()),
    ),
    FilterFlag(
        "type",
        "event_type",
        "of this type, such as drop, trace:to-endpoint, policy-verdict, l7",
        metavar="TYPE[:SUBTYPE]",
        short="-t",
        read=_read_type,
        choices=tuple(EVENT_TYPES),
    ),
    FilterFlag(
        "traffic-direction",
        "traffic_direction",
        "into a pod or out of one: ingress, egress",
        metavar="DIRECTION",
        read=_enum(flow_pb2.TrafficDirection, prefix="TRAFFIC_DIRECTION_"),
        choices=("ingress", "egress"),
    ),
    FilterFlag(
        "tcp-flags",
        "tcp_flags",
        "with all of these TCP flags, such as SYN,ACK",
        metavar="FLAGS",
        read=_read_tcp_flags,
    ),
    FilterFlag("ipv4", "ip_version", "of IPv4", short="-4", constant="v4", read=_read_ip_version),
    FilterFlag("ipv6", "ip_version", "of IPv6", short="-6", constant="v6", read=_read_ip_version),
    FilterFlag(
        "ip-version",
        "ip_version",
        "of this version of IP: v4, v6, none",
        metavar="VERSION",
        read=_read_ip_version,
        choices=("v4", "v6", "none"),
    ),
    FilterFlag("encrypted", "encrypted", "that were encrypted", constant="true", read=_read_bool),
    FilterFlag(
        "unencrypted", "encrypted", "that were not encrypted", constant="false", read=_read_bool
    ),
    FilterFlag(
        "http-status", "http_status_code", "with this status, or one such as 5+", metavar="CODE"
    ),
    FilterFlag("http-method", "http_method", "with this method", metavar="METHOD"),
    FilterFlag("http-path", "http_path", "whose path matches", metavar="REGEXP"),
    FilterFlag("http-url", "http_url", "whose URL matches", metavar="REGEXP"),
    FilterFlag(
        "http-header", "http_header", "with this header", metavar="NAME:VALUE", read=_read_header
    ),
    FilterFlag("trace-id", "trace_id", "of this trace of requests", metavar="ID"),
    FilterFlag(
        "ip-trace-id",
        "ip_trace_id",
        "with this number in an option of IP",
        metavar="NUMBER",
        read=_read_trace_id,
    ),
    FilterFlag("uuid", "uuid", "with this id", metavar="UUID"),
    FilterFlag(
        "interface", "interface", "at this interface", metavar="NAME", read=_read_interface
    ),
    FilterFlag("node-name", "node_name", "seen on this node", metavar="[CLUSTER/]NODE"),
    FilterFlag("node-label", "node_labels", "seen on such nodes", metavar="SELECTOR"),
    FilterFlag(
        "cel-expression",
        "experimental",
        "for which this CEL expression holds",
        metavar="CEL",
    ),
)

_PREFIXES: Final = {Side.EITHER: "", Side.SOURCE: "from-", Side.DESTINATION: "to-"}
_ABOUT: Final = {
    Side.EITHER: "from or to",
    Side.SOURCE: "from",
    Side.DESTINATION: "to",
}


def _sided(flag: FilterFlag, side: Side) -> FilterFlag:
    return replace(
        flag,
        name=_PREFIXES[side] + flag.name,
        help=f"{_ABOUT[side]} {flag.help}",
        side=side,
        short=flag.short if side is Side.EITHER else None,
    )


#: Every flag that chooses flows, by its name.
FILTER_FLAGS: Final[Mapping[str, FilterFlag]] = {
    each.name: each
    for each in (*(_sided(flag, side) for flag in _OF_ENDS for side in _PREFIXES), *_OF_FLOWS)
}
