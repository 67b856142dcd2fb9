"""The taint and the condition of each node, as the operator keeps them right."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from ciliate.api.cilium_node import CiliumNode
from ciliate.cluster.context import Context
from ciliate.cluster.feature import Feature
from ciliate.readiness.settings import ReadinessSettings
from ciliate.readiness.target import NodeMarksTarget
from ciliate.reconcile.reconciler import Reconciler

#: Cheap, since the tables are in memory: catches a wake that came while a watch was interrupted.
_RESYNC_S: Final = 15.0

#: The clock of timers and that of statements are two.
_PAST_END_S: Final = 0.1


class ReadinessFeature(Feature):
    """Marks nodes by whether their agent is ready, as far as the settings ask for it."""

    name = "readiness"

    def __init__(self, context: Context, settings: ReadinessSettings) -> None:
        target = NodeMarksTarget(context, settings)
        self._marks = Reconciler(target, target.desired, resync_s=_RESYNC_S)
        self._settings = settings
        self._ends: dict[str, asyncio.TimerHandle] = {}  # Of statements, by node.
        context.tables.nodes.add_listener(lambda _old, _new: self._marks.wake())
        context.tables.agents.add_listener(lambda _old, _new: self._marks.wake())
        context.tables.cilium_nodes.add_listener(self._stated)

    def _stated(self, old: CiliumNode | None, new: CiliumNode | None) -> None:
        """An agent has said something else, or will have said nothing else by its end."""
        before, after = (n.agent_ready_until if n is not None else None for n in (old, new))
        if before == after:
            return
        self._marks.wake()
        node = new or old
        assert node is not None, "a listener is told of an object, or of what it was"
        name = node.metadata.name
        if (earlier := self._ends.pop(name, None)) is not None:
            earlier.cancel()
        if after is not None and (left_s := (after - datetime.now(UTC)).total_seconds()) > 0:
            loop = asyncio.get_running_loop()
            self._ends[name] = loop.call_later(left_s + _PAST_END_S, self._marks.wake)

    def reconcilers(self) -> Sequence[Reconciler[Any, Any]]:
        """Return the reconciler of nodes' marks; none when the settings leave all to others."""
        return (self._marks,) if self._settings.any else ()
