"""Garbage collection of CiliumNodes: deleting the object of a gone node frees its CIDRs."""

import time
from collections.abc import Callable, Sequence

from ciliate.api.cilium_node import CILIUM_NODES
from ciliate.api.core import NODES
from ciliate.cluster.context import Context
from ciliate.cluster.feature import Task
from ciliate.cluster.garbage_collection import WRITES_MAX, collect_every, delete_unchanged
from ciliate.ipam.operator.missing_nodes import MissingNodes
from ciliate.ipam.operator.settings import NodeGCSettings
from ciliate.kube.errors import NotFoundError


class NodeGC:
    """Deletes CiliumNodes whose Node is gone, unless Kubernetes' garbage collector does."""

    def __init__(
        self,
        context: Context,
        settings: NodeGCSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context = context
        self._settings = settings
        self._clock = clock
        self._missing = MissingNodes(grace_s=settings.interval_s)

    def tasks(self) -> Sequence[Task]:
        """Collect at the interval of `nodes-gc-interval`."""
        interval_s = self._settings.interval_s
        return collect_every(interval_s, "CiliumNodes", self.collect, self._context.tables)

    async def collect(self) -> None:
        """Delete CiliumNodes whose Node is gone for long enough.

        Raises:
            KubeError: A request failed; the rest waits for the next round.
        """
        tables = self._context.tables
        garbage = self._missing.garbage(
            tables.cilium_nodes.objects.values(), tables.nodes.objects, self._clock()
        )
        for cilium_node in garbage[:WRITES_MAX]:
            try:
                await self._context.client.get(NODES, cilium_node.metadata.name)
            except NotFoundError:
                await delete_unchanged(
                    self._context, CILIUM_NODES, cilium_node, reason="its node is gone"
                )
