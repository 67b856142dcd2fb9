"""Routes: read, add, replace, remove, look up (RTM_*ROUTE, linux/rtnetlink.h).

A route is added where no other to its destination and metric stands (NLM_F_EXCL), so that nobody
else's is lost; one that is known to be ours is replaced, which the kernel does in one step.
Observed IPv6 routes carry metric 1024 where they were put with 0, and lead to `lo` where they are
unreachable.
"""

import errno
import struct
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Final

from ciliate.net.address import IPAddress
from ciliate.net.link import (
    LOOPBACK_INDEX,
    MAIN_TABLE,
    Route,
    RouteAnswer,
    RouteKind,
    RouteScope,
)
from ciliate.netlink.addresses import family_of
from ciliate.netlink.channel import BATCH_MESSAGES_MAX, Channel
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.links import list_links
from ciliate.netlink.message import (
    Message,
    Request,
    attribute,
    attributes,
    nested,
    number,
    to_number,
)
from ciliate.netlink.numbers import (
    AF_INET,
    AF_INET6,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    RT_TABLE_UNSPEC,
    RTA_DST,
    RTA_GATEWAY,
    RTA_IIF,
    RTA_METRICS,
    RTA_MULTIPATH,
    RTA_OIF,
    RTA_PREFSRC,
    RTA_PRIORITY,
    RTA_SRC,
    RTA_TABLE,
    RTA_VIA,
    RTAX_MTU,
    RTM_DELROUTE,
    RTM_F_CLONED,
    RTM_F_FIB_MATCH,
    RTM_F_LOOKUP_TABLE,
    RTM_GETROUTE,
    RTM_NEWROUTE,
)

# family, destination bits, source bits, TOS, table, protocol, scope, type, flags
_RTMSG: Final = struct.Struct("=BBBBBBBBI")

#: How the kernel says that there is none, or one that leads nowhere (unreachable, prohibit, blackhole).
_NO_ROUTE: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL})

_RTNEXTHOP: Final = struct.Struct("=HBBi")  # length, flags, hops, index


def replace_request(route: Route) -> Request:
    """Return the message that makes `route` the route to its destination and metric."""
    return _put_request(route, "put route", NLM_F_CREATE | NLM_F_REPLACE)


def add_request(route: Route, *, tolerated: frozenset[int] = frozenset()) -> Request:
    """Return the message that adds `route`: EEXIST where one to its destination and metric is."""
    return _put_request(route, "add route", NLM_F_CREATE | NLM_F_EXCL, tolerated)


def _put_request(
    route: Route, step: str, flags: int, tolerated: frozenset[int] = frozenset()
) -> Request:
    body = _body(route, protocol=route.protocol, scope=route.scope, kind=route.kind)
    if route.source is not None:
        body += attribute(RTA_PREFSRC, route.source.packed)
    if route.mtu is not None:
        body += nested(RTA_METRICS, number(RTAX_MTU, route.mtu))
    return Request(RTM_NEWROUTE, body, step, route, flags, tolerated)


def delete_request(route: Route) -> Request:
    """Return the message that removes `route` by destination, gateway, link, protocol, table.

    A gateway or link that is None matches any, and so does a protocol or metric of 0. A route that
    leads nowhere (unreachable) is matched by its kind. An absent route is a success.
    """
    # A scope of NOWHERE and a kind of 0 are the kernel's "any".
    kind = 0 if route.kind is RouteKind.UNICAST else route.kind
    if kind and route.destination.version == 6:  # IPv6 does not compare kinds, only links.
        route = replace(route, link_index=LOOPBACK_INDEX)
    body = _body(route, protocol=route.protocol, scope=RouteScope.NOWHERE, kind=kind)
    gone = frozenset({errno.ESRCH, errno.ENOENT, errno.ENODEV})
    return Request(RTM_DELROUTE, body, "remove route", route, tolerated=gone)


def _body(route: Route, *, protocol: int, scope: int, kind: int) -> bytes:
    network = route.destination
    body = _RTMSG.pack(
        family_of(network.network_address),
        network.prefixlen,
        0,
        0,
        route.table if route.table < 256 else RT_TABLE_UNSPEC,
        protocol,
        scope,
        kind,
        0,
    )
    body += attribute(RTA_DST, network.network_address.packed) if network.prefixlen else b""
    body += number(RTA_TABLE, route.table)
    if route.gateway is not None:
        body += attribute(RTA_GATEWAY, route.gateway.packed)
    if route.link_index is not None:
        body += number(RTA_OIF, route.link_index)
    if route.metric:
        body += number(RTA_PRIORITY, route.metric)
    return body


