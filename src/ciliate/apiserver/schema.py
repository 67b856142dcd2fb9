"""The shape of a kind's objects, as every part of the server reads it.

Built-in kinds get theirs from `schemas/`, custom ones from their definition's OpenAPI schema
(`structural`). Patches read how lists merge, server-side apply who owns what, the decoder which
fields exist, and custom objects also their limits.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from ciliate.apiserver.errors import Cause
from ciliate.apiserver.store import JsonObject

#: A limit beyond the type: (value, path) -> what is wrong.
Check = Callable[[Any, str], Iterator[Cause]]


class Shape(Enum):
    """The JSON types, and the two that Kubernetes adds."""

    OBJECT = "object"
    MAP = "map"  # An object whose keys are data.
    ARRAY = "array"
    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    INT_OR_STRING = "int-or-string"
    QUANTITY = "quantity"  # Text or a number, as in `cpu: 1`.
    ANY = "any"


class Missing(Enum):
    """The absence of a default: null is a value."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


@dataclass(slots=True, repr=False)
class SchemaNode:
    """The shape of one value; types may contain themselves, so it is filled in after it is made."""

    shape: Shape
    properties: dict[str, "SchemaNode"] = field(default_factory=dict)
    #: Of an array its elements, of a map its values.
    items: "SchemaNode | None" = None
    #: How an array merges: empty is atomic; "set" by value; else keys of its elements.
    list_type: str = "atomic"
    list_keys: tuple[str, ...] = ()
    #: The strategic merge patch's one key, or "set" for merged values; empty: replaced.
    patch_key: str = ""
    patch_set: bool = False
    #: Unknown fields are kept.
    is_open: bool = False
    is_embedded: bool = False
    nullable: bool = False
    #: Of a built-in kind's text, what OpenAPI calls its format: "byte", "date-time".
    format: str = ""
    default: Any = MISSING
    required: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    #: Whether anything below has a default: most objects need no walk.
    has_defaults: bool = False

    def child(self, name: str) -> "SchemaNode | None":
        """Return the shape of a field or of a map's values; None when it is not known."""
        if self.shape is Shape.MAP:
            return self.items
        return self.properties.get(name)


ANY: Final = SchemaNode(Shape.ANY, is_open=True)

#: Shapes that hold a JSON value of a Python type; booleans are no numbers here.
_HOLDS: Final[Mapping[Shape, Callable[[Any], bool]]] = {
    Shape.OBJECT: lambda v: isinstance(v, dict),
    Shape.MAP: lambda v: isinstance(v, dict),
    Shape.ARRAY: lambda v: isinstance(v, list),
    Shape.STRING: lambda v: isinstance(v, str),
    Shape.INTEGER: lambda v: (
        (isinstance(v, int) and not isinstance(v, bool))
        or (isinstance(v, float) and v.is_integer())
    ),
    Shape.NUMBER: lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    Shape.BOOLEAN: lambda v: isinstance(v, bool),
    Shape.INT_OR_STRING: lambda v: isinstance(v, (int, str)) and not isinstance(v, bool),
    Shape.QUANTITY: lambda v: isinstance(v, (int, float, str)) and not isinstance(v, bool),
    Shape.ANY: lambda _: True,
}


def holds(node: SchemaNode, value: Any) -> bool:
    """Return whether a value has the node's type."""
    return _HOLDS[node.shape](value)


def type_name(value: Any) -> str:
    """Return a JSON value's type as Kubernetes names it."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def prune(node: SchemaNode, value: Any, path: str = "") -> list[str]:
    """Remove fields that the shape does not know, in place, and return their paths."""
    unknown: list[str] = []
    if isinstance(value, dict):
        for name in list(value):
            below = f"{path}.{name}" if path else name
            child = node.child(name)
            if child is not None:
                unknown += prune(child, value[name], below)
            elif node.is_embedded and name in {"apiVersion", "kind", "metadata"}:
                continue
            elif not node.is_open:
                del value[name]
                unknown.append(below)
    elif isinstance(value, list) and node.items is not None:
        for index, item in enumerate(value):
            unknown += prune(node.items, item, f"{path}[{index}]")
    return unknown


def fill_defaults(node: SchemaNode, value: Any) -> None:
    """Give absent fields, and nulls that may not be, their defaults, in place."""
    if not node.has_defaults:
        return
    if isinstance(value, list) and node.items is not None:
        for item in value:
            fill_defaults(node.items, item)
    elif isinstance(value, dict):
        _fill_fields(node, value)


def _fill_fields(node: SchemaNode, value: JsonObject) -> None:
    for name, child in node.properties.items():
        if child.default is not MISSING and (
            name not in value or (value[name] is None and not child.nullable)
        ):
            value[name] = _copied(child.default)
        if name in value:
            fill_defaults(child, value[name])
    if node.shape is Shape.MAP and node.items is not None:
        for item in value.values():
            fill_defaults(node.items, item)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copied(v) for k, v in value.items()}
    return [_copied(v) for v in value] if isinstance(value, list) else value


def note_defaults(node: SchemaNode, seen: set[int] | None = None) -> bool:
    """Set `has_defaults` throughout and return it."""
    seen = set() if seen is None else seen
    if id(node) in seen:
        return node.has_defaults
    seen.add(id(node))
    children = [*node.properties.values(), *([node.items] if node.items else [])]
    below = [note_defaults(child, seen) for child in children]
    own = any(child.default is not MISSING for child in node.properties.values())
    node.has_defaults = own or any(below)
    return node.has_defaults
