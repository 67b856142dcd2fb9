"""Server-side apply: fields have managers, and a manager's configuration is complete.

What a manager applied before and leaves out now is removed, unless another manager applied it too;
what another manager applied with another value is a conflict, unless forced. Managers of fields
that were written by update or plain patches are not recorded: those writes never conflict.
"""

from copy import deepcopy
from typing import Any, Final

from ciliate.apiserver import errors
from ciliate.apiserver.field_sets import (
    SELF,
    FieldSet,
    contains,
    discard,
    display,
    element_keys,
    leaves,
    lookup,
    managed,
    remove,
)
from ciliate.apiserver.resources import ServedResource
from ciliate.apiserver.schema import SchemaNode
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.timestamps import now

_FIELDS_TYPE: Final = "FieldsV1"


def applied(
    resource: ServedResource,
    live: JsonObject | None,
    config: JsonObject,
    *,
    manager: str,
    subresource: str,
    force: bool,
) -> JsonObject:
    """Return the object after `manager` applied `config`, with its managedFields.

    Raises:
        StatusError: Another manager applied one of the fields with another value (409).
    """
    node = resource.node
    fields = managed(config, node)
    if live is None:
        new = deepcopy(config)
        new["metadata"]["managedFields"] = [_entry(resource, manager, subresource, fields, None)]
        return new
    entries = deepcopy(live["metadata"].get("managedFields") or [])
    own = next((e for e in entries if _is_of(e, manager, subresource)), None)
    others = [e for e in entries if e is not own]
    _settle_conflicts(live, config, fields, others, node, force=force)
    merged: JsonObject = _merged(deepcopy(live), config, node)
    if own is not None:
        _drop_abandoned(merged, own.get("fieldsV1") or {}, fields, others, node)
    kept = [e for e in others if e.get("fieldsV1")]
    merged["metadata"]["managedFields"] = [
        *kept,
        _entry(resource, manager, subresource, fields, own),
    ]
    merged["metadata"].pop("resourceVersion", None)
    if config["metadata"].get("resourceVersion"):
        merged["metadata"]["resourceVersion"] = config["metadata"]["resourceVersion"]
    return merged


def _is_of(entry: JsonObject, manager: str, subresource: str) -> bool:
    return (
        entry.get("manager") == manager
        and entry.get("operation") == "Apply"
        and entry.get("subresource", "") == subresource
    )


def _entry(
    resource: ServedResource,
    manager: str,
    subresource: str,
    fields: FieldSet,
    own: JsonObject | None,
) -> JsonObject:
    """Return the manager's record; an unchanged one keeps its time, so that nothing changes."""
    same = own is not None and own.get("fieldsV1") == fields
    entry = {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": resource.api_version,
        "time": own["time"] if same and own is not None else now(),
        "fieldsType": _FIELDS_TYPE,
        "fieldsV1": fields,
    }
    if subresource:
        entry["subresource"] = subresource
    return entry


def _settle_conflicts(
    live: JsonObject,
    config: JsonObject,
    fields: FieldSet,
    others: list[JsonObject],
    node: SchemaNode | None,
    *,
    force: bool,
) -> None:
    causes = []
    for path in list(leaves(fields)):
        if path[-1] == SELF or lookup(live, node, path) == lookup(config, node, path):
            continue
        for entry in others:
            owned = entry.get("fieldsV1") or {}
            if not contains(owned, path):
                continue
            if force:
                discard(owned, path)
            else:
                message = f'conflict with "{entry.get("manager")}"'
                causes.append(errors.Cause(display(path), "FieldManagerConflict", message))
    if causes:
        raise errors.apply_conflict(causes)


def _drop_abandoned(
    merged: JsonObject,
    before: FieldSet,
    fields: FieldSet,
    others: list[JsonObject],
    node: SchemaNode | None,
) -> None:
    """Remove what the manager no longer applies and no other one does."""
    # Shortest path first: with an element's own mark the whole element is removed.
    for path in sorted(leaves(before), key=len):
        if contains(fields, path):
            continue
        if any(contains(entry.get("fieldsV1") or {}, path) for entry in others):
            continue
        remove(merged, node, path)


def _merged(live: Any, config: Any, node: SchemaNode | None) -> Any:
    if isinstance(config, dict) and isinstance(live, dict):
        if node is not None and node.list_type == "atomic-map":
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
    if isinstance(config, list) and isinstance(live, list) and node is not None:
        if node.list_type == "set":
            return live + [v for v in config if v not in live]
        if node.list_keys:
            return _merged_elements(live, config, node)
    return deepcopy(config)


def _merged_elements(live: list[Any], config: list[Any], node: SchemaNode) -> list[Any]:
    elements = list(live)
    places = {repr(element_keys(node, e)): i for i, e in enumerate(elements)}
    for element in config:
        identity = element_keys(node, element)
        place = places.get(repr(identity)) if identity is not None else None
        if place is None:
            elements.append(deepcopy(element))
        else:
            elements[place] = _merged(elements[place], element, node.items)
    return elements
