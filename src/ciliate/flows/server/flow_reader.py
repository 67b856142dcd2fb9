"""Reads a store forward: what is wanted of it from a record on, as long as it comes.

The Observer's streams and flow logs read so. A reader keeps the number of the next record that it
looks at; what was overwritten before it came there, it is told as a loss. It looks at some records,
then others have their turn.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server.candidates import candidates
from ciliate.flows.server.flow_request import FlowRequest, is_loss
from ciliate.flows.server.flow_store import FlowStore
from ciliate.flows.server.record_view import RecordView

#: Records looked at before other clients and new records have their turn.
LOOKS_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True)
class Loss:
    """That there are fewer than happened: where the others went, and how many they are."""

    source: flow_pb2.LostEventSource
    count: int


#: What a reader finds.
Found = RecordView | Loss


class FlowReader:
    """Yields by `found` what is wanted of a store."""

    def __init__(
        self, store: FlowStore, wanted: FlowRequest, start: int, end: int | None = None
    ) -> None:
        """Begin with the record `start`; without an `end`, wait for what comes."""
        self._store = store
        self._wanted = wanted
        self._end = end
        #: Of the record that is looked at next.
        self.number = start

    async def found(self) -> AsyncIterator[Found]:
        """Yield what is wanted, and what of it was lost."""
        ring, end, wanted = self._store.ring, self._end, self._wanted
        left = None if wanted.follow else wanted.number
        while left != 0 and (end is None or self.number < end):
            if end is None:
                await self._store.more_than(self.number)
            if self.number < ring.oldest:
                yield self._overtaken(ring.oldest)
                continue
            stop = min(ring.end, self.number + LOOKS_AT_ONCE, end if end is not None else ring.end)
            for number in candidates_of(self._store, wanted, self.number, stop):
                self.number = number
                if number < ring.oldest:
                    break  # Overtaken while the client took the one before.
                view = self._store.view(number)
                self.number += 1
                if is_loss(view):
                    yield found(view)
                    continue
                if wanted.is_past(view):
                    return
                if wanted.is_wanted(view):
                    left = left - 1 if left is not None else None
                    yield view
                    if left == 0:
                        return
            else:
                self.number = stop
            await asyncio.sleep(0)

    def _overtaken(self, oldest: int) -> Loss:
        """Go to the oldest that is there; return how many were missed."""
        lost = (oldest if self._end is None else min(oldest, self._end)) - self.number
        self.number = oldest
        self._store.overtaken += lost
        return Loss(flow_pb2.HUBBLE_RING_BUFFER, lost)


def found(view: RecordView) -> Found:
    """Return a record as it is told: one that says how many are missing is a loss."""
    if is_loss(view):
        return Loss(flow_pb2.PERF_EVENT_RING_BUFFER, view.event.bytes)
    return view


def candidates_of(store: FlowStore, wanted: FlowRequest, first: int, last: int) -> Sequence[int]:
    """Return which records are looked at: all, where one that nobody wants ends the answer."""
    if wanted.until_ns is not None:
        return range(first, last)
    return candidates(store.ring, first, last, wanted.whitelist, store.around.names)
