"""This node's demand for addresses of pools, and the CIDRs it gives back (multi-pool).

A higher demand is published at once; a CIDR is given back only after it was unused for a while, so
that replacing a pod does not cost a CIDR (docs/CILIUM.md, "Pools").
"""

import time
from collections.abc import Callable

from ciliate.api.cilium_node import PoolDemand as Needed
from ciliate.api.cilium_node import RequestedPool
from ciliate.config.settings import IPAMSettings
from ciliate.ipam.agent.pod_cidrs import PodCIDRs
from ciliate.ipam.demand import CIDRUse, Pending, needed, releasable
from ciliate.ipam.node import NodeAddresses
from ciliate.net.address import IPNetwork
from ciliate.reconcile.listeners import Listeners


class PoolDemand:
    """Demand by pool and family; listeners are called when it changed."""

    def __init__(
        self,
        settings: IPAMSettings,
        addresses: NodeAddresses,
        pod_cidrs: PodCIDRs,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._addresses = addresses
        self._pod_cidrs = pod_cidrs
        self._clock = clock
        self._pending = Pending()
        self._idle_since: dict[IPNetwork, float] = {}
        self._reported: tuple[RequestedPool, ...] = ()
        self._listeners: Listeners[[]] = Listeners()

    @property
    def pending(self) -> dict[tuple[str, int], int]:
        """How many pods wait, by pool and IP version."""
        return self._pending.counts()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` when more or less is needed, or a CIDR became idle."""
        self._listeners.add(listener)

    def unmet(self, pool: str, version: int, owner: str) -> None:
        """Count a pod that found no address."""
        self._pending.add(pool, version, owner, self._clock())
        self._report()

    def satisfied(self, owner: str) -> None:
        """Forget the demand of a pod that got its addresses, or is gone."""
        self._pending.clear_owner(owner)
        self._report()

    def freed(self) -> None:
        """Recompute the demand after a pod's addresses were freed."""
        self._report()

    def requested(self) -> tuple[RequestedPool, ...]:
        """Return `pools.requested` of the CiliumNode: pools by name, without those of zero."""
        self._pending.expire(self._clock())
        pools = {pool for pool, count in self._settings.pre_allocation.items() if count}
        pools |= {self._settings.own_pool}
        pools |= {pool for pool, _ in self._pending.counts()}
        pools |= {held.pool for held in self._addresses.held if not held.draining}
        found = []
        for pool in sorted(pools):
            counts = {v: self._needed(pool, v) for v in self._addresses.versions}
            if any(counts.values()):
                demand = Needed(ipv4_addrs=counts.get(4, 0), ipv6_addrs=counts.get(6, 0))
                found.append(RequestedPool(pool=pool, needed=demand))
        return tuple(found)

    def _needed(self, pool: str, version: int) -> int:
        in_use = sum(
            held.in_use
            for held in self._addresses.held
            if held.pool == pool and held.cidr.version == version and not held.draining
        )
        reserve = self._settings.pre_allocation.get(pool, 0)
        wanted = needed(in_use + self._pending.count(pool, version), reserve)
        return max(wanted, 1) if pool == self._settings.own_pool else wanted  # For the router.

    def close_idle(self) -> float | None:
        """Give back CIDRs that were idle long enough; return the seconds until the next one is."""
        now_s, next_s = self._clock(), None
        idle = set(self._idle())
        self._idle_since = {cidr: self._idle_since.get(cidr, now_s) for cidr in idle}
        due = {
            cidr
            for cidr, since in self._idle_since.items()
            if now_s - since >= self._settings.release_after_s
        }
        waiting = [since for cidr, since in self._idle_since.items() if cidr not in due]
        if waiting:
            next_s = min(waiting) + self._settings.release_after_s - now_s
        if due:
            self._pod_cidrs.close(due)
        return next_s

    def _idle(self) -> list[IPNetwork]:
        current = [held for held in self._addresses.held if not held.draining]
        kinds = dict.fromkeys((held.pool, held.cidr.version) for held in current)
        found: list[IPNetwork] = []
        for pool, version in kinds:
            blocks = [
                CIDRUse(held.cidr, held.in_use, held.block.usable - held.kept)
                for held in current
                if (held.pool, held.cidr.version) == (pool, version)
            ]
            found += releasable(blocks, self._needed(pool, version))
        return found

    def _report(self) -> None:
        wanted = self.requested()
        if wanted != self._reported or self._idle():
            self._reported = wanted
            self._listeners()
