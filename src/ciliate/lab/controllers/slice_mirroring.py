"""EndpointSlices for Endpoints that somebody writes by hand, of a Service without selector.

Proxies read slices alone. One slice for each family and set of ports mirrors what an Endpoints
object lists, as kube-controller-manager's endpointslicemirroring-controller does it; its label
`endpointslice.kubernetes.io/skip-mirror` opts out.
"""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from ciliate.api.core import ObjectReference
from ciliate.api.endpoint_slice import (
    ENDPOINT_SLICES,
    MANAGED_BY_LABEL,
    SERVICE_NAME_LABEL,
    TRIGGER_TIME_ANNOTATION,
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
)
from ciliate.api.metadata import ObjectMeta, OwnerReference
from ciliate.api.resource import ObjectKey
from ciliate.api.service import Service
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import AlreadyExistsError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.lab.controllers.failures import log_failures
from ciliate.lab.controllers.names import hash_of
from ciliate.lab.objects import Endpoints, Json
from ciliate.reconcile.work_queue import WorkQueue

MIRRORER: Final = "endpointslicemirroring-controller.k8s.io"
SKIP_LABEL: Final = "endpointslice.kubernetes.io/skip-mirror"
#: Endpoints mirrored of one set of ports: the API's limit of a slice.
_ENDPOINTS_MAX: Final = 1000
#: What says of the Endpoints object alone who wrote it, or when it changed.
_OWN_ANNOTATIONS: Final = frozenset(
    {
        "control-plane.alpha.kubernetes.io/leader",
        TRIGGER_TIME_ANNOTATION,
        "kubectl.kubernetes.io/last-applied-configuration",
    }
)


def is_mirrored(endpoints: Endpoints, service: Service | None) -> bool:
    """Whether an Endpoints object is one that somebody writes for a Service."""
    meta = endpoints.metadata
    return (
        service is not None
        and not service.spec.selector
        and not meta.deletion_timestamp
        and meta.labels.get(SKIP_LABEL) != "true"
        and "control-plane.alpha.kubernetes.io/leader" not in meta.annotations
    )


def mirrored(endpoints: Endpoints) -> dict[str, EndpointSlice]:
    """Return the slices of an Endpoints object, by name."""
    groups: dict[tuple[str, tuple[EndpointPort, ...]], dict[str, Endpoint]] = defaultdict(dict)
    for subset in endpoints.subsets or ():
        ports = tuple(_port(each) for each in subset.get("ports") or ())
        for kind in ("addresses", "notReadyAddresses"):
            for address in subset.get(kind) or ():
                family = "IPv6" if ":" in address["ip"] else "IPv4"
                group = groups[family, ports]
                if len(group) < _ENDPOINTS_MAX:
                    group.setdefault(
                        address["ip"], _endpoint(address, is_ready=kind == "addresses")
                    )
    slices = [_slice_of(endpoints, *key, tuple(group.values())) for key, group in groups.items()]
    return {each.metadata.name: each for each in slices}


def _slice_of(
    endpoints: Endpoints,
    family: str,
    ports: tuple[EndpointPort, ...],
    listed: tuple[Endpoint, ...],
) -> EndpointSlice:
    meta = endpoints.metadata
    owner = OwnerReference(
        api_version="v1",
        kind="Endpoints",
        name=meta.name,
        uid=meta.uid,
        controller=True,
        block_owner_deletion=True,
    )
    return EndpointSlice(
        metadata=ObjectMeta(
            name=f"{meta.name}-{hash_of([meta.uid, family, ports])[:5]}",
            namespace=meta.namespace,
            generate_name=f"{meta.name}-",
            labels={**meta.labels, SERVICE_NAME_LABEL: meta.name, MANAGED_BY_LABEL: MIRRORER},
            annotations={
                key: value
                for key, value in meta.annotations.items()
                if key not in _OWN_ANNOTATIONS
            },
            owner_references=(owner,),
        ),
        address_type=family,
        endpoints=listed,
        ports=ports,
    )


