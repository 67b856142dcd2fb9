"""Echoes as octets: built, taken apart, compared (RFC 792, RFC 4443, RFC 8200). Pure.

A question holds chance in its identifier, its number and its content, all of which an answer must
repeat. An error is told apart by the identifier, the number and the checksum that it quotes.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from ciliate.net.address import IPAddress
from ciliate.net.protocol import ICMP, ICMPV6

IPV4_HEADER_BYTES: Final = 20
IPV6_HEADER_BYTES: Final = 40
ICMP_HEADER_BYTES: Final = 8
_FRAGMENT_HEADER_BYTES: Final = 8

HEADERS_BYTES: Final = {
    4: IPV4_HEADER_BYTES + ICMP_HEADER_BYTES,
    6: IPV6_HEADER_BYTES + ICMP_HEADER_BYTES,
}

#: By IP version: types of a question, its answer, and the error that tells an MTU.
_QUESTION: Final = {4: 8, 6: 128}
_ANSWER: Final = {4: 0, 6: 129}
_UNREACHABLE: Final = {4: 3, 6: 1}
_FRAGMENTATION_NEEDED_CODE: Final = 4
_PACKET_TOO_BIG: Final = 2

#: Types that the socket wants to see; the kernel keeps the others away.
WANTED_TYPES: Final = {4: (0, 3), 6: (1, 2, 129)}

#: Type, code, checksum, identifier, number.
_ECHO: Final = struct.Struct("!BBHHH")
#: Version and length, TOS, length, identification, flags and offset, TTL, protocol, checksum,
#: source, destination.
_IPV4: Final = struct.Struct("!BBHHHBBH4s4s")
#: Next header, reserved, offset and flags, identification.
_FRAGMENT: Final = struct.Struct("!BBHI")
_MORE_FRAGMENTS_4: Final = 0x2000
_TTL: Final = 64


@dataclass(frozen=True, slots=True)
class Question:
    """An echo request of one size: the IP packet's, in bytes."""

    version: int
    identifier: int
    number: int
    size: int
    token: bytes  # Chance, of which the content is made.

    @property
    def content(self) -> bytes:
        """What stands behind the ICMP header."""
        length = self.size - HEADERS_BYTES[self.version]
        return (self.token * (length // len(self.token) + 1))[:length]

    def octets(self, source: IPAddress | None = None, target: IPAddress | None = None) -> bytes:
        """Return the ICMP message; IPv6's checksum needs both addresses, and is 0 without."""
        content = self.content
        kind = _QUESTION[self.version]
        bare = _ECHO.pack(kind, 0, 0, self.identifier, self.number) + content
        before = b""
        if self.version == 6:
            if source is None or target is None:
                return bare
            before = source.packed + target.packed + struct.pack("!II", len(bare), ICMPV6)
        summed = checksum(before + bare)
        return _ECHO.pack(kind, 0, summed, self.identifier, self.number) + content


@dataclass(frozen=True, slots=True)
class Answer:
    """An echo reply."""

    identifier: int
    number: int
    content: bytes


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An ICMP error about a question. `mtu` is None where it does not tell of a size."""

    identifier: int
    number: int
    target: IPAddress
    mtu: int | None


def checksum(octets: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    padded = octets + bytes(len(octets) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ipv4_payload(packet: bytes) -> bytes:
    """Return what stands behind an IPv4 header; empty where there is nothing."""
    return packet[(packet[0] & 0x0F) * 4 :] if packet else b""


def decode_message(version: int, message: bytes) -> Answer | ErrorAnswer | None:
    """Return what an ICMP message says of a question; None where it says nothing."""
    if len(message) < _ECHO.size:
        return None
    kind, code, _, identifier, number = _ECHO.unpack_from(message)
    if kind == _ANSWER[version]:
        return Answer(identifier, number, message[_ECHO.size :])
    quoted = message[_ECHO.size :]
    if kind == _UNREACHABLE[version]:
        needs_less = version == 4 and code == _FRAGMENTATION_NEEDED_CODE
        # The MTU stands in the header's last two octets (RFC 1191); older routers leave it 0.
        return _decode_error(version, quoted, number if needs_less else None)
    if version == 6 and kind == _PACKET_TOO_BIG:
        return _decode_error(version, quoted, (identifier << 16) + number)
    return None


def _decode_error(version: int, quoted: bytes, mtu: int | None) -> ErrorAnswer | None:
    """Return the error about one of our questions; `quoted` begins with its IP header."""
    header = IPV4_HEADER_BYTES if version == 4 else IPV6_HEADER_BYTES
    if len(quoted) < header + _ECHO.size:
        return None
    protocol = quoted[9] if version == 4 else quoted[6]
    inner = ipv4_payload(quoted) if version == 4 else quoted[header:]
    if protocol != (ICMP if version == 4 else ICMPV6) or len(inner) < _ECHO.size:
        return None
    kind, _, _, identifier, number = _ECHO.unpack_from(inner)
    if kind != _QUESTION[version]:
        return None
    packed = quoted[16:20] if version == 4 else quoted[24:40]
    return ErrorAnswer(identifier, number, ip_address(packed), mtu)


def ipv4_pieces(
    message: bytes, *, source: IPv4Address, target: IPv4Address, identification: int, piece: int
) -> list[bytes]:
    """Return IPv4 packets that carry `message` in pieces of `piece` bytes, a multiple of 8."""
    assert piece > 0, "a piece holds something"
    assert piece % 8 == 0, "offsets count in eights"
    packets = []
    for start in range(0, len(message), piece):
        part = message[start : start + piece]
        is_last = start + piece >= len(message)
        place = start // 8 | (0 if is_last else _MORE_FRAGMENTS_4)
        # The kernel writes length and checksum of the header (raw(7)).
        header = _IPV4.pack(
            0x45, 0, 0, identification, place, _TTL, ICMP, 0, source.packed, target.packed
        )
        packets.append(header + part)
    return packets


def ipv6_pieces(message: bytes, *, identification: int, piece: int) -> list[bytes]:
    """Return what stands behind the IPv6 headers of packets that carry `message` in pieces."""
    assert piece > 0, "a piece holds something"
    assert piece % 8 == 0, "offsets count in eights"
    packets = []
    for start in range(0, len(message), piece):
        part = message[start : start + piece]
        is_last = start + piece >= len(message)
        place = start | (0 if is_last else 1)
        packets.append(_FRAGMENT.pack(ICMPV6, 0, place, identification) + part)
    return packets


def piece_bytes(version: int, passes: int) -> int:
    """Return how much of a message fits into a packet of `passes` bytes, in eights."""
    header = IPV4_HEADER_BYTES if version == 4 else IPV6_HEADER_BYTES + _FRAGMENT_HEADER_BYTES
    return (passes - header) // 8 * 8


__all__ = [
    "HEADERS_BYTES",
    "WANTED_TYPES",
    "Answer",
    "ErrorAnswer",
    "IPv4Address",
    "IPv6Address",
    "Question",
    "checksum",
    "decode_message",
    "ipv4_payload",
    "ipv4_pieces",
    "ipv6_pieces",
    "piece_bytes",
]
