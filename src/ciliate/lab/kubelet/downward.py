"""The downward API: what a pod may be told of itself, in variables and in files. Pure."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ciliate.apiserver.quantities import QuantityError, amount
from ciliate.lab.kubelet.errors import ContainerConfigError
from ciliate.lab.objects import Container, Pod

_ONE_OF: Final = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")

#: Of these a container without a limit may use all that its node has.
_OF_NODE: Final = ("cpu", "memory", "ephemeral-storage")


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFacts:
    """A pod, and what is known of it only where it runs; `allocatable` is its node's."""

    pod: Pod
    node_ips: tuple[str, ...]
    ips: tuple[str, ...]
    allocatable: Mapping[str, str]


def field_value(facts: PodFacts, path: str) -> str:
    """Return what a `fieldRef` says.

    Raises:
        ContainerConfigError: There is no such field.
    """
    meta, spec = facts.pod.metadata, facts.pod.spec
    if found := _ONE_OF.fullmatch(path):
        known = meta.labels if found.group(1) == "labels" else meta.annotations
        return known.get(found.group(2), "")
    match path:
        case "metadata.labels":
            return _listed(meta.labels)
        case "metadata.annotations":
            return _listed(meta.annotations)
    values = {
        "metadata.name": meta.name,
        "metadata.namespace": meta.namespace,
        "metadata.uid": meta.uid,
        "spec.nodeName": spec.node_name,
        "spec.serviceAccountName": spec.service_account_name,
        "status.hostIP": facts.node_ips[0],
        "status.hostIPs": ",".join(facts.node_ips),
        "status.podIP": facts.ips[0] if facts.ips else "",
        "status.podIPs": ",".join(facts.ips),
    }
    if path not in values:
        raise ContainerConfigError(f"unsupported fieldPath: {path}")
    return values[path]


def _listed(pairs: Mapping[str, str]) -> str:
    """Return labels or annotations as the files of the downward API have them."""
    return "\n".join(
        f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted(pairs.items())
    )


def resource_value(facts: PodFacts, container: Container, reference: Mapping[str, Any]) -> str:
    """Return what a `resourceFieldRef` says, of `container` unless it names another.

    Raises:
        ContainerConfigError: There is no such container or resource, or a value is no quantity.
    """
    name = str(reference.get("containerName") or container.name)
    every = (*facts.pod.spec.init_containers, *facts.pod.spec.containers)
    owner = next((each for each in every if each.name == name), None)
    if owner is None:
        raise ContainerConfigError(f"container {name} not found")
    wanted = str(reference.get("resource", ""))
    kind, _, resource = wanted.partition(".")
    if kind not in ("limits", "requests") or not resource:
        raise ContainerConfigError(f"unsupported container resource : {wanted}")
    asked = (owner.resources.get(kind) or {}).get(resource)
    if asked is None and kind == "limits" and resource in _OF_NODE:
        asked = facts.allocatable.get(resource)
    try:
        # A divisor of 0 stands for none; a part of one counts as a whole one.
        return str(math.ceil(amount(asked or 0) / (amount(reference.get("divisor") or 1) or 1)))
    except QuantityError as error:
        raise ContainerConfigError(f"{wanted} of container {name}: {error}") from error