def _port(port: Json) -> EndpointPort:
    return EndpointPort(
        port.get("name", ""),
        port.get("protocol", "TCP"),
        port["port"],
        port.get("appProtocol", ""),
    )


def _endpoint(address: Json, *, is_ready: bool) -> Endpoint:
    target: Any = address.get("targetRef") or {}
    reference = ObjectReference(
        kind=target.get("kind", ""),
        name=target.get("name", ""),
        namespace=target.get("namespace", ""),
        uid=target.get("uid", ""),
    )
    return Endpoint(
        addresses=(address["ip"],),
        conditions=EndpointConditions(ready=is_ready),
        hostname=address.get("hostname", ""),
        node_name=address.get("nodeName") or "",
        target_ref=reference if target else None,
    )


class SliceMirroringController:
    """Acts for every Endpoints object of a Service without selector; one task executes `run`."""

    def __init__(
        self,
        client: ApiClient,
        services: Informer[Service],
        endpoints: Informer[Endpoints],
        slices: Informer[EndpointSlice],
    ) -> None:
        self._client = client
        self._services = services
        self._endpoints = endpoints
        self._slices = slices
        self._queue: WorkQueue[ObjectKey] = WorkQueue()
        #: Names of the slices that are ours, by Service.
        self._present: dict[ObjectKey, set[str]] = defaultdict(set)
        services.add_listener(self._changed)
        endpoints.add_listener(self._changed)
        slices.add_listener(self._slice_changed)

    def _changed(self, old: Service | Endpoints | None, new: Service | Endpoints | None) -> None:
        found = new or old
        assert found is not None
        self._queue.put((found.metadata.namespace, found.metadata.name))

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for found, is_there in ((old, False), (new, True)):
            if found is None or found.metadata.labels.get(MANAGED_BY_LABEL) != MIRRORER:
                continue
            key = (found.metadata.namespace, found.service)
            if is_there:
                self._present[key].add(found.metadata.name)
            else:
                self._present[key].discard(found.metadata.name)
                if not self._present[key]:
                    del self._present[key]
            self._queue.put(key)

    async def run(self) -> None:
        """Reconcile until cancelled, once everything is known."""
        for informer in (self._services, self._endpoints, self._slices):
            await informer.synced()
        await self._queue.run(self._reconcile, log_failures("endpoint slice mirroring"))

    async def _reconcile(self, key: ObjectKey) -> None:
        namespace, name = key
        endpoints = self._endpoints.get(name, namespace)
        service = self._services.get(name, namespace)
        wanted: Mapping[str, EndpointSlice] = {}
        if endpoints is not None and is_mirrored(endpoints, service):
            wanted = mirrored(endpoints)
        for each in wanted.values():
            await self._put(each)
        for gone in [each for each in self._present.get(key, ()) if each not in wanted]:
            with suppress(NotFoundError):
                await self._client.delete(ENDPOINT_SLICES, gone, namespace=namespace)

    async def _put(self, wanted: EndpointSlice) -> None:
        meta = wanted.metadata
        present = self._slices.get(meta.name, meta.namespace)
        if present is None:
            with suppress(AlreadyExistsError):  # The watch brings us back here.
                await self._client.create(ENDPOINT_SLICES, wanted)
            return
        was = present.metadata
        if (present.endpoints, was.labels, was.annotations) == (
            wanted.endpoints,
            meta.labels,
            meta.annotations,
        ):
            return
        body = {
            "metadata": {
                "labels": dict.fromkeys(was.labels) | meta.labels,
                "annotations": dict.fromkeys(was.annotations) | meta.annotations,
            },
            "endpoints": wanted.endpoints,
        }
        await self._client.patch(ENDPOINT_SLICES, meta.name, body, namespace=meta.namespace)
