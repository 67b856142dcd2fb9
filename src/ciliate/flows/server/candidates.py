"""Which records a request may want, by columns of the ring: the others are not even decoded. Pure.

Of each filter of a whitelist one field that is a number of the records is looked at, the one that
leaves fewest as a rule. What it lets through is a candidate: the filters themselves decide.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from socket import htons
from sys import byteorder
from typing import Final

from ciliate.datapath.layout import EventKind
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server.conditions import is_named, read_namespaced
from ciliate.flows.server.name_table import NameTable
from ciliate.flows.server.record_ring import KIND, Column, RecordRing, column_of
from ciliate.net.address import ip_address, to_octets
from ciliate.net.protocol import ICMP, ICMPV6, SCTP, TCP, UDP

#: The last 8 octets of an address, which tell apart all but few.
_SOURCE: Final = column_of("source", within=8)
_DESTINATION: Final = column_of("destination", within=8)
_SOURCE_PORT: Final = column_of("source_port")
_DESTINATION_PORT: Final = column_of("destination_port")
_PROTOCOL: Final = column_of("protocol")

_PROTOCOLS: Final[Mapping[str, frozenset[int]]] = {
    "tcp": frozenset({TCP}),
    "udp": frozenset({UDP}),
    "sctp": frozenset({SCTP}),
    "icmp": frozenset({ICMP, ICMPV6}),
    "icmpv4": frozenset({ICMP}),
    "icmpv6": frozenset({ICMPV6}),
}
_KINDS: Final[Mapping[int, frozenset[int]]] = {
    flow_pb2.FORWARDED: frozenset({EventKind.EVENT_TRACE}),
    flow_pb2.DROPPED: frozenset({EventKind.EVENT_DROP}),
    flow_pb2.TRACED: frozenset({EventKind.EVENT_SOCKET}),
    flow_pb2.TRANSLATED: frozenset({EventKind.EVENT_SOCKET}),
}

#: A column and the numbers in it that may be wanted.
Test = tuple[Column, frozenset[int]]


def candidates(
    ring: RecordRing,
    first: int,
    last: int,
    whitelist: Sequence[flow_pb2.FlowFilter],
    names: NameTable,
) -> Sequence[int]:
    """Return the records of `first` to `last` - 1 that may be wanted, in their order."""
    every = range(first, last)
    tests = [_test(asked, names) for asked in whitelist]
    if not tests or None in tests:
        return every
    kinds = ring.column(KIND, first, last)
    found = {number for number, kind in zip(every, kinds, strict=True) if kind in _ALWAYS}
    for test in tests:
        assert test is not None, "seen above"
        column, wanted = test
        values = ring.column(column, first, last)
        found.update(
            number for number, value in zip(every, values, strict=True) if value in wanted
        )
    return sorted(found)


#: Records of losses are for everybody; those of sockets have no address for who calls.
_ALWAYS: Final = frozenset({int(EventKind.EVENT_LOST), int(EventKind.EVENT_SOCKET)})


def _test(asked: flow_pb2.FlowFilter, names: NameTable) -> Test | None:
    """Return what to look at for a filter; None: it has nothing that the columns tell."""
    return next((found for find in _FINDERS if (found := find(asked, names)) is not None), None)


def _addresses(asked: flow_pb2.FlowFilter, names: NameTable) -> Test | None:
    """By an address, or by the addresses of pods or Services; not by a CIDR."""
    for column, texts, pods, services in (
        (_SOURCE, asked.source_ip, asked.source_pod, asked.source_service),
        (
            _DESTINATION,
            asked.destination_ip,
            asked.destination_pod,
            asked.destination_service,
        ),
    ):
        if texts and not any("/" in text for text in texts):
            return column, frozenset(_low(to_octets(ip_address(text))) for text in texts)
        if pods:
            wanted = [read_namespaced(text) for text in pods]
            known = (name for name in names.pods() if is_named((name.namespace, name.pod), wanted))
            return column, frozenset(_low(each) for each in names.addresses_of(known))
        if services:
            named = tuple(read_namespaced(text) for text in services)
            return column, _lows(names.services.addresses_of(named))
    return None


def _ports(asked: flow_pb2.FlowFilter, _names: NameTable) -> Test | None:
    for column, texts in (
        (_SOURCE_PORT, asked.source_port),
        (_DESTINATION_PORT, asked.destination_port),
    ):
        if texts:
            return column, frozenset(htons(int(text)) for text in texts)
    return None


def _verdicts(asked: flow_pb2.FlowFilter, _names: NameTable) -> Test | None:
    if not asked.verdict:
        return None
    wanted: set[int] = set()
    for verdict in asked.verdict:
        wanted |= _KINDS.get(verdict, frozenset())
    return KIND, frozenset(wanted)


def _types(asked: flow_pb2.FlowFilter, _names: NameTable) -> Test | None:
    wanted = {each.type for each in asked.event_type}
    return (KIND, frozenset(wanted)) if wanted and 0 not in wanted else None


def _protocols(asked: flow_pb2.FlowFilter, _names: NameTable) -> Test | None:
    wanted: set[int] = set()
    for text in asked.protocol:
        wanted |= _PROTOCOLS.get(text.lower(), frozenset())
    return (_PROTOCOL, frozenset(wanted)) if asked.protocol else None


_FINDERS: Final[tuple[Callable[[flow_pb2.FlowFilter, NameTable], Test | None], ...]] = (
    _addresses,
    _ports,
    _verdicts,
    _types,
    _protocols,
)


@lru_cache(maxsize=64)
def _lows(addresses: frozenset[bytes]) -> frozenset[int]:
    """Return the last octets of addresses; the same object is given for thousands of looks."""
    return frozenset(map(_low, addresses))


def _low(octets: bytes) -> int:
    return int.from_bytes(octets[8:], byteorder)
