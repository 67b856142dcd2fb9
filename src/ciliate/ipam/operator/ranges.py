"""The operator's part of address management, wired: tables, allocator, decisions, writes.

Runs only under the lease and only in the modes in which the operator gives nodes their CIDRs.
Every use is learned before the first grant. The allocator lives as long as the lease: the next
leader learns everything anew.
"""

import asyncio
import contextlib
import time
from typing import Any, Final

from ciliate.api.cilium_node import CiliumNode
from ciliate.cluster.context import Context
from ciliate.cluster.views import UnreadableNode
from ciliate.ipam.cluster import ClusterAllocator
from ciliate.ipam.operator.cidr_writer import CidrWriter
from ciliate.ipam.operator.families import node_families, pool_families, problem_family
from ciliate.ipam.operator.granting import Granting
from ciliate.ipam.operator.node_cidrs import Decision, fill_pod_cidrs, satisfy_demand
from ciliate.ipam.operator.pool_lists import PoolLists
from ciliate.ipam.operator.pool_objects import PoolObjects
from ciliate.ipam.operator.pool_trends import PoolTrends
from ciliate.ipam.operator.problem_events import ProblemEvents
from ciliate.ipam.operator.report import ipam_report, pool_reports
from ciliate.ipam.operator.service_range import ServiceRangeWatch
from ciliate.ipam.operator.settings import OperatorIPAMSettings
from ciliate.ipam.operator.usage import ClusterUsage
from ciliate.kube.events import EventRecorder
from ciliate.metrics.family import Family

#: Longest time between two reviews of the pools and samples of their use, in seconds.
_REVIEW_S: Final = 10.0
#: Changes within this time are reviewed together, in seconds.
_SETTLE_S: Final = 0.05


class NodeRanges:
    """Gives CIDRs to nodes, once the tables are complete."""

    def __init__(self, context: Context, settings: OperatorIPAMSettings) -> None:
        client, tables = context.client, context.tables
        self._settings = settings
        self._allocator = allocator = ClusterAllocator()
        self._events = EventRecorder(client, component="cilium-operator")
        self._problems = ProblemEvents(self._events)
        self._pools_changed = asyncio.Event()
        self._trends = PoolTrends()
        self._objects: PoolObjects | None = None
        if settings.mode == "cluster-pool":
            self._pools: PoolLists | PoolObjects = PoolLists(
                client,
                source=context.config,
                settings=settings,
                allocator=allocator,
                problems=self._problems,
                changed=self._pools_changed.set,
            )
        else:
            self._pools = self._objects = PoolObjects(
                client,
                allocator=allocator,
                problems=self._problems,
                wanted=settings.auto_create,
                may_act=context.may_act,
                changed=self._pools_changed.set,
            )
        writer = CidrWriter(client, may_act=context.may_act)
        table = tables.cilium_nodes
        self._granting = Granting(
            table,
            allocator,
            self._decide,
            writer,
            self._events,
            current=lambda: table.connected and tables.endpoints.connected,
            outside_changed=self._pools_changed.set,
        )
        self._usage = ClusterUsage(
            tables,
            allocator,
            enqueue=self._granting.enqueue,
            freed=self._granting.enqueue_waiting,
        )
        self._services = ServiceRangeWatch(client, allocator, changed=self._usage.notify)

    async def run(self) -> None:
        """Learn every use, then serve nodes for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._events.run(), name="events")
            await self._services.start(tasks)
            # Pools before their uses: each use is entered once.
            await self._pools.start(tasks)
            await self._usage.follow()
            self._granting.run(tasks)
            await self._watch_pools()

    async def _watch_pools(self) -> None:
        while True:
            self._review_pools()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REVIEW_S):
                    await self._pools_changed.wait()
                    await asyncio.sleep(_SETTLE_S)
            self._pools_changed.clear()

    def report(self) -> dict[str, Any]:
        """Return the answer of `/ipam`: pools, nodes' CIDRs, problems."""
        return (
            {"mode": self._settings.mode}
            | ipam_report(self._allocator, self._granting.states, self._trends.by_series)
            | {"problems": self._problems.standing}
        )

    def families(self) -> tuple[Family, ...]:
        """Return the same as metrics, without the texts of CIDRs, which are expensive."""
        pools = pool_reports(self._allocator, self._granting.states, self._trends.by_series)
        return (
            *pool_families(pools),
            *node_families(self._allocator, self._granting.states),
            problem_family(len(self._problems.standing)),
        )

    def _decide(self, node: CiliumNode, settled: bool) -> Decision:  # noqa: FBT001 - one caller
        if isinstance(node, UnreadableNode):
            return Decision(error=f"{node.problem}: correct it; until then the node gets no CIDRs")
        if self._objects is None:
            return fill_pod_cidrs(self._allocator, node, self._settings.versions, settled=settled)
        return satisfy_demand(self._allocator, node, self._objects.usable, settled=settled)

    def _review_pools(self) -> None:
        """Use changed pools, publish their problems, sample how full they are."""
        if self._pools.apply():
            self._granting.enqueue_all()
        if self._objects is not None:
            self._objects.report_owners(self._granting.states.outside)
        overlaps = self._allocator.reservation_problems()
        for pool, reference in self._pools.references.items():
            self._problems.publish(reference, "PoolOverlapsReserved", overlaps.get(pool, {}))
        self._trends.sample(self._allocator, time.monotonic())  # A wall clock may jump.
