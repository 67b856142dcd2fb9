"""Links: read, change, remove (RTM_*LINK, linux/if_link.h)."""

import errno
import struct
from dataclasses import replace
from typing import Final

from ciliate.net.address import mac_from_octets
from ciliate.net.link import Link, LinkFlag
from ciliate.netlink.addresses import by_link, list_addresses
from ciliate.netlink.channel import Channel
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.message import (
    Message,
    Request,
    attributes,
    nested,
    number,
    text,
    to_number,
    to_text,
)
from ciliate.netlink.numbers import (
    AF_UNSPEC,
    IFLA_ADDRESS,
    IFLA_EXT_MASK,
    IFLA_IFNAME,
    IFLA_INFO_KIND,
    IFLA_LINK,
    IFLA_LINK_NETNSID,
    IFLA_LINKINFO,
    IFLA_MASTER,
    IFLA_MTU,
    RTEXT_FILTER_SKIP_STATS,
    RTM_DELLINK,
    RTM_GETLINK,
    RTM_NEWLINK,
    RTM_SETLINK,
)

_IFINFOMSG: Final = struct.Struct("=BxHiII")  # family, type, index, flags, change

_SKIP_STATS: Final = number(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
_GONE: Final = frozenset({errno.ENODEV})
_SIGNED: Final = struct.Struct("=i")


def link_body(*, index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    """Return the fixed part of a link message; only flag bits in `change` are taken over."""
    return _IFINFOMSG.pack(AF_UNSPEC, 0, index, flags, change)


def set_link_request(
    index: int, *, up: bool | None = None, mtu: int | None = None, subject: str = ""
) -> Request:
    """Return the message that sets a link up or down, or its MTU in bytes."""
    flags = LinkFlag.UP if up else 0
    body = link_body(index=index, flags=flags, change=0 if up is None else LinkFlag.UP)
    if mtu is not None:
        body += number(IFLA_MTU, mtu)
    return Request(RTM_SETLINK, body, "set up link", subject or str(index))


def delete_link_request(name: str) -> Request:
    """Return the message that removes the link `name`; an absent one is a success."""
    body = link_body() + text(IFLA_IFNAME, name)
    return Request(RTM_DELLINK, body, "remove link", name, tolerated=_GONE)


def settle_request(index: int, *, subject: str) -> Request:
    """Return the message whose handling makes a link that just got its carrier carry packets.

    A link whose carrier came after it went up drops packets until the kernel's link-watch work has
    run: when it gets the RTNL lock, up to a second later where it is not urgent. Since Linux 6.8
    reading the link does it at once (linkwatch_sync_dev).
    """
    return Request(RTM_GETLINK, link_body(index=index) + _SKIP_STATS, "read link", subject)


def read_request(name: str) -> Request:
    """Return the message that asks for the link `name`."""
    return Request(RTM_GETLINK, link_body() + text(IFLA_IFNAME, name) + _SKIP_STATS, "read", name)


def decode_link(message: Message) -> Link:
    """Return the link of a RTM_NEWLINK or RTM_DELLINK message, without addresses."""
    _, layer, index, flags, _ = _IFINFOMSG.unpack_from(message.body)
    found = attributes(message.body, _IFINFOMSG.size)
    kind = to_text(attributes(found.get(IFLA_LINKINFO, b"")).get(IFLA_INFO_KIND, b""))
    mac = found.get(IFLA_ADDRESS, b"")
    netnsid = found.get(IFLA_LINK_NETNSID)
    return Link(
        index=index,
        name=to_text(found.get(IFLA_IFNAME, b"")),
        flags=LinkFlag(flags),
        mtu=to_number(found[IFLA_MTU]) if IFLA_MTU in found else 0,
        kind=kind,
        # Tunnels put an IP address here; only six octets are a MAC.
        mac=mac_from_octets(mac) if len(mac) == 6 else None,
        master_index=to_number(found[IFLA_MASTER]) if IFLA_MASTER in found else None,
        # For other kinds (VLAN) this attribute names the link below.
        peer_index=to_number(found[IFLA_LINK]) if kind == "veth" and IFLA_LINK in found else None,
        peer_netnsid=None if netnsid is None else _SIGNED.unpack(netnsid)[0],
        layer=layer,
    )


def list_links(channel: Channel, *, kind: str = "") -> tuple[Link, ...]:
    """Return the namespace's links without addresses, by kind if given. Blocking."""
    body = link_body() + _SKIP_STATS
    if kind:
        body += nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, kind))
    found = map(decode_link, channel.dump(Request(RTM_GETLINK, body, "list", "links")))
    return tuple(link for link in found if not kind or link.kind == kind)


def get_link(channel: Channel, name: str) -> Link | None:
    """Return the link `name` without addresses, or None. Blocking."""
    return _get(channel, link_body() + text(IFLA_IFNAME, name), name)


def get_link_by_index(channel: Channel, index: int) -> Link | None:
    """Return the link with that ifindex without addresses, or None. Blocking."""
    return _get(channel, link_body(index=index), str(index))


def _get(channel: Channel, body: bytes, subject: str) -> Link | None:
    try:
        request = Request(RTM_GETLINK, body + _SKIP_STATS, "read link", subject)
        return decode_link(channel.ask([request], RTM_NEWLINK))
    except NetlinkError as error:
        if error.errno == errno.ENODEV:
            return None
        raise


async def observe_links(rtnl: Rtnetlink) -> tuple[Link, ...]:
    """Return every link of the namespace with its addresses."""

    def work(channel: Channel) -> tuple[Link, ...]:
        links = list_links(channel)
        addresses = by_link(list_addresses(channel))
        return tuple(replace(link, addresses=addresses.get(link.index, ())) for link in links)

    return await rtnl.run(work)
