"""The objects of every resource in memory, ordered by one revision, backed by the journal.

All changes happen on the event loop's thread without a pause between reading an object and
writing its successor: that is what makes optimistic concurrency exact here. A change is visible
to later writers at once; it is acknowledged, listed and watched only after the journal has it.
Changes of one turn of the event loop are one transaction.
"""

import asyncio
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from ciliate.apiserver.errors import StoreError, object_too_large
from ciliate.apiserver.history import History, Stored, StoreEvent, StoreEventType
from ciliate.apiserver.journal import Journal, Version
from ciliate.apiserver.object_json import encode, located, placed, without_managed_fields

JsonObject = dict[str, Any]
Key = tuple[str, str]  # Namespace (empty for cluster scope) and name.
FieldsOf = Callable[[JsonObject], dict[str, str]]

#: Octets written between two checkpoints: bounds the write-ahead log's size.
_CHECKPOINT_BYTES: Final = 16 * 1024 * 1024

#: Octets of an object's JSON: what etcd takes behind a kube-apiserver.
OBJECT_BYTES_MAX: Final = 3 * 512 * 1024

_decode: Final = msgspec.json.Decoder().decode


def decode(stored: Stored) -> JsonObject:
    """Return the object as a dict of the caller's own, without its managedFields.

    Those go their own way, as JSON: out of `managed_fields` and into `Store.put`.
    """
    value: JsonObject = _decode(without_managed_fields(stored))
    return value


def no_fields(_: JsonObject) -> dict[str, str]:
    """Return nothing: the resource supports metadata.name and metadata.namespace alone."""
    return {}


@dataclass(slots=True)
class Collection:
    """The objects of one resource, by key and in the order lists have."""

    resource: str
    history: History
    fields_of: FieldsOf = no_fields
    objects: dict[Key, Stored] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=list)
    #: Called after events were added to the history: the watchers' wake-ups.
    wakers: set[Callable[[], None]] = field(default_factory=set)

    def select(self, namespace: str) -> list[Stored]:
        """Return the objects of `namespace` (empty: of all) in order."""
        return [self.objects[key] for key in self.range(namespace)]

    def range(self, namespace: str) -> list[Key]:
        """Return the keys of `namespace` (empty: all) in order."""
        if not namespace:
            return self.keys
        start = bisect_left(self.keys, (namespace, ""))
        return self.keys[start : bisect_right(self.keys, (namespace, "\U0010ffff"))]

    def as_of(self, revision: int, namespace: str) -> list[Stored] | None:
        """Return the objects as they were at `revision`; None when that is no longer known."""
        events = self.history.since(revision)
        if events is None:
            return None
        view = {key: self.objects[key] for key in self.range(namespace)}
        for event in reversed(events):
            key = (event.after.namespace, event.after.name)
            if namespace and key[0] != namespace:
                continue
            if event.before is None:
                view.pop(key, None)
            else:
                view[key] = event.before
        return [view[key] for key in sorted(view)]

    def put(self, stored: Stored) -> None:
        """Make `stored` the current version of its key."""
        key = (stored.namespace, stored.name)
        if key not in self.objects:
            insort(self.keys, key)
        self.objects[key] = stored

    def drop(self, key: Key) -> None:
        """Remove the key, which exists."""
        del self.objects[key]
        del self.keys[bisect_left(self.keys, key)]


@dataclass(frozen=True, slots=True)
class StoreChange:
    """An event with the resource it belongs to, as subscribers of the whole store see it."""

    resource: str
    event: StoreEvent


@dataclass(slots=True)
class _Batch:
    changes: list[StoreChange] = field(default_factory=list)
    done: asyncio.Future[None] | None = None


