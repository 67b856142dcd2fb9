"""Which pods and endpoints Prometheus scrapes: those that say so by annotations. Pure.

    prometheus.io/scrape: "true"
    prometheus.io/port: "9962"     without: the TCP ports that the pod or the Service has
    prometheus.io/path: /metrics
    prometheus.io/scheme: http

A target is as Prometheus reads it of a file: an address, and labels that go to all of its series.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from ciliate.api.core import Pod
from ciliate.api.endpoint_slice import EndpointSlice
from ciliate.api.metadata import ObjectMeta
from ciliate.api.service import Service
from ciliate.config.installation import Installation
from ciliate.lab.monitoring.scraping import PATH, PORT, SCHEME, SCRAPE

#: Targets of a file: a lab of fifty nodes has a hundred and sixty.
TARGETS_MAX: Final = 1000

#: The network's own namespace: its targets come first, whatever others say of themselves.
_NAMESPACE: Final = Installation().namespace

_PORT_MAX: Final = 65535


class AnnotationError(ValueError):
    """An annotation says nothing that could be scraped."""

    def __init__(self, *, meta: ObjectMeta, name: str, value: str, remedy: str) -> None:
        self.name = name
        super().__init__(f"{meta.namespace}/{meta.name}: {name} is {value!r}: {remedy}")


@dataclass(frozen=True, slots=True)
class ScrapeTarget:
    """One place of metrics."""

    address: str
    labels: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """Return it as a group of a file of targets."""
        return {"targets": [self.address], "labels": dict(self.labels)}


def asks(meta: ObjectMeta) -> bool:
    """Whether an object is to be scraped."""
    return meta.annotations.get(SCRAPE) == "true"


def first(targets: Iterable[ScrapeTarget]) -> list[ScrapeTarget]:
    """Return the targets that a file has, in its order: the network's own, then the others'."""

    def order(target: ScrapeTarget) -> tuple[bool, str, str, str]:
        labels = target.labels
        rest = (labels["namespace"], labels.get("service", labels["pod"]), target.address)
        return labels["namespace"] != _NAMESPACE, *rest

    return list(islice(sorted(targets, key=order), TARGETS_MAX))


def of_pod(pod: Pod) -> Iterator[ScrapeTarget]:
    """Yield a pod's targets.

    Raises:
        AnnotationError: Of an annotation that cannot be what it says.
    """
    if not asks(pod.metadata) or pod.status.has_ended or not pod.status.pod_ip:
        return
    ports = (port for each in pod.spec.containers for port in each.ports)
    declared = (port.container_port for port in ports if port.protocol == "TCP")
    labels = {
        **_scrape_labels(pod.metadata),
        "namespace": pod.metadata.namespace,
        "pod": pod.metadata.name,
        "node": pod.spec.node_name,
    }
    for port in _ports(pod.metadata, declared):
        yield ScrapeTarget(_at(pod.status.pod_ip, port), labels)


def of_service(service: Service, slices: Iterable[EndpointSlice]) -> Iterator[ScrapeTarget]:
    """Yield the targets behind a Service, ready or not, once each: by its first family.

    Raises:
        AnnotationError: Of an annotation that cannot be what it says.
    """
    meta = service.metadata
    if not asks(meta):
        return
    labels = {**_scrape_labels(meta), "namespace": meta.namespace, "service": meta.name}
    for each in slices:
        if each.address_type not in service.spec.ip_families[:1]:
            continue
        there = (port.port for port in each.ports if port.port and port.protocol == "TCP")
        ports = _ports(meta, there)
        for endpoint in each.endpoints:
            reference = endpoint.target_ref
            more = {
                "pod": reference.name if reference and reference.kind == "Pod" else "",
                "node": endpoint.node_name,
            }
            for address in endpoint.addresses[:1]:
                for port in ports:
                    yield ScrapeTarget(_at(address, port), labels | more)


def _scrape_labels(meta: ObjectMeta) -> dict[str, str]:
    """How a target is asked, as Prometheus takes it: labels that no series has."""
    path = meta.annotations.get(PATH, "/metrics")
    if not path.startswith("/"):
        raise AnnotationError(meta=meta, name=PATH, value=path, remedy="write such as /metrics")
    scheme = meta.annotations.get(SCHEME, "http")
    if scheme not in ("http", "https"):
        raise AnnotationError(meta=meta, name=SCHEME, value=scheme, remedy="write http or https")
    return {"__scheme__": scheme, "__metrics_path__": path}


def _ports(meta: ObjectMeta, otherwise: Iterable[int]) -> list[int]:
    """The ports to ask: the one that is named, or all that there are."""
    text = meta.annotations.get(PORT)
    if text is None:
        return sorted(set(otherwise))
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:6]) <= _PORT_MAX):
        raise AnnotationError(
            meta=meta, name=PORT, value=text, remedy='write a port up to 65535, such as "9962"'
        )
    return [int(text)]


def _at(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