def decode_route(message: Message) -> tuple[Route, ...]:
    """Return the route of a message: one value per next hop, none for foreign families."""
    family, bits, _, _, table, protocol, scope, kind, _ = _RTMSG.unpack_from(message.body)
    if family not in (AF_INET, AF_INET6):
        return ()
    found = attributes(message.body, _RTMSG.size)
    packed = found.get(RTA_DST, bytes(4 if family == AF_INET else 16))
    metrics = attributes(found.get(RTA_METRICS, b""))
    route = Route(
        destination=ip_network((packed, bits)),
        link_index=to_number(found[RTA_OIF]) if RTA_OIF in found else None,
        gateway=_gateway(found),
        protocol=protocol,
        scope=scope,
        source=ip_address(found[RTA_PREFSRC]) if RTA_PREFSRC in found else None,
        mtu=to_number(metrics[RTAX_MTU]) if RTAX_MTU in metrics else None,
        metric=to_number(found[RTA_PRIORITY]) if RTA_PRIORITY in found else 0,
        table=to_number(found[RTA_TABLE]) if RTA_TABLE in found else table,
        kind=RouteKind(kind),
    )
    if RTA_MULTIPATH not in found:
        return (route,)
    return _next_hops(route, found[RTA_MULTIPATH])


def is_cloned(message: Message) -> bool:
    """Whether a message is about a cache entry (path MTU, redirect) instead of a route."""
    return bool(_RTMSG.unpack_from(message.body)[8] & RTM_F_CLONED)


def _gateway(found: dict[int, bytes]) -> IPAddress | None:
    if RTA_GATEWAY in found:
        return ip_address(found[RTA_GATEWAY])
    if RTA_VIA in found:  # A gateway of the other family, after two octets that name it.
        return ip_address(found[RTA_VIA][2:])
    return None


def _next_hops(route: Route, payload: bytes) -> tuple[Route, ...]:
    hops: list[Route] = []
    offset = 0
    while offset + _RTNEXTHOP.size <= len(payload):
        length, _, _, index = _RTNEXTHOP.unpack_from(payload, offset)
        if length < _RTNEXTHOP.size:
            break
        found = attributes(payload[offset + _RTNEXTHOP.size : offset + length])
        hops.append(replace(route, link_index=index, gateway=_gateway(found)))
        offset += (length + 3) & ~3
    return tuple(hops)


def list_routes(channel: Channel, *, table: int = MAIN_TABLE) -> tuple[Route, ...]:
    """Return the routes of a table, of both families, without link names. Blocking."""
    found: list[Route] = []
    for family in (AF_INET, AF_INET6):
        header = _RTMSG.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)
        # No such table yet, or a kernel without IPv6: then there are no routes.
        absent = frozenset({errno.ENOENT, errno.EOPNOTSUPP})
        body = header + number(RTA_TABLE, table)
        request = Request(RTM_GETROUTE, body, "list", f"routes of table {table}", tolerated=absent)
        for message in channel.dump(request):
            # Without strict checks (before 4.20) the kernel dumps every table, and its caches.
            if is_cloned(message):
                continue
            found += [route for route in decode_route(message) if route.table == table]
    return tuple(found)


async def observe_routes(rtnl: Rtnetlink, *, table: int = MAIN_TABLE) -> tuple[Route, ...]:
    """Return the routes of a table, of both families, with the names of their links."""

    def work(channel: Channel) -> tuple[Route, ...]:
        routes = list_routes(channel, table=table)
        names = {link.index: link.name for link in list_links(channel)}
        return tuple(
            replace(route, link_name=names.get(route.link_index or 0, "")) for route in routes
        )

    return await rtnl.run(work)


async def replace_route(rtnl: Rtnetlink, route: Route) -> None:
    """Make `route` the route to its destination (and metric); the former goes in the same step.

    Raises:
        NetlinkError: ENETUNREACH when no link reaches the gateway, ENODEV when the link is gone.
    """
    await rtnl.run(lambda channel: channel.batch([replace_request(route)]))


async def add_routes(rtnl: Rtnetlink, routes: Sequence[Route]) -> list[NetlinkError | None]:
    """Add each route; return what became of each, EEXIST where another stands (`add_request`)."""

    def work(channel: Channel) -> list[NetlinkError | None]:
        outcomes: list[NetlinkError | None] = []
        for start in range(0, len(routes), BATCH_MESSAGES_MAX):
            part = routes[start : start + BATCH_MESSAGES_MAX]
            outcomes += channel.attempt([add_request(route) for route in part])
        return outcomes

    return await rtnl.run(work)


