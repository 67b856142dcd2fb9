"""Decisions: the CIDRs that a node gets, and its error. Pure.

The allocator has learned the node as the CiliumNode says it is. A grant made here stays the node's
whatever the outcome of the write that publishes it: asked again, the same blocks are granted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ciliate.api.cilium_node import AllocatedPool, CiliumNode
from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.cluster import ClusterAllocator
from ciliate.ipam.errors import IPAMError
from ciliate.ipam.operator.settings import CLUSTER_POOL
from ciliate.ipam.pool_errors import PoolBlocksExhaustedError, PoolMissingError

#: Blocks that one decision adds for a node and pool; the rest comes with the next one.
BLOCKS_AT_ONCE_MAX: Final = 64
#: Blocks of one pool and family that a node may have; a demand beyond it is a mistake, and would
#: leave no block for other nodes.
BLOCKS_PER_NODE_MAX: Final = 1024


class DemandTooLargeError(IPAMError):
    """A node asks for more than one node can use."""

    def __init__(self, pool: str, version: int, count: int) -> None:
        self.pool = pool
        self.version = version
        self.count = count
        super().__init__(
            f"a demand of {count} IPv{version} addresses of pool {pool} needs more than"
            f" {BLOCKS_PER_NODE_MAX} blocks: correct it, or use a pool with larger blocks"
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """What to write into a CiliumNode; None leaves a field as it is.

    `short_of` names the pools and families that had no block left: asked again when one is free.
    `displaced` are blocks in which pods of the node live though they are not the node's: an error
    when it lasts. `outside` are blocks with the pool they came from, which no longer has them.
    """

    pod_cidrs: tuple[str, ...] | None = None
    allocated: tuple[AllocatedPool, ...] | None = None
    error: str = ""
    short_of: frozenset[tuple[str, int]] = frozenset()
    displaced: tuple[Cidr, ...] = ()
    outside: tuple[tuple[str, Cidr], ...] = ()

    def with_problem(self, problem: str) -> "Decision":
        """Return the decision with one more thing in its error."""
        return replace(self, error="; ".join(filter(None, (self.error, problem))))


def fill_pod_cidrs(
    allocator: ClusterAllocator, node: CiliumNode, versions: Sequence[int], *, settled: bool
) -> Decision:
    """Decide on a node of cluster-pool mode: add a CIDR of each missing family, change none.

    An empty list gets all families or none, so that no agent starts with one of two.
    Not `settled`: a write based on `node` may yet take effect, so that no grant is taken back.
    """
    name = node.metadata.name
    if node.spec.ipam.pools.requested:
        return Decision()  # Its agent runs in multi-pool mode already, and would empty the list.
    present, unreadable = _parsed(node.spec.ipam.pod_cidrs)
    problems = [*_problems_of(allocator, node, unreadable)]
    problems += _foreign(allocator, present, versions)
    missing = [v for v in versions if all(cidr.version != v for cidr in present)]
    granted: list[Cidr] = []
    short_of: set[tuple[str, int]] = set()
    if not unreadable:
        for version in missing:
            try:
                granted.append(allocator.grant(name, CLUSTER_POOL, version, listed=present))
            except PoolBlocksExhaustedError as error:
                short_of.add((CLUSTER_POOL, version))
                problems.append(str(error))
            except PoolMissingError as error:
                problems.append(
                    f"Unable to allocate node CIDR for node {name}: {error}."
                    " Please check that your configuration is correct."
                )
    if len(granted) < len(missing) and not present:
        granted = []
    if settled:
        _take_back(allocator, name, keep={*present, *granted})
    filled = None
    if granted:
        filled = tuple(str(c) for c in sorted([*present, *granted], key=lambda c: c.version))
    return Decision(
        pod_cidrs=filled,
        error="; ".join(problems),
        short_of=frozenset(short_of),
        displaced=tuple(allocator.displaced_blocks(name)),
    )


def satisfy_demand(
    allocator: ClusterAllocator,
    node: CiliumNode,
    usable: Callable[[str, Cidr], int],
    *,
    settled: bool,
) -> Decision:
    """Decide on a node of multi-pool mode: add blocks until each pool's demand is met.

    `usable` says how many addresses of a block of a pool pods can have. Blocks that could be added
    are kept when others could not. Only the node's agent takes blocks away.
    """
    name = node.metadata.name
    holdings: dict[str, list[Cidr]] = {}
    unreadable: list[str] = []
    for entry in node.spec.ipam.pools.allocated:
        cidrs, bad = _parsed(entry.cidrs)
        holdings.setdefault(entry.pool, []).extend(cidrs)
        unreadable += bad
    before = {pool: len(cidrs) for pool, cidrs in holdings.items()}
    outside = tuple(_outside(allocator, holdings))
    problems = _problems_of(allocator, node, unreadable)
    problems += [
        f"cannot reuse from non-existing pool: {pool}"
        # What the node drains goes with its last pod: nothing is wrong with that node.
        for pool in sorted({pool for pool, cidr in outside if str(cidr) not in node.drained_cidrs})
        if pool not in allocator.pools.families
    ]
    short_of = set()
    for pool, version, count in _demand(node):
        try:
            _satisfy(allocator, name, holdings, (pool, version, count), usable)
        except (PoolBlocksExhaustedError, PoolMissingError, DemandTooLargeError) as error:
            if isinstance(error, PoolBlocksExhaustedError):
                short_of.add((pool, version))
            problems.append(
                f'failed to allocate ipv{version} address for node "{name}" from pool "{pool}":'
                f" {error}"
            )
    if settled:
        _take_back(allocator, name, keep={c for cidrs in holdings.values() for c in cidrs})
    changed = before != {pool: len(cidrs) for pool, cidrs in holdings.items()}
    return Decision(
        allocated=_entries(holdings) if changed and not unreadable else None,
        error="; ".join(problems),
        short_of=frozenset(short_of),
        displaced=tuple(allocator.displaced_blocks(name)),
        outside=outside,
    )


def usable_addresses(cidr: Cidr, *, first: bool, last: bool) -> int:
    """Return how many addresses of a block pods can have, as Cilium's agents count.

    `first` and `last`: the network address and the last one too; a block of one or two addresses
    gives all.
    """
    count = cidr.last - cidr.first + 1
    return count if count <= 2 else count - (not first) - (not last)


def _satisfy(
    allocator: ClusterAllocator,
    name: str,
    holdings: dict[str, list[Cidr]],
    demand: tuple[str, int, int],
    usable: Callable[[str, Cidr], int],
) -> None:
    """Add blocks to `holdings` until the demand is met.

    Raises:
        DemandTooLargeError: It is a mistake; nothing was added.
        IPAMError: No block is left; those added before are kept.
    """
    pool, version, count = demand
    ranges = allocator.pools.ranges(pool, version)
    blocks = [cidr for cidr in holdings.get(pool, ()) if cidr.version == version]
    # Agents take nothing new out of blocks that are no longer the pool's.
    have = sum(usable(pool, cidr) for cidr in blocks if any(one.contains(cidr) for one in ranges))
    if have >= count:
        return
    missing = count - have
    if ranges:
        block = allocator.pools.families[pool][version].cidr_sets[0].block(0)
        missing = -(-missing // usable(pool, block))  # Rounded up: whole blocks.
        if len(blocks) + missing > BLOCKS_PER_NODE_MAX:
            raise DemandTooLargeError(pool, version, count)
    for _ in range(min(missing, BLOCKS_AT_ONCE_MAX)):
        listed = [cidr for cidrs in holdings.values() for cidr in cidrs]
        block = allocator.grant(name, pool, version, listed=listed)
        holdings.setdefault(pool, []).append(block)


def _demand(node: CiliumNode) -> Iterator[tuple[str, int, int]]:
    """Yield pool, IP version and count of every demand for addresses."""
    for request in node.spec.ipam.pools.requested:
        for version, count in ((4, request.needed.ipv4_addrs), (6, request.needed.ipv6_addrs)):
            if count > 0:
                yield request.pool, version, count


def _outside(
    allocator: ClusterAllocator, holdings: Mapping[str, Iterable[Cidr]]
) -> Iterator[tuple[str, Cidr]]:
    """Yield the blocks of each pool that lie in none of its present ranges."""
    for pool, cidrs in holdings.items():
        for cidr in cidrs:
            if not any(
                cidr_set.pool == pool and cidr_set.cidr.contains(cidr)
                for cidr_set in allocator.pools.overlapping(cidr)
            ):
                yield pool, cidr


def _entries(holdings: Mapping[str, list[Cidr]]) -> tuple[AllocatedPool, ...]:
    """Return the holdings in the object's form: by pool's name, IPv4 first, ascending."""
    return tuple(
        AllocatedPool(pool=pool, cidrs=tuple(map(str, sorted(holdings[pool]))))
        for pool in sorted(holdings)
        if holdings[pool]
    )


def displaced_error(displaced: Iterable[Cidr], node: CiliumNode) -> str:
    """Return the error about pods whose CIDR a user took from their CiliumNode."""
    lived = ", ".join(map(str, displaced))
    wanted = ", ".join(node.current_cidrs) or "none"
    return (
        f"node has CIDRs allocated ({lived}) that conflict with requested CIDRs ({wanted}):"
        " pods still live in the former: put them back, or list them in"
        " the annotation of draining CIDRs until those pods are gone"
    )


def _parsed(texts: Iterable[str]) -> tuple[list[Cidr], list[str]]:
    cidrs, unreadable = [], []
    for text in texts:
        try:
            cidrs.append(Cidr.parse(text))
        except ValueError:
            unreadable.append(text)
    return cidrs, unreadable


def _problems_of(
    allocator: ClusterAllocator, node: CiliumNode, unreadable: Iterable[str]
) -> list[str]:
    problems = [f"{text!r} is no CIDR: correct or remove it" for text in unreadable]
    problems += [str(c) for c in allocator.conflicts_of(node.metadata.name)]
    return problems + list(_shared_addresses(allocator, node))


def _shared_addresses(allocator: ClusterAllocator, node: CiliumNode) -> Iterator[str]:
    """Yield a text for each InternalIP that an earlier node has: pods there are that node's."""
    for address in node.spec.addresses:
        owner = allocator.node_at(address.ip) if address.type == "InternalIP" else None
        if owner not in (None, node.metadata.name):
            yield (
                f"InternalIP {address.ip} is already node {owner}'s: pods on it count as that"
                " node's: correct the CiliumNode that has it by mistake, or delete that of the node"
                " that is gone"
            )


def _foreign(
    allocator: ClusterAllocator, present: Iterable[Cidr], versions: Iterable[int]
) -> list[str]:
    """Return problems of CIDRs outside the pool or of a family that is off; Cilium's texts."""
    problems = []
    for cidr in present:
        if cidr.version not in versions:
            problems.append(
                f"unable to allocate CIDR [{cidr}] since allocator for"
                f" IPv{cidr.version} addresses does not exist"
            )
        elif not any(
            cidr_set.cidr.contains(cidr) and cidr_set.pool == CLUSTER_POOL
            for cidr_set in allocator.pools.overlapping(cidr)
        ):
            problems.append(f"allocator not configured for the requested CIDR {cidr}")
    return problems


def _take_back(allocator: ClusterAllocator, name: str, *, keep: set[Cidr]) -> None:
    """Withdraw earlier grants that are not in `keep`."""
    for cidr in allocator.granted(name):
        if cidr not in keep:
            allocator.withdraw(name, cidr)
