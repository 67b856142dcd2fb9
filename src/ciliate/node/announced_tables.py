"""Services and endpoints for what is announced of them; kept in the compact form that decides.

The feature that serves Services has tables of its own: an agent that announces none has no second ones.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from ciliate.api.endpoint_slice import ENDPOINT_SLICES, SERVICE_NAME_LABEL, EndpointSlice
from ciliate.api.metadata import ObjectMeta
from ciliate.api.resource import ObjectKey
from ciliate.api.service import SERVICES, Service
from ciliate.kube.client import ApiClient
from ciliate.kube.informer import Informer
from ciliate.node.announced_services import BGP_CLASS, KnownService, has_endpoint_on, known_service

_NONE: Final[dict[str, str]] = {}


class ReadService(Service, frozen=True, gc=False, kw_only=True):
    """A Service without its fields, and what was read of them."""

    known: KnownService | None = None


class ReadSlice(EndpointSlice, frozen=True, gc=False, kw_only=True):
    """A slice without its endpoints: whose it is, and in which family it has one on this node."""

    of: str = ""
    local_version: int = 0


class ServiceTables:
    """Both tables; `run` is their task, `changed` is called when something may be announced else."""

    def __init__(
        self,
        client: ApiClient,
        node: str,
        proxy_name: str,
        changed: Callable[[], object],
        *,
        balancer_class: str = BGP_CLASS,
    ) -> None:
        """Read those that the proxy of that name serves, empty for the cluster's."""
        self._changed = changed
        self._services: Informer[Service] = Informer(
            client,
            SERVICES,
            transform=lambda found: _read_service(found, proxy_name, balancer_class),
        )
        self._slices: Informer[EndpointSlice] = Informer(
            client,
            ENDPOINT_SLICES,
            transform=lambda found: _read_slice(found, node),
            label_selector=SERVICE_NAME_LABEL,
        )
        self._services.add_listener(self._service_changed)
        self._slices.add_listener(self._slice_changed)

    @property
    def has_synced(self) -> bool:
        """Whether both have been complete once; before, absence means nothing."""
        return self._services.has_synced and self._slices.has_synced

    async def run(self) -> None:
        """Follow both until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for informer in (self._services, self._slices):
                tasks.create_task(informer.run())
            await self._services.synced()
            await self._slices.synced()
            self._changed()

    def services(self) -> Iterator[KnownService]:
        """Yield every Service that has an address."""
        for found in self._services.objects.values():
            if isinstance(found, ReadService) and found.known is not None:
                yield found.known

    def local(self) -> frozenset[tuple[ObjectKey, int]]:
        """Return the Services with a ready endpoint on this node, by its IP version."""
        return frozenset(
            ((found.metadata.namespace, found.of), found.local_version)
            for found in self._slices.objects.values()
            if isinstance(found, ReadSlice) and found.local_version
        )

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        before, after = (e.known if isinstance(e, ReadService) else None for e in (old, new))
        if before != after:
            self._changed()

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        before, after = (
            (e.of, e.local_version) if isinstance(e, ReadSlice) and e.local_version else None
            for e in (old, new)
        )
        if before != after:
            self._changed()


def _read_service(found: Service, proxy_name: str, balancer_class: str) -> Service:
    known = known_service(found, proxy_name, balancer_class)
    return ReadService(metadata=_kept(found.metadata), known=known)


def _read_slice(found: EndpointSlice, node: str) -> EndpointSlice:
    return ReadSlice(
        metadata=_kept(found.metadata),
        of=found.service,
        local_version=has_endpoint_on(found, node),
    )


def _kept(meta: ObjectMeta) -> ObjectMeta:
    return ObjectMeta(
        name=meta.name,
        namespace=meta.namespace,
        uid=meta.uid,
        resource_version=meta.resource_version,
        labels=_NONE,
        annotations=_NONE,
    )
