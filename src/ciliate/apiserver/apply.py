"""Server-side apply: a manager's configuration is complete, and fields have owners.

What a manager applied before and leaves out now is removed, unless somebody else has it; what
another manager set to another value is a conflict, unless forced. An object that nobody's fields
are known of is `before-first-apply`'s. kubectl's own manager takes over what its client-side apply
wrote without a conflict. Source: KEP-555, sigs.k8s.io/structured-merge-diff `merge`.
"""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ciliate.apiserver import errors
from ciliate.apiserver.field_sets import (
    FieldSet,
    decode_set,
    difference,
    display,
    encode_set,
    intersection,
    is_member,
    paths,
    union,
)
from ciliate.apiserver.field_values import (
    applied_fields,
    compared,
    created,
    elements,
    is_atomic,
    shape_below,
    steps,
)
from ciliate.apiserver.managed_fields import (
    APPLY,
    UPDATE,
    Entries,
    Entry,
    decode_entries,
    encode_entries,
    new_entry,
)
from ciliate.apiserver.resources import ServedResource
from ciliate.apiserver.schema import SchemaNode
from ciliate.apiserver.store import JsonObject

_BEFORE_FIRST: Final = "before-first-apply"
_KUBECTL: Final = "kubectl"
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Applier:
    """Who applies, through which path, and whether conflicts are overridden."""

    manager: str
    subresource: str = ""
    force: bool = False


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply makes of an object; as `managed_fields.Tracking` it says whose fields are whose."""

    obj: JsonObject
    managed: bytes

    def of_created(self, resource: ServedResource, obj: JsonObject) -> bytes:
        """Return the applier's fields: it does not own defaults."""
        del resource, obj
        return self.managed

    def of_updated(
        self, resource: ServedResource, before: bytes, old: JsonObject, new: JsonObject
    ) -> bytes:
        """Return what was settled with the object's other managers."""
        del resource, before, old, new
        return self.managed


def applied(
    resource: ServedResource,
    live: JsonObject | None,
    before: bytes,
    config: JsonObject,
    applier: Applier,
) -> Applied:
    """Return the object after `applier` applied `config`; `before` are its managedFields.

    Raises:
        StatusError: Another manager has one of the fields with another value (409), or an element
            of the configuration has no identity (400).
    """
    node = resource.node
    config = _relevant(resource, config, applier.subresource)
    _check_elements(config, resource)
    own = applied_fields(config, node)
    mine = new_entry(resource, applier.manager, APPLY, encode_set(own), applier.subresource)
    if live is None:
        return Applied(config, encode_entries([mine]))
    entries = decode_entries(before) or (_of_everything(resource, live),)
    others = tuple(e for e in entries if e.owner != mine.owner)
    former = next((e for e in entries if e.owner == mine.owner), None)
    merged: JsonObject = _merged(deepcopy(live), config, node)
    if former is not None:
        _prune(merged, node, decode_set(former.fields), _all_fields((*others, mine)))
    taken, gone = compared(live, merged, node)
    others = _settled(others, taken, gone, live=live, node=node, applier=applier)
    if former is not None and former.fields == mine.fields and not (taken or gone):
        mine = former
    _keep_last_applied(merged, config, applier)
    merged["metadata"].pop("resourceVersion", None)
    if config["metadata"].get("resourceVersion"):
        merged["metadata"]["resourceVersion"] = config["metadata"]["resourceVersion"]
    return Applied(merged, encode_entries([*others, mine]))


def _relevant(resource: ServedResource, config: JsonObject, subresource: str) -> JsonObject:
    """Return the part of a configuration that its path writes."""
    if subresource == "status":
        kept = ("apiVersion", "kind", "metadata", "status")
        part = {name: config[name] for name in kept if name in config}
        identity = ("name", "namespace", "uid", "resourceVersion")
        metadata = config["metadata"]
        part["metadata"] = {name: metadata[name] for name in identity if name in metadata}
        return part
    if resource.has_status:
        return {name: value for name, value in config.items() if name != "status"}
    return config


def _of_everything(resource: ServedResource, live: JsonObject) -> Entry:
    fields = created(live, resource)
    return new_entry(resource, _BEFORE_FIRST, UPDATE, fields, "")


def _all_fields(entries: Iterable[Entry]) -> FieldSet:
    found: FieldSet = {}
    for entry in entries:
        found = union(found, decode_set(entry.fields))
    return found


def _settled(
    others: Entries,
    taken: FieldSet,
    gone: FieldSet,
    *,
    live: JsonObject,
    node: SchemaNode | None,
    applier: Applier,
) -> Entries:
    """Return the other managers' entries without what the applier takes from them."""
    lost = [intersection(decode_set(e.fields), taken) for e in others]
    conflicts = list(zip(others, lost, strict=True))
    if applier.manager == _KUBECTL:
        known = _last_applied_fields(live, node)
        conflicts = [(entry, difference(fields, known)) for entry, fields in conflicts]
    causes = _causes(conflicts)
    if causes and not applier.force:
        raise errors.apply_conflict(causes)
    return tuple(
        entry.with_fields(
            encode_set(difference(difference(decode_set(entry.fields), fields), gone))
        )
        for entry, fields in zip(others, lost, strict=True)
    )


