"""The operator's part of address management, wired: tables, allocator, decisions, writes.

Runs only under the lease and only in the modes in which nodes get their CIDRs from the operator.
The allocator lives as long as the lease: the next leader learns everything anew.
"""

import asyncio
from collections.abc import Callable

from ciliate.api.cilium_node import CiliumNode
from ciliate.ipam.cluster import ClusterAllocator
from ciliate.kube.client import ApiClient
from ciliate.kube.events import EventRecorder
from ciliate.operator.cidr_writer import CidrWriter
from ciliate.operator.granting import Granting
from ciliate.operator.ipam_settings import CLUSTER_POOL, IPAMSettings
from ciliate.operator.node_cidrs import Decision, fill_pod_cidrs
from ciliate.operator.tables import Tables
from ciliate.operator.usage import Usage


class NodeRanges:
    """Gives CIDRs to nodes, from complete tables on."""

    def __init__(
        self,
        client: ApiClient,
        tables: Tables,
        settings: IPAMSettings,
        *,
        may_act: Callable[[], bool],
    ) -> None:
        self.allocator = ClusterAllocator()
        self._settings = settings
        self._events = EventRecorder(client, component="cilium-operator")
        writer = CidrWriter(client, may_act=may_act)
        self.granting = Granting(
            tables.cilium_nodes, self.allocator, self._decide, writer, self._events
        )
        self._usage = Usage(
            tables,
            self.allocator,
            look_at=self.granting.look_at,
            freed=self.granting.look_at_waiting,
        )

    def run(self, tasks: asyncio.TaskGroup) -> None:
        """Learn what everybody uses, then serve for ever, in tasks of `tasks`."""
        for version, ranges in self._settings.ranges.items():
            self.allocator.define(CLUSTER_POOL, version, ranges.block_length, ranges.cidrs)
        self._usage.follow()
        tasks.create_task(self._events.run(), name="events")
        self.granting.run(tasks)

    def _decide(self, node: CiliumNode, settled: bool) -> Decision:  # noqa: FBT001 - one caller
        return fill_pod_cidrs(self.allocator, node, self._settings.versions, settled=settled)
