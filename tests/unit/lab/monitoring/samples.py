"""Pods, Services and slices, as few fields of them as matter to whether they are scraped."""

from typing import Any

from ciliate.api.core import Container, ContainerPort, ObjectReference, Pod, PodSpec, PodStatus
from ciliate.api.endpoint_slice import Endpoint, EndpointPort, EndpointSlice
from ciliate.api.metadata import ObjectMeta
from ciliate.api.service import Service, ServiceSpec

SCRAPED = {"prometheus.io/scrape": "true"}


def pod(
    name: str = "web",
    *,
    annotations: dict[str, str] | None = None,
    ports: tuple[ContainerPort, ...] = (),
    namespace: str = "default",
    **status: Any,
) -> Pod:
    return Pod(
        ObjectMeta(name=name, namespace=namespace, annotations=SCRAPED | (annotations or {})),
        PodSpec(node_name="n1", containers=(Container("c", ports=ports),)),
        PodStatus(**({"phase": "Running", "pod_ip": "10.0.0.7"} | status)),
    )


def service(
    *, annotations: dict[str, str] | None = None, families: tuple[str, ...] = ("IPv4",)
) -> Service:
    return Service(
        ObjectMeta(name="web", namespace="default", annotations=SCRAPED | (annotations or {})),
        ServiceSpec(ip_families=families),
    )


def endpoint_slice(*addresses: str, family: str = "IPv4") -> EndpointSlice:
    return EndpointSlice(
        ObjectMeta(
            name="web-1", namespace="default", labels={"kubernetes.io/service-name": "web"}
        ),
        address_type=family,
        endpoints=tuple(
            Endpoint(
                addresses=(address,),
                node_name="n1",
                target_ref=ObjectReference(kind="Pod", name=f"web-{number}"),
            )
            for number, address in enumerate(addresses)
        ),
        ports=(EndpointPort(port=80), EndpointPort(port=53, protocol="UDP")),
    )
