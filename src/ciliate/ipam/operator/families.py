"""How full pools and nodes are, as metrics. Pure: read from the allocator at each scrape.

Numbers only: making the texts of 10,000 nodes' CIDRs would stop the operator for half a second at
each scrape.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from ciliate.ipam.cluster import Claim, ClusterAllocator
from ciliate.ipam.operator.node_states import NodeStates
from ciliate.metrics.family import Family, FamilyKind, Sample

_PREFIX: Final = "ciliate_operator_ipam"
_POOL: Final = ("pool", "family")

#: Field of a pool's report -> end of the metric's name, meaning.
_POOL_NUMBERS: Final = {
    "blocks": ("pool_blocks", "Blocks for nodes that the pool's CIDRs have."),
    "used": ("pool_blocks_used", "Blocks that cannot be given: nodes, pods or reservations."),
    "free": ("pool_blocks_left", "Blocks that nodes can still be given."),
    "reserved": (
        "pool_blocks_reserved",
        "Blocks kept by nodes' own addresses, Services, special ranges.",
    ),
    "draining": ("pool_blocks_draining", "Blocks that nodes give back when their pods are gone."),
    "exhausted": ("pool_exhausted", "1 while a node waits for a block, 0 else."),
}
_FAMILIES: Final = {4: "ipv4", 6: "ipv6"}
_CURRENT: Final = Claim.CURRENT


def pool_families(pools: Sequence[Mapping[str, Any]]) -> Iterator[Family]:
    """Yield the families of pools, from the pools' reports."""
    for field, (name, meaning) in _POOL_NUMBERS.items():
        numbers = [(_pool(each), float(each[field])) for each in pools]
        yield Family(f"{_PREFIX}_{name}", meaning, _POOL, numbers)
    yield Family(
        f"{_PREFIX}_pool_seconds_to_exhaustion",
        "Until no block is left if use goes on growing as of late; +Inf when it does not grow.",
        _POOL,
        [(_pool(each), _seconds(each["seconds_to_exhaustion"])) for each in pools],
    )


def node_families(allocator: ClusterAllocator, states: NodeStates) -> Iterator[Family]:
    """Yield the families of nodes, and the sums over them."""
    names = list(allocator.nodes)
    yield Family(
        f"{_PREFIX}_node_cidrs",
        "CIDRs of a node: in its object, given and not yet written, kept until their pods go.",
        ("node", "family", "state"),
        [sample for name in names for sample in _node_cidrs(name, allocator)],
    )
    yield Family(
        f"{_PREFIX}_node_error",
        "1 for each node whose CiliumNode shows an error; the error itself is there.",
        ("node",),
        [((name,), 1.0) for name, error in states.errors.items() if error],
    )
    gauges = {
        "nodes": ("Nodes known.", len(names)),
        "nodes_waiting": ("Nodes that wait for a block.", len(states.waiting)),
        "conflicts": ("CIDRs of nodes that overlap an earlier one's.", allocator.conflicts),
    }
    for name, (meaning, count) in gauges.items():
        yield _sum(name, meaning, count, FamilyKind.GAUGE)
    counters = {
        "grants_total": ("Writes that gave a node CIDRs.", states.granted),
        "failed_writes_total": ("Writes that did not come through.", states.failed_writes),
    }
    for name, (meaning, count) in counters.items():
        yield _sum(name, meaning, count, FamilyKind.COUNTER)


def problem_family(count: int) -> Family:
    """Return the family that counts problems of pools."""
    meaning = "What is wrong with pools, each reported by a log line and an Event."
    return _sum("problems", meaning, count, FamilyKind.GAUGE)


def _sum(name: str, meaning: str, count: int, kind: FamilyKind) -> Family:
    return Family(f"{_PREFIX}_{name}", meaning, (), [((), float(count))], kind)


def _pool(entry: Mapping[str, Any]) -> tuple[str, str]:
    return entry["pool"], entry["family"]


def _seconds(known: float | None) -> float:
    return math.inf if known is None else known


def _node_cidrs(name: str, allocator: ClusterAllocator) -> Iterable[Sample]:
    """Return the node's counts that are not zero: most nodes have one CIDR a family."""
    counts: dict[tuple[str, str, str], int] = {}
    for cidr, kind in allocator.claims(name).items():
        state = "current" if kind is _CURRENT else kind.value  # Hashing an Enum is slow.
        labels = name, _FAMILIES[cidr.version], state
        counts[labels] = counts.get(labels, 0) + 1
    return counts.items()
