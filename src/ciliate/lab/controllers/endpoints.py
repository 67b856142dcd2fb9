"""Endpoints and EndpointSlices: which pods stand behind a Service, and on which ports."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ciliate.api.label_selectors import matches_all
from ciliate.api.metadata import ObjectMeta, OwnerReference
from ciliate.api.resource import ObjectKey, Resource
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import AlreadyExistsError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.lab.controllers.failures import log_failures
from ciliate.lab.controllers.names import hash_of
from ciliate.lab.controllers.pods import is_ready
from ciliate.lab.objects import (
    ENDPOINT_SLICES,
    ENDPOINTS,
    Endpoints,
    EndpointSlice,
    Json,
    Pod,
    Service,
    ServicePort,
)
from ciliate.reconcile.work_queue import WorkQueue

SERVICE_LABEL: Final = "kubernetes.io/service-name"
MANAGER_LABEL: Final = "endpointslice.kubernetes.io/managed-by"
MANAGER: Final = "endpointslice-controller.k8s.io"
#: The API's limit for one slice; the lab needs no second one.
SLICE_ENDPOINTS_MAX: Final = 1000


def families_of(service: Service) -> tuple[str, ...]:
    """Return the address types of the Service's slices."""
    if service.spec.ip_families:
        return service.spec.ip_families
    ips = service.spec.cluster_ips or (service.spec.cluster_ip,)
    return tuple("IPv6" if ":" in ip else "IPv4" for ip in ips)


def backends(service: Service, pods: Iterable[Pod]) -> list[Pod]:
    """Return the pods behind a Service that have an address, by name."""
    namespace = service.metadata.namespace
    chosen = [
        pod
        for pod in pods
        if pod.metadata.namespace == namespace
        and matches_all(service.spec.selector, pod.metadata.labels)
        and pod.status.pod_ip
        and pod.status.phase not in ("Succeeded", "Failed")
    ]
    return sorted(chosen, key=lambda pod: pod.metadata.name)[:SLICE_ENDPOINTS_MAX]


def port_number(port: ServicePort, pod: Pod) -> int | None:
    """Return the pod's port that a Service's port leads to; None: it names one the pod lacks."""
    target = port.target_port or port.port
    if isinstance(target, int):
        return target
    for container in pod.spec.containers:
        for declared in container.ports:
            if declared.name == target and declared.protocol == port.protocol:
                return declared.container_port
    return None


def resolved_ports(service: Service, pod: Pod) -> tuple[tuple[str, str, int], ...]:
    """Return (name, protocol, number) of the ports that the pod has of the Service's."""
    found = []
    for port in service.spec.ports:
        number = port_number(port, pod)
        if number is not None:
            found.append((port.name, port.protocol, number))
    return tuple(found)


def slices_of(service: Service, pods: Sequence[Pod]) -> dict[str, EndpointSlice]:
    """Return the Service's slices by name: one per family and set of port numbers.

    A named port may have different numbers in different pods; such pods are kept apart.
    """
    found: dict[str, EndpointSlice] = {}
    meta = service.metadata
    for family in families_of(service):
        groups: dict[tuple[tuple[str, str, int], ...], list[Json]] = defaultdict(list)
        for pod in pods:
            address = _address(pod, family)
            if address:
                groups[resolved_ports(service, pod)].append(_endpoint(service, pod, address))
        if not groups:
            default = tuple(
                (p.name, p.protocol, p.target_port or p.port)
                for p in service.spec.ports
                if isinstance(p.target_port or p.port, int)
            )
            groups[default] = []  # type: ignore[index]  # Only numbers are left in it.
        for ports, endpoints in groups.items():
            name = f"{meta.name}-{hash_of([meta.uid, family, ports])[:5]}"
            found[name] = EndpointSlice(
                metadata=ObjectMeta(
                    name=name,
                    namespace=meta.namespace,
                    labels={**meta.labels, SERVICE_LABEL: meta.name, MANAGER_LABEL: MANAGER},
                    owner_references=(_owner(service),),
                ),
                address_type=family,
                endpoints=tuple(endpoints),
                ports=tuple(
                    {"name": port[0], "protocol": port[1], "port": port[2]} for port in ports
                ),
            )
    return found


def endpoints_of(service: Service, pods: Sequence[Pod]) -> Endpoints:
    """Return the older form of the same: the Service's first family only."""
    family = families_of(service)[0]
    groups: dict[tuple[tuple[str, str, int], ...], dict[str, list[Json]]] = {}
    for pod in pods:
        address = _address(pod, family)
        if not address:
            continue
        group = groups.setdefault(resolved_ports(service, pod), defaultdict(list))
        kind = "addresses" if _is_served(service, pod) else "notReadyAddresses"
        group[kind].append(
            {"ip": address, "nodeName": pod.spec.node_name, "targetRef": _target(pod)}
        )
    subsets = tuple(
        {
            **group,
            "ports": [{"name": p[0], "protocol": p[1], "port": p[2]} for p in ports]
            if any(p[0] for p in ports)
            else [{"protocol": p[1], "port": p[2]} for p in ports],
        }
        for ports, group in groups.items()
    )
    meta = service.metadata
    return Endpoints(
        metadata=ObjectMeta(name=meta.name, namespace=meta.namespace, labels=meta.labels),
        subsets=subsets,
    )


def _endpoint(service: Service, pod: Pod, address: str) -> Json:
    terminating = pod.metadata.deletion_timestamp is not None
    serving = is_ready(pod)
    return {
        "addresses": [address],
        "conditions": {
            "ready": _is_served(service, pod),
            "serving": serving,
            "terminating": terminating,
        },
        "nodeName": pod.spec.node_name,
        "targetRef": _target(pod),
    }


