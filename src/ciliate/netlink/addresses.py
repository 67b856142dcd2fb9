"""Addresses on links: read, put, remove (RTM_*ADDR, linux/if_addr.h)."""

import errno
import struct
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from ciliate.net.address import IPAddress
from ciliate.net.link import LinkAddress
from ciliate.netlink.channel import Channel
from ciliate.netlink.message import Message, Request, attribute, attributes, number, to_number
from ciliate.netlink.numbers import (
    AF_INET,
    AF_INET6,
    AF_UNSPEC,
    IFA_ADDRESS,
    IFA_FLAGS,
    IFA_LOCAL,
    NLM_F_CREATE,
    NLM_F_REPLACE,
    RTM_DELADDR,
    RTM_GETADDR,
    RTM_NEWADDR,
)

_IFADDRMSG: Final = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index


def family_of(address: IPAddress) -> int:
    """Return AF_INET or AF_INET6."""
    return AF_INET if address.version == 4 else AF_INET6


def address_request(address: LinkAddress, *, remove: bool = False) -> Request:
    """Return the message that puts `address` on its link, or takes it away."""
    packed = address.address.packed
    body = _IFADDRMSG.pack(
        family_of(address.address), address.prefix_length, 0, address.scope, address.link_index
    )
    body += attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)
    if address.flags:
        body += number(IFA_FLAGS, address.flags)
    if remove:
        gone = frozenset({errno.EADDRNOTAVAIL, errno.ENODEV})
        return Request(RTM_DELADDR, body, "remove address", address, tolerated=gone)
    return Request(RTM_NEWADDR, body, "add address", address, NLM_F_CREATE | NLM_F_REPLACE)


def decode_address(message: Message) -> LinkAddress:
    """Return the address of a RTM_NEWADDR or RTM_DELADDR message."""
    _, prefix_length, flags, scope, index = _IFADDRMSG.unpack_from(message.body)
    found = attributes(message.body, _IFADDRMSG.size)
    # IFA_LOCAL is the link's own; IFA_ADDRESS is the other end's on a point-to-point link.
    packed = found.get(IFA_LOCAL) or found[IFA_ADDRESS]
    if IFA_FLAGS in found:
        flags = to_number(found[IFA_FLAGS])
    return LinkAddress(index, ip_address(packed), prefix_length, scope, flags)


def list_addresses(channel: Channel) -> tuple[LinkAddress, ...]:
    """Return every address of the namespace, of both families. Blocking."""
    request = Request(RTM_GETADDR, _IFADDRMSG.pack(AF_UNSPEC, 0, 0, 0, 0), "list", "addresses")
    return tuple(
        decode_address(message)
        for message in channel.dump(request)
        if message.body[0] in (AF_INET, AF_INET6)
    )


def by_link(addresses: Iterable[LinkAddress]) -> dict[int, tuple[LinkAddress, ...]]:
    """Return addresses grouped by the index of their link, in the kernel's order."""
    grouped: dict[int, tuple[LinkAddress, ...]] = {}
    for address in addresses:
        grouped[address.link_index] = (*grouped.get(address.link_index, ()), address)
    return grouped
