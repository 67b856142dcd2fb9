"""What a field of a filter asks of a flow, as a function of the flow. Pure.

Each function here takes the path of an attribute of FlowView and the values that a filter's field
has, of which one must fit. Values are looked at once, before the first flow. One that cannot be used
is a ValueError, which says what can be. What has to do with HTTP is http_conditions.py's.
"""

import re
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final

from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server.errors import quoted
from ciliate.flows.server.message_view import tcp_flag_bits
from ciliate.flows.server.patterns import Matches, compile_globs, compile_patterns
from ciliate.flows.server.selectors import compile_selectors
from ciliate.flows.server.view import FlowView
from ciliate.net.address import ip_address, ip_network, prefix_bits, to_octets

Condition = Callable[[FlowView], bool]

_PORTS_OF: Final = frozenset({"tcp", "udp", "sctp"})
_PORT_MAX: Final = 0xFFFF
_DECIMAL: Final = re.compile(r"0*([0-9]{1,5})")
_L4: Final = frozenset({"icmpv4", "icmpv6", "tcp", "udp", "sctp", "vrrp", "igmp"})
_L7: Final = frozenset({"dns", "http", "kafka"})
_IP_VERSIONS: Final[dict[int, int]] = {flow_pb2.IP_NOT_USED: 0, flow_pb2.IPv4: 4, flow_pb2.IPv6: 6}
#: First octets of an IPv4 address among those of 16.
_MAPPED: Final = bytes(10) + b"\xff\xff"
_DEFAULT: Final = "default"


def equals(path: str, values: Sequence[object]) -> Condition:
    """The attribute is one of the values."""
    get, wanted = attrgetter(path), frozenset(values)
    return lambda flow: get(flow) in wanted


def named(path: str, values: Sequence[str]) -> Condition:
    """Likewise, where nobody can mean an empty name."""
    if "" in values:
        raise ValueError("a name is empty")
    return equals(path, values)


def drop_reason(path: str, values: Sequence[int]) -> Condition:
    """The flow was dropped for one of the reasons."""
    get, wanted, dropped = attrgetter(path), frozenset(values), flow_pb2.DROPPED
    return lambda flow: flow.verdict == dropped and get(flow) in wanted


def event_type(path: str, values: Sequence[flow_pb2.EventTypeFilter]) -> Condition:
    """Type 0 is any; a sub-type counts only where the filter says that it does."""
    get = attrgetter(path)
    whole = {each.type for each in values if not each.match_sub_type}
    pairs = {(each.type, each.sub_type) for each in values if each.match_sub_type}
    any_type, sub_types = 0 in whole, {sub for kind, sub in pairs if kind == 0}

    def holds(flow: FlowView) -> bool:
        found = get(flow)
        if found is None:
            return False
        return any_type or found[0] in whole or found in pairs or found[1] in sub_types

    return holds


def reply(path: str, values: Sequence[bool]) -> Condition:
    """What is unknown is no answer, except of a dropped packet: that one went no further."""
    get, wanted, dropped = attrgetter(path), frozenset(values), flow_pb2.DROPPED

    def holds(flow: FlowView) -> bool:
        found = get(flow)
        if found is None:
            return False in wanted and flow.verdict == dropped
        return found in wanted

    return holds


def ip_version(path: str, values: Sequence[int]) -> Condition:
    """The version by its number in the API."""
    unknown = [each for each in values if each not in _IP_VERSIONS]
    if unknown:
        raise ValueError(f"{unknown[0]}: IP_NOT_USED (0), IPv4 (1) or IPv6 (2) is needed")
    return equals(path, [_IP_VERSIONS[each] for each in values])


def protocol(path: str, values: Sequence[str]) -> Condition:
    """A protocol of the fourth or the seventh layer."""
    wanted = set[str]()
    for value in values:
        word = value.lower()
        if word not in _L4 | _L7 | {"icmp"}:
            raise ValueError(f"unknown protocol: {quoted(value)}")
        wanted |= {"icmpv4", "icmpv6"} if word == "icmp" else {word}
    get, lower, upper = attrgetter(path), frozenset(wanted & _L4), frozenset(wanted & _L7)
    if not upper:
        return lambda flow: get(flow) in lower
    return lambda flow: get(flow) in lower or flow.l7_protocol in upper


def tcp_flags(path: str, values: Sequence[flow_pb2.TCPFlags]) -> Condition:
    """All flags of one of the values are set."""
    get, wanted = attrgetter(path), tuple({tcp_flag_bits(each) for each in values})

    def holds(flow: FlowView) -> bool:
        found = get(flow)
        return found is not None and any(found & each == each for each in wanted)

    return holds


def port(path: str, values: Sequence[str]) -> Condition:
    """A port of a protocol that has ports."""
    get, wanted = attrgetter(path), frozenset(_port(each) for each in values)
    if 0 not in wanted:
        return lambda flow: get(flow) in wanted
    return lambda flow: get(flow) in wanted and flow.protocol in _PORTS_OF


def _port(text: str) -> int:
    found = _DECIMAL.fullmatch(text)
    if found is None or int(found[1]) > _PORT_MAX:
        raise ValueError(f"{quoted(text)}: a number from 0 to {_PORT_MAX} is needed")
    return int(found[1])


