"""Addresses and prefixes as values: what adapters, features and the API exchange.

`ipaddress` objects live at the edges; where many are handled (allocators, maps) integers and
16-octet strings are used. IPv4 is mapped into 16 octets (::ffff:a.b.c.d, RFC 4291 section
2.5.5.2), the form every datapath map uses.
"""

from collections.abc import Mapping
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, NewType

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

#: A MAC address as text in lower case, "ee:0a:00:00:00:01".
Mac = NewType("Mac", str)

_MAPPED: Final = bytes(10) + b"\xff\xff"

#: Any address, by IP version: as 16 octets.
ANY_ADDRESS: Final[Mapping[int, bytes]] = {4: _MAPPED + bytes(4), 6: bytes(16)}


def to_octets(address: IPAddress) -> bytes:
    """Return the 16 octets of `address`; IPv4 is mapped."""
    return address.packed if address.version == 6 else _MAPPED + address.packed


def from_octets(octets: bytes) -> IPAddress:
    """Return the address that 16 octets hold; a mapped one comes back as IPv4."""
    if octets[:12] == _MAPPED:
        return IPv4Address(octets[12:])
    return IPv6Address(octets)


def address_text(octets: bytes) -> str:
    """Return 16 octets as text; all zero, which stands for no address, as an empty text."""
    return str(from_octets(octets)) if any(octets) else ""


def socket_text(ip: str, port: int) -> str:
    """Return address and port as text; an IPv6 address stands in brackets (RFC 3986, 3.2.2)."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def prefix_bits(network: IPNetwork) -> int:
    """Return the prefix length over 128 bits: an IPv4 /24 is 96 + 24."""
    return network.prefixlen + (0 if network.version == 6 else 96)


def network_of(octets: bytes, bits: int) -> IPNetwork:
    """Return the prefix that 16 octets and a length over 128 bits are; the inverse of the two."""
    address = from_octets(octets)
    return ip_network((address, bits if address.version == 6 else bits - 96))


def host_network(address: IPAddress) -> IPNetwork:
    """Return the /32 or /128 that holds `address` alone."""
    return ip_network((address, address.max_prefixlen))


def mac_octets(mac: Mac) -> bytes:
    """Return the six octets of `mac`."""
    return bytes.fromhex(mac.replace(":", ""))


def mac_from_octets(octets: bytes) -> Mac:
    """Return six octets as text."""
    return Mac(octets.hex(":"))


__all__ = [
    "ANY_ADDRESS",
    "IPAddress",
    "IPNetwork",
    "IPv4Address",
    "IPv4Network",
    "IPv6Address",
    "IPv6Network",
    "Mac",
    "address_text",
    "from_octets",
    "host_network",
    "ip_address",
    "ip_network",
    "mac_from_octets",
    "mac_octets",
    "network_of",
    "prefix_bits",
    "socket_text",
    "to_octets",
]
