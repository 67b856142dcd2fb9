"""A pool as it is used: blocks, selector, and what stands in its way. Pure.

Of two pools that overlap the younger one is in conflict: it gives nothing more, and Services keep
what they have of it. The same holds for a pool of which a block cannot be read; what a Service has
may be of that block, so such a pool is taken to have every address that it selects Services for.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import Final

from ciliate.api.label_selectors import matches
from ciliate.api.load_balancer_ip_pool import KEEPS_FIRST_LAST, CiliumLoadBalancerIPPool
from ciliate.api.metadata import LabelSelector
from ciliate.load_balancer_ipam.blocks import Block, BlockError, read_block
from ciliate.net.address import IPAddress, IPNetwork

#: Blocks of one pool.
BLOCKS_MAX: Final = 1024


@dataclass(frozen=True, slots=True)
class Taken:
    """Addresses that something else in the cluster has."""

    network: IPNetwork
    by: str


@dataclass(frozen=True, slots=True)
class _Index:
    """Blocks of one family by their first address, and the highest address up to each."""

    blocks: Sequence[Block]
    firsts: Sequence[int]
    lasts: Sequence[int]


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool; `problem` says why a block cannot be read, `conflict` with which other it is."""

    name: str
    generation: int
    age: tuple[str, str]  # Sorts the older first.
    blocks: tuple[Block, ...]
    selector: LabelSelector | None
    disabled: bool
    problem: str = ""
    conflict: str = ""
    _index: Mapping[int, "_Index"] = field(default_factory=dict)  # By IP version.

    @property
    def gives(self) -> bool:
        """Whether Services are given addresses of it."""
        return not (self.disabled or self.problem or self.conflict)

    @property
    def idle_reason(self) -> str:
        """Why it gives nothing, empty if it does."""
        if self.disabled:
            return "is disabled"
        if self.conflict:
            return "is in conflict with another pool"
        return "has a block that cannot be read" if self.problem else ""

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a Service with these labels may have addresses of it."""
        return self.selector is None or matches(self.selector, labels)

    def has(self, address: IPAddress) -> bool:
        """Whether the address is in one of its blocks, or may be in one that cannot be read."""
        return bool(self.problem) or self.names(address)

    def names(self, address: IPAddress) -> bool:
        """Whether the address is in a block that can be read."""
        return self.block_of(address) is not None

    def block_of(self, address: IPAddress) -> Block | None:
        """Return the block that the address is in."""
        return self._block_between(address.version, int(address), int(address))

    def overlap(self, taken: Iterable[Taken]) -> str:
        """Return which addresses of it something else in the cluster has, empty for none."""
        for each in taken:
            network = each.network
            block = self._block_between(
                network.version, int(network.network_address), int(network.broadcast_address)
            )
            if block is not None:
                shown = network if network.num_addresses > 1 else network.network_address
                return (
                    f"block {block.text} has addresses of {shown}, {each.by}: a Service that is"
                    " given one would be in its way; leave them out of the block"
                )
        return ""

    def _block_between(self, version: int, low: int, high: int) -> Block | None:
        """Return a block with an address from `low` to `high`."""
        index = self._index.get(version)
        place = bisect_right(index.firsts, high) if index is not None else 0
        if index is None or place == 0 or index.lasts[place - 1] < low:
            return None
        # The nearest one; an earlier one only where blocks overlap, in a pool in conflict.
        return next(each for each in reversed(index.blocks[:place]) if low <= each.last)


def read_pool(pool: CiliumLoadBalancerIPPool) -> Pool:
    """Return `pool` as it is used, not yet compared with others."""
    spec, meta = pool.spec, pool.metadata
    blocks: list[Block] = []
    problem = ""
    if len(spec.blocks) > BLOCKS_MAX:
        problem = f"spec.blocks: {len(spec.blocks)} blocks, more than {BLOCKS_MAX}: use prefixes"
    for index, block in enumerate(spec.blocks[:BLOCKS_MAX]):
        try:
            blocks.append(
                read_block(
                    block,
                    f"spec.blocks[{index}]",
                    keeps_ends=spec.allow_first_last_ips == KEEPS_FIRST_LAST,
                )
            )
        except BlockError as error:
            problem = problem or str(error)
    return Pool(
        name=meta.name,
        generation=meta.generation,
        age=(meta.creation_timestamp or "", meta.name),
        blocks=tuple(blocks),
        selector=spec.service_selector,
        disabled=spec.disabled,
        problem=problem,
        _index={
            version: _indexed([each for each in blocks if each.version == version])
            for version in (4, 6)
        },
    )


def without_conflicts(pools: Iterable[Pool]) -> tuple[Pool, ...]:
    """Return the pools, the oldest first, each with the conflict that it is in."""
    settled: list[Pool] = []
    for pool in sorted(pools, key=lambda each: each.age):
        conflict = _own_overlap(pool) or _overlap_with(settled, pool)
        settled.append(replace(pool, conflict=conflict))
    return tuple(settled)


def _indexed(blocks: Iterable[Block]) -> _Index:
    ordered = sorted(blocks, key=lambda each: each.first)
    lasts = tuple(accumulate((each.last for each in ordered), max))
    return _Index(ordered, [each.first for each in ordered], lasts)


def _own_overlap(pool: Pool) -> str:
    """Return how blocks of one pool overlap; no two may."""
    ordered = sorted(pool.blocks, key=lambda each: (each.version, each.first))
    for one, other in pairwise(ordered):
        if one.version == other.version and other.first <= one.last:
            return (
                f"blocks {one.text} and {other.text} of this pool overlap; nothing more is given"
                " out of it: remove one of them"
            )
    return ""


def _overlap_with(older: Iterable[Pool], pool: Pool) -> str:
    for other in older:
        # One that gives nothing because of a conflict is in nobody's way.
        found = "" if other.conflict else _overlap(pool, other)
        if found:
            return found
    return ""


def _overlap(pool: Pool, other: Pool) -> str:
    """Return how two pools overlap; the blocks of each are apart, so the one before is enough."""
    ordered = sorted(
        [(each.version, each.first, False, each) for each in pool.blocks]
        + [(each.version, each.first, True, each) for each in other.blocks],
        key=lambda entry: entry[:3],
    )
    before: dict[bool, Block] = {}
    for _, _, is_others, block in ordered:
        rival = before.get(not is_others)
        if rival is not None and rival.version == block.version and block.first <= rival.last:
            mine, theirs = (rival, block) if is_others else (block, rival)
            return (
                f"block {mine.text} overlaps block {theirs.text} of pool {other.name}, which is"
                " older; nothing more is given out of this pool: change one of the blocks"
            )
        before[is_others] = block
    return ""
