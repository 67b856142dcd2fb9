"""Endpoints: the older form of EndpointSlices, one object a Service, of its first family alone.

`kubectl get ep` shows them, and few others read them. Since each change writes the whole object,
that of a large Service is written the less often the larger it is.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from ciliate.api.endpoint_slice import TRIGGER_TIME_ANNOTATION, EndpointPort
from ciliate.api.metadata import ObjectMeta
from ciliate.api.resource import ObjectKey
from ciliate.api.service import HEADLESS_LABEL, NO_CLUSTER_IP, Service
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import AlreadyExistsError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.lab.controllers.failures import log_failures
from ciliate.lab.controllers.pod_endpoints import (
    address_of,
    families_of,
    is_served,
    may_be_endpoint,
    pod_view,
    ports_of,
)
from ciliate.lab.controllers.selection import Selection
from ciliate.lab.controllers.trigger_times import TriggerTimes, pod_trigger, service_trigger
from ciliate.lab.objects import ENDPOINTS, Endpoints, Json, Pod
from ciliate.reconcile.work_queue import WorkQueue

#: The API's limit of addresses in one object, and what says that there are more.
ADDRESSES_MAX: Final = 1000
OVER_CAPACITY: Final = "endpoints.kubernetes.io/over-capacity"

#: How long the next write waits, in seconds for each address: the largest come once a second.
_PAUSE_PER_ADDRESS_S: Final = 0.001
#: Up to so many are written at once.
_FREE_ADDRESSES: Final = 100

#: An address, and the pod's ports.
_Groups = dict[tuple[EndpointPort, ...], dict[str, list[Json]]]


def endpoints_of(service: Service, pods: Sequence[Pod]) -> Endpoints:
    """Return the Service's Endpoints; of too many pods the ready ones come first."""
    family = families_of(service)[0]
    chosen = [pod for pod in pods if _is_listed(service, pod) and address_of(pod, family)]
    chosen.sort(key=lambda pod: (not is_served(service, pod), pod.metadata.name))
    groups: _Groups = {}
    for pod in sorted(chosen[:ADDRESSES_MAX], key=lambda pod: pod.metadata.name):
        group = groups.setdefault(ports_of(service, pod), defaultdict(list))
        kind = "addresses" if is_served(service, pod) else "notReadyAddresses"
        group[kind].append(_address(service, pod, family))
    meta = service.metadata
    headless = {HEADLESS_LABEL: ""} if service.spec.cluster_ip in {"", NO_CLUSTER_IP} else {}
    over = {OVER_CAPACITY: "truncated"} if len(chosen) > ADDRESSES_MAX else {}
    return Endpoints(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            labels={**meta.labels, **headless},
            annotations=over,
        ),
        subsets=tuple({**group, "ports": _ports(ports)} for ports, group in groups.items()),
    )


def _is_listed(service: Service, pod: Pod) -> bool:
    """Whether the pod is in at all: one that terminates only where all addresses are published."""
    terminates = pod.metadata.deletion_timestamp is not None
    return may_be_endpoint(pod) and (service.spec.publish_not_ready_addresses or not terminates)


def _address(service: Service, pod: Pod, family: str) -> Json:
    meta = pod.metadata
    hostname = pod.spec.hostname if pod.spec.subdomain == service.metadata.name else ""
    return {
        "ip": address_of(pod, family),
        **({"hostname": hostname} if hostname else {}),
        "nodeName": pod.spec.node_name,
        "targetRef": {
            "kind": "Pod",
            "name": meta.name,
            "namespace": meta.namespace,
            "uid": meta.uid,
        },
    }


def _ports(ports: Sequence[EndpointPort]) -> list[Json]:
    return [
        {
            **({"name": port.name} if port.name else {}),
            "protocol": port.protocol,
            "port": port.port,
            **({"appProtocol": port.app_protocol} if port.app_protocol else {}),
        }
        for port in ports
    ]


