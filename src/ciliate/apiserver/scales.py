"""The scale subresource: the number of replicas, apart from the object that has it."""

from typing import Any

from ciliate.apiserver import errors
from ciliate.apiserver.columns import format_selector
from ciliate.apiserver.resources import ServedResource
from ciliate.apiserver.store import JsonObject


def render_scale(resource: ServedResource, obj: JsonObject) -> JsonObject:
    """Return an object's Scale (autoscaling/v1)."""
    metadata = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in kept if name in metadata},
        "spec": {"replicas": _at(obj, _path(resource, "specReplicasPath", ".spec.replicas")) or 0},
        "status": {
            "replicas": _at(obj, _path(resource, "statusReplicasPath", ".status.replicas")) or 0,
            "selector": _selector(resource, obj),
        },
    }


def scaled(resource: ServedResource, obj: JsonObject, scale: JsonObject) -> JsonObject:
    """Return `obj` with the replicas a Scale asks for, changing it in place.

    Raises:
        StatusError: The number is none, or negative (422).
    """
    spec = scale.get("spec")
    replicas = spec.get("replicas", 0) if isinstance(spec, dict) else None
    if not isinstance(replicas, int) or replicas < 0:
        message = f"Invalid value: {replicas}: must be greater than or equal to 0"
        cause = errors.Cause("spec.replicas", "FieldValueInvalid", message)
        name = obj["metadata"]["name"]
        raise errors.invalid(kind="Scale", group="autoscaling", name=name, causes=[cause])
    *parents, last = _path(resource, "specReplicasPath", ".spec.replicas").strip(".").split(".")
    parent = obj
    for name in parents:
        parent = parent.setdefault(name, {})
    parent[last] = replicas
    version = (scale.get("metadata") or {}).get("resourceVersion")
    if version:
        obj["metadata"]["resourceVersion"] = version
    return obj


def applied_scale(resource: ServedResource, scale: JsonObject) -> JsonObject:
    """Return the part of an object's configuration that an applied Scale is.

    Raises:
        StatusError: The number is none, or negative (422).
    """
    metadata = scale["metadata"]
    identity = ("name", "namespace", "uid", "resourceVersion")
    config = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {name: metadata[name] for name in identity if name in metadata},
    }
    return scaled(resource, config, scale)


def _path(resource: ServedResource, name: str, otherwise: str) -> str:
    return otherwise if resource.scale is None else resource.scale.get(name, otherwise)


def _at(obj: JsonObject, path: str) -> Any:
    value: Any = obj
    for name in path.strip(".").split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _selector(resource: ServedResource, obj: JsonObject) -> str:
    if resource.scale is not None:
        path = resource.scale.get("labelSelectorPath")
        return str(_at(obj, path) or "") if path else ""
    selector = (obj.get("spec") or {}).get("selector")
    return "" if not selector else format_selector(selector)
