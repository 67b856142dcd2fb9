"""Pools of node CIDRs: by name and family an ordered list of CIDRs, each cut into blocks. Pure.

No two pools share an address: what overlaps is refused with an error. A CIDR that is taken out of
its pool is forgotten at once; the claims to its blocks are kept by `ClusterAllocator`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ciliate.ipam.cidr_set import Cidr, CidrSet
from ciliate.ipam.pool_errors import PoolRangeError
from ciliate.net.cidr_index import PrefixIndex
from ciliate.net.pod_prefix import PREFIX_LENGTH_MIN, why_no_pods

_BITS = {4: 32, 6: 128}

#: An IPv6 CIDR has at most 2^16 blocks, as in Cilium; an IPv4 one at most 2^24, more than a
#: cluster can have nodes.
_SPREAD_MAX = {4: 24, 6: 16}


@dataclass(slots=True)
class PoolFamily:
    """The CIDRs of one family, in the order in which they are used up."""

    block_length: int
    cidr_sets: list[CidrSet] = field(default_factory=list)


class Pools:
    """All pools, and which of their CIDRs an address lies in."""

    def __init__(self) -> None:
        self.families: dict[str, dict[int, PoolFamily]] = {}
        self._by_family: dict[int, PrefixIndex[CidrSet]] = {4: PrefixIndex(), 6: PrefixIndex()}

    def overlapping(self, cidr: Cidr) -> Iterator[CidrSet]:
        """Return every CIDR set that shares an address with `cidr`."""
        open_bits = _BITS[cidr.version] - cidr.length
        return self._by_family[cidr.version].overlapping(cidr.first, open_bits)

    def ranges(self, pool: str, version: int) -> list[Cidr]:
        """Return the CIDRs of a pool's family in their order; none when there is no such."""
        family = self.families.get(pool, {}).get(version)
        return [cidr_set.cidr for cidr_set in family.cidr_sets] if family else []

    def free(self, pool: str, version: int) -> int:
        """Return how many blocks of a pool's family are free."""
        family = self.families.get(pool, {}).get(version)
        return sum(c.blocks - c.used for c in family.cidr_sets) if family else 0

    def define(
        self, pool: str, version: int, block_length: int, texts: Iterable[str]
    ) -> tuple[list[CidrSet], list[PoolRangeError]]:
        """Make `texts` the CIDRs of a pool's family; return the new CIDR sets and what is refused.

        Refused CIDRs are left out, the others are used. The length of existing blocks stays.
        """
        families = self.families.setdefault(pool, {})
        family = families.get(version)
        refused = []
        if family is None:
            if not 1 <= block_length <= _BITS[version]:
                return [], [_out_of_bounds(pool, version, block_length)]
            family = families[version] = PoolFamily(block_length)
        elif family.block_length != block_length:
            refused.append(_mask_changed(pool, version, family.block_length, block_length))
        wanted: dict[Cidr, str] = {}
        for text in texts:
            try:
                wanted.setdefault(Cidr.parse(text), text)
            except ValueError:
                refused.append(_unreadable(pool, text))
        for cidr_set in [c for c in family.cidr_sets if c.cidr not in wanted]:
            self._remove(cidr_set)
        present = {cidr_set.cidr: cidr_set for cidr_set in family.cidr_sets}
        added = []
        order = []
        for cidr in wanted:
            made = present.get(cidr)
            if made is None:
                refusal = self._check(pool, version, family.block_length, cidr)
                if refusal is not None:
                    refused.append(refusal)
                    continue
                made = self._enter(pool, family, cidr)
                added.append(made)
            order.append(made)
        family.cidr_sets[:] = order
        return added, refused

    def drop(self, pool: str, version: int | None = None) -> bool:
        """Take a pool, or one family of it, away; return whether it was there."""
        families = self.families.get(pool)
        if families is None:
            return False
        dropped = False
        for one in [version] if version else list(families):
            family = families.pop(one, None)
            if family is not None:
                dropped = True
                for cidr_set in family.cidr_sets:
                    self._remove(cidr_set)
        if not families:
            del self.families[pool]
        return dropped

    def _remove(self, cidr_set: CidrSet) -> None:
        cidr = cidr_set.cidr
        self._by_family[cidr.version].remove(cidr.first, _BITS[cidr.version] - cidr.length)

    def _enter(self, pool: str, family: PoolFamily, cidr: Cidr) -> CidrSet:
        cidr_set = CidrSet(cidr, family.block_length, pool=pool)
        open_bits = _BITS[cidr.version] - cidr.length
        self._by_family[cidr.version].put(cidr.first, open_bits, cidr_set)
        return cidr_set

    def _check(
        self, pool: str, version: int, block_length: int, cidr: Cidr
    ) -> PoolRangeError | None:
        """Return why `cidr` cannot be added to a pool's family, or None (the words are Cilium's)."""
        if cidr.version != version:
            return PoolRangeError(
                pool,
                str(cidr),
                f"CIDR is not v{version} family: {cidr}",
                f"move it to the IPv{cidr.version} list",
            )
        if cidr.length > block_length:
            return PoolRangeError(
                pool,
                str(cidr),
                f"{cidr} has no block of /{block_length}: the mask is shorter than the pool's",
                f"give a larger CIDR, or a mask size of {cidr.length} to {_BITS[version]}",
            )
        if block_length - cidr.length > _SPREAD_MAX[version]:
            return PoolRangeError(
                pool,
                str(cidr),
                f"New CIDR set failed; the node CIDR size is too big: {cidr} has"
                f" 2^{block_length - cidr.length} blocks of /{block_length}",
                f"use a mask size of at most {cidr.length + _SPREAD_MAX[version]}",
            )
        reason = _why_no_block(cidr, block_length)
        if reason:
            return PoolRangeError(
                pool,
                str(cidr),
                f"no block /{block_length} of {cidr} can be pods': {reason}",
                "give another range"
                if block_length >= PREFIX_LENGTH_MIN[version]
                else f"give a mask size of at least {PREFIX_LENGTH_MIN[version]}",
            )
        other = min(self.overlapping(cidr), key=lambda found: found.cidr, default=None)
        if other is not None:
            where = f" of pool {other.pool}" if other.pool != pool else ""
            return PoolRangeError(
                pool,
                str(cidr),
                f"requested CIDR {cidr} collides with clusterCIDR: {other.cidr},"
                f" nodeMask: {other.block_length}{where}",
                "give ranges that share no address",
            )
        return None