class EndpointsController:
    """Acts for every Service with a selector; one task executes `run`."""

    def __init__(
        self,
        client: ApiClient,
        services: Informer[Service],
        pods: Informer[Pod],
        endpoints: Informer[Endpoints],
        *,
        selection: Selection,
    ) -> None:
        self._client = client
        self._services = services
        self._pods = pods
        self._endpoints = endpoints
        self._selection = selection
        self._queue: WorkQueue[ObjectKey] = WorkQueue()
        self._triggers = TriggerTimes()
        services.add_listener(self._service_changed)
        pods.add_listener(self._pod_changed)
        endpoints.add_listener(self._endpoints_changed)

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        service = new or old
        assert service is not None
        key = (service.metadata.namespace, service.metadata.name)
        self._triggers.note(key, service_trigger(old, new))
        self._wake(key)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and new is not None and pod_view(old) == pod_view(new):
            return
        for pod in (old, new):
            for key in self._selection.services(pod) if pod is not None else ():
                self._triggers.note(key, pod_trigger(old, new))
                self._wake(key)

    def _endpoints_changed(self, old: Endpoints | None, new: Endpoints | None) -> None:
        found = new or old  # What somebody deletes is made again.
        assert found is not None
        self._wake((found.metadata.namespace, found.metadata.name))

    def _wake(self, key: ObjectKey) -> None:
        present = self._endpoints.get(key[1], key[0])
        size = _size(present) if present is not None else 0
        if size <= _FREE_ADDRESSES:
            self._queue.put(key)
        else:
            self._queue.put_after(key, size * _PAUSE_PER_ADDRESS_S)

    async def run(self) -> None:
        """Reconcile until cancelled, once everything is known."""
        for informer in (self._services, self._pods, self._endpoints):
            await informer.synced()
        await self._queue.run(self._reconcile, log_failures("endpoints"))

    async def _reconcile(self, key: ObjectKey) -> None:
        triggered = self._triggers.take(key)
        try:
            await self._sync(key, triggered)
        except BaseException:
            self._triggers.note(key, triggered)
            raise

    async def _sync(self, key: ObjectKey, triggered: str) -> None:
        service = self._services.get(key[1], key[0])
        present = self._endpoints.get(key[1], key[0])
        if service is None or service.metadata.deletion_timestamp:
            if present is not None:
                with suppress(NotFoundError):
                    await self._client.delete(ENDPOINTS, key[1], namespace=key[0])
            return
        if not service.spec.selector or service.spec.type == "ExternalName":
            return  # A user writes them, or there are none.
        wanted = endpoints_of(service, self._selection.pods(service))
        if triggered:
            wanted.metadata.annotations[TRIGGER_TIME_ANNOTATION] = triggered
        await self._put(wanted, present)

    async def _put(self, wanted: Endpoints, present: Endpoints | None) -> None:
        meta = wanted.metadata
        if present is None:
            with suppress(AlreadyExistsError):  # The watch brings us back here.
                await self._client.create(ENDPOINTS, wanted)
            return
        over = present.metadata.annotations.get(OVER_CAPACITY)
        if (
            list(present.subsets or ()) == list(wanted.subsets or ())
            and not _lacks(present.metadata.labels, meta.labels)
            and over == meta.annotations.get(OVER_CAPACITY)
        ):
            return
        body = {
            "metadata": {
                "labels": meta.labels,
                "annotations": {OVER_CAPACITY: None, TRIGGER_TIME_ANNOTATION: None}
                | meta.annotations,
            },
            "subsets": wanted.subsets,
        }
        await self._client.patch(ENDPOINTS, meta.name, body, namespace=meta.namespace)


def _size(found: Endpoints) -> int:
    kinds = ("addresses", "notReadyAddresses")
    return sum(len(subset.get(kind) or ()) for subset in found.subsets or () for kind in kinds)


def _lacks(present: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return any(present.get(key) != value for key, value in wanted.items())
