"""The CIDRs of all nodes, over all pools of the cluster: exact under any order of events. Pure.

Every use is entered here before a block is granted: the CIDRs that nodes have and drain, the
addresses of their pods (which may outlive the CiliumNode that had their CIDR), and addresses that
no pod may have: nodes' own, Services', and those of special ranges. A block is granted only when it has no use, or uses of
the asking node alone: so a node whose CiliumNode was lost gets its own block back.

Claims outside all pools are entered as well: a pool that is added later does not grant them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ciliate.ipam.cidr_set import Cidr, CidrSet
from ciliate.ipam.claim_conflicts import ClaimConflicts
from ciliate.ipam.claims import ClaimIndex
from ciliate.ipam.pod_places import PodPlaces
from ciliate.ipam.pool_errors import (
    ClaimConflict,
    PoolBlocksExhaustedError,
    PoolMissingError,
    PoolRangeError,
)
from ciliate.ipam.pools import Pools
from ciliate.net.pod_prefix import SPECIAL

#: The prefix length around a node's own address in which no block is granted: the length of the
#: node's network is not known, but its router and other hosts have addresses near the node's.
SURROUNDINGS: Final = {4: 24, 6: 120}


class Claim(Enum):
    """Why a node has a CIDR."""

    GRANTED = "granted"  # Not yet seen in the API: the write may be on its way.
    CURRENT = "current"
    DRAINING = "draining"


_GRANTED = Claim.GRANTED


@dataclass(frozen=True, slots=True)
class Learned:
    """What was wrong with a node's claims."""

    unreadable: tuple[str, ...]
    conflicts: tuple[ClaimConflict, ...]


