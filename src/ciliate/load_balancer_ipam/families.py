"""Pools and Services as metrics, under Cilium's names. Pure: read from the allocator at a scrape."""

from collections.abc import Iterator
from typing import Final

from ciliate.load_balancer_ipam.allocator import Allocator
from ciliate.metrics.family import Family

_PREFIX: Final = "cilium_operator_lbipam"


def families(allocator: Allocator) -> Iterator[Family]:
    """Yield the families."""
    uses = {pool.name: allocator.used(pool) for pool in allocator.pools}
    yield _gauge(
        "conflicting_pools",
        "Pools that give nothing, since blocks overlap.",
        sum(bool(pool.conflict) for pool in allocator.pools),
    )
    yield Family(
        f"{_PREFIX}_ips_available",
        "Addresses of a pool that no Service has.",
        ("pool",),
        [((name,), float(left)) for name, (_, left) in uses.items()],
    )
    yield Family(
        f"{_PREFIX}_ips_used",
        "Addresses of a pool that a Service has, or several share.",
        ("pool",),
        [((name,), float(used)) for name, (used, _) in uses.items()],
    )
    yield _gauge(
        "services_matching", "Services that get their addresses from pools.", len(allocator)
    )
    yield _gauge(
        "services_unsatisfied",
        "Services of these that have not what they ask for.",
        allocator.unsatisfied,
    )


def _gauge(name: str, meaning: str, count: int) -> Family:
    return Family(f"{_PREFIX}_{name}", meaning, (), [((), float(count))])