class Store:
    """Every collection, the revision they share, and the journal behind them."""

    def __init__(self, journal: Journal, *, entries_max: int, bytes_max: int) -> None:
        self._journal = journal
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._collections: dict[str, Collection] = {}
        #: The newest revision given out; `committed` the newest that is on disk.
        self.revision = 0
        self.committed = 0
        self._batch = _Batch()
        self._flush_due = False
        self._obsolete: list[int] = []
        self._floors: dict[str, int] = {}
        self._failure: StoreError | None = None
        #: Set when the journal refused: `serve` ends with the error.
        self.failed = asyncio.Event()
        self.checkpoint_due = asyncio.Event()
        #: Keys of the objects that name an owner, by its UID.
        self.dependents: defaultdict[str, set[tuple[str, Key]]] = defaultdict(set)
        #: UIDs of all objects: an owner that is not here is gone.
        self.uids: dict[str, tuple[str, Key]] = {}
        #: Called with every committed batch.
        self.subscribers: list[Callable[[list[StoreChange]], None]] = []

    @property
    def failure(self) -> StoreError | None:
        """Why the store stopped, once it did."""
        return self._failure

    def collection(self, resource: str, fields_of: FieldsOf | None = None) -> Collection:
        """Return the collection of `resource` ("pods", "deployments.apps"), making it if new."""
        found = self._collections.get(resource)
        if found is None:
            history = History(entries_max=self._entries_max, bytes_max=self._bytes_max)
            found = self._collections[resource] = Collection(resource, history)
        if fields_of is not None and found.fields_of is not fields_of:
            found.fields_of = fields_of
            self._reindex(found)
        return found

    def _reindex(self, collection: Collection) -> None:
        for stored in list(collection.objects.values()):
            collection.put(
                self._index(
                    collection, decode(stored), stored.revision, stored.raw, stored.managed_at
                )
            )

    def load(self, fields_of: Callable[[str], FieldsOf]) -> None:
        """Read the journal, once, before anything else.

        Raises:
            StoreError: The journal cannot be read.
        """
        for resource, floor in self._journal.floors().items():
            self.collection(resource, fields_of(resource)).history.floor = floor
            self.revision = max(self.revision, floor)
        for version in self._journal.versions():
            self._replay(version, fields_of)
        self.committed = self.revision

    def _replay(self, version: Version, fields_of: Callable[[str], FieldsOf]) -> None:
        collection = self.collection(version.resource, fields_of(version.resource))
        self.revision = version.revision
        key = (version.namespace, version.name)
        before = collection.objects.get(key)
        obj = _decode(version.raw)
        at = located(version.raw)
        after = self._index(collection, obj, version.revision, version.raw, at)
        if version.deleted:
            event_type = StoreEventType.DELETED
            if before is not None:
                collection.drop(key)
                self._unlink(collection.resource, before)
        else:
            event_type = StoreEventType.ADDED if before is None else StoreEventType.MODIFIED
            self._relink(collection.resource, before, after)
            collection.put(after)
        if version.revision > collection.history.floor:
            event = StoreEvent(event_type, version.revision, after, before)
            self._retire(collection, collection.history.append(event))

    def get(self, resource: str, key: Key) -> Stored | None:
        """Return the newest version of an object, committed or not."""
        collection = self._collections.get(resource)
        return None if collection is None else collection.objects.get(key)

    def all_objects(self) -> Iterator[tuple[str, Stored]]:
        """Every object with its resource."""
        for collection in self._collections.values():
            for stored in collection.objects.values():
                yield collection.resource, stored

    def put(
        self, resource: str, namespace: str, obj: JsonObject, managed_fields: bytes = b""
    ) -> Stored:
        """Write `obj` as the next version of its name; it gets its resourceVersion here.

        Raises:
            StatusError: It is larger than `OBJECT_BYTES_MAX`; nothing has changed.
        """
        collection = self.collection(resource)
        before = collection.objects.get((namespace, obj["metadata"]["name"]))
        revision, raw = self._encode_next(obj, managed_fields, bytes_max=OBJECT_BYTES_MAX)
        after = self._index(collection, obj, revision, raw, placed(raw, managed_fields))
        self._relink(resource, before, after)
        collection.put(after)
        event_type = StoreEventType.ADDED if before is None else StoreEventType.MODIFIED
        self._queue(resource, StoreEvent(event_type, revision, after, before))
        return after

    def delete(
        self, resource: str, namespace: str, obj: JsonObject, managed_fields: bytes = b""
    ) -> Stored:
        """Remove the object whose last state is `obj`; that state gets a resourceVersion too."""
        collection = self.collection(resource)
        key = (namespace, obj["metadata"]["name"])
        before = collection.objects[key]
        revision, raw = self._encode_next(obj, managed_fields, bytes_max=None)
        after = self._index(collection, obj, revision, raw, placed(raw, managed_fields))
        collection.drop(key)
        self._unlink(resource, before)
        self._queue(resource, StoreEvent(StoreEventType.DELETED, revision, after, before))
        return after

    def _encode_next(
        self, obj: JsonObject, managed_fields: bytes, *, bytes_max: int | None
    ) -> tuple[int, bytes]:
        if self._failure is not None:
            raise self._failure
        revision = self.revision + 1
        obj["metadata"]["resourceVersion"] = str(revision)
        raw = encode(obj, managed_fields)
        if bytes_max is not None and len(raw) > bytes_max:
            raise object_too_large()
        self.revision = revision  # Given out only now: what cannot be encoded changes nothing.
        return revision, raw

    @staticmethod
    def _index(
        collection: Collection,
        obj: JsonObject,
        revision: int,
        raw: bytes,
        managed_at: tuple[int, int],
    ) -> Stored:
        metadata = obj["metadata"]
        return Stored(
            namespace=metadata.get("namespace", ""),
            name=metadata["name"],
            revision=revision,
            raw=raw,
            uid=metadata.get("uid", ""),
            labels=metadata.get("labels") or {},
            fields=collection.fields_of(obj),
            owners=tuple(o.get("uid", "") for o in metadata.get("ownerReferences") or ()),
            managed_at=managed_at,
        )

    def _relink(self, resource: str, before: Stored | None, after: Stored) -> None:
        if before is not None and (before.owners != after.owners or before.uid != after.uid):
            self._unlink(resource, before)
        entry = (resource, (after.namespace, after.name))
        self.uids[after.uid] = entry
        for owner in after.owners:
            self.dependents[owner].add(entry)

    def _unlink(self, resource: str, stored: Stored) -> None:
        entry = (resource, (stored.namespace, stored.name))
        self.uids.pop(stored.uid, None)
        for owner in stored.owners:
            self.dependents[owner].discard(entry)
            if not self.dependents[owner]:
                del self.dependents[owner]

    def _queue(self, resource: str, event: StoreEvent) -> None:
        self._batch.changes.append(StoreChange(resource, event))
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    async def durable(self) -> None:
        """Return when everything written so far is on disk.

        Raises:
            StoreError: It cannot be brought there.
        """
        if self._failure is not None:
            raise self._failure
        if not self._batch.changes:
            return
        if self._batch.done is None:
            self._batch.done = asyncio.get_running_loop().create_future()
        # Shielded: a request that is cancelled must not cancel the others' batch.
        await asyncio.shield(self._batch.done)

    def settle(self) -> None:
        """Bring everything written so far to disk now: before a read shows it.

        Raises:
            StoreError: It cannot be brought there.
        """
        if self._batch.changes:
            self._flush()
        if self._failure is not None:
            raise self._failure

    def _flush(self) -> None:
        self._flush_due = False
        if not self._batch.changes or self._failure is not None:
            return
        batch, self._batch = self._batch, _Batch()
        versions = [
            Version(
                revision=change.event.revision,
                resource=change.resource,
                namespace=change.event.after.namespace,
                name=change.event.after.name,
                deleted=change.event.type is StoreEventType.DELETED,
                raw=change.event.after.raw,
            )
            for change in batch.changes
        ]
        try:
            self._journal.commit(versions, self._obsolete, self._floors)
        except StoreError as error:
            self._fail(error, batch)
            return
        self._obsolete, self._floors = [], {}
        self._publish(batch)
        if self._journal.uncheckpointed_bytes > _CHECKPOINT_BYTES:
            self.checkpoint_due.set()

    def _fail(self, error: StoreError, batch: _Batch) -> None:
        # Memory is ahead of the disk now: nothing of it may be shown any more.
        self._failure = error
        self.failed.set()
        if batch.done is not None:
            batch.done.set_exception(error)

    def _publish(self, batch: _Batch) -> None:
        self.committed = batch.changes[-1].event.revision
        touched: dict[str, Collection] = {}
        for change in batch.changes:
            collection = self._collections[change.resource]
            touched[change.resource] = collection
            self._retire(collection, collection.history.append(change.event))
        if batch.done is not None:
            batch.done.set_result(None)
        for collection in touched.values():
            for wake in collection.wakers:
                wake()
        for subscriber in self.subscribers:
            subscriber(batch.changes)

    def _retire(self, collection: Collection, dropped: Iterable[StoreEvent]) -> None:
        """Note which rows nothing needs any more, once events left the history."""
        for event in dropped:
            self._floors[collection.resource] = event.revision
            if event.before is not None:
                self._obsolete.append(event.before.revision)
            if event.type is StoreEventType.DELETED:
                self._obsolete.append(event.revision)

    def checkpoint(self) -> None:
        """Bring the write-ahead log into the file; blocks, so call it in a thread."""
        self._journal.checkpoint()

    def close(self) -> None:
        """Write what is left and close the journal."""
        if self._flush_due and self._failure is None:
            self._flush()
        self._journal.close()