def _why_no_block(cidr: Cidr, block_length: int) -> str:
    """Return why agents would route no block of `cidr` to pods; empty when they would one."""
    open_bits = _BITS[cidr.version] - block_length
    first = Cidr(cidr.version, cidr.first, block_length)
    last = Cidr(cidr.version, cidr.last >> open_bits << open_bits, block_length)
    reason = why_no_pods(first.network)
    # What the first and the last share is one special range around them all, or their length.
    return reason if reason == why_no_pods(last.network) else ""


def _out_of_bounds(pool: str, version: int, block_length: int) -> PoolRangeError:
    return PoolRangeError(
        pool,
        "",
        f"SubNetMask is invalid, should be lower or equal to {_BITS[version]} for IPv{version}:"
        f" {block_length}",
        "correct the mask size",
    )


def _mask_changed(pool: str, version: int, old: int, new: int) -> PoolRangeError:
    return PoolRangeError(
        pool,
        "",
        f'cannot change IPv{version} mask size in existing pool "{pool}" from {old} to {new}',
        f"set it to {old} again; for another size make another pool",
    )


def _unreadable(pool: str, text: str) -> PoolRangeError:
    return PoolRangeError(
        pool, text, f"{text!r} is no CIDR", 'write network and length, such as "10.10.0.0/16"'
    )