async def delete_route(rtnl: Rtnetlink, route: Route) -> None:
    """Remove `route`, matched as in `delete_request`; absence is a success."""
    await rtnl.run(lambda channel: channel.batch([delete_request(route)]))


def get_route(channel: Channel, destination: IPAddress) -> RouteAnswer:
    """Return what the kernel would do with a packet of its own to `destination`. Blocking.

    Raises:
        NetlinkError: ENETUNREACH or EHOSTUNREACH when there is no route.
    """
    return _answer(destination, channel.ask([_question(destination)], RTM_NEWROUTE))


def _question(destination: IPAddress) -> Request:
    # IPv6 reports the table without the flag, and takes the flag for an error.
    flags = RTM_F_LOOKUP_TABLE if destination.version == 4 else 0
    return _look_up_request(destination, flags)


def _answer(destination: IPAddress, message: Message) -> RouteAnswer:
    (route, *_) = decode_route(message)
    return RouteAnswer(
        destination=destination,
        link_index=route.link_index or 0,
        gateway=route.gateway,
        source=route.source,
        kind=route.kind,
        table=route.table,
    )


def _look_up_request(destination: IPAddress, flags: int) -> Request:
    family = family_of(destination)
    header = _RTMSG.pack(family, destination.max_prefixlen, 0, 0, 0, 0, 0, 0, flags)
    body = header + attribute(RTA_DST, destination.packed)
    return Request(RTM_GETROUTE, body, "look up route", f"to {destination}")


async def matched_route(rtnl: Rtnetlink, destination: IPAddress) -> Route | None:
    """Return the route that packets to `destination` take, as it stands in its table; or None."""

    def work(channel: Channel) -> Route | None:
        try:
            request = _look_up_request(destination, RTM_F_FIB_MATCH)
            (route, *_) = decode_route(channel.ask([request], RTM_NEWROUTE))
        except NetlinkError as error:
            if error.errno in _NO_ROUTE:
                return None  # None, or one that leads nowhere.
            raise
        return route

    return await rtnl.run(work)


async def forwarded_routes(
    rtnl: Rtnetlink, destination: IPAddress, *, source: IPAddress, arriving_by: int
) -> tuple[Route, ...]:
    """Return the route, once for each next hop, of a packet from `source` that came by a link.

    As it stands in its table. Empty: it takes none, or one that leads nowhere.
    """
    family, bits = family_of(destination), destination.max_prefixlen
    body = _RTMSG.pack(family, bits, bits, 0, 0, 0, 0, 0, RTM_F_FIB_MATCH)
    body += attribute(RTA_DST, destination.packed) + attribute(RTA_SRC, source.packed)
    body += number(RTA_IIF, arriving_by)
    request = Request(RTM_GETROUTE, body, "look up route", f"from {source} to {destination}")

    def work(channel: Channel) -> tuple[Route, ...]:
        try:
            return decode_route(channel.ask([request], RTM_NEWROUTE))
        except NetlinkError as error:
            if error.errno in _NO_ROUTE:
                return ()
            raise

    return await rtnl.run(work)


async def lookup_route(rtnl: Rtnetlink, destination: IPAddress) -> RouteAnswer:
    """Return what the kernel would do with a packet of this node to `destination`.

    Raises:
        NetlinkError: ENETUNREACH or EHOSTUNREACH when there is no route.
    """
    return await rtnl.run(lambda channel: get_route(channel, destination))


async def lookup_routes(
    rtnl: Rtnetlink, destinations: Sequence[IPAddress]
) -> list[RouteAnswer | NetlinkError]:
    """Return what the kernel would do with a packet of this node to each destination, or why not."""

    def work(channel: Channel) -> list[RouteAnswer | NetlinkError]:
        answers: list[RouteAnswer | NetlinkError] = []
        for start in range(0, len(destinations), BATCH_MESSAGES_MAX):
            part = destinations[start : start + BATCH_MESSAGES_MAX]
            said = channel.ask_each([_question(each) for each in part], RTM_NEWROUTE)
            answers += [
                each if isinstance(each, NetlinkError) else _answer(destination, each)
                for destination, each in zip(part, said, strict=True)
            ]
        return answers

    return await rtnl.run(work)
