"""Which node each pod CIDR belongs to: a current claim goes before a draining one. Pure.

Two nodes may claim one CIDR: while a cluster changes its ranges or its IPAM mode, or by a user's
edit. This node goes before the others: its own pods live here. Of the others the elder goes first,
by the creation of its CiliumNode: whoever writes an object today takes nothing from a node that
stands, whatever its name, and every node decides alike. Names decide between objects of one second.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ciliate.net.address import IPNetwork
from ciliate.net.cidr_index import CIDRIndex
from ciliate.net.owner_index import OwnerIndex
from ciliate.node.known_node import KnownNode


@dataclass(frozen=True, slots=True, order=True)
class _Claim:
    """Sorts the stronger claim first."""

    is_draining: bool
    is_remote: bool
    created: str
    node: str


@dataclass(frozen=True, slots=True)
class ClaimChange:
    """What a change of one node may have changed: CIDRs, and nodes whose pods they concern."""

    cidrs: set[IPNetwork] = field(default_factory=set)
    nodes: set[str] = field(default_factory=set)


class CIDRClaims:
    """The claims of all nodes, kept up to date node by node."""

    def __init__(self) -> None:
        self._claims: dict[IPNetwork, list[_Claim]] = {}  # Each list is sorted.
        self._owners: CIDRIndex[str] = CIDRIndex()
        #: The nodes that claim what no node can have.
        self.refused: OwnerIndex[IPNetwork, str] = OwnerIndex()

    def __iter__(self) -> Iterator[IPNetwork]:
        return iter(self._claims)

    def update(self, old: KnownNode | None, new: KnownNode | None) -> ClaimChange:
        """Take in a node as it is after a change; None: it is gone."""
        before, after = _claims_of(old), _claims_of(new)
        change = ClaimChange(nodes={node.name for node in (old, new) if node is not None})
        for cidr in before.keys() | after.keys():
            if before.get(cidr) != after.get(cidr):
                self._replace(cidr, before.get(cidr), after.get(cidr), change)
        if old is not None:
            change.cidrs.update(old.refused_cidrs)
            for cidr in old.refused_cidrs:
                self.refused.remove(cidr, old.name)
        if new is not None:
            change.cidrs.update(new.refused_cidrs)
            for cidr in new.refused_cidrs:
                self.refused.add(cidr, new.name)
        return change

    def _replace(
        self, cidr: IPNetwork, before: _Claim | None, after: _Claim | None, change: ClaimChange
    ) -> None:
        change.cidrs.add(cidr)
        self._note_owner(cidr, change)
        claims = self._claims.setdefault(cidr, [])
        if before is not None:
            claims.remove(before)
        if after is not None:
            claims.append(after)
            claims.sort()
        if claims:
            self._owners.put(cidr, claims[0].node)
        else:
            del self._claims[cidr]
            self._owners.remove(cidr)
        self._note_owner(cidr, change)

    def _note_owner(self, cidr: IPNetwork, change: ClaimChange) -> None:
        owner = self._owners.find_covering(cidr)
        if owner is not None:
            change.nodes.add(owner)

    def owner_of(self, address: bytes) -> str | None:
        """Return the node whose CIDR an address (16 octets) is in, by the longest; or None."""
        return self._owners.find(address)

    def covers(self, cidr: IPNetwork) -> bool:
        """Whether a CIDR lies in one that a node claims."""
        return self._owners.find_covering(cidr) is not None

    def first(self, cidr: IPNetwork) -> str | None:
        """Return the node whose claim to this very CIDR counts, or None."""
        return next((claim.node for claim in self._claims.get(cidr, ())), None)

    def is_own(self, cidr: IPNetwork) -> bool:
        """Whether this node claims this very CIDR: gives addresses out of it, or drains it."""
        return any(not claim.is_remote for claim in self._claims.get(cidr, ()))

    def route_owner(self, cidr: IPNetwork) -> str | None:
        """Return the other node that a CIDR is routed to; None: no node's, or this node's own."""
        for claim in self._claims.get(cidr, ()):
            if claim.is_remote:
                return claim.node
            if not claim.is_draining:
                return None
        return None


def _claims_of(node: KnownNode | None) -> dict[IPNetwork, _Claim]:
    if node is None:
        return {}
    remote = not node.is_local
    draining = _Claim(True, remote, node.created, node.name)
    current = _Claim(False, remote, node.created, node.name)
    return dict.fromkeys(node.draining_cidrs, draining) | dict.fromkeys(node.pod_cidrs, current)
