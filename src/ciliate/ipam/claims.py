"""The claims of all nodes to CIDRs, and which of them overlap. Pure."""

from collections.abc import Iterator

from ciliate.ipam.cidr_set import Cidr
from ciliate.net.cidr_index import PrefixIndex

_BITS = {4: 32, 6: 128}

#: The claims of one CIDR: rank, node and the CIDR. Tuples and not dictionaries: nearly always
#: there is one, and the garbage collector does not track it.
_Claims = tuple[tuple[int, str, Cidr], ...]


class ClaimIndex:
    """Every claim of every node. Ranks ascend: of two claims the lower one was first."""

    def __init__(self) -> None:
        self._by_family: dict[int, PrefixIndex[_Claims]] = {4: PrefixIndex(), 6: PrefixIndex()}
        self._rank = 0

    def add(self, cidr: Cidr, node: str) -> None:
        """Enter a claim that is not entered."""
        self._rank = rank = self._rank + 1
        version, first = cidr.version, cidr.first
        index, open_bits = self._by_family[version], _BITS[version] - cidr.length
        mine = ((rank, node, cidr),)
        before = index.setdefault(first, open_bits, mine)
        if before is not mine:
            index.put(first, open_bits, before + mine)

    def remove(self, cidr: Cidr, node: str) -> None:
        """Take out a claim that is entered."""
        index, open_bits = self._by_family[cidr.version], _BITS[cidr.version] - cidr.length
        left = tuple(entry for entry in self._claims(cidr) if entry[1] != node)
        if left:
            index.put(cidr.first, open_bits, left)
        else:
            index.remove(cidr.first, open_bits)

    def overlapping(self, cidr: Cidr) -> Iterator[tuple[int, str, Cidr]]:
        """Yield rank, node and CIDR of every claim that shares an address with `cidr`."""
        version = cidr.version
        open_bits = _BITS[version] - cidr.length
        for claims in self._by_family[version].overlapping(cidr.first, open_bits):
            yield from claims

    def rank(self, cidr: Cidr, node: str) -> int:
        """Return the rank of a claim that is entered."""
        return next(rank for rank, owner, _ in self._claims(cidr) if owner == node)

    def _claims(self, cidr: Cidr) -> _Claims:
        open_bits = _BITS[cidr.version] - cidr.length
        return self._by_family[cidr.version].get(cidr.first, open_bits) or ()
