"""The packets of the truth table's cases, and what a receiver's copy of one says.

Each packet carries the number of its case in its payload; TCP's answers, which carry none, have it
in their port. Ports of senders lie below those that masquerading takes, so a change of one shows.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from scapy.layers.inet import GRE, ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6Unknown,
    IPv6,
    IPv6ExtHdrFragment,
    fragment6,
)
from scapy.layers.sctp import SCTP, SCTPChunkInit, SCTPChunkInitAck
from scapy.packet import Raw
from tests.lab.masquerade.truth_table import PORT

#: The port and the echo identifier of the first case's sender.
FIRST_PORT: Final = 20000

_TAG: Final = re.compile(rb"case (\d{4})\.")
#: Where a datagram is not taken and forgotten: it is answered, or has no socket.
ECHO_PORT: Final = PORT + 1
_PORTS: Final = {"asking": ECHO_PORT, "refused": PORT + 2}

#: ICMP's types, and ICMPv6's messages. The other one is of nobody's use, and of no discovery.
_ICMP: Final = {
    "echo": (8, ICMPv6EchoRequest),
    "echo-reply": (0, ICMPv6EchoReply),
    "icmp-other": (13, lambda **_: ICMPv6Unknown(type=200)),  # A timestamp.
}
_ESP: Final = 50

#: What carries packets from node to node in the tunnel.
TUNNEL: Final = "tunnel"
_TUNNEL_PORT: Final = 8472  # Linux's for VXLAN.
_ERRORS: Final = {4: (3, 11, 12), 6: (1, 2, 3, 4)}
_NAMES: Final = {6: "tcp", 17: "udp", 132: "sctp", 47: "gre", _ESP: "esp", 4: "ipip", 41: "ipip"}
_ECHO: Final = {4: (8, 0), 6: (128, 129)}  # Request, reply.


def tag(number: int) -> bytes:
    """What packets of a case carry."""
    return f"case {number:04}.".encode()


def built(
    protocol: str,
    number: int,
    *,
    source: str,
    destination: str,
    datagram: int,
    is_answer: bool = False,
) -> list[bytes]:
    """Return a case's packet, in pieces where the protocol is of fragments, which `datagram` joins.

    An answer is to the packet that is built with the addresses exchanged. "asking" is a datagram
    that is answered, though nobody waits for it, and "refused" one to a port without a socket.
    """
    six = ":" in destination
    ip = IPv6(src=source, dst=destination) if six else IP(src=source, dst=destination, id=datagram)
    if protocol.endswith("-fragments"):
        return _pieces(protocol, number, ip, datagram)
    if protocol == "stray-error":
        quoted = IPv6 if six else IP
        about = quoted(src=destination, dst=source) / UDP(sport=PORT, dport=PORT) / tag(number)
        upper = (ICMPv6DestUnreach(code=4) if six else ICMP(type=3, code=3)) / about
    else:
        upper = _upper(protocol, number, six=six, is_answer=is_answer)
    if protocol == "esp":
        ip.fields["nh" if six else "proto"] = _ESP
    return [bytes(ip / upper)]


def _upper(protocol: str, number: int, *, six: bool, is_answer: bool = False) -> Any:
    own, data = FIRST_PORT + number, Raw(tag(number))
    icmp = _ICMP.get(protocol)
    if icmp:
        return (icmp[1](id=own) if six else ICMP(type=icmp[0], id=own)) / data
    port = _PORTS.get(protocol, PORT)
    ports = {"sport": port, "dport": own} if is_answer else {"sport": own, "dport": port}
    match protocol:
        case "tcp":
            return TCP(**ports, flags="S", seq=number) / data
        case "udp" | "asking" | "refused":
            return UDP(**ports) / data
        case "sctp":
            return SCTP(**ports, tag=number if is_answer else 0) / _sctp_init(number, is_answer)
        case "gre":
            return GRE(proto=0x88B5) / data  # For experiments (IEEE 802).
        case "ipip":
            inner = IPv6(src="::1", dst="::1") if six else IP(src="127.0.0.1", dst="127.0.0.1")
            return inner / UDP(**ports) / data
        case "esp":
            return Raw(number.to_bytes(4, "big") + bytes(4) + tag(number) + bytes(16))
    raise AssertionError(f"no packet of {protocol}")


def _sctp_init(number: int, is_answer: bool) -> Raw:  # noqa: FBT001 - one caller, above.
    """INIT or its acknowledgement, with a parameter to pass over (RFC 9260, 3.2.1)."""
    chunk = SCTPChunkInitAck if is_answer else SCTPChunkInit
    fixed = bytes(chunk(init_tag=number, a_rwnd=65536, n_out_streams=1, n_in_streams=1))[:20]
    value = tag(number).ljust(12, b"\0")
    whole = fixed + b"\x80\x99" + (4 + len(value)).to_bytes(2, "big") + value
    return Raw(whole[:2] + len(whole).to_bytes(2, "big") + whole[4:])


def _pieces(protocol: str, number: int, ip: Any, datagram: int) -> list[bytes]:
    """Two fragments with the number in each; "late" begins the protocol where the order is wrong."""
    kind = protocol.removeprefix("late-").removesuffix("-fragments")
    six = isinstance(ip, IPv6)
    filled = Raw(tag(number).ljust(64, b".") * 2)
    upper = _upper(kind, number, six=six)
    upper.payload = filled
    if six:
        # The first piece holds the header of the protocol and 64 octets.
        whole = ip / IPv6ExtHdrFragment(id=datagram) / upper
        found = [bytes(piece) for piece in fragment6(whole, 40 + 8 + 8 + 64)]
    else:
        found = [bytes(piece) for piece in fragment(ip / upper, 8 + 64)]
    assert len(found) == 2
    return found[::-1] if protocol.startswith("late-") else found


@dataclass(frozen=True, slots=True)
class Sighting:
    """A packet of a case as one place has it."""

    number: int
    protocol: str
    source: str
    port: int | None  # Its source port or identifier; None where it shows none.


def sightings(octets: bytes) -> Iterator[Sighting]:
    """Yield the one case that a packet belongs to, or nothing.

    The protocol of one that has a case's inside is `TUNNEL`.
    """
    six = octets[0] >> 4 == 6
    packet = IPv6(octets) if six else IP(octets)
    found = _TAG.search(octets)
    if found and UDP in packet and packet[UDP].dport == _TUNNEL_PORT:
        yield Sighting(int(found[1]), TUNNEL, packet.src, None)
    elif found:
        yield Sighting(int(found[1]), *_described(packet, six=six))
    elif TCP in packet and FIRST_PORT < packet[TCP].dport < FIRST_PORT + 1000:
        yield Sighting(packet[TCP].dport - FIRST_PORT, *_described(packet, six=six))


def _described(packet: Any, *, six: bool) -> tuple[str, str, int | None]:
    """A packet's protocol, source, and port or identifier."""
    header = packet.getlayer(IPv6ExtHdrFragment) or packet
    number = header.nh if six else packet.proto
    offset = (header.offset if header is not packet else 0) if six else packet.frag
    upper, port = bytes(header.payload), None
    name = _NAMES.get(number, "echo")
    if offset:
        return name, packet.src, None
    if number in (6, 17, 132):
        port = int.from_bytes(upper[:2], "big")
    elif name == "echo":
        version = 6 if six else 4
        name = "icmp-error" if upper[0] in _ERRORS[version] else "icmp-other"
        if upper[0] in _ECHO[version]:
            name = ("echo", "echo-reply")[_ECHO[version].index(upper[0])]
            port = int.from_bytes(upper[4:6], "big")
    return name, packet.src, port
