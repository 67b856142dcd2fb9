"""A pod as an endpoint of a Service: its address, ports, conditions, and who is to use it. Pure.

By the rules of kube-controller-manager (k8s.io/endpointslice): a pod that has ended is none, one
that terminates stays until it is gone, and is never ready unless all addresses are published.
"""

from collections.abc import Iterator
from typing import Final

from ciliate.api.core import ContainerPort, ObjectReference
from ciliate.api.endpoint_slice import (
    ZONE_LABEL,
    Endpoint,
    EndpointConditions,
    EndpointHints,
    EndpointPort,
    Hint,
)
from ciliate.api.service import (
    TOPOLOGY_HINTS_ANNOTATION,
    TOPOLOGY_MODE_ANNOTATION,
    Service,
    ServicePort,
)
from ciliate.lab.controllers.pods import is_ready
from ciliate.lab.objects import Json, Node, Pod

#: Values of `spec.trafficDistribution` that keep traffic in its zone, and which on its node too.
_NEAR: Final = frozenset({"PreferClose", "PreferSameZone", "PreferSameNode"})
_SAME_NODE: Final = "PreferSameNode"


def families_of(service: Service) -> tuple[str, ...]:
    """Return the address types of the Service's slices."""
    if service.spec.ip_families:
        return service.spec.ip_families
    ips = service.spec.cluster_ips or (service.spec.cluster_ip,)
    return tuple("IPv6" if ":" in ip else "IPv4" for ip in ips)


def may_be_endpoint(pod: Pod) -> bool:
    """Whether the pod has an address and has not ended for good."""
    return bool(pod.status.pod_ip) and pod.status.phase not in {"Succeeded", "Failed"}


def address_of(pod: Pod, family: str) -> str:
    """Return the pod's first address of a family, or nothing."""
    ips = [each.ip for each in pod.status.pod_ips] or [pod.status.pod_ip]
    return next((ip for ip in ips if ip and (":" in ip) == (family == "IPv6")), "")


def is_served(service: Service, pod: Pod) -> bool:
    """Whether new connections may go to the pod."""
    if service.spec.publish_not_ready_addresses:
        return True
    return is_ready(pod) and pod.metadata.deletion_timestamp is None


def ports_of(service: Service, pod: Pod) -> tuple[EndpointPort, ...]:
    """Return the Service's ports that the pod has; a name may be another number in each pod."""
    found = []
    for port in service.spec.ports:
        number = _port_number(port, pod)
        if number is not None:
            found.append(EndpointPort(port.name, port.protocol, number, port.app_protocol))
    return tuple(found)


def _port_number(port: ServicePort, pod: Pod) -> int | None:
    target = port.target_port or port.port
    if isinstance(target, int):
        return target
    for declared in _declared_ports(pod):
        if declared.name == target and declared.protocol == port.protocol:
            return declared.container_port
    return None


def _declared_ports(pod: Pod) -> Iterator[ContainerPort]:
    for container in (*pod.spec.containers, *pod.spec.sidecars):
        yield from container.ports


def endpoint_of(service: Service, pod: Pod, node: Node | None, family: str) -> Endpoint | None:
    """Return the pod as an endpoint, with hints as `spec.trafficDistribution` asks for them.

    None: it is none of this family, or its node is gone and with it the pod before long.
    """
    address = address_of(pod, family)
    publishes_all = service.spec.publish_not_ready_addresses
    if not may_be_endpoint(pod) or not address or (node is None and not publishes_all):
        return None
    zone = node.metadata.labels.get(ZONE_LABEL, "") if node is not None else ""
    ready = is_served(service, pod)
    meta = pod.metadata
    return Endpoint(
        addresses=(address,),
        conditions=EndpointConditions(
            ready=ready,
            serving=is_ready(pod),
            terminating=meta.deletion_timestamp is not None,
        ),
        hostname=pod.spec.hostname if pod.spec.subdomain == service.metadata.name else "",
        node_name=pod.spec.node_name,
        zone=zone,
        hints=_near_hints(service, pod, zone) if ready else None,
        target_ref=ObjectReference(
            kind="Pod", name=meta.name, namespace=meta.namespace, uid=meta.uid
        ),
    )


def wants_zone_shares(service: Service) -> bool:
    """Whether the Service asks by annotation for endpoints shared out between zones.

    It then gets no other hints. The older annotation counts where both stand.
    """
    annotations = service.metadata.annotations
    mode = annotations.get(TOPOLOGY_HINTS_ANNOTATION, annotations.get(TOPOLOGY_MODE_ANNOTATION))
    return mode in {"Auto", "auto"}


def _near_hints(service: Service, pod: Pod, zone: str) -> EndpointHints | None:
    wanted = service.spec.traffic_distribution
    if wanted not in _NEAR or wants_zone_shares(service):
        return None
    zones = (Hint(zone),) if zone else ()
    on_node = wanted == _SAME_NODE and pod.spec.node_name
    nodes = (Hint(pod.spec.node_name),) if on_node else ()
    return EndpointHints(zones, nodes) if zones or nodes else None


def pod_view(pod: Pod) -> Json:
    """Return what of a pod its endpoints depend on: what else changes is no news."""
    return {
        "labels": pod.metadata.labels,
        "ips": pod.status.pod_ips,
        "ready": is_ready(pod),
        "deleted": pod.metadata.deletion_timestamp,
        "phase": pod.status.phase,
        "uid": pod.metadata.uid,
        "node": pod.spec.node_name,
    }
