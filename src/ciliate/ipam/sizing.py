"""Whether nodes and pods fit into pools, how far they can grow, and which mask size is better.

What `ciliate ipam plan` computes before a cluster exists; agents and operator do not use it.
The arithmetic is that of the operator (blocks of a mask size out of prefixes) and of the agent
(network, broadcast and router address are no pod's; docs/CILIUM.md, "Pools").
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Final

from msgspec import Struct

from ciliate.ipam.demand import needed
from ciliate.net.address import IPNetwork

#: The kubelet's `maxPods` where nothing else is set.
KUBELET_PODS_MAX: Final = 110
#: Mask sizes that need more CIDRs a node than this are not shown: each CIDR is a route.
_BLOCKS_PER_NODE_MAX: Final = 8
#: A range whose mask size is further from its own length than so many bits is refused: IPv6 by
#: kube-controller-manager, Cilium and our operator, IPv4 by our operator.
_SPREAD_MAX: Final = {4: 24, 6: 16}
_ROUTER: Final = 1
#: Alternatives shown on each side of the best one.
_SIDE: Final = 3


class Mode(StrEnum):
    """The IPAM modes in which CIDRs are cut into blocks for nodes."""

    KUBERNETES = "kubernetes"
    CLUSTER_POOL = "cluster-pool"
    MULTI_POOL = "multi-pool"


class GrowthUnit(StrEnum):
    """What becomes more each day."""

    NODES = "nodes"
    PODS = "pods"


@dataclass(frozen=True, slots=True)
class SizingRequest:
    """What has to fit; `pre_allocation` is what a node keeps ready in multi-pool mode."""

    mode: Mode
    nodes: int
    pods_per_node: int
    pre_allocation: int = 8
    growth_per_day: float = 0.0
    growth_unit: GrowthUnit = GrowthUnit.NODES


class MaskSize(Struct, frozen=True, rename="camel"):
    """What the pools give with blocks of one prefix length.

    `nodes_max` hold the wanted pods each, or any number in the modes of one block a node;
    `pods_per_node_max` is what each of the wanted nodes can hold.
    """

    mask_size: int
    blocks: int
    usable_per_block: int
    blocks_per_node: int
    nodes_max: int
    pods_per_node_max: int
    fits: bool


class Growth(Struct, frozen=True, rename="camel"):
    """Days until something is full; 0 where it does not fit to begin with.

    `days` is the first shortage: no block for a node more, or no address on the wanted nodes.
    `days_with_more_nodes` is for pods: until the pools are full, when nodes are added in time.
    """

    unit: str
    per_day: float
    days: float
    days_with_more_nodes: float | None = None


class FamilyPlan(Struct, frozen=True, rename="camel"):
    """One family: the mask size asked for, the better one, and what to do when nothing fits."""

    family: str
    pools: tuple[str, ...]
    addresses: int
    chosen: MaskSize
    best: int | None
    alternatives: tuple[MaskSize, ...]
    fits: bool
    remedy: str
    growth: Growth | None = None


class Overlap(Struct, frozen=True, rename="camel"):
    """Two ranges that share addresses and must not."""

    first: str
    second: str
    consequence: str


class SizingPlan(Struct, frozen=True, rename="camel"):
    """The answer for both families; it fits when each does and nothing overlaps."""

    mode: str
    nodes: int
    pods_per_node: int
    fits: bool
    families: tuple[FamilyPlan, ...]
    overlaps: tuple[Overlap, ...]
    notes: tuple[str, ...]

    @property
    def remedy(self) -> str:
        """What to do, in one line; empty when all is well."""
        for overlap in self.overlaps:
            return f"{overlap.first} overlaps {overlap.second}: {overlap.consequence}"
        return next((each.remedy for each in self.families if not each.fits), "")


def plan(
    wanted: SizingRequest,
    pools: Sequence[IPNetwork],
    mask_sizes: dict[int, int],
    *,
    service_cidrs: Sequence[IPNetwork] = (),
    node_cidrs: Sequence[IPNetwork] = (),
) -> SizingPlan:
    """Return how `wanted` fits into `pools`; `mask_sizes` is by IP version of the pools."""
    families = tuple(
        _family(wanted, [p for p in pools if p.version == version], mask_sizes[version])
        for version in sorted({pool.version for pool in pools})
    )
    overlaps = find_overlaps(pools, service_cidrs=service_cidrs, node_cidrs=node_cidrs)
    return SizingPlan(
        mode=wanted.mode,
        nodes=wanted.nodes,
        pods_per_node=wanted.pods_per_node,
        fits=not overlaps and all(family.fits for family in families),
        families=families,
        overlaps=overlaps,
        notes=_notes(wanted, families, pools),
    )


def usable_addresses(mask_size: int, version: int) -> int:
    """Return how many addresses of a block are given out, the router's among them."""
    size: int = 1 << ((32 if version == 4 else 128) - mask_size)
    return size if size <= 2 else size - 2  # So small a block gives all its addresses.


