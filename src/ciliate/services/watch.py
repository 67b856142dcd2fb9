"""Services and EndpointSlices as the watches report them, told to the book.

Both are kept in the compact form that decides, which the book has too; the objects themselves would
take several times the room, and there may be thousands.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Collection
from typing import Any, Final

from ciliate.api.endpoint_slice import (
    ENDPOINT_SLICES,
    SERVICE_NAME_LABEL,
    TRIGGER_TIME_ANNOTATION,
    EndpointSlice,
)
from ciliate.api.metadata import ObjectMeta, parse_time
from ciliate.api.service import SERVICES, Service
from ciliate.kube.client import ApiClient
from ciliate.kube.informer import Informer
from ciliate.kube.retrying import waiting_text
from ciliate.node.progress import Progress
from ciliate.services.book import ServiceBook
from ciliate.services.map_keys import MapKey
from ciliate.services.metrics import Change, ServiceMetrics
from ciliate.services.model import (
    EndpointState,
    KnownService,
    KnownSlice,
    ServiceKey,
    ServingSettings,
)
from ciliate.services.read import read_service, read_slice
from ciliate.services.verdicts import endpoints

#: How often it is told what a table that is waited for is refused.
_REMINDER_S: Final = 0.5


#: Of objects that are kept: who needs a label or an annotation has read it.
_NONE: Final[dict[str, str]] = {}


class ReadService(Service, frozen=True, gc=False, kw_only=True):
    """A Service without its fields, and what was read of them; None: nothing of this node."""

    known: KnownService | None = None


class ReadSlice(EndpointSlice, frozen=True, gc=False, kw_only=True):
    """A slice without its endpoints, what was read of them, and the name of its Service."""

    known: KnownSlice | None = None
    of: str = ""
    triggered_s: float | None = None  # Wall clock: what it tells of had happened.


class ServiceWatch:
    """Keeps the book at what the API server says; `touched` is told the keys that changed."""

    def __init__(
        self,
        client: ApiClient,
        book: ServiceBook,
        settings: ServingSettings,
        touched: Callable[[Collection[MapKey]], object],
        metrics: ServiceMetrics,
    ) -> None:
        self._book = book
        self._metrics = metrics
        self._touched = touched
        self.services: Informer[Service] = Informer(
            client, SERVICES, transform=lambda found: _read_service(found, settings)
        )
        self.slices: Informer[EndpointSlice] = Informer(
            client, ENDPOINT_SLICES, transform=_read_slice, label_selector=SERVICE_NAME_LABEL
        )
        self.services.add_listener(self._service_changed)
        self.slices.add_listener(self._slice_changed)

    @property
    def informers(self) -> tuple[Informer[Any], ...]:
        """Both, to run them and to report their health."""
        return (self.services, self.slices)

    @property
    def has_listed(self) -> bool:
        """Whether both have been complete once; before, absence means nothing."""
        return all(each.has_synced for each in self.informers)

    async def listed(self, progress: Progress) -> None:
        """Wait until both have been complete once, and say what stands in the way."""
        for informer in self.informers:
            while not informer.has_synced:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_REMINDER_S):
                        await informer.synced()
                if (error := informer.last_error) is not None:
                    progress.say(f"watch of {informer.name}: {waiting_text(error)}")

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        meta = (new or old or Service()).metadata
        known = new.known if isinstance(new, ReadService) else None
        key = ServiceKey(meta.namespace, meta.name)
        action = "add" if old is None else "update" if new is not None else "delete"
        self._tell(action, self._book.put_service(key, known))

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        meta = (new or old or EndpointSlice()).metadata
        known = new.known if isinstance(new, ReadSlice) else None
        service = new.of if isinstance(new, ReadSlice) else ""
        before = old if isinstance(old, ReadSlice) else None
        former = before.known if before is not None else None
        self._metrics.terminating(len(_terminating(known) - _terminating(former)))
        touched = self._book.put_slice((meta.namespace, meta.name), service, known)
        triggered_s = new.triggered_s if isinstance(new, ReadSlice) else None
        if before is not None and triggered_s == before.triggered_s:
            triggered_s = None  # That was measured.
        self._tell("update", touched, triggered_s)

    def _tell(
        self, action: str, touched: Collection[MapKey], triggered_s: float | None = None
    ) -> None:
        self._metrics.event(action)
        if touched and self.has_listed:
            self._metrics.note(Change(action, time.monotonic(), triggered_s))
        self._touched(touched)


def _read_service(found: Service, settings: ServingSettings) -> Service:
    return ReadService(metadata=_kept(found.metadata), known=read_service(found, settings))


def _read_slice(found: EndpointSlice) -> EndpointSlice:
    return ReadSlice(
        metadata=_kept(found.metadata),
        known=read_slice(found),
        of=found.service,
        triggered_s=_triggered_s(found.metadata.annotations.get(TRIGGER_TIME_ANNOTATION, "")),
    )


def _kept(meta: ObjectMeta) -> ObjectMeta:
    """Return what tells an object and its versions apart; of namespaces there are few."""
    return ObjectMeta(
        name=meta.name,
        namespace=sys.intern(meta.namespace),
        uid=meta.uid,
        resource_version=meta.resource_version,
        labels=_NONE,
        annotations=_NONE,
    )


def _triggered_s(text: str) -> float | None:
    try:
        return parse_time(text).timestamp() if text else None
    except ValueError:
        return None


def _terminating(known: KnownSlice | None) -> frozenset[bytes]:
    return frozenset(
        address
        for address, place in (endpoints(known) if known is not None else ())
        if place.state is EndpointState.TERMINATING
    )
