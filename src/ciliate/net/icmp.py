"""What ICMP messages are called (RFC 792, 1122, 1812, 4443, 4861), in the words of packet decoders."""

from collections.abc import Mapping
from typing import Final

from ciliate.net.protocol import ICMP, ICMPV6

_TYPES: Final[Mapping[tuple[int, int], str]] = {
    (ICMP, 0): "EchoReply",
    (ICMP, 3): "DestinationUnreachable",
    (ICMP, 4): "SourceQuench",
    (ICMP, 5): "Redirect",
    (ICMP, 8): "EchoRequest",
    (ICMP, 9): "RouterAdvertisement",
    (ICMP, 10): "RouterSolicitation",
    (ICMP, 11): "TimeExceeded",
    (ICMP, 12): "ParameterProblem",
    (ICMP, 13): "TimestampRequest",
    (ICMP, 14): "TimestampReply",
    (ICMPV6, 1): "DestinationUnreachable",
    (ICMPV6, 2): "PacketTooBig",
    (ICMPV6, 3): "TimeExceeded",
    (ICMPV6, 4): "ParameterProblem",
    (ICMPV6, 128): "EchoRequest",
    (ICMPV6, 129): "EchoReply",
    (ICMPV6, 133): "RouterSolicitation",
    (ICMPV6, 134): "RouterAdvertisement",
    (ICMPV6, 135): "NeighborSolicitation",
    (ICMPV6, 136): "NeighborAdvertisement",
    (ICMPV6, 137): "Redirect",
}

#: Of the types whose codes differ, by code.
_CODES: Final[Mapping[tuple[int, int], tuple[str, ...]]] = {
    (ICMP, 3): (
        "Net",
        "Host",
        "Protocol",
        "Port",
        "FragmentationNeeded",
        "SourceRoutingFailed",
        "NetUnknown",
        "HostUnknown",
        "SourceIsolated",
        "NetAdminProhibited",
        "HostAdminProhibited",
        "NetTOS",
        "HostTOS",
        "CommAdminProhibited",
        "HostPrecedence",
        "PrecedenceCutoff",
    ),
    (ICMP, 5): ("Net", "Host", "TOS+Net", "TOS+Host"),
    (ICMP, 11): ("TTLExceeded", "FragmentReassemblyTimeExceeded"),
    (ICMP, 12): ("PointerIndicatesError", "MissingOption", "BadLength"),
    (ICMPV6, 1): (
        "NoRouteToDst",
        "AdminProhibited",
        "BeyondScopeOfSrc",
        "AddressUnreachable",
        "PortUnreachable",
        "SrcAddressFailedPolicy",
        "RejectRouteToDst",
    ),
    (ICMPV6, 3): ("HopLimitExceeded", "FragmentReassemblyTimeExceeded"),
    (ICMPV6, 4): ("ErroneousHeader", "UnrecognizedNextHeader", "UnrecognizedIPv6Option"),
}


def message_name(protocol: int, kind: int, code: int) -> str:
    """Return "EchoRequest", "DestinationUnreachable(Port)", or the numbers of what has no name."""
    name = _TYPES.get((protocol, kind))
    if name is None:
        return f"{kind}({code})"
    codes = _CODES.get((protocol, kind))
    if codes is None:
        return name
    return f"{name}({codes[code]})" if code < len(codes) else f"{name}({code})"
