"""The ranges of cluster-pool mode: the ConfigMap's lists at start, and appended to at run time.

While the operator runs a list may grow, and lose CIDRs that are not in use: a typing error can be
undone. A change of a CIDR that nodes have blocks of or pods live in, and of the mask size, is
refused with an Event. The former lists stay in force until the operator restarts, which checks the
lists as a whole.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Final

from ciliate.api.core import CONFIG_MAPS, ConfigMap, ObjectReference
from ciliate.cluster.context import ConfigSource
from ciliate.errors import SettingError
from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.cluster import ClusterAllocator
from ciliate.ipam.operator.problem_events import ProblemEvents
from ciliate.ipam.operator.settings import (
    CLUSTER_POOL,
    OperatorIPAMSettings,
    PoolRanges,
    read_lists,
)
from ciliate.kube.client import ApiClient
from ciliate.kube.informer import Informer

_REASON: Final = "PoolListRefused"

#: Longest wait for the ConfigMap at start, in seconds.
_SYNC_S: Final = 5.0


class PoolLists:
    """Keeps the pool of an allocator as the ConfigMap, overridden by flags, says."""

    def __init__(
        self,
        client: ApiClient,
        *,
        source: ConfigSource,
        settings: OperatorIPAMSettings,
        allocator: ClusterAllocator,
        problems: ProblemEvents,
        changed: Callable[[], None],
    ) -> None:
        self._allocator = allocator
        self._problems = problems
        self._flags = source.flags
        self._ranges = dict(settings.ranges)
        self._changed = changed
        self._name = source.config_map
        self._table: Informer[ConfigMap] = Informer(
            client,
            CONFIG_MAPS,
            namespace=source.namespace,
            field_selector=f"metadata.name={source.config_map}",
            on_change=lambda _old, _new: changed(),
        )
        self._reference = ObjectReference(
            kind="ConfigMap", name=source.config_map, namespace=source.namespace
        )

    @property
    def references(self) -> Mapping[str, ObjectReference]:
        """The object that Events about each pool are about."""
        return {CLUSTER_POOL: self._reference}

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Define the pool, and follow the ConfigMap in a task of `tasks`."""
        for version, ranges in self._ranges.items():
            self._allocator.define(CLUSTER_POOL, version, ranges.block_length, ranges.cidrs)
        tasks.create_task(self._table.run(), name=f"watch {self._table.name}")
        # CIDRs that a former leader accepted must be in the pool before the first decision. An
        # operator that may not watch ConfigMaps uses the lists read at start.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SYNC_S):
                await self._table.synced()
        self.apply()

    def apply(self) -> bool:
        """Accept additions and unused removals, refuse others; return whether anything changed."""
        config_map = self._table.get(self._name, self._reference.namespace)
        if config_map is None:
            return False  # Gone, or not seen yet: the lists in force stay.
        meta = config_map.metadata
        self._reference = ObjectReference(
            kind="ConfigMap", name=meta.name, namespace=meta.namespace, uid=meta.uid
        )
        config = {**config_map.data, **self._flags}
        problems: dict[str, str] = {}
        changed = False
        for version in self._ranges:
            try:
                changed |= self._extend(version, read_lists(config, version), problems)
            except SettingError as error:
                problems[error.key] = f"{error}; what was in force stays"
        self._problems.publish(self._reference, _REASON, problems)
        return changed

    def _extend(self, version: int, wanted: PoolRanges, problems: dict[str, str]) -> bool:
        now = self._ranges[version]
        name, mask = f"cluster-pool-ipv{version}-cidr", f"cluster-pool-ipv{version}-mask-size"
        until = "refused until the operator starts anew, because nodes hold blocks of it"
        if wanted.block_length != now.block_length:
            problems[mask] = (
                f"{mask} was changed from {now.block_length} to {wanted.block_length}: {until}"
            )
            return False
        unreadable = [text for text in wanted.cidrs if not _is_cidr(text)]
        if unreadable:
            for text in unreadable:
                problems[f"{name} {text}"] = f"{name}: {text!r} is no CIDR: correct or remove it"
            return False
        before, after = ({Cidr.parse(c): c for c in ranges.cidrs} for ranges in (now, wanted))
        gone = before.keys() - after.keys()
        held = [cidr for cidr in gone if self._allocator.in_use(cidr)]
        for cidr in held:
            problems[f"{name} {cidr}"] = f"{cidr} was taken out of {name} or changed: {until}"
        if held:
            return False
        added = tuple(text for cidr, text in after.items() if cidr not in before)
        if not added and not gone:
            return False
        stay = tuple(text for cidr, text in before.items() if cidr not in gone)
        refused = self._allocator.define(CLUSTER_POOL, version, now.block_length, (*stay, *added))
        for refusal in refused:
            problems[f"{name} {refusal.cidr}"] = f"{name}: {refusal.problem}: {refusal.remedy}"
        bad = {refusal.cidr for refusal in refused}
        kept = tuple(text for text in added if str(Cidr.parse(text)) not in bad)
        self._ranges[version] = PoolRanges((*stay, *kept), now.block_length)
        return bool(kept or gone)


def _is_cidr(text: str) -> bool:
    try:
        Cidr.parse(text)
    except ValueError:
        return False
    return True