class ClusterAllocator:
    """The one place that grants CIDRs to nodes; an operator that leads has exactly one."""

    def __init__(self, *, surroundings: Mapping[int, int] = SURROUNDINGS) -> None:
        self.pools = Pools()
        self._surroundings = surroundings
        #: Grows whenever a block became free or a pool's ranges changed.
        self.freed = 0
        #: New CIDR sets, into which present uses have not been entered yet.
        self._fresh: list[CidrSet] = []
        self._held: dict[str, dict[Cidr, Claim]] = {}
        self._index = ClaimIndex()
        self._conflicts = ClaimConflicts(self._index)
        self._reserved: dict[tuple[Cidr, str], int] = {}
        self._places = PodPlaces(occupy=self._occupy, vacate=self._vacate)
        for special in SPECIAL:  # A range may hold one: its other blocks are good.
            self.reserve(Cidr.of(special), "special addresses, which no pod can have")

    # Pools.

    def define(
        self, pool: str, version: int, block_length: int, cidrs: Iterable[str]
    ) -> list[PoolRangeError]:
        """Make `cidrs` the ranges of a pool's family; return the refused ones."""
        before = self.pools.ranges(pool, version)
        added, refused = self.pools.define(pool, version, block_length, cidrs)
        self._fresh += added
        if self.pools.ranges(pool, version) != before:
            self.freed += 1
        return refused

    def drop(self, pool: str, version: int | None = None) -> None:
        """Remove a pool, or a family of it; nodes keep the blocks they have of it."""
        if self.pools.drop(pool, version):
            self.freed += 1

    def free(self, pool: str, version: int) -> int:
        """Return how many blocks of a pool's family are free."""
        self._settle()
        return self.pools.free(pool, version)

    # What nodes use.

    def learn(self, node: str, current: Iterable[str], draining: Iterable[str]) -> Learned:
        """Make these the claims of `node`; what was granted and is not among them stays granted.

        The first of two nodes that claim an address keeps it, the second gets a conflict.
        """
        self._settle()
        wanted, unreadable = _parsed(current, draining)
        held = self._held.setdefault(node, {})
        for cidr in [c for c, k in held.items() if k is not Claim.GRANTED and c not in wanted]:
            self._drop(node, cidr)
        for cidr, kind in wanted.items():
            if cidr not in held:
                self._enter(node, cidr)
            held[cidr] = kind
        return Learned(unreadable, self.conflicts_of(node))

    def forget(self, node: str) -> None:
        """Free what `node` claims; the addresses of its pods stay in use."""
        self._settle()
        for cidr in list(self._held.get(node, ())):
            self._drop(node, cidr)
        self._held.pop(node, None)

    def place(self, node: str, addresses: Iterable[str]) -> None:
        """Make `addresses` the node's own: no pod gets them, endpoints name their node by one."""
        self._settle()
        gone, came = self._places.place(node, addresses)
        for address in gone:
            self.reserve(self._around(address), f"address {address} of node {node}", times=-1)
        for address in came:
            self.reserve(self._around(address), f"address {address} of node {node}")

    def _around(self, address: str) -> Cidr | None:
        """Return the prefix around a node's address in which other hosts of its network may be."""
        host = _host(address)
        if host is None:
            return None
        length = self._surroundings[host.version]
        spare = host.length - length
        return Cidr(host.version, host.first >> spare << spare, length)

    def pod_appeared(self, node_address: str, address: str) -> None:
        """Note a pod's address on the node that has `node_address`."""
        self._settle()
        if (cidr := _host(address)) is not None:
            self._places.appeared(node_address, cidr)

    def pod_vanished(self, node_address: str, address: str) -> None:
        """Note that a pod's address that appeared is no longer in use."""
        self._settle()
        if (cidr := _host(address)) is not None:
            self._places.vanished(node_address, cidr)

    def reserve(self, cidr: Cidr | None, why: str, *, times: int = 1) -> None:
        """Grant no block with an address of `cidr`; counted, `times=-1` takes one call back."""
        if cidr is None:
            return
        assert " " in why, "without a blank it could be a node's name"
        self._settle()
        count = self._reserved.get((cidr, why), 0) + times
        if count:
            self._reserved[cidr, why] = count
        else:
            del self._reserved[cidr, why]
        if times > 0 and count == 1:
            for cidr_set in self.pools.overlapping(cidr):
                cidr_set.reserve(cidr, why)
        elif not count:
            for cidr_set in self.pools.overlapping(cidr):
                self.freed += cidr_set.unreserve(cidr, why)

    # Giving.

    def grant(self, node: str, pool: str, version: int, *, listed: Iterable[Cidr] = ()) -> Cidr:
        """Grant `node` a block of a pool: one it uses already if there is one, else a free one.

        `listed` are the CIDRs in the field that is to be filled. Asked again with the same list,
        the answer is the same.

        Raises:
            PoolMissingError: There is no such pool, or none with this family.
            PoolBlocksExhaustedError: It has no block left.
        """
        if self._fresh:
            self._settle()
        family = self.pools.families.get(pool, {}).get(version)
        if family is None or not family.cidr_sets:
            raise PoolMissingError(pool, version, exists=pool in self.pools.families)
        if node in self._held or self._places.knows(node):
            block = self._own_block(node, family.cidr_sets, version, listed)
            if block is not None:
                held = self._held.setdefault(node, {})
                if block not in held:
                    self._enter(node, block)
                    held[block] = Claim.GRANTED
                return block
        for cidr_set in family.cidr_sets:
            block = cidr_set.allocate(node)
            if block is not None:
                if node in self._held:
                    self._held[node][block] = _GRANTED
                else:
                    self._held[node] = {block: _GRANTED}
                self._index.add(block, node)
                return block
        raise PoolBlocksExhaustedError(
            pool,
            version,
            block_length=family.block_length,
            blocks=sum(cidr_set.blocks for cidr_set in family.cidr_sets),
            reserved=sum(cidr_set.reserved for cidr_set in family.cidr_sets),
        )

    def withdraw(self, node: str, cidr: Cidr) -> None:
        """Take back a grant that is not in the API, and that no pending write can bring there."""
        self._settle()
        if self._held.get(node, {}).get(cidr) is Claim.GRANTED:
            self._drop(node, cidr)

    # Seeing.

    @property
    def nodes(self) -> Iterable[str]:
        """Every node that was learned."""
        return self._held.keys()

    def claims(self, node: str) -> Mapping[Cidr, Claim]:
        """Return what `node` holds; a live view."""
        return self._held.get(node, {})

    def granted(self, node: str) -> list[Cidr]:
        """Return what was granted to `node` and has not been seen in the API."""
        return [c for c, kind in self._held.get(node, {}).items() if kind is Claim.GRANTED]

    def conflicts_of(self, node: str) -> tuple[ClaimConflict, ...]:
        """Return the claims of `node` that overlap an earlier one of another node."""
        return self._conflicts.of(node, self._held.get(node, ()))

    def take_touched(self) -> set[str]:
        """Return the nodes whose conflicts came, went or changed since the last call.

        About a CIDR, or about an address of the node itself.
        """
        return self._conflicts.take_touched() | self._places.take_touched()

    @property
    def conflicts(self) -> int:
        """How many claims overlap an earlier one."""
        return len(self._conflicts)

    def node_at(self, address: str) -> str | None:
        """Return the node that has `address` as its own; of several, the first."""
        return self._places.node_at(address)

    def covers(self, node: str, address: str) -> bool:
        """Whether a claim of `node` holds a pod's address."""
        host = _host(address)
        return host is None or any(c.contains(host) for c in self._held.get(node, ()))

    def in_use(self, cidr: Cidr) -> bool:
        """Whether a node claims, or a pod has, an address of `cidr`."""
        claimed = next(self._index.overlapping(cidr), None) is not None
        return claimed or any(cidr.contains(pod) for pod, _owner in self._places.uses())

    def displaced_blocks(self, node: str) -> list[Cidr]:
        """Return the blocks (outside all pools: addresses) of its pods that it has no claim to."""
        claims = self._held.get(node, {})
        found: dict[Cidr, None] = {}
        for pod in self._places.of(node):
            if not any(claim.contains(pod) for claim in claims):
                inside = self.pools.overlapping(pod)
                found[next((c.block(c.number(pod.first)) for c in inside), pod)] = None
        return list(found)

    def reserved(self, pool: str, version: int) -> int:
        """Return how many blocks of a pool's family overlap what no pod may have."""
        self._settle()
        family = self.pools.families.get(pool, {}).get(version)
        return sum(cidr_set.reserved for cidr_set in family.cidr_sets) if family else 0

    def has_uses(self, node: str) -> bool:
        """Whether `node` has a claim or a pod: a block that it alone uses may be given to it."""
        return bool(self._held.get(node)) or next(self._places.of(node), None) is not None

    def reservation_problems(self) -> dict[str, dict[str, str]]:
        """Return, by pool, a text about each range with reserved addresses."""
        found: dict[str, dict[str, str]] = {}
        for cidr, why in self._reserved:
            for cidr_set in self.pools.overlapping(cidr):
                kind = why.partition(" ")[0]
                found.setdefault(cidr_set.pool, {}).setdefault(
                    f"{cidr_set.cidr} {kind}",
                    f"{cidr_set.cidr} overlaps {cidr} ({why}): blocks with such addresses are"
                    " never given to nodes; use another range",
                )
        return found

    # Inside.

    def _own_block(
        self, node: str, cidr_sets: list[CidrSet], version: int, listed: Iterable[Cidr]
    ) -> Cidr | None:
        """Return a block that `node` alone uses and that is not listed.

        First one that it claims (granted before, drained, or of another mode), then the one with
        most of its pods.
        """
        skip = {*listed}
        claimed = (c for c in self._held.get(node, ()) if c.version == version)
        for block in (*claimed, *self._pod_blocks(node, cidr_sets, version)):
            if block not in skip and any(
                cidr_set.whole(block) and cidr_set.owners(cidr_set.number(block.first)) == {node}
                for cidr_set in cidr_sets
            ):
                return block
        return None

    def _pod_blocks(self, node: str, cidr_sets: list[CidrSet], version: int) -> list[Cidr]:
        """Return the blocks with pods of `node`, that with most of them first."""
        counts: dict[Cidr, int] = {}
        for pod in self._places.of(node):
            for cidr_set in cidr_sets if pod.version == version else ():
                if cidr_set.cidr.contains(pod):
                    block = cidr_set.block(cidr_set.number(pod.first))
                    counts[block] = counts.get(block, 0) + 1
        return sorted(counts, key=counts.__getitem__, reverse=True)

    def _enter(self, node: str, cidr: Cidr) -> None:
        """Enter a new claim, and the earlier claim it conflicts with."""
        self._index.add(cidr, node)
        self._conflicts.entered(cidr, node)
        self._occupy(cidr, node)

    def _drop(self, node: str, cidr: Cidr) -> None:
        """Remove a claim; the conflicts of later claims with it are determined anew."""
        del self._held[node][cidr]
        self._index.remove(cidr, node)
        self._conflicts.removed(cidr, node)
        self._vacate(cidr, node)

    def _occupy(self, cidr: Cidr, owner: str) -> None:
        for cidr_set in self.pools.overlapping(cidr):
            cidr_set.occupy(cidr, owner)

    def _vacate(self, cidr: Cidr, owner: str) -> None:
        for cidr_set in self.pools.overlapping(cidr):
            if cidr_set.vacate(cidr, owner):
                self.freed += 1

    def _settle(self) -> None:
        """Enter every present use into new CIDR sets, before the uses change.

        Once for all new CIDR sets: there may be many of them, and the uses are many.
        """
        if not self._fresh:
            return
        fresh = {id(cidr_set) for cidr_set in self._fresh}
        self._fresh = []
        for cidr, owner in self._uses():
            for cidr_set in self.pools.overlapping(cidr):
                if id(cidr_set) in fresh:
                    cidr_set.occupy(cidr, owner)
        for cidr, why in self._reserved:
            for cidr_set in self.pools.overlapping(cidr):
                if id(cidr_set) in fresh:
                    cidr_set.reserve(cidr, why)

    def _uses(self) -> Iterator[tuple[Cidr, str]]:
        for node, held in self._held.items():
            for cidr in held:
                yield cidr, node
        yield from self._places.uses()


def _parsed(
    current: Iterable[str], draining: Iterable[str]
) -> tuple[dict[Cidr, Claim], tuple[str, ...]]:
    wanted: dict[Cidr, Claim] = {}
    unreadable = []
    for texts, kind in ((current, Claim.CURRENT), (draining, Claim.DRAINING)):
        for text in texts:
            try:
                wanted.setdefault(Cidr.parse(text), kind)
            except ValueError:
                unreadable.append(text)
    return wanted, tuple(unreadable)


def _host(address: str) -> Cidr | None:
    """Return the prefix of one address; None: the text of an object is no address."""
    try:
        cidr = Cidr.parse(address)
    except ValueError:
        return None
    return cidr if cidr.first == cidr.last else None
