"""Shapes of the built-in kinds, from the tables beside this file.

A table names types; a type's fields are lines `"name": "TYPE"`, where `!` after the name marks a
required field and `@atomic` under the empty name gives the type's fields one owner in server-side
apply. TYPE is a scalar, another type, `[]TYPE` or `{}TYPE` (a map of
strings to it). The table of kinds that are stored only has its types by package. Lists that merge end with their keys: `[]Volume[name]`, `[]string{set}`; after a
semicolon stands the strategic merge patch's key where it differs.

Names and types are those of the Kubernetes API reference (v1.33), held against the
official client's models by tests/unit/apiserver/test_schemas.py.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

from ciliate.apiserver.schema import ANY, SchemaNode, Shape
from ciliate.apiserver.store import JsonObject

_TABLES: Final = ("meta", "core", "pods", "apps", "others")
_LIST: Final = re.compile(
    r"(?P<of>.*?)(?:\[(?P<keys>[^;\]]*)(?:;(?P<patch>\w+))?\]|(?P<set>\{set\}))?$"
)

#: Scalars: their shape, and what OpenAPI calls them.
_SCALARS: Final[dict[str, tuple[Shape, JsonObject]]] = {
    "string": (Shape.STRING, {"type": "string"}),
    "integer": (Shape.INTEGER, {"type": "integer", "format": "int64"}),
    "number": (Shape.NUMBER, {"type": "number"}),
    "boolean": (Shape.BOOLEAN, {"type": "boolean"}),
    "bytes": (Shape.STRING, {"type": "string", "format": "byte"}),
    "time": (Shape.STRING, {"type": "string", "format": "date-time"}),
    "microTime": (Shape.STRING, {"type": "string", "format": "date-time"}),
    "intOrString": (Shape.INT_OR_STRING, {"type": "string", "format": "int-or-string"}),
    "quantity": (Shape.QUANTITY, {"type": "string"}),
    "open": (Shape.ANY, {"type": "object"}),
    "fields": (Shape.ANY, {"type": "object"}),
}
#: Keys of list elements that may be left out, with what they are then.
_KEY_DEFAULTS: Final = {"ContainerPort": {"protocol": "TCP"}, "ServicePort": {"protocol": "TCP"}}
_PACKAGES: Final = {
    "meta": "io.k8s.apimachinery.pkg.apis.meta.v1",
    "core": "io.k8s.api.core.v1",
    "pods": "io.k8s.api.core.v1",
    "apps": "io.k8s.api.apps.v1",
}
_OTHERS: Final = {
    "Lease": "io.k8s.api.coordination.v1",
    "Slice": "io.k8s.api.discovery.v1",
    "EndpointSlice": "io.k8s.api.discovery.v1",
    "ForNode": "io.k8s.api.discovery.v1",
    "ForZone": "io.k8s.api.discovery.v1",
    "NetworkPolicy": "io.k8s.api.networking.v1",
    "ServiceCIDR": "io.k8s.api.networking.v1",
    "IPBlock": "io.k8s.api.networking.v1",
    "Eviction": "io.k8s.api.policy.v1",
}
_EXTENSIONS: Final = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1"


@dataclass(frozen=True, slots=True)
class _Type:
    package: str
    fields: dict[str, str]


@cache
def _types() -> dict[str, _Type]:
    found: dict[str, _Type] = {}
    for table in _TABLES:
        text = files(__package__).joinpath(f"{table}.json").read_bytes()
        for name, fields in msgspec.json.decode(text, type=dict[str, dict[str, str]]).items():
            found[name] = _Type(_PACKAGES.get(table) or _other_package(name), fields)
    stored = files(__package__).joinpath("stored.json").read_bytes()
    for package, types in msgspec.json.decode(
        stored, type=dict[str, dict[str, dict[str, str]]]
    ).items():
        found |= {name: _Type(package, fields) for name, fields in types.items()}
    return found


def _other_package(name: str) -> str:
    return next((p for prefix, p in _OTHERS.items() if name.startswith(prefix)), _EXTENSIONS)


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a table."""

    name: str
    type: str
    description: str
    required: bool


def fields_of(type_name: str) -> list[Field]:
    """Return the fields of a type."""
    lines = []
    for name, line in _types()[type_name].fields.items():
        if name:
            kind, _, description = line.partition(" ")
            lines.append(Field(name.rstrip("!"), kind, description, name.endswith("!")))
    return lines


