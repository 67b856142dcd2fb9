"""Events about objects, for `kubectl describe`: best effort, bounded, out of the way.

`record` only queues; one task writes. The same event again within ten minutes raises the count
of the one that is there, as client-go does. When the API server is away events are dropped, and
the log says how many: an event is never worth holding up the work it reports on.
"""

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from uuid import uuid4

from ciliate.api.core import EVENTS, Event, EventSource, ObjectReference
from ciliate.api.metadata import ObjectMeta, format_time
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import KubeError, NotFoundError

#: Waiting events; beyond it new ones are dropped.
QUEUE_EVENTS_MAX: Final = 256
#: Events remembered for counting repetitions; the oldest is forgotten first.
RECENT_EVENTS_MAX: Final = 256
#: Repetitions after this make a new event.
REPEAT_S: Final = 600
#: The API's limit of a message, in characters.
_MESSAGE_MAX: Final = 1024
#: Characters of an object's name in its events' names, of the 253 that these may have.
_NAME_PREFIX_MAX: Final = 253 - 17

_log = logging.getLogger(__name__)


class Severity(StrEnum):
    """Whether a user should act."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class _Occurrence:
    """What makes two events the same."""

    regarding: ObjectReference
    severity: Severity
    reason: str
    message: str


@dataclass(slots=True)
class _Written:
    """An event in the API."""

    name: str
    namespace: str
    count: int
    first: datetime


class EventRecorder:
    """Reports as `component` on `host`; one task executes `run`."""

    def __init__(self, client: ApiClient, *, component: str, host: str = "") -> None:
        self._client = client
        self._component = component
        self._host = host
        self._queue: asyncio.Queue[_Occurrence] = asyncio.Queue(QUEUE_EVENTS_MAX)
        self._recent: OrderedDict[_Occurrence, _Written] = OrderedDict()
        self.dropped = 0

    def record(
        self, regarding: ObjectReference, *, severity: Severity, reason: str, message: str
    ) -> None:
        """Report that `reason` (one word in CamelCase) happened to `regarding`; never fails."""
        try:
            self._queue.put_nowait(
                _Occurrence(regarding, severity, reason, message[:_MESSAGE_MAX])
            )
        except asyncio.QueueFull:
            self.dropped += 1

    async def run(self) -> None:
        """Write what is recorded, until cancelled."""
        while True:
            occurrence = await self._queue.get()
            try:
                await self._write(occurrence, datetime.now(UTC))
            except KubeError as error:
                self.dropped += 1
                _log.warning(
                    "event %s dropped (%d so far): %s", occurrence.reason, self.dropped, error
                )

    async def _write(self, occurrence: _Occurrence, now: datetime) -> None:
        written = self._recent.get(occurrence)
        if written is not None and (now - written.first).total_seconds() < REPEAT_S:
            try:
                await self._repeat(written, now)
            except NotFoundError:
                pass  # The API server forgets events after an hour; then it is a new one.
            else:
                return
        event = self._new(occurrence, now)
        await self._client.create(EVENTS, event)
        meta = event.metadata
        self._recent[occurrence] = _Written(meta.name, meta.namespace, 1, now)
        self._recent.move_to_end(occurrence)
        if len(self._recent) > RECENT_EVENTS_MAX:
            self._recent.popitem(last=False)

    async def _repeat(self, written: _Written, now: datetime) -> None:
        body = {"count": written.count + 1, "lastTimestamp": format_time(now)}
        await self._client.patch(EVENTS, written.name, body, namespace=written.namespace)
        written.count += 1

    def _new(self, occurrence: _Occurrence, now: datetime) -> Event:
        regarding = occurrence.regarding
        # Events about cluster-wide objects live in the namespace "default" (Kubernetes, Events).
        namespace = regarding.namespace or "default"
        # The longest names leave no room for a suffix.
        about = regarding.name[:_NAME_PREFIX_MAX].rstrip("-.")
        return Event(
            metadata=ObjectMeta(name=f"{about}.{uuid4().hex[:16]}", namespace=namespace),
            involved_object=regarding,
            reason=occurrence.reason,
            message=occurrence.message,
            type=occurrence.severity.value,
            count=1,
            first_timestamp=format_time(now),
            last_timestamp=format_time(now),
            source=EventSource(component=self._component, host=self._host),
            reporting_component=self._component,
            reporting_instance=self._host,
        )
