"""Ranges of ports, and lists of them as the kernel writes them. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class PortRange:
    """The ports from `first` to `last`, both inclusive."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def overlaps(self, other: "PortRange") -> bool:
        """Whether a port is in both."""
        return self.first <= other.last and other.first <= self.last

    def overlap(self, other: "PortRange") -> "PortRange":
        """Return the ports that are in both; there must be any."""
        return PortRange(max(self.first, other.first), min(self.last, other.last))


def read_ranges(text: str) -> tuple[PortRange, ...]:
    """Return the ranges of a list such as "8080,9000-9010", which may be empty."""
    pairs = (word.partition("-") for word in text.replace(",", " ").split())
    return tuple(PortRange(int(first), int(last or first)) for first, _, last in pairs)


def are_covered(ports: PortRange, by: Iterable[PortRange]) -> bool:
    """Whether every one of `ports` is in one of the ranges."""
    open_from = ports.first
    for each in sorted(by):
        if each.first > open_from:
            break
        open_from = max(open_from, each.last + 1)
    return open_from > ports.last
