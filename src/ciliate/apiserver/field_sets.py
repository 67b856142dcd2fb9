"""Sets of fields, as managedFields keeps them (FieldsV1).

A set is a tree of dicts: `f:NAME` for a field, `k:{…}` for an element of a list that merges by
keys, `v:…` for a value of a set; `.` marks the element itself. Source: KEP-555 and
sigs.k8s.io/structured-merge-diff `fieldpath`.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ciliate.apiserver.schema import MISSING, SchemaNode
from ciliate.apiserver.store import JsonObject

FieldSet = dict[str, Any]
Path = tuple[str, ...]

SELF: Final = "."
#: Fields that identify an object have no manager.
_UNMANAGED: Final = frozenset(
    {
        ("f:apiVersion",),
        ("f:kind",),
        ("f:metadata", "f:name"),
        ("f:metadata", "f:namespace"),
        ("f:metadata", "f:managedFields"),
        ("f:metadata", "f:resourceVersion"),
        ("f:metadata", "f:uid"),
        ("f:metadata", "f:creationTimestamp"),
        ("f:metadata", "f:generation"),
    }
)

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


def fields_of(value: Any, node: SchemaNode | None) -> FieldSet:
    """Return the fields a value sets; an atomic value is one field whatever it contains."""
    if isinstance(value, dict) and value and not _is_atomic(node):
        return {
            f"f:{name}": fields_of(child, node.child(name) if node is not None else None)
            for name, child in value.items()
        }
    if isinstance(value, list) and node is not None:
        if node.list_type == "set":
            return {f"v:{_encode(item).decode()}": {} for item in value}
        if node.list_keys:
            found: FieldSet = {}
            for element in value:
                keys = element_keys(node, element)
                if keys is not None:
                    step = f"k:{_encode(keys).decode()}"
                    found[step] = {SELF: {}, **fields_of(element, node.items)}
            return found
    return {}


def _is_atomic(node: SchemaNode | None) -> bool:
    return node is not None and node.list_type == "atomic-map"


def managed(value: JsonObject, node: SchemaNode | None) -> FieldSet:
    """Return the fields of an applied object that can have a manager."""
    fields = fields_of(value, node)
    for path in _UNMANAGED:
        _discard(fields, path)
    return fields


def leaves(fields: FieldSet, prefix: Path = ()) -> Iterator[Path]:
    """Yield the paths of a set's leaves, elements' own marks among them."""
    for step, below in fields.items():
        path = (*prefix, step)
        if below:
            yield from leaves(below, path)
        else:
            yield path


def contains(fields: FieldSet, path: Path) -> bool:
    """Return whether a set has a path, as a leaf or above leaves."""
    for step in path:
        if step not in fields:
            return False
        fields = fields[step]
    return True


def discard(fields: FieldSet, path: Path) -> None:
    """Remove a leaf, and what it leaves empty."""
    _discard(fields, path)


def _discard(fields: FieldSet, path: Path) -> None:
    step = path[0]
    if step not in fields:
        return
    if len(path) == 1:
        del fields[step]
        return
    _discard(fields[step], path[1:])
    if not fields[step] or set(fields[step]) == {SELF}:
        del fields[step]


def lookup(value: Any, node: SchemaNode | None, path: Path) -> Any:
    """Return what is at a path; `MISSING` when nothing is."""
    for step in path:
        if step == SELF:
            return value if value is MISSING else True
        value, node = _step(value, node, step)
        if value is MISSING:
            return MISSING
    return value


def _step(value: Any, node: SchemaNode | None, step: str) -> tuple[Any, SchemaNode | None]:
    kind, text = step[:2], step[2:]
    if kind == "f:":
        if not isinstance(value, dict) or text not in value:
            return MISSING, None
        return value[text], node.child(text) if node is not None else None
    if not isinstance(value, list) or node is None:
        return MISSING, None
    wanted = _decode(text)
    for element in value:
        found = element if kind == "v:" else element_keys(node, element)
        if found == wanted:
            return element, node.items
    return MISSING, None


def remove(value: Any, node: SchemaNode | None, path: Path) -> None:
    """Remove what is at a path, in place; an element's mark removes the element."""
    target = path[:-1] if path[-1] == SELF else path
    parent, at = value, node
    for step in target[:-1]:
        parent, at = _step(parent, at, step)
        if parent is MISSING:
            return
    last = target[-1]
    found, _ = _step(parent, at, last)
    if found is MISSING:
        return
    if last.startswith("f:"):
        del parent[last[2:]]
    else:
        parent[:] = [element for element in parent if element is not found]


def display(path: Path) -> str:
    """Return a path as people read it: `.spec.containers[name="a"].image`."""
    text = ""
    for step in path:
        kind, rest = step[:2], step[2:]
        if kind == "f:":
            text += f".{rest}"
        elif kind == "k:":
            keys = _decode(rest)
            text += "[" + ",".join(f"{k}={_encode(v).decode()}" for k, v in keys.items()) + "]"
        elif kind == "v:":
            text += f"[={rest}]"
    return text
