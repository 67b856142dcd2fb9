"""Reads events while somebody listens, and has the programs tell what is listened to, no more.

Nobody is woken by an event: the ring is looked at by the clock. What came while nobody listened is
passed over. What finds no room in the ring is counted by the programs; it is told to everybody who
listens, since it is not known what it was.
"""

import asyncio
import logging
import os
import secrets
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

#: How often the ring is looked at. It has room for what a million packets a second tell in 16 ms.
_LOOK_S: Final = 0.005
#: Records taken at once, before others of the agent have their turn.
_RECORDS_AT_ONCE: Final = 4096

#: After a failure, before the ring is looked at again.
_PAUSE_S: Final = 1.0

#: Is given the octets of records in their order, and how many were lost before them.
Listener = Callable[[bytes, int], None]


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
        self._seed = 0  # Of the names of flows.

    def use(self, datapath: Datapath) -> None:
        """Read what these programs tell; until somebody listens they tell nothing."""
        self._ring_fd = os.dup(datapath.map_fd(EVENTS))
        self._told = datapath.opened(EVENT_SETTINGS)
        self._counts = datapath.opened(EVENT_COUNTS)
        self._tell(EventWantedFlag(0))

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
        self._tell(self._wanted())
        self._changed.set()

    def leave(self, listener: Listener) -> None:
        """Give it nothing any more; again, nothing happens."""
        if self._listeners.pop(listener, None) is not None:
            self._tell(self._wanted())

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
                    has_more = self._read()
                except CiliateError as error:
                    _log.warning("events: %s", error)
                    await asyncio.sleep(_PAUSE_S)
                else:
                    await asyncio.sleep(0 if has_more else _LOOK_S)

    def close(self) -> None:
        """Have the programs tell nothing, and unmap the ring."""
        self._listeners.clear()
        if self._ring is not None:
            self._ring.close()
            self._ring = None
        if self._told is not None and self._counts is not None:
            self._tell(EventWantedFlag(0))
            self._told.close()
            self._counts.close()
            os.close(self._ring_fd)
            self._told = self._counts = None

    def _read(self) -> bool:
        """Give away what is there; whether there may be more."""
        if self._ring is None:
            return False
        records = self._ring.read(_RECORDS_AT_ONCE)
        lost = self.counts.lost
        newly, self._lost = lost - self._lost, lost
        if records or newly:
            for listener in tuple(self._listeners):
                listener(records, newly)
        return len(records) == _RECORDS_AT_ONCE * Event.SIZE

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

    def _tell(self, wanted: EventWantedFlag) -> None:
        if self._told is None:
            return
        self._told.put(
            0,
            EventSettings(
                wanted=int(wanted),
                aggregation=self._settings.level,
                interval_ms=round(self._settings.interval_s * 1000),
                tcp_flags=self._settings.tcp_flags,
                seed=self._seed,
            ),
        )
