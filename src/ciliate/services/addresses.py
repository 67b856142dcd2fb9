"""Which addresses an endpoint, or a Service, cannot have. Pure.

The API server refuses the same in EndpointSlices and in `externalIPs`; what load balancers report it
does not look at, and a custom resource's conversion may let anything through.
"""

from typing import Final

from ciliate.net.address import IPv4Address, IPv6Address

_MAPPED: Final = bytes(10) + b"\xff\xff"
_OCTET: Final = {str(number): bytes((number,)) for number in range(256)}
#: Of an address that needs no second look.
_PLAIN_FIRST: Final = frozenset(map(str, range(1, 224))) - {"127", "169"}
_FAMILY: Final = {4: "IPv4", 6: "IPv6"}


def read_address(text: str, version: int) -> bytes:
    """Return the 16 octets of an address of IP `version`.

    Raises:
        ValueError: It is none, or none that packets can be sent to; the text says why.
    """
    if version == 4 and (found := _plain_v4(text)):
        return found
    try:
        octets = (IPv4Address if version == 4 else IPv6Address)(text).packed
    except ValueError as error:
        raise ValueError(_family_problem(text, version) or str(error)) from None
    if version == 4:
        why = _why_not_v4(octets)
    else:
        why = "has a zone" if "%" in text else _why_not_v6(octets)
    if why:
        raise ValueError(why)
    return octets if version == 6 else _MAPPED + octets


def read_any_address(text: str) -> bytes:
    """Return the 16 octets of an address of either family.

    Raises:
        ValueError: As above.
    """
    return read_address(text, 6 if ":" in text else 4)


def version_of(octets: bytes) -> int:
    """Return the IP version of 16 octets."""
    return 4 if octets.startswith(_MAPPED) else 6


def family_name(version: int) -> str:
    """Return what the API calls a family."""
    return _FAMILY[version]


def _plain_v4(text: str) -> bytes:
    """Return the octets of an IPv4 address that an endpoint may have, or nothing.

    A slice of a large Service is read in a third of the time.
    """
    parts = text.split(".")
    if len(parts) != 4 or parts[0] not in _PLAIN_FIRST:
        return b""
    octets = _MAPPED + b"".join([_OCTET.get(part, b"") for part in parts])
    return octets if len(octets) == 16 else b""


def _family_problem(text: str, version: int) -> str:
    """Return what to say of an address of the other family; empty: it is of neither."""
    other = 10 - version
    try:
        (IPv4Address if other == 4 else IPv6Address)(text)
    except ValueError:
        return ""
    return f"is {family_name(other)}, and {family_name(version)} is wanted"


def _why_not_v4(octets: bytes) -> str:
    first = octets[0]
    if first == 0:
        return "is of this network, 0.0.0.0/8" if any(octets) else "is unspecified"
    if first == 127:
        return "is loopback"
    if octets[:2] == b"\xa9\xfe":
        return "is link-local"
    if first >= 224:
        return "is multicast" if first < 240 else _why_reserved(octets)
    return ""


def _why_reserved(octets: bytes) -> str:
    return "is broadcast" if octets == b"\xff\xff\xff\xff" else ""


def _why_not_v6(octets: bytes) -> str:
    first = octets[0]
    if first == 0:
        if octets.startswith(_MAPPED):
            return "is IPv4 mapped, and IPv6 is wanted"
        low = int.from_bytes(octets, "big")
        return {0: "is unspecified", 1: "is loopback"}.get(low, "")
    if first == 0xFF:
        return "is multicast"
    if first == 0xFE and octets[1] & 0xC0 == 0x80:
        return "is link-local"
    return ""