def interface(path: str, values: Sequence[flow_pb2.NetworkInterface]) -> Condition:
    """Index and name, of those that the filter names."""
    get, wanted = attrgetter(path), [(each.index, each.name) for each in values]

    def holds(flow: FlowView) -> bool:
        found = get(flow)
        if found is None:
            return False
        return any(index in {0, found[0]} and name in {"", found[1]} for index, name in wanted)

    return holds


def workload(path: str, values: Sequence[flow_pb2.Workload]) -> Condition:
    """Kind and name, of those that the filter names, of the same workload."""
    get, wanted = attrgetter(path), [(each.kind, each.name) for each in values]

    def holds(flow: FlowView) -> bool:
        return any(
            asked_kind in {"", kind} and asked_name in {"", name}
            for kind, name in get(flow)
            for asked_kind, asked_name in wanted
        )

    return holds


def pod(path: str, values: Sequence[str]) -> Condition:
    """A namespace and the beginning of a name; see `_namespaced`."""
    end, wanted = attrgetter(path), [read_namespaced(each) for each in values]

    def holds(flow: FlowView) -> bool:
        found = end(flow)
        return is_named((found.namespace, found.pod), wanted)

    return holds


def service(path: str, values: Sequence[str]) -> Condition:
    """Likewise of a Service."""
    get, wanted = attrgetter(path), [read_namespaced(each) for each in values]

    def holds(flow: FlowView) -> bool:
        found = get(flow)
        return found is not None and is_named(found, wanted)

    return holds


def read_namespaced(text: str) -> tuple[str, str]:
    """Return (namespace, beginning of the name) of "ns/name"; empty: any.

    A name alone is one in the namespace `default`. More than two parts are two.
    """
    if not text:
        raise ValueError('"": name, namespace/name, namespace/ or / is needed')
    parts = text.split("/")
    return (_DEFAULT, text) if len(parts) == 1 else (parts[0], parts[1])


def is_named(found: tuple[str, str], wanted: Sequence[tuple[str, str]]) -> bool:
    """Whether (namespace, name) is one that was asked for."""
    namespace, name = found
    if not namespace and not name:
        return False
    return any(
        asked in {"", namespace} and name.startswith(beginning) for asked, beginning in wanted
    )


def address(path: str, values: Sequence[str]) -> Condition:
    """An address as it is written, or one inside of a prefix."""
    texts = frozenset(each for each in values if "/" not in each)
    for text in texts:
        _check_address(text)
    prefixes = tuple({_prefix(each) for each in values if "/" in each})
    get, octets = attrgetter(path), attrgetter(f"{path}_octets")
    if not prefixes:
        return lambda flow: get(flow) in texts

    def is_inside(flow: FlowView) -> bool:
        found = octets(flow)
        if not found:
            return False
        number, mapped = int.from_bytes(found), found.startswith(_MAPPED)
        return any(
            number >> shift == network and mapped is is_ipv4
            for is_ipv4, shift, network in prefixes
        )

    return is_inside if not texts else lambda flow: get(flow) in texts or is_inside(flow)


def _check_address(text: str) -> None:
    try:
        ip_address(text)
    except ValueError:
        raise ValueError(f"{quoted(text)}: an IP address or prefix is needed") from None


def _prefix(text: str) -> tuple[bool, int, int]:
    """Return (is IPv4, bits that may differ, the others) of a prefix among 16 octets."""
    base, _, length = text.partition("/")
    bits = _DECIMAL.fullmatch(length)  # Not a netmask.
    try:
        network = ip_network((base, int(bits[1]) if bits else -1), strict=False)
    except ValueError:
        raise ValueError(f"{quoted(text)}: an IP address or prefix is needed") from None
    shift = 128 - prefix_bits(network)
    number = int.from_bytes(to_octets(network.network_address))
    return network.version == 4, shift, number >> shift


def labels(path: str, values: Sequence[str]) -> Condition:
    """The labels that a selector selects."""
    get, selects = attrgetter(path), compile_selectors(list(values))
    return lambda flow: selects(get(flow))


def fqdn(path: str, values: Sequence[str]) -> Condition:
    """One of the names is as a glob says."""
    get, matches = attrgetter(path), compile_globs(list(values))
    return lambda flow: any(map(matches, get(flow)))


def node_name(path: str, values: Sequence[str]) -> Condition:
    """Globs for "cluster/node"; a node alone is one of any cluster."""
    get, wanted = attrgetter(path), [_node_globs(each) for each in values]

    def holds(flow: FlowView) -> bool:
        found: str = get(flow)
        cluster, slash, node = found.partition("/")
        if not slash:
            cluster, node = _DEFAULT, found
        return bool(found) and any(of(cluster) and at(node) for of, at in wanted)

    return holds


def _node_globs(text: str) -> tuple[Matches, Matches]:
    parts = text.split("/")
    if not text or len(parts) > 2:
        raise ValueError(f"{quoted(text)}: node, cluster/node or cluster/ is needed")
    cluster, node = parts if len(parts) == 2 else ("", text)
    return _glob_or_any(cluster), _glob_or_any(node)


def _glob_or_any(glob: str) -> Matches:
    return compile_globs([glob]) if glob else lambda _: True


def dns_query(path: str, values: Sequence[str]) -> Condition:
    """A regular expression is found in the name that was asked for."""
    get, matches = attrgetter(path), compile_patterns(list(values))

    def holds(flow: FlowView) -> bool:
        found = get(flow)
        return found is not None and matches(found)

    return holds
