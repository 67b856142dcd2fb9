"""What follows from deletions: dependents, namespaces' contents, definitions' objects, old events.

Kubernetes' garbage collector and namespace controller, in the server: they see every change in
order and act at once. Owner references are by UID: when the last owner of an object is gone, the
object goes. A foreground deletion waits for the dependents that block it, an orphaning one cuts
their references first.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from ciliate.apiserver.crds import CLEANUP, DEFINITIONS
from ciliate.apiserver.errors import StatusError
from ciliate.apiserver.history import Stored, StoreEventType
from ciliate.apiserver.resources import Registry
from ciliate.apiserver.store import JsonObject, Key, Store, StoreChange, decode
from ciliate.apiserver.timestamps import parse
from ciliate.apiserver.writes import FOREGROUND, ORPHAN, DeleteOptions, Writer

_log: Final = logging.getLogger(__name__)

#: How long an Event is kept: kube-apiserver's --event-ttl.
_EVENT_LIFETIME: Final = timedelta(hours=1)
_SWEEP_INTERVAL_S: Final = 60.0
#: Objects inspected before other tasks get the event loop.
_TURN_ENTRIES: Final = 100

_BACKGROUND: Final = DeleteOptions(propagation="Background")


@dataclass(slots=True)
class GarbageCollector:
    """Deletes what nothing holds any more."""

    store: Store
    registry: Registry
    writer: Writer
    #: Objects to inspect, in order, each once: bounded by the number of objects.
    _pending: dict[tuple[str, Key], None] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self) -> None:
        """Queue what a killed server may have left: owned objects, and those being deleted."""
        self.store.subscribers.append(self._note)
        for resource, stored in list(self.store.all_objects()):
            if stored.owners or b'"deletionTimestamp"' in stored.raw:
                self._add(resource, (stored.namespace, stored.name))

    def _add(self, resource: str, key: Key) -> None:
        self._pending[resource, key] = None
        self._wake.set()

    def _note(self, changes: Iterable[StoreChange]) -> None:
        for change in changes:
            event = change.event
            key = (event.after.namespace, event.after.name)
            if event.type is StoreEventType.DELETED:
                self._note_deleted(change.resource, event.after)
            elif event.after.owners or b'"deletionTimestamp"' in event.after.raw:
                self._add(change.resource, key)

    def _note_deleted(self, resource: str, gone: Stored) -> None:
        for dependent, key in self.store.dependents.get(gone.uid, ()):
            self._add(dependent, key)
        # What may wait until this object is gone: its owners, its namespace, its definition.
        for uid in gone.owners:
            if uid in self.store.uids:
                self._add(*self.store.uids[uid])
        for waiting in (("namespaces", ("", gone.namespace)), (DEFINITIONS, ("", resource))):
            stored = self.store.get(*waiting)
            if stored is not None and b'"deletionTimestamp"' in stored.raw:
                self._add(*waiting)

    async def run(self) -> None:
        """Collect until cancelled."""
        loop = asyncio.get_running_loop()
        sweep_at = loop.time()
        while True:
            if loop.time() >= sweep_at:
                self._sweep_events()
                sweep_at = loop.time() + _SWEEP_INTERVAL_S
            await self._collect()
            try:
                async with asyncio.timeout_at(sweep_at):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _collect(self) -> None:
        self._wake.clear()
        count = 0
        while self._pending:
            resource, key = next(iter(self._pending))
            del self._pending[resource, key]
            self._inspect(resource, key)
            count += 1
            if count % _TURN_ENTRIES == 0:
                await asyncio.sleep(0)

    def _inspect(self, resource_id: str, key: Key) -> None:
        stored, resource = self.store.get(resource_id, key), self.registry.by_id(resource_id)
        if stored is None or resource is None:
            return
        obj = decode(stored)
        try:
            if obj["metadata"].get("deletionTimestamp"):
                self._finish(resource_id, stored, obj)
            elif stored.owners:
                self._check_owners(resource_id, stored, obj)
        except StatusError as error:
            # A dependent that is invalid by today's rules stays, as with a real collector.
            _log.warning("collecting %s %s/%s: %s", resource_id, *key, error)

    def _check_owners(self, resource_id: str, stored: Stored, obj: JsonObject) -> None:
        resource = self.registry.by_id(resource_id)
        assert resource is not None
        references = obj["metadata"]["ownerReferences"]
        present = [r for r in references if self._is_present(r, stored.namespace)]
        waiting = [r for r in references if self._is_foreground(r)]
        if not present:
            self.writer.delete(resource, stored, _BACKGROUND)
        elif len(waiting) == len(present):
            # Every owner left is being deleted in the foreground: so is what it owns.
            owns = stored.uid in self.store.dependents
            policy = DeleteOptions(propagation="Foreground") if owns else _BACKGROUND
            self.writer.delete(resource, stored, policy)
        elif len(present) < len(references):
            obj["metadata"]["ownerReferences"] = present
            self.writer.update(resource, stored, obj)

    def _is_present(self, reference: JsonObject, namespace: str) -> bool:
        found = self.store.uids.get(reference.get("uid", ""))
        # A reference across namespaces names nothing: namespaced owners are in their own.
        return found is not None and found[1][0] in {"", namespace}

    def _is_foreground(self, reference: JsonObject) -> bool:
        found = self.store.uids.get(reference.get("uid", ""))
        if found is None:
            return False
        stored = self.store.get(*found)
        return (
            stored is not None
            and FOREGROUND.encode() in stored.raw
            and FOREGROUND in (decode(stored)["metadata"].get("finalizers") or ())
        )

    def _finish(self, resource_id: str, stored: Stored, obj: JsonObject) -> None:
        """Do what an object that is being deleted waits for."""
        finalizers = obj["metadata"].get("finalizers") or []
        if ORPHAN in finalizers:
            self._orphan(stored)
            self._release(resource_id, stored, obj, ORPHAN)
        elif FOREGROUND in finalizers:
            for dependent, key in list(self.store.dependents.get(stored.uid, ())):
                self._add_undeleted(dependent, key)
            if not self._is_blocked(stored):
                self._release(resource_id, stored, obj, FOREGROUND)
        elif CLEANUP in finalizers and resource_id == DEFINITIONS:
            self._empty(stored.name, "")
            if not self.store.collection(stored.name).objects:
                self._release(resource_id, stored, obj, CLEANUP)
        elif resource_id == "namespaces":
            self._empty_namespace(stored, obj)

    def _add_undeleted(self, resource: str, key: Key) -> None:
        stored = self.store.get(resource, key)
        if stored is not None and b'"deletionTimestamp"' not in stored.raw:
            self._add(resource, key)

    def _is_blocked(self, owner: Stored) -> bool:
        for resource, key in self.store.dependents.get(owner.uid, ()):
            stored = self.store.get(resource, key)
            if stored is None:
                continue
            references = decode(stored)["metadata"].get("ownerReferences") or ()
            if any(r.get("uid") == owner.uid and r.get("blockOwnerDeletion") for r in references):
                return True
        return False

    def _orphan(self, owner: Stored) -> None:
        for resource_id, key in list(self.store.dependents.get(owner.uid, ())):
            resource, stored = self.registry.by_id(resource_id), self.store.get(resource_id, key)
            if resource is None or stored is None:
                continue
            obj = decode(stored)
            references = [
                r for r in obj["metadata"].get("ownerReferences") or () if r["uid"] != owner.uid
            ]
            obj["metadata"]["ownerReferences"] = references
            if not references:
                del obj["metadata"]["ownerReferences"]
            self.writer.update(resource, stored, obj)

    def _release(self, resource_id: str, stored: Stored, obj: JsonObject, finalizer: str) -> None:
        resource = self.registry.by_id(resource_id)
        assert resource is not None
        finalizers = [f for f in obj["metadata"]["finalizers"] if f != finalizer]
        obj["metadata"]["finalizers"] = finalizers
        if not finalizers:
            del obj["metadata"]["finalizers"]
        self.writer.update(resource, stored, obj)

    def _empty(self, resource_id: str, namespace: str) -> None:
        resource = self.registry.by_id(resource_id)
        if resource is None:
            return
        for key in list(self.store.collection(resource_id).range(namespace)):
            stored = self.store.get(resource_id, key)
            if stored is not None and b'"deletionTimestamp"' not in stored.raw:
                self.writer.delete(resource, stored, _BACKGROUND)

    def _empty_namespace(self, stored: Stored, obj: JsonObject) -> None:
        namespace = stored.name
        left = False
        for resource in self.registry.all():
            if resource.namespaced:
                self._empty(resource.id, namespace)
                left = left or bool(self.store.collection(resource.id).range(namespace))
        if left:
            return
        namespaces = self.registry.by_id("namespaces")
        assert namespaces is not None
        obj["spec"]["finalizers"] = []
        self.writer.update(namespaces, stored, obj, subresource="finalize")

    def _sweep_events(self) -> None:
        events = self.registry.by_id("events")
        assert events is not None
        oldest = datetime.now(tz=UTC) - _EVENT_LIFETIME
        for stored in list(self.store.collection("events").objects.values()):
            obj = decode(stored)
            last = obj.get("lastTimestamp") or obj["metadata"].get("creationTimestamp")
            moment = parse(last)
            if moment is not None and moment < oldest:
                self.writer.delete(events, stored, _BACKGROUND)