def _is_served(service: Service, pod: Pod) -> bool:
    if service.spec.publish_not_ready_addresses:
        return True
    return is_ready(pod) and pod.metadata.deletion_timestamp is None


def _target(pod: Pod) -> Json:
    meta = pod.metadata
    return {"kind": "Pod", "name": meta.name, "namespace": meta.namespace, "uid": meta.uid}


def _address(pod: Pod, family: str) -> str:
    ips = [each.ip for each in pod.status.pod_ips] or [pod.status.pod_ip]
    return next((ip for ip in ips if (":" in ip) == (family == "IPv6")), "")


def _owner(service: Service) -> OwnerReference:
    return OwnerReference(
        api_version="v1",
        kind="Service",
        name=service.metadata.name,
        uid=service.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )


class EndpointsController:
    """Acts for every Service with a selector; one task executes `run`."""

    def __init__(
        self,
        client: ApiClient,
        services: Informer[Service],
        pods: Informer[Pod],
        endpoints: Informer[Endpoints],
        slices: Informer[EndpointSlice],
    ) -> None:
        self._client = client
        self._services = services
        self._pods = pods
        self._endpoints = endpoints
        self._slices = slices
        self._queue: WorkQueue[ObjectKey] = WorkQueue()
        services.add_listener(self._service_changed)
        pods.add_listener(self._pod_changed)
        slices.add_listener(self._slice_changed)

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        service = new or old
        assert service is not None
        self._queue.put((service.metadata.namespace, service.metadata.name))

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and new is not None and _pod_view(old) == _pod_view(new):
            return
        for pod in (old, new):
            if pod is None:
                continue
            for key, service in self._services.objects.items():
                selector = service.spec.selector
                if (
                    key[0] == pod.metadata.namespace
                    and selector
                    and matches_all(selector, pod.metadata.labels)
                ):
                    self._queue.put(key)

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        found = new or old  # One that somebody deletes is made again.
        assert found is not None
        if found.metadata.labels.get(MANAGER_LABEL) == MANAGER:
            service = found.metadata.labels.get(SERVICE_LABEL, "")
            self._queue.put((found.metadata.namespace, service))

    async def run(self) -> None:
        """Reconcile until cancelled, once everything is known."""
        for informer in (self._services, self._pods, self._endpoints, self._slices):
            await informer.synced()
        await self._queue.run(self._reconcile, log_failures("endpoints"))

    async def _reconcile(self, key: ObjectKey) -> None:
        service = self._services.get(key[1], key[0])
        if service is not None and not service.spec.selector:
            return  # A user writes the endpoints of a Service without selector.
        if service is None or service.metadata.deletion_timestamp:
            await self._delete(ENDPOINTS, key[0], [key[1]] if self._has_endpoints(key) else [])
            await self._delete(ENDPOINT_SLICES, key[0], list(self._present(key)))
            return
        pods = backends(service, self._pods.objects.values())
        await self._put_endpoints(endpoints_of(service, pods))
        wanted = slices_of(service, pods)
        present = self._present(key)
        for name, item in wanted.items():
            await self._put_slice(item, present.get(name))
        await self._delete(
            ENDPOINT_SLICES, key[0], [name for name in present if name not in wanted]
        )

    def _has_endpoints(self, key: ObjectKey) -> bool:
        return self._endpoints.get(key[1], key[0]) is not None

    def _present(self, key: ObjectKey) -> dict[str, EndpointSlice]:
        return {
            item.metadata.name: item
            for (namespace, _), item in self._slices.objects.items()
            if namespace == key[0]
            and item.metadata.labels.get(SERVICE_LABEL) == key[1]
            and item.metadata.labels.get(MANAGER_LABEL) == MANAGER
        }

    async def _put_endpoints(self, wanted: Endpoints) -> None:
        meta = wanted.metadata
        present = self._endpoints.get(meta.name, meta.namespace)
        if present is None:
            await self._create(ENDPOINTS, wanted)
        elif list(present.subsets or ()) != list(wanted.subsets or ()) or _lacks(
            present.metadata.labels, meta.labels
        ):
            body = {"metadata": {"labels": meta.labels}, "subsets": wanted.subsets}
            await self._client.patch(ENDPOINTS, meta.name, body, namespace=meta.namespace)

    async def _put_slice(self, wanted: EndpointSlice, present: EndpointSlice | None) -> None:
        meta = wanted.metadata
        if present is None:
            await self._create(ENDPOINT_SLICES, wanted)
            return
        same = (
            list(present.endpoints or ()) == list(wanted.endpoints or ())
            and list(present.ports or ()) == list(wanted.ports or ())
            and not _lacks(present.metadata.labels, meta.labels)
        )
        if not same:
            body = {
                "metadata": {"labels": meta.labels},
                "endpoints": wanted.endpoints,
                "ports": wanted.ports,
            }
            await self._client.patch(ENDPOINT_SLICES, meta.name, body, namespace=meta.namespace)

    async def _create(self, resource: Resource[Any], item: Any) -> None:
        try:
            await self._client.create(resource, item)
        except AlreadyExistsError:
            return  # The cache lags behind our own writing: the watch brings us back here.

    async def _delete(self, resource: Resource[Any], namespace: str, names: list[str]) -> None:
        for name in names:
            try:
                await self._client.delete(resource, name, namespace=namespace)
            except NotFoundError:
                continue


def _lacks(present: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return any(present.get(key) != value for key, value in wanted.items())


def _pod_view(pod: Pod) -> Json:
    """What of a pod endpoints depend on."""
    return {
        "labels": pod.metadata.labels,
        "ips": pod.status.pod_ips,
        "ready": is_ready(pod),
        "deleted": pod.metadata.deletion_timestamp,
        "phase": pod.status.phase,
    }
