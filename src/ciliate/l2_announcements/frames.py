"""What a node says unasked when it begins to announce an address: who had it before is forgotten. Pure.

IPv4: an ARP request for the address by itself (RFC 5227, section 3). IPv6: an unsolicited neighbour
advertisement to all nodes of the link (RFC 4861, section 7.2.6).
"""

import struct
from ipaddress import IPv6Address
from typing import Final

from ciliate.net.address import IPAddress

_BROADCAST: Final = b"\xff" * 6
_ALL_NODES_MAC: Final = bytes.fromhex("333300000001")
_ALL_NODES: Final = IPv6Address("ff02::1")
_GROUP_PREFIX: Final = IPv6Address("ff02::1:ff00:0")
_ICMPV6: Final = 58
_OVERRIDE: Final = 0x20


def unasked(address: IPAddress, mac: bytes) -> bytes:
    """Return the frame."""
    return (
        _gratuitous_arp(address.packed, mac)
        if address.version == 4
        else _advertisement(address, mac)
    )


def solicited_group(address: IPAddress) -> IPv6Address:
    """Return the group at which an IPv6 address is asked for (RFC 4291, section 2.7.1)."""
    return IPv6Address(int(_GROUP_PREFIX) | (int(address) & 0xFFFFFF))


def _gratuitous_arp(address: bytes, mac: bytes) -> bytes:
    head = _BROADCAST + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1)
    return head + mac + address + bytes(6) + address


def _advertisement(address: IPAddress, mac: bytes) -> bytes:
    body = struct.pack("!BBHB3x", 136, 0, 0, _OVERRIDE) + address.packed + b"\x02\x01" + mac
    ends = address.packed + _ALL_NODES.packed
    checksum = _checksum(ends + struct.pack("!II", len(body), _ICMPV6) + body)
    body = body[:2] + struct.pack("!H", checksum) + body[4:]
    head = _ALL_NODES_MAC + mac + struct.pack("!H", 0x86DD)
    return head + struct.pack("!IHBB", 6 << 28, len(body), _ICMPV6, 255) + ends + body


def _checksum(octets: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
