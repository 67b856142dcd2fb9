"""Reads events while somebody listens, and has the programs tell what is listened to, no more.

While much happens nobody is woken by an event: the ring is looked at by the clock. While little does,
each event wakes the reader, and nothing costs nothing. What came while nobody listened is passed over.
What finds no room in the ring is counted by the programs; it is told to everybody who listens, since it
is not known what it was.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import time
from collections.abc import Callable
from typing import Final

from ciliate.config.flow_settings import FlowSettings
from ciliate.datapath.bpf_map import OpenMap
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.layout import Event, EventCounts, EventSettings, EventWantedFlag
from ciliate.datapath.ring import EVENTS, EventRing
from ciliate.errors import CiliateError
from ciliate.flows.maps import EVENT_COUNTS, EVENT_SETTINGS

_log = logging.getLogger(__name__)

#: How often the ring is looked at. It has room for what a million packets a second tell in 16 ms; a
#: look costs a quarter of a millisecond, however little there is.
_LOOK_S: Final = 0.012

#: Little is what wakes the reader less often than looks would: so many records in this time.
_CALM_S: Final = 0.12
_CALM_RECORDS: Final = 20
_CALM_LOOKS: Final = round(_CALM_S / _LOOK_S)

#: A reader that sleeps looks so often nevertheless: a program that was at it when the reader lay down
#: woke nobody.
_DOZE_S: Final = 0.25

#: The ring only fills between two looks: where it was not about full, nothing found no room. Losses
#: are asked for so often nevertheless.
_NEARLY_FULL: Final = 0.9
_LOSS_LOOK_S: Final = 1.0
#: Records taken at once, before others of the agent have their turn.
_RECORDS_AT_ONCE: Final = 4096

_SECOND_NS: Final = 10**9

#: After a failure, before the ring is looked at again.
_PAUSE_S: Final = 1.0

#: Is given the octets of records in their order, and how many were lost before them.
Listener = Callable[[bytes, int], None]


class _Calm:
    """Whether little happens: few records in each stretch of time."""

    def __init__(self, now_s: float) -> None:
        self._begun_s = now_s
        self._records = 0

    def still_is(self, count: int, now_s: float) -> bool:
        """Take in that so many records came by now."""
        if now_s - self._begun_s > _CALM_S:
            self._begun_s, self._records = now_s, 0
        self._records += count
        return self._records <= _CALM_RECORDS


class EventWatch:
    """The only reader of the ring; `run` is its task."""

    def __init__(self, settings: FlowSettings) -> None:
        self._settings = settings
        self._listeners: dict[Listener, EventWantedFlag] = {}
        self._changed = asyncio.Event()
        self._ring_fd = -1
        self._ring: EventRing | None = None
        self._told: OpenMap[int, EventSettings] | None = None
        self._counts: OpenMap[int, EventCounts] | None = None
        self._lost = 0
        self._lost_asked_s = 0.0
        self._seed = 0  # Of the names of flows.
        self._busy: asyncio.Event | None = None  # Of a reader that sleeps: it gets up.

    def use(self, datapath: Datapath) -> None:
        """Read what these programs tell; until somebody listens they tell nothing."""
        self._ring_fd = os.dup(datapath.map_fd(EVENTS))
        self._told = datapath.opened(EVENT_SETTINGS)
        self._counts = datapath.opened(EVENT_COUNTS)
        self._tell()

    @property
    def counts(self) -> EventCounts:
        """How many events there were since the maps were made, and how many found no room."""
        found = self._counts.get(0) if self._counts is not None else None
        return found or EventCounts(0, 0)

    def listen(self, listener: Listener, wanted: EventWantedFlag) -> None:
        """Give `listener` what is told from now on, whatever others want besides.

        Raises:
            DatapathError: The ring cannot be mapped.
        """
        if not self._listeners:
            self._open().skip()
            self._seed = secrets.randbits(64)  # To whom comes first, each flow is news.
            self._lost = self.counts.lost
        self._listeners[listener] = wanted
        self._tell()
        self._changed.set()

    def leave(self, listener: Listener) -> None:
        """Give it nothing any more; again, nothing happens."""
        if self._listeners.pop(listener, None) is not None:
            self._tell()

    def _open(self) -> EventRing:
        """The ring, mapped for who listens first."""
        if self._ring is None:
            self._ring = EventRing(self._ring_fd)
        return self._ring

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._listeners:
                try:
                    await self._read_on()
                except CiliateError as error:
                    _log.warning("events: %s", error)
                    await asyncio.sleep(_PAUSE_S)

    async def _read_on(self) -> None:
        """Look by the clock until little happens, then sleep until much does.

        Raises:
            DatapathError: The kernel refused.
        """
        looks, records = 0, 0
        while self._listeners and (looks < _CALM_LOOKS or records > _CALM_RECORDS):
            if looks == _CALM_LOOKS:
                looks, records = 0, 0
            count = self._read()
            looks, records = looks + 1, records + count
            await asyncio.sleep(0 if count == _RECORDS_AT_ONCE else _LOOK_S)
        await self._doze()

    async def _doze(self) -> None:
        """Have each event wake us, until they are many."""
        if not self._listeners:
            return
        loop = asyncio.get_running_loop()
        self._busy = busy = asyncio.Event()
        calm = _Calm(loop.time())

        def look() -> None:
            try:
                if not calm.still_is(self._read(), loop.time()):
                    busy.set()
            except CiliateError:
                busy.set()  # Whoever looks by the clock is told.

        self._tell()
        loop.add_reader(self._ring_fd, look)
        try:
            while self._listeners and not busy.is_set():
                look()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_DOZE_S):
                        await busy.wait()
        finally:
            self._get_up()

    def _get_up(self) -> None:
        """Have events wake nobody any more."""
        if self._busy is not None:
            self._busy.set()
            self._busy = None
            asyncio.get_running_loop().remove_reader(self._ring_fd)
            self._tell()

    def close(self) -> None:
        """Have the programs tell nothing, and unmap the ring."""
        self._listeners.clear()
        self._get_up()
        if self._ring is not None:
            self._ring.close()
            self._ring = None
        if self._told is not None and self._counts is not None:
            self._tell()
            self._told.close()
            self._counts.close()
            os.close(self._ring_fd)
            self._told = self._counts = None

    def _read(self) -> int:
        """Give away what is there; return how many records, at most so many as are taken at once."""
        ring = self._ring
        if ring is None:
            return 0
        newly = self._newly_lost(ring)
        records = ring.read(_RECORDS_AT_ONCE) if ring.waiting else b""
        if records or newly:
            for listener in tuple(self._listeners):
                listener(records, newly)
        return len(records) // Event.SIZE

    def _newly_lost(self, ring: EventRing) -> int:
        """Return how many records found no room since the last look, where any can have."""
        now_s = time.monotonic()
        is_due = now_s - self._lost_asked_s >= _LOSS_LOOK_S
        if not is_due and ring.waiting < ring.capacity * _NEARLY_FULL:
            return 0
        self._lost_asked_s = now_s
        lost = self.counts.lost
        newly, self._lost = lost - self._lost, lost
        return newly

    def _wanted(self) -> EventWantedFlag:
        allowed = EventWantedFlag.EVENT_WANTED_SOCKET
        if self._settings.drops:
            allowed |= EventWantedFlag.EVENT_WANTED_DROP
        if self._settings.traces:
            allowed |= EventWantedFlag.EVENT_WANTED_TRACE
        wanted = EventWantedFlag(0)
        for each in self._listeners.values():
            wanted |= each
        return wanted & allowed

    def _tell(self) -> None:
        """Have the programs tell what is wanted, and wake a reader that sleeps."""
        if self._told is None:
            return
        wanted = self._wanted()
        if wanted and self._busy is not None:
            wanted |= EventWantedFlag.EVENT_WANTED_WAKE
        limit = self._settings.limit
        cost_ns = round(_SECOND_NS / limit.rate) if limit is not None else 0
        burst_ns = limit.burst * cost_ns if limit is not None else 0
        self._told.put(
            0,
            EventSettings(
                wanted=int(wanted),
                aggregation=self._settings.level,
                interval_ms=round(self._settings.interval_s * 1000),
                tcp_flags=self._settings.tcp_flags,
                seed=self._seed,
                cost_ns=cost_ns,
                burst_ns=burst_ns,
            ),
        )
