"""IPAM as the operator runs it: CIDRs for nodes where the mode asks for it, and gone CiliumNodes.

In a mode in which the operator grants no CIDRs `/ipam` and the metrics are empty; errors of nodes
that an operator of another mode left are cleared then.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar

from ciliate.cluster.context import Context
from ciliate.cluster.feature import Feature, Task
from ciliate.ipam.operator.cidr_writer import CidrWriter
from ciliate.ipam.operator.node_gc import NodeGC
from ciliate.ipam.operator.ranges import NodeRanges
from ciliate.ipam.operator.settings import NodeGCSettings, OperatorIPAMSettings
from ciliate.ipam.operator.stale_errors import clear_errors
from ciliate.metrics.family import Family


class IPAM(Feature):
    """Gives nodes their CIDRs, and frees those of nodes that are gone."""

    name = "ipam"
    paths: ClassVar[Mapping[str, str]] = {"/ipam": "this operator gives no CIDRs to nodes"}

    def __init__(
        self, context: Context, settings: OperatorIPAMSettings, node_gc: NodeGCSettings
    ) -> None:
        self._context = context
        self._node_gc = NodeGC(context, node_gc)
        self._ranges = NodeRanges(context, settings) if settings.grants else None

    def tasks(self) -> Sequence[Task]:
        """Serve nodes, or clear the errors of a mode that did; delete CiliumNodes without Node."""
        serve = self._clear_errors if self._ranges is None else self._ranges.run
        return (serve, *self._node_gc.tasks())

    def families(self) -> Iterable[Family]:
        """Return the families of pools and nodes."""
        return self._ranges.families() if self._ranges else ()

    def answers(self) -> Mapping[str, Callable[[], object]]:
        """Return the answer of `/ipam`: the same with the texts of CIDRs and problems."""
        return {"/ipam": self._ranges.report} if self._ranges else {}

    async def _clear_errors(self) -> None:
        writer = CidrWriter(self._context.client, may_act=self._context.may_act)
        await clear_errors(self._context.tables.cilium_nodes, writer)
