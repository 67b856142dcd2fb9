"""EndpointSlices as objects: their labels and owner, what is created and how one is changed. Pure."""

from collections.abc import Mapping
from typing import Final

from ciliate.api.endpoint_slice import (
    MANAGED_BY_LABEL,
    SERVICE_NAME_LABEL,
    TRIGGER_TIME_ANNOTATION,
    EndpointSlice,
)
from ciliate.api.metadata import ObjectMeta, OwnerReference
from ciliate.api.service import HEADLESS_LABEL, NO_CLUSTER_IP, Service
from ciliate.lab.controllers.slice_plan import Changes, Content
from ciliate.lab.objects import Json

MANAGER: Final = "endpointslice-controller.k8s.io"

#: Labels of slices that are the controller's own, whatever a Service has under them.
_RESERVED: Final = frozenset({SERVICE_NAME_LABEL, MANAGED_BY_LABEL, HEADLESS_LABEL})


def labels_of(service: Service) -> dict[str, str]:
    """Return the labels of a Service's slices: its own, and the controller's."""
    meta = service.metadata
    labels = {key: value for key, value in meta.labels.items() if key not in _RESERVED}
    if service.spec.cluster_ip in {"", NO_CLUSTER_IP}:
        labels[HEADLESS_LABEL] = ""
    return {**labels, SERVICE_NAME_LABEL: meta.name, MANAGED_BY_LABEL: MANAGER}


def new_slice(
    service: Service, family: str, content: Content, *, name: str, triggered: str
) -> EndpointSlice:
    """Return a slice of a Service, to be created; `triggered` is when its news had happened."""
    meta = service.metadata
    ports, endpoints = content
    owner = OwnerReference(
        api_version="v1",
        kind="Service",
        name=meta.name,
        uid=meta.uid,
        controller=True,
        block_owner_deletion=True,
    )
    return EndpointSlice(
        metadata=ObjectMeta(
            name=name,
            namespace=meta.namespace,
            generate_name=f"{meta.name}-",
            labels=labels_of(service),
            annotations={TRIGGER_TIME_ANNOTATION: triggered} if triggered else {},
            owner_references=(owner,),
        ),
        address_type=family,
        endpoints=endpoints,
        ports=ports,
    )


def update_of(
    service: Service, present: EndpointSlice, content: Content, *, triggered: str
) -> Json:
    """Return the merge patch that makes a slice what it should be."""
    meta = present.metadata
    gone: Json = dict.fromkeys(meta.labels)
    return {
        "metadata": {
            "labels": gone | labels_of(service),
            "annotations": {TRIGGER_TIME_ANNOTATION: triggered or None},
            "resourceVersion": meta.resource_version,
        },
        "ports": content[0],
        "endpoints": content[1],
    }


def relabel(
    present: Mapping[str, EndpointSlice], labels: Mapping[str, str], changes: Changes
) -> None:
    """Enter into the changes the slices whose labels are not their Service's."""
    for name, each in present.items():
        if each.metadata.labels != labels and name not in changes.deletions:
            changes.updates.setdefault(name, (each.ports, each.endpoints))
