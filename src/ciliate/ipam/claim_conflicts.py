"""Claims to CIDRs that overlap an earlier claim of another node: the later one is an error. Pure."""

from collections.abc import Iterable

from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.claims import ClaimIndex
from ciliate.ipam.pool_errors import ClaimConflict


class ClaimConflicts:
    """The conflicts between the claims of `index`, kept right as claims come and go."""

    def __init__(self, index: ClaimIndex) -> None:
        self._index = index
        #: Owner and CIDR of the earliest claim that a claim overlaps, by the later one.
        self._earlier: dict[tuple[str, Cidr], tuple[str, Cidr]] = {}
        self._touched: set[str] = set()

    def __len__(self) -> int:
        return len(self._earlier)

    def of(self, node: str, cidrs: Iterable[Cidr]) -> tuple[ClaimConflict, ...]:
        """Return the conflicts of those claims of `node` that overlap an earlier one."""
        if not self._earlier:
            return ()
        return tuple(
            ClaimConflict(node, cidr, owner=found[0], held=found[1])
            for cidr in cidrs
            if (found := self._earlier.get((node, cidr)))
        )

    def take_touched(self) -> set[str]:
        """Return the nodes whose conflicts came, went or changed since the last call."""
        touched, self._touched = self._touched, set()
        return touched

    def entered(self, cidr: Cidr, node: str) -> None:
        """Determine the earlier claim of another node that a claim of the index overlaps."""
        mine = self._index.rank(cidr, node)
        before = self._earlier.get((node, cidr))
        rivals = [
            found
            for found in self._index.overlapping(cidr)
            if found[1] != node and found[0] < mine
        ]
        if rivals:
            _rank, owner, held = min(rivals)
            self._earlier[node, cidr] = owner, held
        else:
            self._earlier.pop((node, cidr), None)
        if self._earlier.get((node, cidr)) != before:
            self._touched.add(node)

    def removed(self, cidr: Cidr, node: str) -> None:
        """Determine anew the conflicts of later claims with one that the index no longer has."""
        self._earlier.pop((node, cidr), None)
        if self._earlier:
            for _rank, other, claimed in list(self._index.overlapping(cidr)):
                if (other, claimed) in self._earlier:
                    self.entered(claimed, other)
