"""Changes of links, addresses, routes and settings as the kernel announces them.

A socket in rtnetlink's multicast groups, read by the event loop. The kernel drops announcements
when the reader is slow (ENOBUFS); the monitor then says RESYNC, and the reader lists everything
anew. It also says RESYNC first, so that listing once and following needs one code path.
"""

import asyncio
import errno
import os
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Final, Self

from ciliate.net.link import Link, LinkAddress, Route
from ciliate.netlink.addresses import decode_address
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.links import decode_link
from ciliate.netlink.message import Message, attributes, messages, to_number
from ciliate.netlink.namespace import enter, open_namespace
from ciliate.netlink.numbers import (
    AF_INET,
    AF_INET6,
    AF_UNSPEC,
    NETCONFA_FORWARDING,
    NETCONFA_IFINDEX,
    NETCONFA_IFINDEX_ALL,
    NETCONFA_IFINDEX_DEFAULT,
    NETCONFA_RP_FILTER,
    NETLINK_ROUTE,
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELROUTE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWNETCONF,
    RTM_NEWROUTE,
    RTNLGRP_IPV4_IFADDR,
    RTNLGRP_IPV4_NETCONF,
    RTNLGRP_IPV4_ROUTE,
    RTNLGRP_IPV6_IFADDR,
    RTNLGRP_IPV6_NETCONF,
    RTNLGRP_IPV6_ROUTE,
    RTNLGRP_LINK,
)
from ciliate.netlink.routes import decode_route, is_cloned

#: For who follows addresses alone, and is not to be woken by every pod's link and route.
ADDRESS_GROUPS: Final = (RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR)
#: For who follows links alone.
LINK_GROUPS: Final = (RTNLGRP_LINK,)
_GROUPS: Final = (
    *LINK_GROUPS,
    *ADDRESS_GROUPS,
    RTNLGRP_IPV4_ROUTE,
    RTNLGRP_IPV6_ROUTE,
    RTNLGRP_IPV4_NETCONF,
    RTNLGRP_IPV6_NETCONF,
)
#: Larger than any announcement; the kernel sends one or a few messages a datagram.
_BUFFER_BYTES: Final = 65536
#: What the kernel may queue for us: some thousand announcements, a burst of 500 pods.
_QUEUE_BYTES: Final = 1 << 20

#: struct netconfmsg: the family, and three octets of padding that attributes begin behind.
_NETCONFMSG_OCTETS: Final = 4

#: SO_RCVBUF past net.core.rmem_max, which CAP_NET_ADMIN may (asm-generic/socket.h; not in Python).
_SO_RCVBUFFORCE: Final = 33


class ChangeKind(Enum):
    """What an announcement is about."""

    LINK = "link"
    ADDRESS = "address"
    ROUTE = "route"
    SETTING = "setting"
    RESYNC = "resync"  # Announcements may be missing: list everything anew.


@dataclass(frozen=True, slots=True)
class Setting:
    """Settings of a link, or of all (None), that the kernel announces; None: not this one."""

    version: int  # Of IP: each has its own.
    link_index: int | None
    forwards: bool | None = None
    rp_filter: int | None = None

    @property
    def hindering(self) -> tuple[str, ...]:
        """What of it may keep packets from going on: the last words of names below /proc/sys."""
        forwarding = ("forwarding", "ip_forward") if self.forwards is False else ()
        return (*forwarding, "rp_filter") if self.rp_filter else forwarding


@dataclass(frozen=True, slots=True)
class Change:
    """One announcement; the field of its kind is set; `removed`: the object is gone."""

    kind: ChangeKind
    removed: bool = False
    link: Link | None = None
    address: LinkAddress | None = None
    route: Route | None = None
    setting: Setting | None = None


