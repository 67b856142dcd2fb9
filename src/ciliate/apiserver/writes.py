"""Creating, changing and deleting objects by the rules all kinds share.

Everything here runs without a pause between reading the current object and writing the next, so
two writers can never both win; callers wait for `Store.durable` before they answer. Source:
k8s.io/apiserver `pkg/registry/generic/registry/store.go` and `rest/` (create, update, delete).
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from ciliate.apiserver import errors
from ciliate.apiserver.carryover import (
    carry_metadata,
    drop_empty_metadata,
    merge_subresource,
    reset_status,
    spec_of,
)
from ciliate.apiserver.fixed_fields import fixed_field_causes
from ciliate.apiserver.history import Stored
from ciliate.apiserver.managed_fields import UNTRACKED, Tracking, given_entries
from ciliate.apiserver.names import finalizer_causes, generate_name, metadata_causes
from ciliate.apiserver.object_json import encode, managed_fields
from ciliate.apiserver.object_warnings import object_warnings
from ciliate.apiserver.replacements import keep_given
from ciliate.apiserver.resources import Registry, ServedResource
from ciliate.apiserver.store import JsonObject, Store, decode
from ciliate.apiserver.timestamps import now
from ciliate.apiserver.versions import is_outdated, loaded, to_store
from ciliate.apiserver.warnings import warn

#: Finalizers that stand for a propagation policy; the collector acts on them.
FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"

#: Metadata that a new object gets from the server alone.
_SET_BY_SERVER: Final = (
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "selfLink",
)


class Admission(Protocol):
    """What a kind does beyond its own object: allocate addresses, serve a new resource."""

    def creating(self, obj: JsonObject, *, dry_run: bool) -> None:
        """Complete `obj`, which is valid but for what this sets; may refuse with StatusError."""

    def updating(self, new: JsonObject, old: JsonObject, *, dry_run: bool) -> None:
        """Complete `new`; may refuse with StatusError."""

    def written(self, obj: JsonObject) -> None:
        """Take note of what was stored."""

    def deleted(self, obj: JsonObject) -> None:
        """Release what the object held."""


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """What a client asks of a deletion."""

    grace_period_s: int | None = None
    uid: str = ""
    resource_version: str = ""
    propagation: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """The object a write leaves behind; `removed` when it is gone."""

    raw: bytes
    removed: bool = False


@dataclass(slots=True)
class Writer:
    """The one way to change the store."""

    store: Store
    registry: Registry
    admissions: dict[str, Admission] = field(default_factory=dict)

    def create(
        self,
        resource: ServedResource,
        namespace: str,
        obj: JsonObject,
        *,
        tracking: Tracking = UNTRACKED,
        dry_run: bool = False,
    ) -> Written:
        """Store a new object; `tracking` says whose its fields are.

        Raises:
            StatusError: It exists, is invalid, or may not be made here.
        """
        self._check_namespace(resource, namespace, obj)
        self._prepare_metadata(resource, namespace, obj)
        if resource.has_status:
            reset_status(resource, obj)
        resource.default(obj)
        self._check(resource, obj, None)
        key = (namespace, obj["metadata"]["name"])
        if self.store.get(resource.id, key) is not None:
            raise errors.already_exists(
                resource=resource.plural, group=resource.group, name=key[1]
            )
        for text in object_warnings(resource, obj, None):
            warn(text)
        # Before admission: what the server gives by itself is nobody's.
        managed = tracking.of_created(resource, obj)
        admission = self.admissions.get(resource.id)
        if admission is not None:
            admission.creating(obj, dry_run=dry_run)
        if dry_run:
            return Written(encode(obj, managed))
        to_keep = to_store(self.registry, resource, obj)
        stored = self.store.put(resource.id, namespace, to_keep, managed)
        if admission is not None:
            admission.written(obj)
        return Written(stored.raw)

    def _check_namespace(self, resource: ServedResource, namespace: str, obj: JsonObject) -> None:
        if not resource.namespaced:
            return
        found = self.store.get("namespaces", ("", namespace))
        if found is None:
            raise errors.not_found(resource="namespaces", group="", name=namespace)
        if decode(found)["metadata"].get("deletionTimestamp"):
            problem = (
                f"unable to create new content in namespace {namespace} because it is being "
                "terminated"
            )
            name = obj["metadata"].get("name", "")
            raise errors.forbidden(
                resource=resource.plural, group=resource.group, name=name, problem=problem
            )

    @staticmethod
    def _prepare_metadata(resource: ServedResource, namespace: str, obj: JsonObject) -> None:
        drop_empty_metadata(obj)
        metadata = obj["metadata"]
        if metadata.pop("resourceVersion", None):
            raise errors.bad_request("resourceVersion should not be set on objects to be created")
        if not metadata.get("name"):
            prefix = metadata.get("generateName")
            if not prefix:
                cause = errors.Cause(
                    "metadata.name",
                    "FieldValueRequired",
                    "Required value: name or generateName is required",
                )
                raise errors.invalid(
                    kind=resource.kind, group=resource.group, name="", causes=[cause]
                )
            metadata["name"] = generate_name(prefix)
        for name in _SET_BY_SERVER:
            metadata.pop(name, None)
        if resource.namespaced:
            metadata["namespace"] = namespace
        else:
            metadata.pop("namespace", None)
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = now()
        if resource.has_generation:
            metadata["generation"] = 1
        obj["apiVersion"], obj["kind"] = resource.api_version, resource.kind

    @staticmethod
    def _check(resource: ServedResource, new: JsonObject, old: JsonObject | None) -> None:
        causes = metadata_causes(new["metadata"], name_problems=resource.name_problems)
        causes += resource.validate(new, old)
        if old is not None:
            causes += fixed_field_causes(resource.id, new, old)
            causes += finalizer_causes(new["metadata"], old["metadata"])
        if causes:
            raise errors.invalid(
                kind=resource.kind,
                group=resource.group,
                name=new["metadata"]["name"],
                causes=causes,
            )

    def update(
        self,
        resource: ServedResource,
        current: Stored,
        new: JsonObject,
        *,
        subresource: str = "",
        tracking: Tracking = UNTRACKED,
        dry_run: bool = False,
    ) -> Written:
        """Store the next version of an object; the same content again changes nothing.

        `tracking` says who takes the fields that change.

        Raises:
            StatusError: The object changed since (409), or `new` is invalid.
        """
        old = loaded(resource, current)
        self._check_preconditions(resource, current, new["metadata"])
        was_managed = managed_fields(current)
        given = given_entries(new["metadata"].pop("managedFields", None))
        drop_empty_metadata(new)
        carry_metadata(new, old)
        merge_subresource(resource, new, old, subresource)
        keep_given(resource.id, new, old, subresource)
        resource.default(new)
        # A binding changes what an update may not: the node.
        self._check(resource, new, None if subresource == "binding" else old)
        if not subresource:
            for text in object_warnings(resource, new, old):
                warn(text)
        if resource.has_generation and spec_of(new) != spec_of(old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        # A client may edit the entries themselves, through the object's own path.
        before = was_managed if given is None or subresource else given
        managed = tracking.of_updated(resource, before, old, new)
        admission = self.admissions.get(resource.id)
        if admission is not None:
            admission.updating(new, old, dry_run=dry_run)
        if _is_finished(new):
            return self._remove(resource, new, managed, dry_run=dry_run)
        is_same = new == old and managed == was_managed
        if is_same and not is_outdated(self.registry, resource, current):
            return Written(current.raw)
        if dry_run:
            return Written(encode(new, managed))
        to_keep = to_store(self.registry, resource, new)
        stored = self.store.put(resource.id, current.namespace, to_keep, managed)
        if admission is not None:
            admission.written(new)
        return Written(stored.raw)

    @staticmethod
    def _check_preconditions(
        resource: ServedResource, current: Stored, metadata: Mapping[str, Any]
    ) -> None:
        uid, version = metadata.get("uid"), metadata.get("resourceVersion")
        problem = ""
        if uid and uid != current.uid:
            problem = (
                f"Precondition failed: UID in precondition: {uid}, UID in object meta: "
                f"{current.uid}"
            )
        elif not version or version == str(current.revision):
            return
        raise errors.conflict(
            resource=resource.plural, group=resource.group, name=current.name, problem=problem
        )

    def _remove(
        self, resource: ServedResource, obj: JsonObject, managed: bytes, *, dry_run: bool
    ) -> Written:
        if dry_run:
            return Written(encode(obj, managed), removed=True)
        stored = self.store.delete(resource.id, obj["metadata"].get("namespace", ""), obj, managed)
        admission = self.admissions.get(resource.id)
        if admission is not None:
            admission.deleted(obj)
        return Written(stored.raw, removed=True)

    def delete(self, resource: ServedResource, current: Stored, options: DeleteOptions) -> Written:
        """Delete an object: at once, or marked until its finalizers are removed.

        Raises:
            StatusError: A precondition does not hold (409).
        """
        obj, managed = decode(current), managed_fields(current)
        metadata = obj["metadata"]
        self._check_delete(resource, current, options)
        _apply_propagation(metadata, options.propagation)
        grace_s = _grace_period_s(resource, obj, options)
        deleting = metadata.get("deletionTimestamp") is not None
        if deleting:
            # A second request may shorten the grace period, never lengthen it.
            grace_s = min(grace_s, metadata.get("deletionGracePeriodSeconds", 0))
        if not (grace_s or metadata.get("finalizers") or _namespace_finalizers(obj)):
            return self._remove(resource, obj, managed, dry_run=options.dry_run)
        if not deleting or grace_s < metadata.get("deletionGracePeriodSeconds", 0):
            moment = datetime.now(tz=UTC) + timedelta(seconds=grace_s)
            metadata["deletionTimestamp"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
            metadata["deletionGracePeriodSeconds"] = grace_s
            if resource.has_generation:
                metadata["generation"] = metadata.get("generation", 0) + 1
        if resource.id == "namespaces":
            metadata.pop("deletionGracePeriodSeconds", None)
            obj.setdefault("status", {})["phase"] = "Terminating"
        if options.dry_run:
            return Written(encode(obj, managed))
        if obj == decode(current):
            return Written(current.raw)
        return Written(self.store.put(resource.id, current.namespace, obj, managed).raw)

    def _check_delete(
        self, resource: ServedResource, current: Stored, options: DeleteOptions
    ) -> None:
        if resource.id == "namespaces" and current.name in {
            "default",
            "kube-system",
            "kube-public",
        }:
            raise errors.forbidden(
                resource="namespaces",
                group="",
                name=current.name,
                problem="this namespace may not be deleted",
            )
        preconditions = {"uid": options.uid, "resourceVersion": options.resource_version}
        if options.resource_version and options.resource_version != str(current.revision):
            problem = (
                f"Precondition failed: ResourceVersion in precondition: "
                f"{options.resource_version}, ResourceVersion in object meta: {current.revision}"
            )
            raise errors.conflict(
                resource=resource.plural, group=resource.group, name=current.name, problem=problem
            )
        self._check_preconditions(resource, current, {**preconditions, "resourceVersion": ""})


def _is_finished(obj: JsonObject) -> bool:
    """Return whether an object that is being deleted has nothing left to wait for."""
    metadata = obj["metadata"]
    return bool(
        metadata.get("deletionTimestamp")
        and not metadata.get("finalizers")
        and not metadata.get("deletionGracePeriodSeconds")
        and not _namespace_finalizers(obj)
    )


def _namespace_finalizers(obj: JsonObject) -> list[str]:
    """Return the finalizers that keep a namespace, those in its spec included."""
    if obj["kind"] != "Namespace" or obj["apiVersion"] != "v1":
        return []
    finalizers: list[str] = (obj.get("spec") or {}).get("finalizers") or []
    return finalizers


def _apply_propagation(metadata: JsonObject, propagation: str) -> None:
    """Write the propagation policy as the finalizer that stands for it."""
    if not propagation:
        return
    finalizers = [f for f in metadata.get("finalizers") or () if f not in {FOREGROUND, ORPHAN}]
    if propagation == "Foreground":
        finalizers.append(FOREGROUND)
    elif propagation == "Orphan":
        finalizers.append(ORPHAN)
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)


def _grace_period_s(resource: ServedResource, obj: JsonObject, options: DeleteOptions) -> int:
    """Return how long the object may go on: only a pod on a node has something to finish."""
    if resource.id != "pods":
        return 0
    spec, status = obj["spec"], obj.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in {"Succeeded", "Failed"}:
        return 0
    if options.grace_period_s is not None:
        return max(options.grace_period_s, 0)
    return int(spec.get("terminationGracePeriodSeconds", 30))
