"""Who claims which CIDR of the cluster, and which claims overlap. Pure.

CIDRs nest or are disjoint, so the claims that overlap one are found by its prefixes and by what
begins inside it, not by looking at all of them.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator

from ciliate.ipam.carving import Cidr

_BITS = {4: 32, 6: 128}


class _SameLength:
    """The claims of one family and prefix length: by first address, node and its rank."""

    __slots__ = ("_ordered", "by_first")

    def __init__(self) -> None:
        self.by_first: dict[int, dict[str, int]] = {}
        # Kept only from the first question on that needs it: most clusters have one length.
        self._ordered: list[int] | None = None

    def add(self, first: int, node: str, rank: int) -> None:
        nodes = self.by_first.get(first)
        if nodes is None:
            self.by_first[first] = {node: rank}
            if self._ordered is not None:
                insort(self._ordered, first)
        else:
            nodes[node] = rank

    def remove(self, first: int, node: str) -> None:
        nodes = self.by_first[first]
        del nodes[node]
        if not nodes:
            del self.by_first[first]
            if self._ordered is not None:
                del self._ordered[bisect_left(self._ordered, first)]

    def between(self, first: int, last: int) -> list[int]:
        if self._ordered is None:
            self._ordered = sorted(self.by_first)
        return self._ordered[bisect_left(self._ordered, first) : bisect_right(self._ordered, last)]


class ClaimIndex:
    """Every claim of every node. Ranks ascend: of two claims the lower one was first."""

    def __init__(self) -> None:
        self._lengths: dict[tuple[int, int], _SameLength] = {}
        self._rank = 0

    def add(self, cidr: Cidr, node: str) -> None:
        """Enter a claim that is not entered."""
        version, first, length = cidr
        same = self._lengths.get((version, length))
        if same is None:
            same = self._lengths[version, length] = _SameLength()
        self._rank += 1
        same.add(first, node, self._rank)

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
                for node, rank in same.by_first.get(first, {}).items():
                    yield rank, node, Cidr(version, first, length)

    def rank(self, cidr: Cidr, node: str) -> int:
        """Return the rank of a claim that is entered."""
        return self._lengths[cidr.version, cidr.length].by_first[cidr.first][node]
