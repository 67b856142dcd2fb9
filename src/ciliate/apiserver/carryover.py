"""What a write keeps of the object before it, and what only the server sets.

Source: the strategies of k8s.io/kubernetes `pkg/registry` (PrepareForCreate, PrepareForUpdate).
"""

from typing import Final

from ciliate.apiserver.resources import ServedResource
from ciliate.apiserver.store import JsonObject

#: Metadata that only the server writes.
_SYSTEM_FIELDS: Final = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "generateName",
    "selfLink",
)
#: Metadata that says nothing when it is empty.
_OMITTED_EMPTY: Final = ("labels", "annotations", "finalizers", "ownerReferences")


def drop_empty_metadata(obj: JsonObject) -> None:
    """Leave out empty maps and lists of metadata, as Go's encoding does."""
    metadata = obj["metadata"]
    for name in _OMITTED_EMPTY:
        if name in metadata and not metadata[name]:
            del metadata[name]


def reset_status(resource: ServedResource, obj: JsonObject) -> None:
    """Begin a new object's status, which only its own path writes; a Node keeps what it has."""
    if resource.id == "nodes":
        obj.setdefault("status", {})
        obj.setdefault("spec", {})
    elif resource.is_custom:
        obj.pop("status", None)
    elif resource.id == "pods":
        obj["status"] = {"phase": "Pending"}
    else:
        obj["status"] = {}


def carry_metadata(new: JsonObject, old: JsonObject) -> None:
    """Give `new` the metadata that clients cannot change."""
    metadata, was = new["metadata"], old["metadata"]
    for name in _SYSTEM_FIELDS:
        if name in was:
            metadata[name] = was[name]
        else:
            metadata.pop(name, None)
    metadata["name"] = was["name"]
    if "namespace" in was:
        metadata["namespace"] = was["namespace"]
    new["apiVersion"], new["kind"] = old["apiVersion"], old["kind"]


def merge_subresource(
    resource: ServedResource, new: JsonObject, old: JsonObject, subresource: str
) -> None:
    """Keep what the path written to does not own: status, or everything else."""
    if subresource == "status":
        status, metadata = new.get("status"), new["metadata"]
        kept = dict(old["metadata"])
        if not resource.is_custom:
            for name in ("labels", "annotations"):
                if name in metadata:
                    kept[name] = metadata[name]
        new.clear()
        new.update(old)
        new["metadata"] = kept
        if status is None:
            new.pop("status", None)
        else:
            new["status"] = status
    elif resource.has_status and not subresource:
        if "status" in old:
            new["status"] = old["status"]
        else:
            new.pop("status", None)


def spec_of(obj: JsonObject) -> JsonObject:
    """Return what the generation counts changes of."""
    return {k: v for k, v in obj.items() if k not in {"metadata", "status"}}
