"""Numbers of the protocols that are known by name (IANA, "Assigned Internet Protocol Numbers")."""

from collections.abc import Mapping
from typing import Final

ICMP: Final = 1
TCP: Final = 6
UDP: Final = 17
ICMPV6: Final = 58
SCTP: Final = 132

_NAMES: Final[Mapping[int, str]] = {
    ICMP: "ICMP",
    TCP: "TCP",
    UDP: "UDP",
    ICMPV6: "ICMPv6",
    SCTP: "SCTP",
}


def protocol_name(number: int) -> str:
    """Return what people call a protocol: its number where it has no name here."""
    return _NAMES.get(number, str(number))
