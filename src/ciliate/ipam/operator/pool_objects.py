"""The pools of multi-pool mode: CiliumPodIPPool objects, entered into the allocator at any time.

Ranges of a pool that cannot be used are left out, with an Event; other ranges and pools are used.
A range that is taken out of its pool, or deleted with it, gives no more blocks; nodes keep those
they have until they give them back, and an Event says which node has how many.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from ciliate.api.core import ObjectReference
from ciliate.api.metadata import ObjectMeta
from ciliate.api.pod_ip_pool import (
    CILIUM_POD_IP_POOLS,
    CiliumPodIPPool,
    PodIPPoolSpec,
    PoolCIDRs,
)
from ciliate.config.pool_words import PoolWords
from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.cluster import ClusterAllocator
from ciliate.ipam.operator.node_cidrs import usable_addresses
from ciliate.ipam.operator.problem_events import ProblemEvents
from ciliate.ipam.pool_errors import PoolRangeError
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import AlreadyExistsError, KubeError, UnavailableError
from ciliate.kube.informer import Informer
from ciliate.reconcile.backoff import Backoff

#: Nodes that an Event names; of the others it says how many they are.
_NAMES_MAX: Final = 10

_log = logging.getLogger(__name__)


class PoolObjects:
    """Keeps the pools of an allocator as the CiliumPodIPPools say."""

    def __init__(
        self,
        client: ApiClient,
        *,
        allocator: ClusterAllocator,
        problems: ProblemEvents,
        wanted: Mapping[str, Mapping[int, PoolWords]],
        may_act: Callable[[], bool],
        changed: Callable[[], None],
    ) -> None:
        self._client = client
        self._allocator = allocator
        self._problems = problems
        self._wanted = wanted
        self._may_act = may_act
        self._table: Informer[CiliumPodIPPool] = Informer(
            client, CILIUM_POD_IP_POOLS, on_change=lambda _old, _new: changed()
        )
        #: By pool, how many blocks outside its CIDRs the last Event counted.
        self._reported: dict[str, int] = {}
        self.references: dict[str, ObjectReference] = {}

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Create the settings' pools that are missing, and follow all in a task of `tasks`."""
        for name, families in self._wanted.items():
            await self._create(name, families)
        tasks.create_task(self._table.run(), name=f"watch {self._table.name}")
        await self._table.synced()
        self.apply()

    def usable(self, pool: str, block: Cidr) -> int:
        """Return how many addresses of a block of a pool pods can have."""
        found = self._table.get(pool)
        first = found is not None and found.spec.allow_first_ip
        last = found is not None and found.spec.allow_last_ip
        return usable_addresses(block, first=first, last=last)

    def apply(self) -> bool:
        """Make the allocator's pools those of the table; return whether anything changed."""
        pools = sorted(self._table.objects.values(), key=_age)
        before = self._allocator.freed
        for name in set(self._allocator.pools.families) - {p.metadata.name for p in pools}:
            self._allocator.drop(name)
            self._problems.publish(self.references[name], "PoolRangeRefused", {})
        for pool in pools:
            # Deleted and created again between two calls: the old one's blocks do not bind it.
            known = self.references.get(pool.metadata.name)
            if known is not None and known.uid != pool.metadata.uid:
                self._allocator.drop(known.name)
        refused: dict[str, list[PoolRangeError]] = {}
        # Twice: a range may have moved from a later pool to an earlier one.
        for _turn in range(2):
            refused = {pool.metadata.name: self._define(pool) for pool in pools}
            if not any(refused.values()):
                break
        for pool in pools:
            name = pool.metadata.name
            self.references[name] = _reference(pool)
            self._problems.publish(
                self.references[name],
                "PoolRangeRefused",
                {refusal.cidr or refusal.problem: str(refusal) for refusal in refused[name]},
            )
        return self._allocator.freed != before

    def report_owners(self, outside: Mapping[str, Iterable[tuple[str, Cidr]]]) -> None:
        """Publish which nodes own blocks that their pools no longer have."""
        owners: dict[str, Counter[str]] = {name: Counter() for name in self.references}
        for node, blocks in outside.items():
            for pool, _cidr in blocks:
                owners.setdefault(pool, Counter())[node] += 1
        for pool, counts in owners.items():
            reference = self.references.get(pool)
            if reference is not None:
                held = counts.total()
                text = {"held": _owners_text(counts)} if counts else {}
                # Blocks come back one by one: an Event only when their number has doubled.
                reported = self._reported.get(pool, 0)
                worse = held >= 2 * reported
                self._problems.publish(reference, "PoolRangeInUse", text, with_event=worse)
                self._reported[pool] = held if worse else min(held, reported)

    def _define(self, pool: CiliumPodIPPool) -> list[PoolRangeError]:
        refused = []
        for version, family in ((4, pool.spec.ipv4), (6, pool.spec.ipv6)):
            name = pool.metadata.name
            if family is None:
                self._allocator.drop(name, version)
            else:
                refused += self._allocator.define(name, version, family.mask_size, family.cidrs)
        return refused

    async def _create(self, name: str, families: Mapping[int, PoolWords]) -> None:
        cidrs = {
            version: PoolCIDRs(cidrs=words.cidrs, mask_size=words.mask_size)
            for version, words in families.items()
        }
        pool = CiliumPodIPPool(
            metadata=ObjectMeta(name=name),
            spec=PodIPPoolSpec(ipv4=cidrs.get(4), ipv6=cidrs.get(6)),
        )
        pause = Backoff()
        while self._may_act():
            try:
                await self._client.create(CILIUM_POD_IP_POOLS, pool)
            except AlreadyExistsError:
                _log.info("pool %s: Found existing CiliumPodIPPool resource, left as it is", name)
            except UnavailableError as error:
                _log.warning("pool %s: %s; trying again", name, error)
                await asyncio.sleep(pause.next())
                continue
            except KubeError as error:
                _log.error("pool %s cannot be created: %s", name, error)
            else:
                _log.info("pool %s created", name)
            return


def _age(pool: CiliumPodIPPool) -> tuple[str, str]:
    """Return the key to order by age: of two pools that overlap the older one keeps its range."""
    return pool.metadata.creation_timestamp or "", pool.metadata.name


def _reference(pool: CiliumPodIPPool) -> ObjectReference:
    return ObjectReference(
        api_version=CILIUM_POD_IP_POOLS.api_version,
        kind=CILIUM_POD_IP_POOLS.kind,
        name=pool.metadata.name,
        uid=pool.metadata.uid,
    )


def _owners_text(counts: "Counter[str]") -> str:
    named = ", ".join(f"{node} ({count})" for node, count in sorted(counts.items())[:_NAMES_MAX])
    more = f" and {len(counts) - _NAMES_MAX} more nodes" if len(counts) > _NAMES_MAX else ""
    return (
        f"nodes still hold {counts.total()} blocks that are no longer in the pool's CIDRs:"
        f" {named}{more}; no new address comes out of them, and they are free when the last pod"
        " in them is gone"
    )
