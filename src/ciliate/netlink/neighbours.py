"""Neighbour entries: read, put (RTM_*NEIGH, linux/neighbour.h)."""

import struct
from ipaddress import ip_address
from typing import Final

from ciliate.net.address import IPAddress, Mac, mac_from_octets, mac_octets
from ciliate.net.link import Neighbour
from ciliate.netlink.addresses import family_of
from ciliate.netlink.channel import Channel
from ciliate.netlink.message import Message, Request, attribute, attributes
from ciliate.netlink.numbers import (
    AF_INET,
    AF_INET6,
    AF_UNSPEC,
    NDA_DST,
    NDA_LLADDR,
    NLM_F_CREATE,
    NLM_F_REPLACE,
    NUD_PERMANENT,
    RTM_GETNEIGH,
    RTM_NEWNEIGH,
)

_NDMSG: Final = struct.Struct("=BxxxiHBB")  # family, index, state, flags, type


def neighbour_request(*, link_index: int, address: IPAddress, mac: Mac) -> Request:
    """Return the message that makes `mac` the permanent link-layer address of `address`."""
    body = _NDMSG.pack(family_of(address), link_index, NUD_PERMANENT, 0, 0)
    body += attribute(NDA_DST, address.packed) + attribute(NDA_LLADDR, mac_octets(mac))
    entry = Neighbour(link_index, address, mac, NUD_PERMANENT)
    return Request(RTM_NEWNEIGH, body, "add neighbour", entry, NLM_F_CREATE | NLM_F_REPLACE)


def decode_neighbour(message: Message) -> Neighbour:
    """Return the entry of a RTM_NEWNEIGH message."""
    _, index, state, _, _ = _NDMSG.unpack_from(message.body)
    found = attributes(message.body, _NDMSG.size)
    mac = found.get(NDA_LLADDR, b"")
    return Neighbour(
        index, ip_address(found[NDA_DST]), mac_from_octets(mac) if len(mac) == 6 else None, state
    )


def list_neighbours(channel: Channel) -> tuple[Neighbour, ...]:
    """Return every neighbour entry of the namespace, of both families. Blocking."""
    request = Request(RTM_GETNEIGH, _NDMSG.pack(AF_UNSPEC, 0, 0, 0, 0), "list", "neighbours")
    return tuple(
        decode_neighbour(message)
        for message in channel.dump(request)
        if message.body[0] in (AF_INET, AF_INET6)
    )