class Monitor:
    """An async iterator of changes; it ends when it is closed."""

    def __init__(self, announcements: socket.socket) -> None:
        self._socket = announcements
        self._ready: deque[Change] = deque((Change(ChangeKind.RESYNC),))

    @classmethod
    def open(cls, netns: str | None = None, *, groups: Sequence[int] = _GROUPS) -> Self:
        """Return a monitor of the namespace at path `netns`; None means the caller's own.

        Raises:
            NetlinkError: No such namespace, or no permission to enter it.
        """
        if netns is None:
            return cls(_open_socket(groups))
        return cls(_open_socket_in(netns, groups))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def __aiter__(self) -> AsyncIterator[Change]:
        return self

    async def __anext__(self) -> Change:
        """Return the next change.

        Raises:
            NetlinkError: The socket failed.
        """
        while not self._ready:
            try:
                datagram = await asyncio.get_running_loop().sock_recv(self._socket, _BUFFER_BYTES)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise _failed(error) from error
                return Change(ChangeKind.RESYNC)
            # One datagram holds a few messages, so this queue is bounded by the buffer.
            self._ready.extend(change for each in messages(datagram) for change in decode(each))
        return self._ready.popleft()


def decode(message: Message) -> tuple[Change, ...]:
    """Return what a message announces; nothing for families and kinds of no concern."""
    family = message.body[0] if message.body else AF_UNSPEC
    if message.kind in (RTM_NEWLINK, RTM_DELLINK) and family == AF_UNSPEC:
        removed = message.kind == RTM_DELLINK
        return (Change(ChangeKind.LINK, removed=removed, link=decode_link(message)),)
    if family not in (AF_INET, AF_INET6):
        return ()
    if message.kind in (RTM_NEWADDR, RTM_DELADDR):
        removed = message.kind == RTM_DELADDR
        return (Change(ChangeKind.ADDRESS, removed=removed, address=decode_address(message)),)
    if message.kind == RTM_NEWNETCONF:
        setting = _decode_setting(message)
        if setting.link_index == NETCONFA_IFINDEX_DEFAULT:  # What links to come are made with.
            return ()
        return (Change(ChangeKind.SETTING, setting=setting),)
    if message.kind in (RTM_NEWROUTE, RTM_DELROUTE) and not is_cloned(message):
        removed = message.kind == RTM_DELROUTE
        return tuple(
            Change(ChangeKind.ROUTE, removed=removed, route=route)
            for route in decode_route(message)
        )
    return ()


def _decode_setting(message: Message) -> Setting:
    found = attributes(message.body, _NETCONFMSG_OCTETS)
    index = to_number(found[NETCONFA_IFINDEX]) if NETCONFA_IFINDEX in found else 0
    forwarding, rp_filter = found.get(NETCONFA_FORWARDING), found.get(NETCONFA_RP_FILTER)
    return Setting(
        version=4 if message.body[0] == AF_INET else 6,
        link_index=None if index == NETCONFA_IFINDEX_ALL else index,
        forwards=bool(to_number(forwarding)) if forwarding is not None else None,
        rp_filter=to_number(rp_filter) if rp_filter is not None else None,
    )


def _open_socket(groups: Sequence[int]) -> socket.socket:
    mask = sum(1 << (group - 1) for group in groups)
    try:
        announcements = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_ROUTE
        )
        announcements.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _QUEUE_BYTES)
        announcements.bind((0, mask))
    except OSError as error:
        raise _failed(error) from error
    announcements.setblocking(False)
    return announcements


def _open_socket_in(netns: str, groups: Sequence[int]) -> socket.socket:
    """Open the socket from a thread of its own, since a thread's namespace stays changed."""
    made: list[socket.socket] = []
    failures: list[NetlinkError] = []

    def work() -> None:
        try:
            descriptor = open_namespace(netns)
            try:
                enter(descriptor, subject=netns)
            finally:
                os.close(descriptor)
            made.append(_open_socket(groups))
        except NetlinkError as error:
            failures.append(error)

    thread = threading.Thread(target=work, name="rtnetlink-monitor")
    thread.start()
    thread.join()
    for failure in failures:
        raise failure
    return made[0]


def _failed(error: OSError) -> NetlinkError:
    return NetlinkError(step="follow", subject="rtnetlink", errno=error.errno or 0)
