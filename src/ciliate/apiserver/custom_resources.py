"""Custom resources: what a CustomResourceDefinition has the server serve, one per version.

Every version is served as its definition says; objects are stored in one of them and converted as
they are read (see `versions`). A version's schema, columns, selectable fields and subresources are
its own.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ciliate.api.jsonpath import JsonPath, compile_path
from ciliate.apiserver.columns import NAME, created_age
from ciliate.apiserver.errors import Cause
from ciliate.apiserver.resources import Column, Printing, ServedResource, Validate, precedence
from ciliate.apiserver.schema import SchemaNode, Shape, fill_defaults
from ciliate.apiserver.schemas import METADATA
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.structural import check, check_transition, compile_schema
from ciliate.apiserver.timestamps import age

_AGE_PATH: Final = ".metadata.creationTimestamp"


def custom_resources(definition: JsonObject) -> list[ServedResource]:
    """Return the resource a definition describes, in each of its versions."""
    versions = definition["spec"]["versions"]
    # Of a definition that never changed, every object has been through the one schema there is.
    converts = len(versions) > 1 or definition["metadata"].get("generation", 1) > 1
    fields_of = _fields_of(versions)
    accepted = (definition.get("status") or {}).get("acceptedNames") or {}
    names = accepted if {"plural", "kind"} <= accepted.keys() else definition["spec"]["names"]
    spec = {**definition["spec"], "names": names}
    return [_resource(spec, version, fields_of, converts=converts) for version in versions]


def _resource(
    spec: JsonObject,
    version: JsonObject,
    fields_of: Callable[[JsonObject], dict[str, str]] | None,
    *,
    converts: bool,
) -> ServedResource:
    names = spec["names"]
    schema = version["schema"]["openAPIV3Schema"]
    node = compile_schema(schema)
    _add_object_fields(node)
    subresources = version.get("subresources") or {}
    return ServedResource(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        singular=names.get("singular") or names["kind"].lower(),
        kind=names["kind"],
        listed_as=names.get("listKind") or "",
        namespaced=spec["scope"] == "Namespaced",
        printing=_printing(version.get("additionalPrinterColumns") or ()),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=frozenset(s for s in ("status", "scale") if s in subresources),
        has_generation=True,
        default=lambda obj: fill_defaults(node, obj),
        validate=_validator(node, schema),
        fields_of=fields_of,
        selectable=frozenset(_selectable(version)),
        node=node,
        schema_name=_schema_name(spec["group"], version["name"], names["kind"]),
        schema=schema,
        scale=subresources.get("scale"),
        is_custom=True,
        is_storage=bool(version.get("storage")),
        is_served=bool(version.get("served")),
        converts=converts,
        deprecation=_deprecation(spec, version),
    )


def _schema_name(group: str, version: str, kind: str) -> str:
    return ".".join([*reversed(group.split(".")), version, kind])


def _add_object_fields(node: SchemaNode) -> None:
    """Add apiVersion, kind and metadata as every object has them, whatever the schema says."""
    for name in ("apiVersion", "kind"):
        node.properties[name] = SchemaNode(Shape.STRING)
    node.properties["metadata"] = METADATA
    if node.shape in {Shape.ANY, Shape.MAP}:
        node.shape = Shape.OBJECT


def _validator(node: SchemaNode, schema: Mapping[str, Any]) -> Validate:
    def validate(new: JsonObject, old: JsonObject | None) -> list[Cause]:
        causes = list(check(node, new))
        if old is not None:
            causes += check_transition(schema, new, old)
        return causes

    return validate


def _selectable(version: JsonObject) -> dict[str, JsonPath]:
    """Return the paths of fields that selectors may name, by the name they have there."""
    paths = [field["jsonPath"] for field in version.get("selectableFields") or ()]
    return {path.removeprefix("."): compile_path(path) for path in paths}


def _fields_of(
    versions: Iterable[JsonObject],
) -> Callable[[JsonObject], dict[str, str]] | None:
    """Return how the index reads the fields that any version may select by."""
    paths: dict[str, JsonPath] = {}
    for version in versions:
        paths |= _selectable(version)
    if not paths:
        return None

    def fields_of(obj: JsonObject) -> dict[str, str]:
        return {name: _first(path, obj) for name, path in paths.items()}

    return fields_of


def _first(path: JsonPath, obj: JsonObject) -> str:
    found = path.find(obj)
    return _text(found[0]) if found and found[0] is not None else ""


def _deprecation(spec: JsonObject, version: JsonObject) -> str:
    """Return what clients of a deprecated version are told; empty for another."""
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning"):
        return str(version["deprecationWarning"])
    group, kind = spec["group"], spec["names"]["kind"]
    text = f"{group}/{version['name']} {kind} is deprecated"
    current = [v["name"] for v in spec["versions"] if v.get("served") and not v.get("deprecated")]
    best = min(current, key=precedence, default=version["name"])
    if precedence(best) < precedence(version["name"]):
        text += f"; use {group}/{best} {kind}"
    return text


def _printing(columns: Any) -> Printing:
    """Return the columns of a definition; without any there is the age."""
    if not columns:
        columns = ({"name": "Age", "type": "date", "jsonPath": _AGE_PATH},)
    shown = tuple(
        Column(
            c["name"],
            type=c.get("type", "string"),
            format=c.get("format", ""),
            priority=c.get("priority", 0),
            description=c.get("description", ""),
        )
        for c in columns
    )
    paths = [(compile_path(c["jsonPath"]), c.get("type", "string")) for c in columns]

    def cells(obj: JsonObject) -> list[Any]:
        return [obj["metadata"]["name"], *(_cell(path, kind, obj) for path, kind in paths)]

    return Printing((NAME, *shown), cells)


def _cell(path: JsonPath, kind: str, obj: JsonObject) -> Any:
    """Return the first thing a path finds, as its column's type; None shows as nothing."""
    if kind == "date" and path.text == _AGE_PATH:
        return created_age(obj)
    found = path.find(obj)
    if not found or found[0] is None:
        return None
    value = found[0]
    match kind:
        case "integer":
            return int(value) if isinstance(value, (int, float)) else None
        case "number":
            return value if isinstance(value, (int, float)) else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "date":
            return age(value)
        case _:
            return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"))
    return str(value)