def type_names() -> list[str]:
    """Return every type of the tables."""
    return list(_types())


def zeros_of(type_name: str) -> JsonObject:
    """Return the numbers and booleans that a type always has, with what they begin as."""
    zeros: JsonObject = {"integer": 0, "boolean": False}
    if type_name not in _types():
        return {}
    return {f.name: zeros[f.type] for f in fields_of(type_name) if f.required and f.type in zeros}


@cache
def node_of(type_name: str) -> SchemaNode:
    """Return the shape of a type; the same one each time."""
    about = _types()[type_name].fields.get("", "")
    node = SchemaNode(Shape.OBJECT, list_type="atomic-map" if about.startswith("@atomic") else "")
    for one in fields_of(type_name):
        node.properties[one.name] = _node(one.type)
    for name, value in _KEY_DEFAULTS.get(type_name, {}).items():
        # Only identifies elements: `defaults` fills objects in.
        node.properties[name] = SchemaNode(Shape.STRING, default=value)
    return node


def _node(kind: str) -> SchemaNode:
    if kind.startswith("[]"):
        return _list_node(kind[2:])
    if kind.startswith("{}"):
        return SchemaNode(Shape.MAP, items=_node(kind[2:]), list_type="")
    if kind in {"open", "fields"}:
        return ANY
    if kind in _SCALARS:
        shape, words = _SCALARS[kind]
        return SchemaNode(shape, format=words.get("format", ""))
    return node_of(kind)


def _list_node(text: str) -> SchemaNode:
    parts = _LIST.fullmatch(text)
    assert parts is not None
    node = SchemaNode(Shape.ARRAY, items=_node(parts["of"]))
    if parts["set"]:
        node.list_type, node.patch_set = "set", True
    elif parts["keys"]:
        node.list_type, node.list_keys = "map", tuple(parts["keys"].split(","))
        node.patch_key = parts["patch"] or node.list_keys[0]
    return node


#: The metadata of every object.
METADATA: Final = node_of("ObjectMeta")


def definition_name(type_name: str) -> str:
    """Return a type's name in OpenAPI documents."""
    return f"{_types()[type_name].package}.{type_name}"


#: The name of `ObjectMeta` in OpenAPI documents.
METADATA_NAME: Final = definition_name("ObjectMeta")


def definitions(root: str, *, prefix: str) -> dict[str, JsonObject]:
    """Return the OpenAPI definitions of a type and of all it refers to, by name."""
    found: dict[str, JsonObject] = {}
    pending = [root]
    while pending:
        type_name = pending.pop()
        if definition_name(type_name) in found:
            continue
        found[definition_name(type_name)] = _definition(type_name, prefix, pending)
    return found


def _definition(type_name: str, prefix: str, pending: list[str]) -> JsonObject:
    about = _types()[type_name].fields.get("", "").removeprefix("@atomic ")
    properties, required = {}, []
    for one in fields_of(type_name):
        schema = _schema(one.type, prefix, pending)
        if "$ref" in schema:
            schema = {"allOf": [schema], "default": {}}
        if one.description:
            schema = {"description": f"{one.description}.", **schema}
        properties[one.name] = schema
        if one.required:
            required.append(one.name)
    document: JsonObject = {"type": "object", "properties": properties}
    if about:
        document["description"] = f"{about}."
    if required:
        document["required"] = required
    return document


def _schema(kind: str, prefix: str, pending: list[str]) -> JsonObject:
    if kind.startswith("[]"):
        parts = _LIST.fullmatch(kind[2:])
        assert parts is not None
        items = _schema(parts["of"], prefix, pending)
        return {"type": "array", "items": items, **_list_words(_list_node(kind[2:]))}
    if kind.startswith("{}"):
        return {"type": "object", "additionalProperties": _schema(kind[2:], prefix, pending)}
    if kind in _SCALARS:
        return dict(_SCALARS[kind][1])
    pending.append(kind)
    return {"$ref": f"{prefix}{definition_name(kind)}"}


def _list_words(node: SchemaNode) -> dict[str, Any]:
    if node.patch_set:
        return {"x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge"}
    if node.list_keys:
        return {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": list(node.list_keys),
            "x-kubernetes-patch-merge-key": node.patch_key,
            "x-kubernetes-patch-strategy": "merge",
        }
    return {"x-kubernetes-list-type": "atomic"}
