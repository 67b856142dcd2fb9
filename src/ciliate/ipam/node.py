"""The addresses of one node: its blocks by pool, their owners, and reservations.

Every mode is this with other sources of CIDRs: host scope and cluster pool give one block per
family, all of the pool `default`; multi-pool gives any number of blocks of any pool.

A block is *current* while the cluster says that its CIDR is this node's: new addresses come out of
it. It *drains* when that ends while addresses of it are in use: their owners keep them, no new one
is given, and the block is removed with the last of them. So no pod loses its address by a change
of mode or of ranges. Pure, like the blocks themselves.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ciliate.ipam.allocator import Block
from ciliate.ipam.errors import (
    AddressOutOfRangeError,
    AddressTakenError,
    BlockExhaustedError,
    IPAMError,
    PoolExhaustedError,
    PoolNotReadyError,
)
from ciliate.ipam.held_block import HeldBlock
from ciliate.net.address import IPAddress, IPNetwork, IPv4Address
from ciliate.reconcile.listeners import Listeners

#: Owner of the address that is every pod's gateway: Cilium's word.
ROUTER_OWNER: Final = "router"

#: The pool of the modes that know no pools.
DEFAULT_POOL: Final = "default"


@dataclass(frozen=True, slots=True)
class PoolUse:
    """Addresses of the current blocks of one pool and family; `used` counts reserved ones too."""

    used: int
    usable: int


class NodeAddresses:
    """Allocates addresses of the families in `versions`.

    `start` says where each new block begins to give addresses, `edges` whether a pool's blocks
    give out their first and their last address (see `Block`).
    """

    def __init__(
        self,
        versions: Sequence[int],
        *,
        start: Callable[[], int] = lambda: 0,
        edges: Callable[[str], tuple[bool, bool]] = lambda _pool: (False, False),
    ) -> None:
        self.versions = tuple(sorted(versions))
        self._descending = self.versions[::-1]
        self._start = start
        self._edges = edges
        self._held: dict[IPNetwork, HeldBlock] = {}
        self._pools: dict[tuple[str, int], list[HeldBlock]] = {}  # The current ones.
        self._by_version: dict[int, list[HeldBlock]] = {4: [], 6: []}
        self._drains = False  # Whether any block drains.
        self._reserved: dict[IPAddress, list[str]] = {}  # By whom; blocks have the first as owner.
        self._listeners: Listeners[[]] = Listeners()
        #: How often addresses were allocated and freed, by IP version.
        self.allocated = {4: 0, 6: 0}
        self.freed = {4: 0, 6: 0}

    # Blocks

    @property
    def held(self) -> tuple[HeldBlock, ...]:
        """Every block, current ones first, IPv4 before IPv6, in the order they came."""
        blocks = self._held.values()
        return tuple(sorted(blocks, key=lambda held: (held.draining, held.cidr.version)))

    @property
    def cidrs(self) -> tuple[IPNetwork, ...]:
        """The current blocks' CIDRs, IPv4 first."""
        return tuple(held.cidr for held in self.held if not held.draining)

    def is_current(self, cidr: IPNetwork) -> bool:
        """Whether new addresses come out of this very CIDR."""
        held = self._held.get(cidr)
        return held is not None and not held.draining

    @property
    def draining(self) -> tuple[IPNetwork, ...]:
        """The draining blocks' CIDRs, IPv4 first."""
        return tuple(held.cidr for held in self.held if held.draining)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a block came, went, or began or ceased to drain."""
        self._listeners.add(listener)

    def hold(self, pool: str, cidrs: Iterable[IPNetwork]) -> None:
        """Hold blocks that pods of before the restart may have addresses of, as draining ones.

        Follow with `take` for what is in use, then `set_current`, which drops the others.
        """
        for cidr in cidrs:
            if cidr not in self._held:
                self._add(pool, cidr, draining=True)

    def set_current(self, current: Mapping[str, Sequence[IPNetwork]]) -> bool:
        """Make these CIDRs, by pool, the current ones: new addresses come out of them.

        Those that were current and are not named drain, or go at once when nothing of them is in
        use. Return whether anything changed.
        """
        wanted = {cidr: pool for pool, cidrs in current.items() for cidr in cidrs}
        changed = False
        for held in tuple(self._held.values()):
            pool = wanted.get(held.cidr)
            drains = pool is None
            if held.draining != drains or (pool is not None and held.pool != pool):
                held.draining, held.pool, changed = drains, pool or held.pool, True
        changed = self._drop_drained() or changed
        for cidr, pool in wanted.items():
            if cidr not in self._held:
                self._add(pool, cidr, draining=False)
                changed = True
        changed = self._drop_covered() or changed
        if changed:
            self._arrange(wanted)
            self._listeners()
        return changed

    def find(self, address: IPAddress) -> HeldBlock | None:
        """Return the block `address` is of, a current one before a draining one, or None."""
        found = None
        for held in self._by_version[address.version]:
            if address in held.block:
                if not held.draining:
                    return held
                found = held
        return found

    def usage(self, pool: str, version: int) -> PoolUse:
        """Return how many addresses the current blocks of a pool and family have."""
        blocks = self._pools.get((pool, version), ())
        return PoolUse(
            sum(held.block.used for held in blocks), sum(held.block.usable for held in blocks)
        )

    # Addresses

    def allocate(
        self, owner: str, pools: Mapping[int, str] | None = None
    ) -> tuple[IPAddress, ...]:
        """Give `owner` one address of every family, IPv6 first; all or none.

        `pools` names the pool of each family; without it, `default` serves.

        Raises:
            PoolNotReadyError: The node has no CIDR of a pool (yet).
            BlockExhaustedError: The one CIDR of a pool has no address left.
            PoolExhaustedError: None of several has.
        """
        if len(self.versions) == 1:
            (version,) = self.versions
            return (self.allocate_one(owner, pools[version] if pools else DEFAULT_POOL, version),)
        allocated: list[IPAddress] = []
        try:
            for version in self._descending:
                pool = pools[version] if pools else DEFAULT_POOL
                allocated.append(self.allocate_one(owner, pool, version))
        except IPAMError:
            self.release(allocated)
            raise
        return tuple(allocated)

    def allocate_one(self, owner: str, pool: str, version: int) -> IPAddress:
        """Give `owner` one address of one family.

        Raises:
            PoolNotReadyError: The node has no CIDR of the pool (yet).
            BlockExhaustedError: The one CIDR of the pool has no address left.
            PoolExhaustedError: None of several has.
        """
        blocks = self._pools.get((pool, version))
        if not blocks:
            raise PoolNotReadyError(pool, version)
        for held in blocks:
            address = held.block.find_free(owner)
            if address is not None:
                if held.is_shared:
                    self._share(held, address, owner)
                self.allocated[version] += 1
                return address
        if len(blocks) == 1:
            raise BlockExhaustedError(blocks[0].cidr, blocks[0].block.usable)
        raise PoolExhaustedError(pool, version, tuple(held.cidr for held in blocks))

    def take(self, addresses: Iterable[IPAddress], owner: str) -> None:
        """Give these very addresses to `owner`, all or none.

        Raises:
            AddressOutOfRangeError: An address is outside every block.
            AddressTakenError: An address has another owner.
        """
        taken: list[IPAddress] = []
        try:
            for address in addresses:
                if self._take(address, owner):
                    taken.append(address)  # noqa: PERF401 - kept on failure
        except IPAMError:
            self.release(taken)
            raise

    def _take(self, address: IPAddress, owner: str) -> bool:
        present = self.owner(address)
        if present == owner:
            return False
        if present is not None:
            raise AddressTakenError(address, present)
        blocks = [held for held in self._by_version[address.version] if address in held.block]
        if not blocks:
            raise AddressOutOfRangeError(
                address, *(held.cidr for held in self._by_version[address.version])
            )
        for held in blocks:  # Several only while ranges that overlap follow each other.
            held.block.take(address, owner)
        self.allocated[address.version] += 1
        return True

    def owner(self, address: IPAddress) -> str | None:
        """Return the owner of `address`, or None."""
        owners = (held.block.owner(address) for held in self._by_version[address.version])
        return next((owner for owner in owners if owner is not None), None)

    def release(self, addresses: Iterable[IPAddress]) -> None:
        """Free addresses; one without an owner is no error. A drained block is removed."""
        for address in addresses:
            version = 4 if isinstance(address, IPv4Address) else 6
            released = False
            for held in self._by_version[version]:
                block = held.block
                if self._release_in(held, address) if held.reserved else block.release(address):
                    released = True
            self.freed[version] += released
        if self._drains and self._drop_drained():
            self._listeners()

    def _release_in(self, held: HeldBlock, address: IPAddress) -> bool:
        keeper = self._keeper(address)
        if keeper is not None and held.block.owner(address) == keeper:
            return False
        released = held.block.release(address)
        if released and keeper is not None:  # A pod here had it although it was reserved.
            held.block.take(address, keeper)
            held.kept += 1
        return released

    def reserve(self, address: IPAddress, owner: str) -> str | None:
        """Reserve `address`, now and in blocks to come; return the pod of this node that has it.

        For the node's own addresses, and for those that pods of other nodes have. An address may
        have several reservations; pods may have it again when the last of them has ended.
        """
        keepers = self._reserved.setdefault(address, [])
        if owner not in keepers:
            keepers.append(owner)
            if len(keepers) == 1:
                for held in self._by_version[address.version]:
                    held.reserve(address, owner)
        of_ours = self.owner(address)
        return None if of_ours == keepers[0] else of_ours

    def unreserve(self, address: IPAddress, owner: str) -> None:
        """End `owner`'s reservation of `address`."""
        keepers = self._reserved.get(address, [])
        if owner not in keepers:
            return
        shown = keepers[0]
        keepers.remove(owner)
        if not keepers:
            del self._reserved[address]
        for held in self._by_version[address.version]:
            if address not in held.block:
                continue
            held.reserved -= not keepers
            if held.block.owner(address) == shown:
                held.block.release(address)
                if keepers:
                    held.block.take(address, keepers[0])
                else:
                    held.kept -= 1

    def _keeper(self, address: IPAddress) -> str | None:
        keepers = self._reserved.get(address)
        return keepers[0] if keepers else None

    def is_reserved(self, address: IPAddress) -> bool:
        """Whether `address` is reserved."""
        return address in self._reserved

    def allocations(self) -> Iterator[tuple[IPAddress, str, HeldBlock]]:
        """Yield every address in use with owner and block: current blocks first, IPv4 first."""
        for held in self.held:
            for address, owner in held.block.allocations():
                yield address, owner, held

    # Inside

    def _add(self, pool: str, cidr: IPNetwork, *, draining: bool) -> None:
        first, last = self._edges(pool)
        block = Block(cidr, start=self._start(), allow_first=first, allow_last=last)
        held = HeldBlock(pool, block, draining)
        for other in self._by_version[cidr.version]:
            if other.cidr.overlaps(cidr):
                held.is_shared = other.is_shared = True
                for address, owner in other.block.allocations():
                    # A pod that has a reserved address keeps it, in the new block too.
                    if address in held.block and owner != self._keeper(address):
                        held.block.take(address, owner)
        for address, keepers in self._reserved.items():
            if address.version == cidr.version:
                held.reserve(address, keepers[0])
        self._held[cidr] = held
        self._by_version[cidr.version].append(held)
        self._drains = self._drains or draining

    def _share(self, giver: HeldBlock, address: IPAddress, owner: str) -> None:
        """Enter an address into every other block that contains it.

        Blocks overlap only while ranges that overlap follow each other.
        """
        for held in self._by_version[giver.cidr.version]:
            if held is not giver and address in held.block:
                held.block.take(address, owner)

    def _drop_drained(self) -> bool:
        drained = [held for held in self._held.values() if held.draining and not held.in_use]
        for held in drained:
            self._remove(held)
        self._drains = any(held.draining for held in self._held.values())
        return bool(drained)

    def _drop_covered(self) -> bool:
        """Remove draining blocks inside current ones, which have the same owners.

        An agent that lost its state holds each pod's address as a block of its own. Once the node
        has their CIDR again these blocks would only cost every node a route and a map entry each.
        """
        covered = []
        for held in self._held.values() if self._drains else ():
            within = [
                other.block
                for other in self._by_version[held.cidr.version]
                if not other.draining and other.cidr.overlaps(held.cidr)
            ]
            # Compare addresses in use: a block may not give out its first and last address.
            used = [address for address, _owner in held.block.allocations()]
            if held.draining and any(all(a in block for a in used) for block in within):
                covered.append(held)
        for held in covered:
            self._remove(held)
        self._drains = any(held.draining for held in self._held.values())
        return bool(covered)

    def _remove(self, held: HeldBlock) -> None:
        del self._held[held.cidr]
        self._by_version[held.cidr.version].remove(held)

    def _arrange(self, wanted: Mapping[IPNetwork, str]) -> None:
        """Order each pool's blocks as the cluster lists them: they are used in this order."""
        self._pools = {}
        for cidr in wanted:
            held = self._held[cidr]
            self._pools.setdefault((held.pool, cidr.version), []).append(held)
