"""A table of all objects of a kind, kept right by listing once and watching on.

Where it stands: between the API server and the plain tables from which features compute desired
state. An informer lists (complete or not at all), calls its listeners for what differs from what
it knew, and follows a watch from there. Where the server has watch lists the list is the beginning
of the watch (`listing.py`), else it is asked for in chunks. A watch that ends goes on from the last
resourceVersion; when the server's history does not reach back that far, or it failed in a way
that says nothing about the version, the informer lists again, and what vanished meanwhile is
reported as deleted.

While the server is away the table stays as it is, `connected` is False and `last_error` says
why; tries are repeated for ever, at most 30 s apart.

Listeners run inside the loop, between two events of the table: they record and wake a task,
nothing else.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Container, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from ciliate.api.metadata import KubeObject
from ciliate.api.resource import ObjectKey, Resource
from ciliate.kube.client import ApiClient
from ciliate.kube.document import key_of, target_of
from ciliate.kube.errors import GoneError, InvalidError, KubeError, NotFoundError
from ciliate.kube.listing import INITIAL_EVENTS_S, InitialEvents
from ciliate.kube.retrying import pause_after
from ciliate.kube.watch import EventType, WatchEvent
from ciliate.reconcile.backoff import Backoff
from ciliate.reconcile.listeners import Listeners

T = TypeVar("T", bound=KubeObject)

#: Called with the object before and after: None before is new, None after is gone.
Listener = Callable[[T | None, T | None], None]

#: A watch that the server ends sooner than this, with nothing said, counts as a failure: else a
#: server (or a proxy before it) that accepts and closes would be asked in a busy loop.
_WATCH_SHORTEST_S: Final = 1.0

#: The first pause where the kind is missing: in a new cluster the operator is just defining it, and
#: the nodes wait for that.
_MISSING_FIRST_S: Final = 0.05

_log = logging.getLogger(__name__)


class Informer(Generic[T]):
    """The objects of `resource` that the selection covers; one task executes `run`.

    `transform` is applied to each object before it is stored and shown: it may return one with
    less in it, to save memory, but with the same name, uid and resourceVersion.
    """

    def __init__(
        self,
        client: ApiClient,
        resource: Resource[T],
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        transform: Callable[[T], T] | None = None,
        on_change: Listener[T] | None = None,
    ) -> None:
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._transform: Callable[[T], T] = transform or _as_it_is
        self._listeners: Listeners[[T | None, T | None]] = Listeners()
        if on_change is not None:
            self._listeners.add(on_change)
        self._objects: dict[ObjectKey, T] = {}
        self._synced = asyncio.Event()
        self._backoff = Backoff()
        self._missing_backoff = Backoff(first_s=_MISSING_FIRST_S)  # Until the first list.
        # Empty: the next thing to do is to list.
        self._resource_version = ""
        self._has_watch_lists = True  # Until the server refuses.
        self.connected = False
        self.last_error: KubeError | None = None
        self.failing_since = datetime.min.replace(tzinfo=UTC)  # Of an error that is there.

    @property
    def objects(self) -> Mapping[ObjectKey, T]:
        """The table, live: it changes between two awaits of the reader."""
        return MappingProxyType(self._objects)

    @property
    def has_synced(self) -> bool:
        """Whether the table has been complete once; before, absence means nothing."""
        return self._synced.is_set()

    @property
    def name(self) -> str:
        """What is watched, for logs and status output."""
        return target_of(self._resource, self._namespace)

    def get(self, name: str, namespace: str = "") -> T | None:
        """Return the object as last seen, or None."""
        return self._objects.get((namespace, name))

    def add_listener(self, listener: Listener[T]) -> None:
        """Call `listener` on every change, and now for every object already known."""
        self._listeners.add(listener)
        for item in list(self._objects.values()):
            listener(None, item)

    async def synced(self) -> None:
        """Wait until the table has been complete once."""
        await self._synced.wait()

    async def run(self) -> None:
        """List and watch until cancelled; no failure of the server ends it."""
        while True:
            try:
                if not self._resource_version and not self._has_watch_lists:
                    await self._list()
                await self._watch()
            except (InvalidError, NotFoundError) as error:
                if self._resource_version or not self._has_watch_lists:
                    # Where the kind is missing, what follows says nothing about watch lists.
                    self._has_watch_lists |= isinstance(error, NotFoundError)
                    await self._pause_after(error)
                else:
                    self._has_watch_lists = False  # It has none, or they are turned off.
            except GoneError as error:
                self._note_failure(error, level=logging.INFO)
                self._resource_version = ""
                # At once the first time; then with pauses, to spare the server.
                await asyncio.sleep(self._backoff.next())
            except KubeError as error:
                await self._pause_after(error)

    async def _pause_after(self, error: KubeError) -> None:
        self._note_failure(error, level=logging.WARNING)
        # An answered failure may be about the version (the server was restored from a
        # backup): only a new list is sure to help. Without an answer, the old one holds.
        if error.status:
            self._resource_version = ""
        missing = isinstance(error, NotFoundError) and not self.has_synced
        backoff = self._missing_backoff if missing else self._backoff
        await asyncio.sleep(pause_after(error, backoff))

    async def _list(self) -> None:
        found = await self._client.list(
            self._resource,
            namespace=self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
        )
        self._note_success()
        listed = {key_of(item): self._transform(item) for item in found.items}
        self._replace(listed, found.unreadable, found.resource_version)

    def _replace(
        self, listed: Mapping[ObjectKey, T], unreadable: Container[ObjectKey], version: str
    ) -> None:
        """Make the table what was listed, transformed; what is unreadable stays as it was."""
        for key in [k for k in self._objects if k not in listed and k not in unreadable]:
            self._remove(key)
        for key, item in listed.items():
            self._put(key, item, transformed=True)
        self._resource_version = version
        self._synced.set()

    async def _watch(self) -> None:
        """Follow one watch until the server ends it."""
        began_at = time.monotonic()
        heard = False
        watch = self._client.watch(
            self._resource,
            resource_version=self._resource_version,
            namespace=self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
        )
        try:
            async with contextlib.aclosing(watch):
                if not self._resource_version:
                    await self._take_initial(watch)
                async for batch in watch:
                    self._note_success()
                    for event in batch:
                        self._apply(event)
                    heard = heard or bool(batch)
        finally:
            # A watch that worked for a while starts the next series of failures anew.
            useful = heard or time.monotonic() - began_at > _WATCH_SHORTEST_S
            if useful:
                self._backoff.reset()
        if not useful:
            await asyncio.sleep(self._backoff.next())

    async def _take_initial(self, watch: AsyncIterator[list[WatchEvent[T]]]) -> None:
        """Take the list with which a watch list begins.

        Raises:
            InvalidError: It has no end: the server does not know what was asked.
        """
        initial: InitialEvents[T] = InitialEvents(self._transform)
        try:
            async with asyncio.timeout(INITIAL_EVENTS_S):
                async for batch in watch:
                    self._note_success()
                    for place, event in enumerate(batch):
                        if initial.take(event):
                            version = event.object.metadata.resource_version
                            self._replace(initial.listed, initial.unreadable, version)
                            for later in batch[place + 1 :]:
                                self._apply(later)
                            return
        except TimeoutError as error:
            detail = f"the list has no end after {INITIAL_EVENTS_S:g} s"
            raise InvalidError(verb="watch", target=self.name, detail=detail) from error
        raise InvalidError(verb="watch", target=self.name, detail="it ended before its list did")

    def _apply(self, event: WatchEvent[T]) -> None:
        item = event.object
        key = key_of(item)
        if event.type is EventType.DELETED:
            self._remove(key)
        elif event.type not in {EventType.BOOKMARK, EventType.UNREADABLE}:
            self._put(key, item)
        self._resource_version = item.metadata.resource_version or self._resource_version

    def _put(self, key: ObjectKey, item: T, *, transformed: bool = False) -> None:
        old = self._objects.get(key)
        if old is not None and old.metadata.uid != item.metadata.uid:
            # Deleted and created anew while no watch ran: listeners must see both.
            self._remove(key)
            old = None
        if old is not None and old.metadata.resource_version == item.metadata.resource_version:
            return
        new = item if transformed else self._transform(item)
        self._objects[key] = new
        self._listeners(old, new)

    def _remove(self, key: ObjectKey) -> None:
        old = self._objects.pop(key, None)
        if old is None:
            return
        self._listeners(old, None)

    def _note_success(self) -> None:
        if not self.connected and self.last_error is not None:
            _log.info("watch of %s: connected again to %s", self.name, self._client.server)
        self.connected = True
        self.last_error = None

    def _note_failure(self, error: KubeError, *, level: int) -> None:
        # Once per outage and answer: the repetitions say nothing new.
        known = self.last_error if not self.connected else None
        if known is None:
            self.failing_since = datetime.now(UTC)
        if known is None or (known.status, known.reason) != (error.status, error.reason):
            _log.log(level, "watch of %s: %s; trying again", self.name, error)
        self.connected = False
        self.last_error = error


def _as_it_is(item: T) -> T:
    return item
