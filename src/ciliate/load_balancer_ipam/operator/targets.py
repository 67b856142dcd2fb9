"""The statuses of Services, as a target that a reconciler keeps right.

They are observed in their table, which follows the API. A write is on condition that the Service is
still as the table has it; of one that has changed meanwhile the table will tell.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Final

from ciliate.api.core import ObjectReference
from ciliate.api.resource import ObjectKey
from ciliate.api.service import SERVICES, Service
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ConflictError, NotFoundError
from ciliate.kube.events import EventRecorder, Severity
from ciliate.kube.last_writer import find_last_writer
from ciliate.load_balancer_ipam.operator.book import Book
from ciliate.load_balancer_ipam.statuses import (
    ServiceVerdict,
    cleared_patch,
    is_marked,
    service_patch,
    shown_service_verdict,
)
from ciliate.reconcile.target import Failures, one_by_one

#: Reason of the Event on a Service that has not what it asks for: `kubectl describe` shows no
#: conditions of Services.
MISSING: Final = "LoadBalancerAddressMissing"


class ServiceStatusTarget:
    """The addresses and the condition in the status of each Service that is ours."""

    name: Final = "load balancer addresses"

    def __init__(
        self,
        client: ApiClient,
        book: Book,
        events: EventRecorder,
        *,
        may_act: Callable[[], bool],
    ) -> None:
        self._client = client
        self._book = book
        self._events = events
        self._may_act = may_act
        self._as_found: set[ObjectKey] = set()  # By the last put.
        self._not_ours: set[ObjectKey] = set()  # By the last removal.

    @property
    def left_alone(self) -> Collection[object]:
        """The Services that the last put and the last removal wrote nothing for."""
        return self._as_found | self._not_ours

    def desired(self) -> Mapping[ObjectKey, ServiceVerdict] | None:
        """Return what Services should say; None while that is not known, or not ours to say."""
        return self._book.service_verdicts() if self._may_act() else None

    async def observe(self) -> Mapping[ObjectKey, ServiceVerdict]:
        """Return what Services say that have our condition."""
        found = (
            (key, shown_service_verdict(each)) for key, each in self._book.services.objects.items()
        )
        return {key: verdict for key, verdict in found if verdict is not None}

    async def put(self, entries: Mapping[ObjectKey, ServiceVerdict]) -> Failures[ObjectKey]:
        """Have Services say their verdicts."""
        self._as_found = set()
        return await one_by_one(entries, lambda key: self._put(key, entries[key]))

    async def remove(self, keys: Collection[ObjectKey]) -> Failures[ObjectKey]:
        """Take our condition, and the addresses that came with it, out of statuses."""
        self._not_ours = set()
        return await one_by_one(keys, self._remove)

    async def last_writer(self, key: ObjectKey) -> str:
        """Return who wrote to a Service last, as the API server notes it."""
        return await find_last_writer(self._client, SERVICES, key)

    async def _put(self, key: ObjectKey, verdict: ServiceVerdict) -> None:
        service = self._book.services.objects.get(key)
        shown = shown_service_verdict(service) if service is not None else None
        if (
            service is None
            or shown == verdict
            or not await self._patch(key, service_patch(service, verdict, datetime.now(UTC)))
        ):
            self._as_found.add(key)
            return
        if not verdict.is_satisfied and (shown is None or shown.message != verdict.message):
            self._tell(service, verdict.message)

    async def _remove(self, key: ObjectKey) -> None:
        service = self._book.services.objects.get(key)
        is_ours = service is not None and is_marked(service)
        if service is None or not is_ours or not await self._patch(key, cleared_patch(service)):
            self._not_ours.add(key)

    async def _patch(self, key: ObjectKey, body: object) -> bool:
        """Write a status; return False where somebody was faster."""
        namespace, name = key
        if not self._may_act():
            return False
        try:
            await self._client.patch(
                SERVICES, name, body, namespace=namespace, subresource="status"
            )
        except (NotFoundError, ConflictError):
            return False  # Gone, or changed: the table will say so.
        return True

    def _tell(self, service: Service, message: str) -> None:
        meta = service.metadata
        self._events.record(
            ObjectReference(
                kind=SERVICES.kind, namespace=meta.namespace, name=meta.name, uid=meta.uid
            ),
            severity=Severity.WARNING,
            reason=MISSING,
            message=message,
        )
