"""Watches: each client that watches a resource gets its changes in order, none left out.

A watcher has no queue of its own: it remembers the revision it has sent and reads on in the
resource's history. One that reads too slowly finds the history gone and ends with 410 Gone, as a
client that was away too long does; the server's memory does not grow with its watchers.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import msgspec

from ciliate.apiserver import errors
from ciliate.apiserver.bookmarks import bookmark_line
from ciliate.apiserver.history import Stored, StoreEvent, StoreEventType
from ciliate.apiserver.requests import ListQuery
from ciliate.apiserver.resources import ServedResource
from ciliate.apiserver.selectors import Selection
from ciliate.apiserver.store import Collection, JsonObject, Store

#: Renders one change for the client's representation; None stands for the object's own JSON.
Render = Callable[[StoreEventType, bytes], bytes]

#: Events in one write: what a client that fell behind, or that has just come, gets at once.
_CHUNK_EVENTS_MAX: Final = 500

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


def render_plain(event_type: StoreEventType, raw: bytes) -> bytes:
    """Return one line of a watch stream with the stored JSON."""
    return b'{"type":"%b","object":%b}\n' % (event_type.value, raw)


def render_error(error: errors.StatusError) -> bytes:
    """Return the line that ends a watch."""
    return _encode({"type": "ERROR", "object": error.status()}) + b"\n"


@dataclass(slots=True)
class Watch:
    """One client's watch on one resource."""

    store: Store
    collection: Collection
    resource: ServedResource
    query: ListQuery
    render: Render
    bookmark_interval_s: float
    #: Whether the resource is still served as it was: a watch ends with its definition.
    is_served: Callable[[], bool]
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def lines(self, timeout_s: float) -> AsyncIterator[bytes]:
        """Yield what to send, until the watch's time is over or its history is gone."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        self.collection.wakers.add(self._wake.set)
        try:
            self.store.settle()
            sent = self._start()
            if self.query.initial_events and int(self.query.resource_version or 0) > sent:
                yield render_error(
                    errors.too_large_version(asked=int(self.query.resource_version), current=sent)
                )
                return
            if self._has_initial_events:
                items = self.collection.select(self.query.selection.namespace)
                for chunk in self._initial(items):
                    yield chunk
                if self.query.initial_events and self.query.bookmarks:
                    yield bookmark_line(self.resource, sent, initial_end=True)
            async for chunk in self._follow(sent, deadline):
                yield chunk
        finally:
            self.collection.wakers.discard(self._wake.set)

    @property
    def _has_initial_events(self) -> bool:
        """Whether what is there comes first: asked for, or by default without a version."""
        if self.query.initial_events is None:
            return self.query.resource_version in {"", "0"}
        return self.query.initial_events

    def _start(self) -> int:
        """Return the revision to go on from."""
        asked = self.query.resource_version
        newest = self._has_initial_events or asked in {"", "0"}
        return self.store.committed if newest else int(asked)

    def _initial(self, items: Sequence[Stored]) -> Iterator[bytes]:
        """Yield the objects that were there at the start, in pieces."""
        holds = self.query.selection.holds
        for start in range(0, len(items), _CHUNK_EVENTS_MAX):
            piece = items[start : start + _CHUNK_EVENTS_MAX]
            lines = [self.render(StoreEventType.ADDED, each.raw) for each in piece if holds(each)]
            if lines:
                yield b"".join(lines)

    async def _follow(self, sent: int, deadline: float) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        bookmark_at = loop.time() + self.bookmark_interval_s
        while True:
            self._wake.clear()
            seen = self.store.committed
            events = self.collection.history.since(sent)
            if events is None:
                oldest = self.collection.history.floor
                yield render_error(errors.gone(asked=sent, oldest=oldest))
                return
            for start in range(0, len(events), _CHUNK_EVENTS_MAX):
                lines = self._lines(events[start : start + _CHUNK_EVENTS_MAX])
                if lines:
                    yield b"".join(lines)
            # The history had everything up to `seen`: it is sent, or not selected.
            sent = max(sent, seen)
            now = loop.time()
            if now >= deadline or not self.is_served():
                if self.query.bookmarks:
                    yield bookmark_line(self.resource, sent)
                return
            if now >= bookmark_at:
                bookmark_at = now + self.bookmark_interval_s
                if self.query.bookmarks:
                    yield bookmark_line(self.resource, sent)
            if not self._wake.is_set():
                await self._sleep(min(deadline, bookmark_at) - now)

    async def _sleep(self, timeout_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(timeout_s, 0)):
                await self._wake.wait()

    def _lines(self, events: Sequence[StoreEvent]) -> list[bytes]:
        selection = self.query.selection
        if not selection:
            return [self.render(event.type, event.after.raw) for event in events]
        lines = []
        for event in events:
            line = self._selected(event, selection)
            if line is not None:
                lines.append(line)
        return lines

    def _selected(self, event: StoreEvent, selection: Selection) -> bytes | None:
        """Return what a change is in the selector's view: an object may move in or out of it."""
        was = event.before is not None and selection.holds(event.before)
        deleted = event.type is StoreEventType.DELETED
        if not deleted and selection.holds(event.after):
            return self.render(
                StoreEventType.MODIFIED if was else StoreEventType.ADDED, event.after.raw
            )
        if not was:
            return None
        assert event.before is not None
        gone = event.after.raw if deleted else _at_revision(event.before, event.revision)
        return self.render(StoreEventType.DELETED, gone)


def _at_revision(stored: Stored, revision: int) -> bytes:
    """Return an object that left the selection: its last selected state, at the change's time."""
    obj: JsonObject = _decode(stored.raw)
    obj["metadata"]["resourceVersion"] = str(revision)
    return _encode(obj)
