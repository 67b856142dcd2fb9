"""The flows of this node: records as they come, names as they are told, and who waits for more."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from ciliate.datapath.layout import Event
from ciliate.flows.server.record_ring import RecordRing
from ciliate.flows.server.record_view import RecordView, Surroundings

#: Over what time the rate of flows is taken, and how often it is noted how many there were.
_RATE_S: Final = 60.0
_NOTE_S: Final = 1.0

#: By a clock that nobody sets.
Clock = Callable[[], float]


class FlowStore:
    """Keeps the newest `capacity` records."""

    def __init__(
        self, capacity: int, around: Surroundings, *, clock: Clock = time.monotonic
    ) -> None:
        self.ring = RecordRing(capacity)
        self.around = around
        #: Records that were overwritten before a reader that wanted them came to them.
        self.overtaken = 0
        self._clock = clock
        self._begun_s = clock()
        self._notes: deque[tuple[float, int]] = deque([(self._begun_s, 0)])
        self._grown = asyncio.Event()

    def take(self, records: bytes) -> None:
        """Keep what has come, and wake who waits for it."""
        self.ring.append(records)
        now_s = self._clock()
        if now_s - self._notes[-1][0] >= _NOTE_S:
            self._notes.append((now_s, self.ring.end))
            self._forget_notes(now_s)
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    def _forget_notes(self, now_s: float) -> None:
        """Keep one note from before the last minute: from there on flows are counted."""
        while len(self._notes) > 1 and now_s - self._notes[1][0] >= _RATE_S:
            self._notes.popleft()

    def set_epoch_offset(self, offset_ns: int) -> None:
        """Note what to add to the time of records for nanoseconds since 1970."""
        self.around = replace(self.around, epoch_offset_ns=offset_ns)

    async def more_than(self, number: int) -> None:
        """Return when there are more records than `number`."""
        while self.ring.end <= number:
            await self._grown.wait()

    def view(self, number: int) -> RecordView:
        """Return a record that is there."""
        return RecordView(Event.unpack(self.ring.octets(number)), number, self.around)

    @property
    def uptime_s(self) -> float:
        """For how long flows have been kept."""
        return self._clock() - self._begun_s

    @property
    def rate(self) -> float:
        """Flows a second in the last minute, or since the beginning."""
        now_s = self._clock()
        self._forget_notes(now_s)
        since_s, count = self._notes[0]
        return (self.ring.end - count) / max(now_s - since_s, _NOTE_S)
