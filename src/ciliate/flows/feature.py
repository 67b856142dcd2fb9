"""Flows on a running node: events for whoever listens."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

from ciliate.api.monitor import SOCKET_NAME
from ciliate.datapath.datapath import Datapath
from ciliate.flows.monitor import MonitorServer
from ciliate.flows.watch import EventWatch
from ciliate.metrics.family import Family, FamilyKind
from ciliate.node.context import Context
from ciliate.node.feature import AnyReconciler, Feature, Task


class FlowsFeature(Feature):
    """What is told of packets and sockets."""

    name: ClassVar[str] = "flows"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._watch = EventWatch(context.settings.flows)

    def reconcilers(self, datapath: Datapath) -> Sequence[AnyReconciler]:
        """Take the maps of events; nothing of them is reconciled."""
        self._watch.use(datapath)
        return ()

    def tasks(self) -> Sequence[Task]:
        """Return the task that reads the ring."""
        return (self._watch.run,)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Serve listeners inside the block; the programs tell nothing any more behind it."""
        path = self._context.paths.run / SOCKET_NAME
        settings = self._context.settings.flows
        server = MonitorServer(self._watch, settings, node=self._context.own.name)
        server.listen(path)
        try:
            yield
        finally:
            server.end(path)
            self._watch.close()

    def families(self) -> Iterable[Family]:
        """Return how many events there were, and how many were lost."""
        counts = self._watch.counts
        for name, meaning, value in (
            ("ciliate_events_total", "Events that programs told.", counts.told),
            ("ciliate_events_lost_total", "Events that found no room in the ring.", counts.lost),
        ):
            yield Family(name, meaning, (), [((), value)], FamilyKind.COUNTER)
