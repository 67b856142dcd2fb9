"""Metrics of this node's addresses: read from the tables at each scrape.

The names `cilium_…` are Cilium's (docs/CILIUM.md, "Addresses"); those of pools are ours, since it has
none. Only events are counted as they happen, by the addresses themselves.
"""

from collections import Counter
from collections.abc import Mapping

from ciliate.ipam.held_block import HeldBlock
from ciliate.ipam.node import NodeAddresses
from ciliate.metrics.family import Family, FamilyKind, Sample


def ipam_families(
    addresses: NodeAddresses, pending: Mapping[tuple[str, int], int]
) -> tuple[Family, ...]:
    """Return the families; `pending` counts waiting pods by pool and IP version."""
    current = [held for held in addresses.held if not held.draining]
    draining = [held for held in addresses.held if held.draining]
    return (
        _events(addresses),
        Family(
            "cilium_ipam_capacity",
            "Addresses that this node can give.",
            ("family",),
            [
                ((_family(version),), sum(h.block.usable for h in _of(current, version)))
                for version in addresses.versions
            ],
        ),
        Family(
            "cilium_ip_addresses",
            "Addresses in use, or kept from pods.",
            ("family",),
            [
                ((_family(version),), _used(_of(addresses.held, version)))
                for version in addresses.versions
            ],
        ),
        Family(
            "ciliate_ipam_pool_addresses",
            "Addresses of the pools on this node: used and free in current CIDRs; in draining"
            " ones those still in use.",
            ("pool", "family", "state"),
            _by_pool(
                {
                    "used": [(held, held.block.used) for held in current],
                    "free": [(held, held.block.usable - held.block.used) for held in current],
                    "draining": [(held, held.in_use) for held in draining],
                }
            ),
        ),
        Family(
            "ciliate_ipam_node_cidrs",
            "CIDRs of this node: current ones give addresses, draining ones only keep them.",
            ("pool", "family", "state"),
            _by_pool(
                {
                    "current": [(held, 1) for held in current],
                    "draining": [(held, 1) for held in draining],
                }
            ),
        ),
        Family(
            "ciliate_ipam_pending_pods",
            "Pods that wait for an address of a pool.",
            ("pool", "family"),
            [((pool, _family(version)), count) for (pool, version), count in pending.items()],
        ),
    )


def _events(addresses: NodeAddresses) -> Family:
    return Family(
        "cilium_ipam_events_total",
        "Addresses given and freed.",
        ("action", "family"),
        [
            ((action, _family(version)), counts[version])
            for action, counts in (("allocate", addresses.allocated), ("release", addresses.freed))
            for version in addresses.versions
        ],
        FamilyKind.COUNTER,
    )


def _by_pool(states: Mapping[str, list[tuple[HeldBlock, int]]]) -> list[Sample]:
    """Return the sums by pool, family and state; a pool has every state or none."""
    sums: Counter[tuple[str, int, str]] = Counter()
    for counted in states.values():
        for held, _ in counted:
            sums.update({(held.pool, held.cidr.version, state): 0 for state in states})
    for state, counted in states.items():
        for held, count in counted:
            sums[held.pool, held.cidr.version, state] += count
    return [((pool, _family(v), state), count) for (pool, v, state), count in sums.items()]


def _used(blocks: list[HeldBlock]) -> int:
    """Return how many addresses are in use; one of several blocks that overlap counts once."""
    shared = {address for h in blocks if h.is_shared for address, _ in h.block.allocations()}
    return len(shared) + sum(h.block.used for h in blocks if not h.is_shared)


def _of(blocks: list[HeldBlock] | tuple[HeldBlock, ...], version: int) -> list[HeldBlock]:
    return [held for held in blocks if held.cidr.version == version]


def _family(version: int) -> str:
    return f"ipv{version}"
