"""The taint and the condition of each node, as the operator keeps them right."""

from collections.abc import Sequence
from typing import Any, Final

from ciliate.api.cilium_node import CiliumNode
from ciliate.cluster.context import Context
from ciliate.cluster.feature import Feature
from ciliate.readiness.settings import ReadinessSettings
from ciliate.readiness.target import NodeMarksTarget
from ciliate.reconcile.reconciler import Reconciler

#: Cheap, since the tables are in memory: notices statements that ended, and catches a wake that
#: came while a watch was interrupted.
_RESYNC_S: Final = 15.0


class ReadinessFeature(Feature):
    """Marks nodes by whether their agent is ready, as far as the settings ask for it."""

    name = "readiness"

    def __init__(self, context: Context, settings: ReadinessSettings) -> None:
        target = NodeMarksTarget(context, settings)
        self._marks = Reconciler(target, target.desired, resync_s=_RESYNC_S)
        self._settings = settings
        context.tables.nodes.add_listener(lambda _old, _new: self._marks.wake())
        context.tables.agents.add_listener(lambda _old, _new: self._marks.wake())
        context.tables.cilium_nodes.add_listener(self._stated)

    def _stated(self, old: CiliumNode | None, new: CiliumNode | None) -> None:
        """An agent may have said something else; that it says nothing any more shows by the clock."""
        before, after = (n.agent_ready_until if n is not None else None for n in (old, new))
        if before != after:
            self._marks.wake()

    def reconcilers(self) -> Sequence[Reconciler[Any, Any]]:
        """Return the reconciler of nodes' marks; none when the settings leave all to others."""
        return (self._marks,) if self._settings.any else ()
