"""Which fields an object has, and which of them a write changed.

Between objects and the sets of `field_sets`: a kind's shape says which lists have elements with
owners of their own. An atomic value is one field, whatever it contains.
"""

from functools import lru_cache
from typing import Any, Final

import msgspec

from ciliate.apiserver.field_sets import SELF, FieldSet, encode_set
from ciliate.apiserver.resources import ServedResource
from ciliate.apiserver.schema import MISSING, SchemaNode
from ciliate.apiserver.schemas import node_of
from ciliate.apiserver.store import JsonObject

_IDENTITY: Final = frozenset({"apiVersion", "kind"})
#: What identifies an object, and what only the server sets: it has no manager.
_UNMANAGED: Final = frozenset(
    {
        "creationTimestamp",
        "generation",
        "managedFields",
        "name",
        "namespace",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)
#: Fields that an object of a built-in kind always has: they come with the object, nobody sets them.
_EMBEDDED: Final = (
    *("metadata", "spec", "status", "strategy", "template", "updateStrategy"),
    "containers",
)

#: Specifications whose fields are kept, and the octets of one.
_KEPT_MAX: Final = 1024
_KEPT_BYTES_MAX: Final = 4096

_encode: Final = msgspec.json.Encoder(order="deterministic").encode
_decode: Final = msgspec.json.Decoder().decode


def element_keys(node: SchemaNode, element: Any) -> dict[str, Any] | None:
    """Return the values that identify a list's element; None when it has none of them."""
    if not isinstance(element, dict):
        return None
    keys = {}
    for name in node.list_keys:
        value = element.get(name, MISSING)
        if value is MISSING and node.items is not None and name in node.items.properties:
            value = node.items.properties[name].default
        if value is not MISSING:
            keys[name] = value
    return keys or None


def elements(value: list[Any], node: SchemaNode | None) -> dict[str, Any] | None:
    """Return a list's elements by their step; None where the list is one field."""
    if node is None:
        return None
    if node.list_type == "set":
        return {f"v:{_encode(item).decode()}": item for item in value}
    if not node.list_keys:
        return None
    found: dict[str, Any] = {}
    for element in value:
        keys = element_keys(node, element)
        if keys is not None:
            found.setdefault(f"k:{_encode(keys).decode()}", element)
    return found


def _child(node: SchemaNode | None, name: str) -> SchemaNode | None:
    return node.child(name) if node is not None else None


def is_atomic(node: SchemaNode | None) -> bool:
    """Return whether a map is one field."""
    return node is not None and node.list_type == "atomic-map"


def applied_fields(config: JsonObject, node: SchemaNode | None) -> FieldSet:
    """Return the fields that an applied object names."""
    fields = configured(manageable(config), node)
    if not fields["f:metadata"]:
        del fields["f:metadata"]
    return fields


def configured(value: Any, node: SchemaNode | None) -> FieldSet:
    """Return the fields that an applied configuration names.

    A struct is none by itself; an element of a list is, and so is an entry of a map.
    """
    if isinstance(value, dict) and value and not is_atomic(node):
        return {
            f"f:{name}": configured(child, node.properties[name])
            if node is not None and name in node.properties
            else _marked(configured(child, _child(node, name)))
            for name, child in value.items()
        }
    if isinstance(value, list):
        below = node.items if node is not None else None
        listed = elements(value, node) or {}
        return {step: _marked(configured(item, below)) for step, item in listed.items()}
    return {}


def _marked(fields: FieldSet) -> FieldSet:
    return {SELF: {}, **fields} if fields else {}


def appeared(value: Any, node: SchemaNode | None) -> FieldSet:
    """Return the fields of a value where none was: what contains others is a field too."""
    if not value:
        return {}
    found: FieldSet = {SELF: {}}
    if isinstance(value, dict):
        if is_atomic(node):
            return {}
        for name, child in value.items():
            # Most values are scalars, and this runs for every object that is made.
            found[f"f:{name}"] = (
                appeared(child, _child(node, name)) if isinstance(child, (dict, list)) else {}
            )
        return found
    if isinstance(value, list):
        items = elements(value, node)
        if items:
            below = node.items if node is not None else None
            for step, item in items.items():
                found[step] = appeared(item, below)
            return found
    return {}


def manageable(obj: JsonObject) -> JsonObject:
    """Return the part of an object whose fields can have a manager."""
    kept = {name: value for name, value in obj.items() if name not in _IDENTITY}
    kept["metadata"] = {n: v for n, v in obj["metadata"].items() if n not in _UNMANAGED}
    return kept


def created(obj: JsonObject, resource: ServedResource) -> bytes:
    """Return the fields that whoever made an object set, as JSON, through the object's own path."""
    fields: dict[str, msgspec.Raw] = {}
    for name, value in manageable(obj).items():
        if name == "status" and resource.has_status:
            continue
        # Objects of one template are made by the thousand, and have the same specification.
        raw = _encode(value) if name == "spec" and not resource.is_custom else b""
        if 0 < len(raw) <= _KEPT_BYTES_MAX:
            set_ = _created_before(resource.schema_name, raw)
        else:
            set_ = _created_below(name, value, resource.node, is_custom=resource.is_custom)
        if set_:
            fields[f"f:{name}"] = msgspec.Raw(set_)
    return _encode(fields)


@lru_cache(maxsize=_KEPT_MAX)
def _created_before(schema_name: str, spec: bytes) -> bytes:
    """Return what `_created_below` does of the specification of a built-in kind."""
    node = node_of(schema_name.rpartition(".")[2])
    return _created_below("spec", _decode(spec), node, is_custom=False)


def _created_below(name: str, value: Any, node: SchemaNode | None, *, is_custom: bool) -> bytes:
    """Return the set of one field of an object as JSON; empty: nobody set it."""
    below = appeared(value, _child(node, name)) if isinstance(value, (dict, list)) else {}
    fields = {f"f:{name}": below}
    _unmark_embedded(fields, ("metadata",) if is_custom else _EMBEDDED)
    return encode_set(below) if fields else b""


def _unmark_embedded(fields: FieldSet, names: tuple[str, ...]) -> None:
    for name in names:
        below = fields.get(f"f:{name}")
        if below is None:
            continue
        below.pop(SELF, None)
        if name == "metadata":
            below.pop("f:creationTimestamp", None)  # A template's is null, and always there.
        if below:
            _unmark_embedded(below, names)
        else:
            del fields[f"f:{name}"]


def compared(
    old: JsonObject, new: JsonObject, node: SchemaNode | None
) -> tuple[FieldSet, FieldSet]:
    """Return the fields of an object that a write set, and those it removed."""
    return _compared(manageable(old), manageable(new), node)


def _compared(old: Any, new: Any, node: SchemaNode | None) -> tuple[FieldSet, FieldSet]:
    before, after = steps(old, node), steps(new, node)
    taken: FieldSet = {}
    gone: FieldSet = {}
    for step, value in after.items():
        was = before.get(step, MISSING)
        if was is not MISSING and was == value:
            continue
        below = shape_below(node, step)
        if was is MISSING:
            taken[step] = appeared(value, below)
        elif _is_one_field(was, value, below):
            taken[step] = {}
        else:
            changed, removed = _compared(was, value, below)
            if changed:
                taken[step] = changed
            if removed:
                gone[step] = removed
    for step in before.keys() - after.keys():
        gone[step] = appeared(before[step], shape_below(node, step))
    return taken, gone


def shape_below(node: SchemaNode | None, step: str) -> SchemaNode | None:
    """Return the shape of what is at a step."""
    if node is None:
        return None
    return node.child(step[2:]) if step.startswith("f:") else node.items


def _is_one_field(old: Any, new: Any, node: SchemaNode | None) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        return is_atomic(node)
    if isinstance(old, list) and isinstance(new, list):
        return node is None or not (node.list_type == "set" or node.list_keys)
    return True


def steps(value: Any, node: SchemaNode | None) -> dict[str, Any]:
    """Return what has an owner of its own in a value, by its step; nothing in an atomic one."""
    if isinstance(value, dict) and not is_atomic(node):
        return {f"f:{name}": child for name, child in value.items()}
    return (elements(value, node) or {}) if isinstance(value, list) else {}
