"""Who claims which CIDR of the cluster, and which claims overlap. Pure.

CIDRs nest or are disjoint, so the claims that overlap one are found by its prefixes and by what
begins inside it, not by looking at all of them.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator

from ciliate.ipam.carving import Cidr

_BITS = {4: 32, 6: 128}


class _SameLength:
    """The claims of one family and prefix length: by first address, ranks and nodes.

    Tuples and not dictionaries: nearly always there is one, and the garbage collector need not
    look at it.
    """

    __slots__ = ("by_first", "ordered")

    def __init__(self) -> None:
        self.by_first: dict[int, tuple[tuple[int, str], ...]] = {}
        # Kept only from the first question on that needs it: most clusters have one length.
        self.ordered: list[int] | None = None

    def add(self, first: int, node: str, rank: int) -> None:
        before = self.by_first.get(first, ())
        self.by_first[first] = (*before, (rank, node)) if before else ((rank, node),)
        if not before and self.ordered is not None:
            insort(self.ordered, first)

    def remove(self, first: int, node: str) -> None:
        left = tuple(entry for entry in self.by_first[first] if entry[1] != node)
        self.by_first[first] = left
        if not left:
            del self.by_first[first]
            if self.ordered is not None:
                del self.ordered[bisect_left(self.ordered, first)]

    def between(self, first: int, last: int) -> list[int]:
        if self.ordered is None:
            self.ordered = sorted(self.by_first)
        return self.ordered[bisect_left(self.ordered, first) : bisect_right(self.ordered, last)]


class ClaimIndex:
    """Every claim of every node. Ranks ascend: of two claims the lower one was first."""

    def __init__(self) -> None:
        self._lengths: dict[tuple[int, int], _SameLength] = {}
        self._rank = 0

    def add(self, cidr: Cidr, node: str) -> None:
        """Enter a claim that is not entered."""
        first, key = cidr.first, (cidr.version, cidr.length)
        same = self._lengths.get(key)
        if same is None:
            same = self._lengths[key] = _SameLength()
        self._rank = rank = self._rank + 1
        if same.ordered is None and first not in same.by_first:
            same.by_first[first] = ((rank, node),)  # Nearly always: see benchmarks/ipam_cidrs.py.
        else:
            same.add(first, node, rank)

    def remove(self, cidr: Cidr, node: str) -> None:
        """Take out a claim that is entered."""
        same = self._lengths[cidr.version, cidr.length]
        same.remove(cidr.first, node)
        if not same.by_first:
            del self._lengths[cidr.version, cidr.length]

    def overlapping(self, cidr: Cidr) -> Iterator[tuple[int, str, Cidr]]:
        """Yield rank, node and CIDR of every claim that shares an address with `cidr`."""
        bits = _BITS[cidr.version]
        for (version, length), same in self._lengths.items():
            if version != cidr.version:
                continue
            if length <= cidr.length:
                shift = bits - length
                found = [cidr.first >> shift << shift]
            else:
                found = same.between(cidr.first, cidr.last)
            for first in found:
                for rank, node in same.by_first.get(first, ()):
                    yield rank, node, Cidr(version, first, length)

    def rank(self, cidr: Cidr, node: str) -> int:
        """Return the rank of a claim that is entered."""
        entries = self._lengths[cidr.version, cidr.length].by_first[cidr.first]
        return next(rank for rank, holder in entries if holder == node)
