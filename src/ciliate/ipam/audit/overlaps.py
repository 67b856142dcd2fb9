"""Claims to CIDRs that share addresses: one pass over all of them, sorted. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ciliate.ipam.cidr_set import Cidr


@dataclass(frozen=True, slots=True)
class NodeClaim:
    """A CIDR that a node has, or drains."""

    cidr: Cidr
    node: str
    draining: bool = False


def overlaps(claims: Iterable[NodeClaim]) -> Iterator[tuple[NodeClaim, NodeClaim]]:
    """Yield each pair of claims that share an address.

    CIDRs nest or are disjoint: when sorted, a claim lies in all those in `around`.
    """
    around: list[NodeClaim] = []
    for claim in sorted(claims, key=lambda c: (c.cidr, c.node)):
        while around and not around[-1].cidr.contains(claim.cidr):
            around.pop()
        for other in around:
            yield other, claim
        around.append(claim)