def _causes(conflicts: list[tuple[Entry, FieldSet]]) -> list[errors.Cause]:
    causes = []
    for entry, fields in sorted(conflicts, key=lambda conflict: conflict[0].manager):
        about = f'"{entry.manager}"'
        if entry.subresource:
            about += f' with subresource "{entry.subresource}"'
        if entry.operation == UPDATE:
            about += f" using {entry.apiVersion}"
        message = f"conflict with {about}"
        causes += [
            errors.Cause(display(path), "FieldManagerConflict", message) for path in paths(fields)
        ]
    return causes


def _last_applied(obj: JsonObject) -> str:
    text = (obj["metadata"].get("annotations") or {}).get(_LAST_APPLIED, "")
    return text if isinstance(text, str) else ""


def _last_applied_fields(live: JsonObject, node: SchemaNode | None) -> FieldSet:
    """Return what kubectl's client-side apply set: its server-side apply may have that."""
    try:
        config = _decode(_last_applied(live))
    except msgspec.DecodeError:
        return {}
    if not isinstance(config, dict) or not isinstance(config.get("metadata"), dict):
        return {}
    return applied_fields(config, node)


def _keep_last_applied(merged: JsonObject, config: JsonObject, applier: Applier) -> None:
    """Write the annotation of kubectl's client-side apply anew, so that either apply may go on."""
    if applier.manager != _KUBECTL or applier.subresource or not _last_applied(merged):
        return
    metadata = dict(config["metadata"])
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop(_LAST_APPLIED, None)
    metadata["annotations"] = annotations
    text = _encode({**config, "metadata": metadata}).decode() + "\n"
    merged["metadata"]["annotations"][_LAST_APPLIED] = text


def _prune(value: Any, node: SchemaNode | None, former: FieldSet, kept: FieldSet) -> None:
    """Remove, in place, what the manager applied before and nobody has now."""
    present = steps(value, node)
    gone = []
    for step, before in former.items():
        if step not in present:
            continue
        still = kept.get(step)
        # A field goes with all in it, an element only if it was the manager's own.
        if still is None and (step.startswith("f:") or is_member(before)):
            gone.append(step)
        else:
            _prune(present[step], shape_below(node, step), before, _with_key(step, still or {}))
    if isinstance(value, dict):
        for step in gone:
            del value[step[2:]]
    elif gone:
        unwanted = {id(present[step]) for step in gone}
        value[:] = [element for element in value if id(element) not in unwanted]


def _with_key(step: str, kept: FieldSet) -> FieldSet:
    """Return what is kept of an element that stays: what tells it from the others, too."""
    if not step.startswith("k:"):
        return kept
    key: FieldSet = {f"f:{name}": {} for name in _decode(step[2:])}
    return {**key, **kept}


def _merged(live: Any, config: Any, node: SchemaNode | None) -> Any:
    if isinstance(config, dict) and isinstance(live, dict):
        if is_atomic(node):
            return deepcopy(config)
        for name, value in config.items():
            child = node.child(name) if node is not None else None
            if value is None:
                live.pop(name, None)
            elif name in live:
                live[name] = _merged(live[name], value, child)
            else:
                live[name] = deepcopy(value)
        return live
    if isinstance(config, list) and isinstance(live, list):
        listed, wanted = elements(live, node), elements(config, node)
        if listed is not None and wanted is not None:
            return _merged_elements(listed, wanted, node.items if node is not None else None)
    return deepcopy(config)


def _merged_elements(
    live: dict[str, Any], config: dict[str, Any], node: SchemaNode | None
) -> list[Any]:
    """Return a list's elements: the configuration's in its order, others where they stand in `live`."""
    order = list(live)
    places = {step: place for place, step in enumerate(order)}
    merged: list[Any] = []
    at = 0  # Elements of `live` before it have their place, or wait for the configuration.
    for step, element in config.items():
        place = places.get(step)
        if place is None:
            while at < len(order) and order[at] not in config:
                merged.append(live[order[at]])
                at += 1
            merged.append(deepcopy(element))
            continue
        if place >= at:
            merged += [live[s] for s in order[at:place] if s not in config]
            at = place + 1
        merged.append(_merged(live[step], element, node))
    return merged + [live[step] for step in order[at:] if step not in config]


def _check_elements(config: JsonObject, resource: ServedResource) -> None:
    """Refuse elements that cannot be told apart.

    Raises:
        StatusError: An element lacks its keys, or two have the same (400).
    """
    pending: list[tuple[Any, SchemaNode | None, str]] = [(config, resource.node, "")]
    while pending:
        value, node, at = pending.pop()
        if isinstance(value, dict) and node is not None:
            pending += [(child, node.child(n), f"{at}.{n}") for n, child in value.items()]
        elif isinstance(value, list) and node is not None:
            found = elements(value, node)
            if found is not None and len(found) != len(value):
                raise errors.bad_request(_without_identity(config, resource, at, node))
            pending += [(v, node.items, f"{at}[{i}]") for i, v in enumerate(value)]


def _without_identity(
    config: JsonObject, resource: ServedResource, at: str, node: SchemaNode
) -> str:
    metadata = config["metadata"]
    name = "/".join(filter(None, (metadata.get("namespace", ""), metadata.get("name", ""))))
    keys = ", ".join(node.list_keys) or "its value"
    return (
        f"failed to create typed patch object ({name}; {resource.api_version}, "
        f"Kind={resource.kind}): {at}: every element needs {keys}, and no two the same"
    )
