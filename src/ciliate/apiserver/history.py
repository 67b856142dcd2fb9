"""What happened to the objects of one resource, in order: the source of watches.

A bounded run of events. `floor` is the newest revision whose event is dropped: a watch that asks
for what came after an older one gets 410 Gone and lists again. Every event keeps the object
before and after, so that a selector's view (an object that moves out of it is deleted for that
watcher) and lists of an earlier revision can be computed.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

#: Events dropped before the list is cut: cutting costs the length of what remains.
_CUT_AT: Final = 4096


class StoreEventType(Enum):
    """A watch event's word, as JSON bytes."""

    ADDED = b"ADDED"
    MODIFIED = b"MODIFIED"
    DELETED = b"DELETED"


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of an object: its JSON, and what is read of it without decoding it."""

    namespace: str
    name: str
    revision: int
    raw: bytes
    uid: str
    labels: dict[str, str]
    #: Values of the field selectors that the resource supports beyond name and namespace.
    fields: dict[str, str]
    #: UIDs of the owners.
    owners: tuple[str, ...]
    #: Where the managedFields stand in `raw`, with the comma and the name before them.
    managed_at: tuple[int, int]


@dataclass(frozen=True, slots=True)
class StoreEvent:
    """One change; `after` is the object's last state in a deletion."""

    type: StoreEventType
    revision: int
    after: Stored
    before: Stored | None


@dataclass(slots=True)
class History:
    """The latest events of one resource, bounded in number and octets."""

    entries_max: int
    bytes_max: int
    #: The newest revision whose event is dropped; 0 while all are kept.
    floor: int = 0
    _events: list[StoreEvent] = field(default_factory=list)
    _revisions: list[int] = field(default_factory=list)
    _first: int = 0  # Index of the oldest event that is kept.
    _size_bytes: int = 0

    def append(self, event: StoreEvent) -> list[StoreEvent]:
        """Add the newest event and return the oldest ones, dropped to make room."""
        self._events.append(event)
        self._revisions.append(event.revision)
        self._size_bytes += len(event.after.raw)
        dropped: list[StoreEvent] = []
        while self._is_over():
            oldest = self._events[self._first]
            self._first += 1
            self._size_bytes -= len(oldest.after.raw)
            self.floor = oldest.revision
            dropped.append(oldest)
        if self._first >= _CUT_AT or self._first * 2 > len(self._events):
            del self._events[: self._first]
            del self._revisions[: self._first]
            self._first = 0
        return dropped

    def _is_over(self) -> bool:
        count = len(self._events) - self._first
        # The newest event always stays: a resource's last revision is known by it.
        return count > 1 and (count > self.entries_max or self._size_bytes > self.bytes_max)

    def since(self, revision: int) -> Sequence[StoreEvent] | None:
        """Return the events after `revision`, oldest first; None when some of them are gone."""
        if revision < self.floor:
            return None
        if not self._revisions or self._revisions[-1] <= revision:
            return ()
        start = bisect_right(self._revisions, revision, lo=self._first)
        return self._events[start:]
