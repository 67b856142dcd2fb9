"""Waits for what nodes tell, and gives ways as they are whole."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from ciliate.cli.trace.agent_flows import Ended, Item, Put, Ready, Silent, Told
from ciliate.cli.trace.collector import Collector, connections_of
from ciliate.cli.trace.errors import NobodyTellsError
from ciliate.cli.trace.event import Event, event_of
from ciliate.cli.trace.sought import Sought
from ciliate.cli.trace.way import Surroundings, Way, way_of
from ciliate.flows.pb.observer.observer_pb2 import GetFlowsResponse
from ciliate.flows.pb.relay import relay_pb2

#: How often it is looked whether a connection is whole.
_LOOK_S: Final = 0.1

#: What a relay says of a node that it does not reach.
_GONE: Final = frozenset({relay_pb2.NODE_UNAVAILABLE, relay_pb2.NODE_ERROR})


#: A node that has not begun by then is not waited for.
_SLOW_S: Final = 5.0


def _nothing() -> None:
    """Do nothing."""


class FlowSource(Protocol):
    """Who tells of flows."""

    async def tell(self, put: Put) -> None:
        """Give what is told until there is no more."""


@dataclass(slots=True)
class Tracing:
    """One command's state."""

    sought: Sought
    source: FlowSource
    aggregation: str
    #: Without a packet for so long it ends; None: never.
    patience_s: float | None = None
    #: Called once, when what happens from then on is told.
    ready: Callable[[], None] = _nothing
    _silent: dict[str, str] = field(default_factory=dict)
    _lost: Counter[str] = field(default_factory=Counter)
    _is_ready: bool = False
    #: Flows that were told, and nodes that told all of theirs.
    _count: int = 0
    _ended: int = 0

    @property
    def around(self) -> Surroundings:
        """What is known beside the flows, by now."""
        return Surroundings(self.aggregation, dict(self._silent), dict(self._lost))

    async def kept(self) -> list[Way]:
        """Return the ways of the connections that nodes still know, the first first.

        Raises:
            NobodyTellsError: No node does.
            CiliateError: The source as a whole fails.
        """
        items: list[Item] = []
        await self.source.tell(items.append)
        events = [event for item in items if (event := self._event(item))]
        self._refuse_silence()
        return [way_of(each, self.sought) for each in connections_of(events, self.sought)]

    async def ways(self) -> AsyncGenerator[Way]:
        """Yield the ways of connections as they happen, until the patience ends.

        Raises:
            NobodyTellsError: No node does.
            CiliateError: The source as a whole fails.
        """
        items: asyncio.Queue[Item] = asyncio.Queue()
        telling = asyncio.create_task(self.source.tell(items.put_nowait))
        try:
            async with contextlib.aclosing(self._collected(items, telling)) as ways:
                async for way in ways:
                    yield way
        finally:
            telling.cancel()
            await asyncio.wait((telling,))

    async def _collected(
        self, items: asyncio.Queue[Item], telling: "asyncio.Task[None]"
    ) -> AsyncGenerator[Way]:
        collector, loop = Collector(self.sought), asyncio.get_running_loop()
        begun_s = loop.time()
        while not (telling.done() and items.empty()):
            for item in await _next_items(items):
                if event := self._event(item):
                    collector.add(event, loop.time())
            for each in collector.ripe(loop.time()):
                yield way_of(each, self.sought)
            if loop.time() - begun_s > _SLOW_S:
                self._be_ready()
            if self._is_over(loop.time() - begun_s) and not collector.has_begun:
                return
        telling.result()
        self._refuse_silence()
        for each in collector.rest():
            yield way_of(each, self.sought)

    def _is_over(self, after_s: float) -> bool:
        return self.patience_s is not None and after_s > self.patience_s

    def _be_ready(self) -> None:
        if not self._is_ready:
            self._is_ready = True
            self.ready()

    def _refuse_silence(self) -> None:
        if self._silent and not (self._count or self._ended):
            raise NobodyTellsError(self._silent)

    def _event(self, item: Item) -> Event | None:
        """Take what was told; return the event, where it is one."""
        match item:
            case Ready():
                self._be_ready()
            case Silent(node, problem):
                self._silent[node] = problem
            case Ended():
                self._ended += 1
            case Told(response) if response.HasField("flow"):
                self._count += 1
                return event_of(response.flow)
            case Told(response):
                self._note(response)
        return None

    def _note(self, response: GetFlowsResponse) -> None:
        """Note what is no flow: what was lost, and whom a relay does not reach."""
        status = response.node_status
        if response.HasField("lost_events"):
            self._lost[response.node_name] += response.lost_events.num_events_lost
        elif status.state_change in _GONE:
            message = status.message or "the relay does not reach it"
            self._silent |= dict.fromkeys(status.node_names, message)


async def _next_items(items: asyncio.Queue[Item]) -> list[Item]:
    """Return what there is, at least one after a wait; none in a while."""
    found = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LOOK_S):
            found.append(await items.get())
    while not items.empty():
        found.append(items.get_nowait())
    return found
