"""EndpointSlices of Services with a selector, as kube-controller-manager writes them.

A changed pod costs its slice: it is entered by name into what is dirty of each Service that selects
it, and the plan (`slice_plan`) looks at these pods alone. All pods of a Service are gone through
when the Service itself, a node or a slice changed by somebody else asks for it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Collection, Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Final

import msgspec

from ciliate.api.endpoint_slice import (
    ENDPOINT_SLICES,
    MANAGED_BY_LABEL,
    EndpointHints,
    EndpointSlice,
    Hint,
)
from ciliate.api.resource import ObjectKey
from ciliate.api.service import Service
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import AlreadyExistsError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.lab.controllers.failures import log_failures
from ciliate.lab.controllers.names import hash_of
from ciliate.lab.controllers.placement import node_is_ready
from ciliate.lab.controllers.pod_endpoints import (
    endpoint_of,
    families_of,
    pod_view,
    ports_of,
    wants_zone_shares,
)
from ciliate.lab.controllers.selection import Selection, selects
from ciliate.lab.controllers.slice_objects import MANAGER, labels_of, new_slice, relabel, update_of
from ciliate.lab.controllers.slice_plan import (
    Changes,
    Content,
    SliceBook,
    Wanted,
    plan_all,
    plan_some,
)
from ciliate.lab.controllers.trigger_times import TriggerTimes, pod_trigger, service_trigger
from ciliate.lab.controllers.zone_shares import share_out, zone_ratios
from ciliate.lab.objects import Json, Node, Pod
from ciliate.reconcile.work_queue import WorkQueue

#: Services worked on at once (kube-controller-manager, concurrent-service-endpoint-syncs).
WORKERS: Final = 5
#: How long the watch may take to show what was written, in seconds; then the whole is looked at.
_ECHO_S: Final = 5.0


class EndpointSliceController:
    """Acts for every Service with a selector; one task executes `run`."""

    def __init__(
        self,
        client: ApiClient,
        services: Informer[Service],
        pods: Informer[Pod],
        nodes: Informer[Node],
        slices: Informer[EndpointSlice],
        *,
        selection: Selection,
    ) -> None:
        self._client = client
        self._services = services
        self._pods = pods
        self._nodes = nodes
        self._slices = slices
        self._selection = selection
        self._queue: WorkQueue[ObjectKey] = WorkQueue()
        #: By Service and family.
        self._books: dict[ObjectKey, dict[str, SliceBook]] = defaultdict(dict)
        #: Pods' names by uid, of Services of which only these are to be looked at.
        self._dirty: dict[ObjectKey, dict[str, str]] = {}
        self._whole: set[ObjectKey] = set()
        self._triggers = TriggerTimes()
        #: What we wrote into slices, until the watch shows something else.
        self._written: dict[ObjectKey, Content | None] = {}
        self._waiting: set[asyncio.Event] = set()
        services.add_listener(self._service_changed)
        pods.add_listener(self._pod_changed)
        nodes.add_listener(self._node_changed)
        slices.add_listener(self._slice_changed)

    def _look_at_all(self, key: ObjectKey) -> None:
        self._whole.add(key)
        self._queue.put(key)

    def _look_at(self, key: ObjectKey, pod: Pod) -> None:
        self._dirty.setdefault(key, {})[pod.metadata.uid] = pod.metadata.name
        self._queue.put(key)

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        service = new or old
        assert service is not None
        key = (service.metadata.namespace, service.metadata.name)
        self._triggers.note(key, service_trigger(old, new))
        self._look_at_all(key)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and new is not None and pod_view(old) == pod_view(new):
            return
        for pod in (old, new):
            for key in self._selection.services(pod) if pod is not None else ():
                assert pod is not None
                self._triggers.note(key, pod_trigger(old, new))
                self._look_at(key, pod)

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if old is not None and new is not None and _node_view(old) == _node_view(new):
            return
        name = (new or old).metadata.name  # type: ignore[union-attr]
        for pod in self._pods.objects.values():
            if pod.spec.node_name == name:
                for key in self._selection.services(pod):
                    self._look_at(key, pod)
        for key, service in self._services.objects.items():
            if wants_zone_shares(service):
                self._look_at_all(key)

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        was, now = _managed(old), _managed(new)
        if old is not None and was is not None and was != now:
            self._note(was, old.address_type, old.metadata.name, None)
        if new is not None and now is not None:
            self._note(now, new.address_type, new.metadata.name, new)
        found = new or old
        assert found is not None
        place = (found.metadata.namespace, found.metadata.name)
        content = (new.ports, new.endpoints) if new is not None and now is not None else None
        if place in self._written and self._written[place] == content:
            if new is None:
                del self._written[place]
        else:
            self._written.pop(place, None)
            for key in {was, now} - {None}:
                assert key is not None
                self._look_at_all(key)  # Somebody else's doing.
        for waiting in self._waiting:
            waiting.set()

    def _note(self, key: ObjectKey, family: str, name: str, found: EndpointSlice | None) -> None:
        books = self._books[key]
        books.setdefault(family, SliceBook()).note(name, found)
        if not books[family].slices:
            del books[family]
        if not books:
            del self._books[key]

    async def run(self) -> None:
        """Reconcile until cancelled, once everything is known."""
        for informer in (self._services, self._pods, self._nodes, self._slices):
            await informer.synced()
        report = log_failures("endpoint slices")
        async with asyncio.TaskGroup() as tasks:
            for _ in range(WORKERS):
                tasks.create_task(self._queue.run(self._reconcile, report))

    async def _reconcile(self, key: ObjectKey) -> float | None:
        whole = key in self._whole
        self._whole.discard(key)
        dirty = self._dirty.pop(key, {})
        triggered = self._triggers.take(key)
        try:
            written = await self._sync(key, None if whole else dirty, triggered)
        except BaseException:
            self._whole.add(key)  # What of it was done is not known.
            self._triggers.note(key, triggered)
            raise
        if await self._is_shown(key[0], written):
            return None
        self._whole.add(key)
        return 0.0

    async def _sync(
        self, key: ObjectKey, dirty: Mapping[str, str] | None, triggered: str
    ) -> list[str]:
        """Write what is to be written, and return the slices' names."""
        service = self._services.get(key[1], key[0])
        if service is None or service.metadata.deletion_timestamp:
            names = [name for book in self._books.get(key, {}).values() for name in book.slices]
            return await self._delete(key[0], names)
        if not service.spec.selector or service.spec.type == "ExternalName":
            return []  # Somebody else writes the slices, or DNS alone serves it.
        families = families_of(service)
        written = []
        for family, book in list(self._books.get(key, {}).items()):
            if family not in families:
                written += await self._delete(key[0], list(book.slices))
        if wants_zone_shares(service):
            dirty = None
        for family in families:
            book = self._books.get(key, {}).get(family) or SliceBook()
            present = dict(book.slices)
            if dirty is None:
                pods = self._selection.pods(service)
                found = self._wanted(service, pods, family)
                changes = plan_all(book, self._shared_out(service, found))
                relabel(present, labels_of(service), changes)
            else:
                members = {uid: self._member(service, uid, name) for uid, name in dirty.items()}
                pods = [pod for pod in members.values() if pod is not None]
                some = dict.fromkeys(members) | self._wanted(service, pods, family)
                changes = plan_some(book, some)
            written += await self._apply(service, family, present, changes, triggered)
        return written

    def _member(self, service: Service, uid: str, name: str) -> Pod | None:
        pod = self._pods.get(name, service.metadata.namespace)
        is_it = pod is not None and pod.metadata.uid == uid and selects(service, pod)
        return pod if is_it else None

    def _wanted(self, service: Service, pods: list[Pod], family: str) -> dict[str, Wanted | None]:
        found: dict[str, Wanted | None] = {}
        for pod in pods:
            node = self._nodes.get(pod.spec.node_name)
            endpoint = endpoint_of(service, pod, node, family)
            if endpoint is not None:
                found[pod.metadata.uid] = Wanted(ports_of(service, pod), endpoint)
        return found

    def _shared_out(
        self, service: Service, wanted: dict[str, Wanted | None]
    ) -> dict[str, Wanted | None]:
        if not wants_zone_shares(service):
            return wanted
        endpoints = {uid: each.endpoint for uid, each in wanted.items() if each is not None}
        zones = share_out(endpoints, zone_ratios(self._nodes.objects.values()))
        for uid, zone in zones.items():
            each = wanted[uid]
            assert each is not None
            hints = EndpointHints(for_zones=(Hint(zone),))
            endpoint = msgspec.structs.replace(each.endpoint, hints=hints)
            wanted[uid] = Wanted(each.ports, endpoint)
        return wanted

    async def _apply(
        self,
        service: Service,
        family: str,
        present: Mapping[str, EndpointSlice],
        changes: Changes,
        triggered: str,
    ) -> list[str]:
        """Make the changes: what is added first, so that no endpoint is missing in between."""
        namespace = service.metadata.namespace
        written: list[str] = []
        for content in changes.creations:
            name = self._free_name(service, family, written)
            written.append(name)
            made = new_slice(service, family, content, name=name, triggered=triggered)
            await self._write((namespace, name), content, self._create(made))
        for name, content in changes.updates.items():
            written.append(name)
            body = update_of(service, present[name], content, triggered=triggered)
            patch = self._client.patch(ENDPOINT_SLICES, name, body, namespace=namespace)
            await self._write((namespace, name), content, patch)
        return [*written, *await self._delete(namespace, changes.deletions)]

    def _free_name(self, service: Service, family: str, taken: Collection[str]) -> str:
        """The first name of a row that no slice has: two rounds, the second one late, meet at it."""
        meta = service.metadata
        for number in count():
            name = f"{meta.name}-{hash_of([meta.uid, family, number])[:5]}"
            if name not in taken and self._slices.get(name, meta.namespace) is None:
                return name
        raise AssertionError("a row without an end has ended")

    async def _create(self, made: EndpointSlice) -> None:
        with suppress(AlreadyExistsError):  # The watch will show whose it is.
            await self._client.create(ENDPOINT_SLICES, made)

    async def _delete(self, namespace: str, names: Sequence[str]) -> list[str]:
        for name in names:
            await self._write((namespace, name), None, self._remove(namespace, name))
        return list(names)

    async def _remove(self, namespace: str, name: str) -> None:
        with suppress(NotFoundError):
            await self._client.delete(ENDPOINT_SLICES, name, namespace=namespace)

    async def _write(
        self, place: ObjectKey, content: Content | None, write: Awaitable[object]
    ) -> None:
        """Note what a slice is going to be, so that the watch's news of it is none."""
        self._written[place] = content
        try:
            await write
        except BaseException:
            self._written.pop(place, None)
            raise

    async def _is_shown(self, namespace: str, names: Sequence[str]) -> bool:
        """Wait until the watch has shown what was written: the next round builds upon it."""
        shown = asyncio.Event()
        self._waiting.add(shown)
        try:
            async with asyncio.timeout(_ECHO_S):
                while any(self._is_awaited((namespace, name)) for name in names):
                    shown.clear()
                    await shown.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(shown)
        return True

    def _is_awaited(self, place: ObjectKey) -> bool:
        if place not in self._written:
            return False
        found = self._slices.get(place[1], place[0])
        return self._written[place] != (None if found is None else (found.ports, found.endpoints))


def _managed(found: EndpointSlice | None) -> ObjectKey | None:
    """Return the Service of a slice that is this controller's."""
    if found is None or found.metadata.labels.get(MANAGED_BY_LABEL) != MANAGER:
        return None
    return found.metadata.namespace, found.service


def _node_view(node: Node) -> Json:
    """What of a node its pods' endpoints, and zones' shares, depend on."""
    return {
        "labels": node.metadata.labels,
        "ready": node_is_ready(node),
        "cpu": (node.status.get("allocatable") or {}).get("cpu"),
    }
