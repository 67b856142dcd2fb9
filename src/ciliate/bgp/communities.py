"""Communities: marks of routes by which routers decide (RFC 1997, RFC 8092). Pure."""

from collections.abc import Mapping
from typing import Final

from ciliate.api.bgp import Communities

_HIGHEST: Final = 0xFFFF

#: The low half of each that has a name; the high one is 65535, but of `internet`.
_WELL_KNOWN: Final[Mapping[str, int]] = {
    "planned-shut": 0,
    "accept-own": 1,
    "route-filter-translated-v4": 2,
    "route-filter-v4": 3,
    "route-filter-translated-v6": 4,
    "route-filter-v6": 5,
    "llgr-stale": 6,
    "no-llgr": 7,
    "blackhole": 666,
    "no-export": 65281,
    "no-advertise": 65282,
    "no-export-subconfed": 65283,
    "no-peer": 65284,
}


def standard_communities(found: Communities) -> frozenset[str]:
    """Return those of 32 bits, each as HIGH:LOW.

    Raises:
        ValueError: One is no number, no pair of numbers, or none of the names.
    """
    return frozenset((*map(_pair, found.standard), *map(_named, found.well_known)))


def large_communities(found: Communities) -> frozenset[str]:
    """Return those of three numbers, each as A:B:C.

    Raises:
        ValueError: One is something else.
    """
    return frozenset(map(_triple, found.large))


def _pair(text: str) -> str:
    parts = [_number(part, text) for part in text.split(":")]
    if len(parts) == 1:
        parts = [parts[0] >> 16, parts[0] & _HIGHEST]
    if len(parts) != 2 or max(parts) > _HIGHEST:
        raise ValueError(f'"{text}" is no community: write such as "65000:100"')
    return f"{parts[0]}:{parts[1]}"


def _named(name: str) -> str:
    if name == "internet":
        return "0:0"
    if name not in _WELL_KNOWN:
        raise ValueError(f'"{name}" is no well-known community: {", ".join(_WELL_KNOWN)} are')
    return f"{_HIGHEST}:{_WELL_KNOWN[name]}"


def _triple(text: str) -> str:
    parts = [_number(part, text) for part in text.split(":")]
    if len(parts) != 3:
        raise ValueError(f'"{text}" is no large community: write such as "65000:1:2"')
    return ":".join(map(str, parts))


def _number(part: str, whole: str) -> int:
    if not (part.isascii() and part.isdecimal() and int(part) <= 0xFFFFFFFF):
        raise ValueError(f'"{whole}" is no community: "{part}" is no number of 32 bits')
    return int(part)