def evaluate(wanted: SizingRequest, pools: Sequence[IPNetwork], mask_size: int) -> MaskSize:
    """Return what `pools`, all of one family, give with blocks of `mask_size`."""
    version = pools[0].version
    blocks = sum(1 << (mask_size - p.prefixlen) for p in pools if _can_cut(p, mask_size))
    usable = usable_addresses(mask_size, version)
    if wanted.mode is Mode.MULTI_POOL:
        asked = needed(wanted.pods_per_node + _ROUTER, wanted.pre_allocation)
        per_node = -(-asked // usable)
        nodes_max = blocks // per_node
        pods_max = _pods_in(blocks // wanted.nodes * usable, wanted.pre_allocation)
    else:
        per_node, nodes_max, pods_max = 1, blocks, max(usable - _ROUTER, 0)
    return MaskSize(
        mask_size=mask_size,
        blocks=blocks,
        usable_per_block=usable,
        blocks_per_node=per_node,
        nodes_max=nodes_max,
        pods_per_node_max=pods_max,
        fits=nodes_max >= wanted.nodes and pods_max >= wanted.pods_per_node,
    )


def find_overlaps(
    pools: Sequence[IPNetwork],
    *,
    service_cidrs: Sequence[IPNetwork] = (),
    node_cidrs: Sequence[IPNetwork] = (),
) -> tuple[Overlap, ...]:
    """Return every pair of ranges that share addresses and must not."""
    found = [
        Overlap(f"pool {a}", f"pool {b}", "nodes would be given the same addresses: keep one")
        for a, b in combinations(pools, 2)
        if _share(a, b)
    ]
    others = (
        ("service CIDR", service_cidrs, "Services and pods would share addresses"),
        ("node CIDR", node_cidrs, "traffic to nodes would be taken for traffic to pods"),
    )
    for kind, ranges, consequence in others:
        found += [
            Overlap(f"pool {pool}", f"{kind} {other}", f"{consequence}: choose another pool")
            for pool in pools
            for other in ranges
            if _share(pool, other)
        ]
    return tuple(found)


def _share(a: IPNetwork, b: IPNetwork) -> bool:
    return a.version == b.version and a.overlaps(b)


def _can_cut(pool: IPNetwork, mask_size: int) -> bool:
    """Whether blocks of `mask_size` can be cut out of `pool`."""
    return 0 <= mask_size - pool.prefixlen <= _SPREAD_MAX[pool.version]


def _pods_in(addresses: int, pre_allocation: int) -> int:
    """Return the most pods whose demand, reserve included, `addresses` cover."""
    if pre_allocation > 0:
        addresses = addresses // pre_allocation * pre_allocation - pre_allocation
    return max(addresses - _ROUTER, 0)


def _family(wanted: SizingRequest, pools: Sequence[IPNetwork], mask_size: int) -> FamilyPlan:
    chosen = evaluate(wanted, pools, mask_size)
    shortest = min(pool.prefixlen for pool in pools)
    every = [
        row
        for mask in range(shortest, pools[0].max_prefixlen + 1)
        if (row := evaluate(wanted, pools, mask)).blocks
        and row.usable_per_block > _ROUTER
        and row.blocks_per_node <= _BLOCKS_PER_NODE_MAX
    ]
    best = _best(wanted, [row for row in every if row.fits])
    centre = best or _best(wanted, every) or chosen
    near = [row for row in every if abs(row.mask_size - centre.mask_size) <= _SIDE]
    if chosen not in near:
        near = sorted([*near, chosen], key=lambda row: row.mask_size)
    return FamilyPlan(
        family=f"ipv{pools[0].version}",
        pools=tuple(map(str, pools)),
        addresses=sum(pool.num_addresses for pool in pools),
        chosen=chosen,
        best=best.mask_size if best else None,
        alternatives=tuple(near),
        fits=chosen.fits,
        remedy="" if chosen.fits else _remedy(wanted, pools, chosen, best),
        growth=_growth(wanted, chosen) if wanted.growth_per_day > 0 else None,
    )


def _best(wanted: SizingRequest, rows: Iterable[MaskSize]) -> MaskSize | None:
    """Return the row with the most room in what it has least room in; then that for more nodes.

    Room for more than twice the pods that a kubelet runs does not count.
    """
    useful = 2 * max(wanted.pods_per_node, KUBELET_PODS_MAX)

    def room(row: MaskSize) -> tuple[float, int, int]:
        pods = min(row.pods_per_node_max, useful) / wanted.pods_per_node
        return min(row.nodes_max / wanted.nodes, pods), row.nodes_max, -row.blocks_per_node

    return max(rows, key=room, default=None)


def _growth(wanted: SizingRequest, chosen: MaskSize) -> Growth:
    unit, rate = wanted.growth_unit, wanted.growth_per_day
    if not chosen.fits:
        return Growth(unit, rate, 0.0)
    if unit is GrowthUnit.NODES:
        return Growth(unit, rate, (chosen.nodes_max - wanted.nodes) / rate)
    pods = wanted.nodes * wanted.pods_per_node
    here = wanted.nodes * chosen.pods_per_node_max
    everywhere = (
        max(here, chosen.nodes_max * wanted.pods_per_node)
        if wanted.mode is Mode.MULTI_POOL
        else chosen.nodes_max * chosen.pods_per_node_max
    )
    return Growth(unit, rate, (here - pods) / rate, (everywhere - pods) / rate)


def _remedy(
    wanted: SizingRequest, pools: Sequence[IPNetwork], chosen: MaskSize, best: MaskSize | None
) -> str:
    family = f"IPv{pools[0].version}"
    problem = (
        f"{family} with mask size {chosen.mask_size} is enough for {chosen.nodes_max} nodes and"
        f" {chosen.pods_per_node_max} pods on each, not for {wanted.nodes} and"
        f" {wanted.pods_per_node}"
    )
    if best is not None:
        return (
            f"{problem}: use mask size {best.mask_size}"
            f" ({best.nodes_max} nodes, {best.pods_per_node_max} pods on each)"
        )
    return f"{problem}: {_larger_pool(wanted, pools)}"


def _larger_pool(wanted: SizingRequest, pools: Sequence[IPNetwork]) -> str:
    """Return which range to add, or to take instead, so that it fits."""
    bits = pools[0].max_prefixlen
    mask_size = next(
        (m for m in range(bits, 0, -1) if _pods_of_one(wanted, m, pools[0].version)), None
    )
    if mask_size is None:
        return f"no IPv{pools[0].version} block holds that many pods"
    present = sum(1 << (mask_size - p.prefixlen) for p in pools if _can_cut(p, mask_size))
    kubernetes = wanted.mode is Mode.KUBERNETES  # It knows one CIDR a family.
    missing = wanted.nodes - (0 if kubernetes else present)
    prefix = mask_size - (missing - 1).bit_length()
    if mask_size - prefix > _SPREAD_MAX[pools[0].version]:
        return f"no mask size is: for so many nodes add several pools, mask size {mask_size}"
    if prefix < 1:
        return f"no IPv{pools[0].version} range is that large"
    verb = "use a cluster CIDR of" if kubernetes else "add a pool of"
    return f"no mask size is: {verb} at least /{prefix}, with mask size {mask_size}"


def _pods_of_one(wanted: SizingRequest, mask_size: int, version: int) -> bool:
    """Whether one block of `mask_size` holds a node's pods."""
    usable = usable_addresses(mask_size, version)
    if wanted.mode is Mode.MULTI_POOL:
        return usable >= needed(wanted.pods_per_node + _ROUTER, wanted.pre_allocation)
    return usable - _ROUTER >= wanted.pods_per_node


def _notes(
    wanted: SizingRequest, families: Sequence[FamilyPlan], pools: Sequence[IPNetwork]
) -> tuple[str, ...]:
    notes = []
    if wanted.pods_per_node > KUBELET_PODS_MAX:
        notes.append(
            f"a kubelet runs {KUBELET_PODS_MAX} pods unless its maxPods says more:"
            f" set it to {wanted.pods_per_node}"
        )
    mask_sizes = {int(each.family[-1]): each.chosen.mask_size for each in families}
    for pool in pools:
        bits = mask_sizes[pool.version] - pool.prefixlen
        if bits < 0:
            notes.append(f"no block of /{mask_sizes[pool.version]} can be cut out of {pool}")
        elif bits > _SPREAD_MAX[pool.version]:
            notes.append(
                f"a mask size more than {_SPREAD_MAX[pool.version]} bits longer than its"
                f" IPv{pool.version} range is refused: {pool}"
            )
    return tuple(notes)
