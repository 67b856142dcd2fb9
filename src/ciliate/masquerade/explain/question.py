"""What `explain masquerade` is asked, and the packet by which the datapath is asked it. Pure."""

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ciliate.errors import CiliateError
from ciliate.net.address import IPAddress, Mac, ip_address, mac_octets
from ciliate.net.protocol import ICMP, ICMPV6, SCTP, TCP, UDP

#: Names of protocols, and their numbers by IP version.
PROTOCOLS: Final[Mapping[str, Mapping[int, int]]] = {
    "tcp": {4: TCP, 6: TCP},
    "udp": {4: UDP, 6: UDP},
    "sctp": {4: SCTP, 6: SCTP},
    "icmp": {4: ICMP, 6: ICMPV6},
}
_WITHOUT_PORTS: Final = frozenset({"icmp"})

#: ADDRESS, [ADDRESS]:PORT or ADDRESS:PORT, and /PROTOCOL behind it.
_DESTINATION: Final = re.compile(
    r"(?:\[(?P<bracketed>[^\]]*)\](?::(?P<port6>[^/]*))?"
    r"|(?P<v4>[0-9.]*)(?::(?P<port4>[^/:]*))?"
    r"|(?P<plain>[^/]*))(?:/(?P<protocol>.*))?"
)
_PORT_END: Final = 1 << 16


class DestinationError(CiliateError):
    """The text names no destination."""

    def __init__(self, text: str, problem: str) -> None:
        self.text = text
        super().__init__(
            f"destination {text!r}: {problem}: write ADDRESS, ADDRESS:PORT or ADDRESS:PORT/PROTOCOL,"
            f" as 203.0.113.10:443/tcp or [2001:db8::10]:53/udp; protocols are"
            f" {', '.join(PROTOCOLS)}, without a port it is a ping"
        )


@dataclass(frozen=True, slots=True)
class Target:
    """Where a packet is to go; `port` is 0 where the protocol has none."""

    address: IPAddress
    protocol: str
    port: int = 0

    @property
    def number(self) -> int:
        """The protocol's number (IANA) in the address's family."""
        return PROTOCOLS[self.protocol][self.address.version]

    def __str__(self) -> str:
        if self.protocol in _WITHOUT_PORTS:
            return f"{self.address} ({self.protocol.upper()} echo)"
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}/{self.protocol.upper()}"


def read_target(text: str) -> Target:
    """Return what ADDRESS[:PORT][/PROTOCOL] means: with a port TCP, without one a ping.

    Raises:
        DestinationError: It is no such text.
    """
    found = _DESTINATION.fullmatch(text.strip())
    if found is None:
        raise DestinationError(text, "it is no destination")
    host = next((v for v in (found["bracketed"], found["v4"], found["plain"]) if v), "")
    try:
        address = ip_address(host if "%" not in host else "")
    except ValueError as error:
        raise DestinationError(text, f"{host!r} is no IP address") from error
    if address.is_loopback or address.is_unspecified:
        raise DestinationError(text, f"{host} is the pod itself, and leaves it never")
    port_text = found["port6"] if found["port6"] is not None else found["port4"]
    protocol = (found["protocol"] or ("icmp" if port_text is None else "tcp")).lower()
    if protocol not in PROTOCOLS:
        raise DestinationError(text, f"{protocol!r} is no protocol that is known here")
    return Target(address, protocol, _port(text, protocol, port_text))


def _port(text: str, protocol: str, port: str | None) -> int:
    if protocol in _WITHOUT_PORTS:
        if port is not None:
            raise DestinationError(text, f"{protocol} has no ports")
        return 0
    if port is None:
        raise DestinationError(text, f"{protocol} needs a port")
    number = int(port) if port.isascii() and port.isdecimal() else _PORT_END
    if not 0 < number < _PORT_END:
        raise DestinationError(text, f"{port!r} is no port")
    return number


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: a pod's address, its MAC, and that of its gateway."""

    address: IPAddress
    mac: Mac
    gateway_mac: Mac


def first_packet(sender: Sender, target: Target, source_port: int = 0) -> bytes:
    """Return the frame that opens a flow. The programs heed no checksum of it.

    Port, or identifier, 0 is nobody's: then the packet is of no connection that is known.
    """
    payload = _transport(target, source_port)
    if sender.address.version == 4:
        kind, header = (
            0x0800,
            struct.pack(
                "!BBHHHBBH4s4s",
                0x45,
                0,
                20 + len(payload),
                0,
                0,
                64,
                target.number,
                0,
                sender.address.packed,
                target.address.packed,
            ),
        )
    else:
        kind, header = (
            0x86DD,
            struct.pack(
                "!IHBB16s16s",
                6 << 28,
                len(payload),
                target.number,
                64,
                sender.address.packed,
                target.address.packed,
            ),
        )
    ethernet = mac_octets(sender.gateway_mac) + mac_octets(sender.mac) + struct.pack("!H", kind)
    return ethernet + header + payload


def _transport(target: Target, source_port: int) -> bytes:
    match target.protocol:
        case "tcp":  # A SYN.
            return struct.pack(
                "!HHIIBBHHH", source_port, target.port, 1, 0, 5 << 4, 2, 65535, 0, 0
            )
        case "udp":
            return struct.pack("!HHHH", source_port, target.port, 8, 0)
        case "sctp":  # An INIT.
            return struct.pack("!HHIIBBH", source_port, target.port, 0, 0, 1, 0, 4)
    kind = 8 if target.address.version == 4 else 128
    return struct.pack("!BBHHH", kind, 0, 0, source_port, 1)
