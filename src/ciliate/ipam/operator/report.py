"""Pools and nodes' CIDRs in numbers: for `GET /ipam` and metrics. Pure.

Blocks are those of nodes: `used` counts everything that keeps a block from being given, `reserved`
the part that nodes' own addresses, Services and special ranges keep.
"""

from collections.abc import Mapping
from typing import Any

from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.cluster import Claim, ClusterAllocator
from ciliate.ipam.operator.node_states import NodeStates
from ciliate.ipam.operator.pool_trends import Series
from ciliate.ipam.pools import PoolFamily
from ciliate.ipam.trend import Trend


def ipam_report(
    allocator: ClusterAllocator, states: NodeStates, trends: Mapping[Series, Trend]
) -> dict[str, Any]:
    """Return the numbers: one entry a pool and family, one a node, and the sums."""
    return {
        "pools": pool_reports(allocator, states, trends),
        "nodes": [_node(allocator, states, name) for name in sorted(allocator.nodes)],
        "waiting": len(states.waiting),
        "conflicts": allocator.conflicts,
        "granted": states.granted,
        "failed_writes": states.failed_writes,
    }


def pool_reports(
    allocator: ClusterAllocator, states: NodeStates, trends: Mapping[Series, Trend]
) -> list[dict[str, Any]]:
    """Return the part about pools; its cost hardly grows with the number of nodes."""
    draining = _draining(allocator)
    return [
        _pool(allocator, pool, version, family)
        | {
            "draining": draining.get((pool, version), 0),
            "exhausted": (pool, version) in states.exhausted,
            "seconds_to_exhaustion": _end(allocator, trends, (pool, version)),
        }
        for pool, families in sorted(allocator.pools.families.items())
        for version, family in sorted(families.items())
    ]


def _pool(
    allocator: ClusterAllocator, pool: str, version: int, family: PoolFamily
) -> dict[str, Any]:
    total = sum(cidr_set.blocks for cidr_set in family.cidr_sets)
    free = allocator.free(pool, version)
    return {
        "pool": pool,
        "family": f"ipv{version}",
        "cidrs": [str(cidr_set.cidr) for cidr_set in family.cidr_sets],
        "block_length": family.block_length,
        "blocks": total,
        "used": total - free,
        "free": free,
        "reserved": allocator.reserved(pool, version),
    }


def _node(allocator: ClusterAllocator, states: NodeStates, name: str) -> dict[str, Any]:
    claims = allocator.claims(name)

    def texts(*kinds: Claim) -> list[str]:
        return [str(cidr) for cidr, kind in sorted(claims.items()) if kind in kinds]

    return {
        "node": name,
        "cidrs": texts(Claim.CURRENT),
        "granted": texts(Claim.GRANTED),
        "draining": texts(Claim.DRAINING),
        "waiting_for": sorted(f"{p} ipv{v}" for p, v in states.waiting.get(name, ())),
        "error": states.errors.get(name, ""),
    }


def _draining(allocator: ClusterAllocator) -> dict[Series, int]:
    """Return how many blocks of each pool are being drained by their nodes."""
    counts: dict[Series, int] = {}
    for name in allocator.nodes:
        for cidr, kind in allocator.claims(name).items():
            if kind is Claim.DRAINING:
                for series, blocks in _blocks_in_pools(allocator, cidr).items():
                    counts[series] = counts.get(series, 0) + blocks
    return counts


def _blocks_in_pools(allocator: ClusterAllocator, cidr: Cidr) -> dict[Series, int]:
    found: dict[Series, int] = {}
    for cidr_set in allocator.pools.overlapping(cidr):
        low = cidr_set.number(max(cidr.first, cidr_set.cidr.first))
        high = cidr_set.number(min(cidr.last, cidr_set.last))
        series = cidr_set.pool, cidr.version
        found[series] = found.get(series, 0) + high - low + 1
    return found


def _end(
    allocator: ClusterAllocator, trends: Mapping[Series, Trend], series: Series
) -> float | None:
    trend = trends.get(series)
    return trend.seconds_to_exhaustion(allocator.free(*series)) if trend else None
