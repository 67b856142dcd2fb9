"""OpenAPI version 2: what kubectl before 1.29 explains and checks with.

Those clients take the document in protobuf alone (github.com/google/gnostic, `openapiv2`), so it
is rendered as a JSON-like value first and then in either encoding. Of schemas only the words that
such clients read are kept; of paths, which query parameters a patch takes.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from ciliate.apiserver.resources import Registry, ServedResource
from ciliate.apiserver.schemas import definitions
from ciliate.apiserver.store import JsonObject

PROTOBUF_TYPES: Final = (
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
)
_PREFIX: Final = "#/definitions/"
_GVK: Final = "x-kubernetes-group-version-kind"
_QUERY: Final = ("dryRun", "fieldManager", "fieldValidation", "force")
_KEPT: Final = ("$ref", "description", "type", "format", "required")
_EXTENSIONS: Final = (_GVK, "x-kubernetes-patch-merge-key", "x-kubernetes-patch-strategy")
_PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"

_encode: Final = msgspec.json.Encoder().encode


def render_v2(registry: Registry) -> JsonObject:
    """Return the document of everything that is served."""
    found: dict[str, JsonObject] = {}
    paths: dict[str, JsonObject] = {}
    for resource in registry.all():
        if not resource.schema_name:
            continue
        for name, schema in _schemas(resource).items():
            found.setdefault(name, _plain(schema))
        found[resource.schema_name][_GVK] = [_kind_of(resource)]
        if resource.note:
            found[resource.schema_name]["description"] = f"{resource.kind} is {resource.note}."
        paths |= _paths(resource)
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": paths,
        "definitions": found,
    }


def _kind_of(resource: ServedResource) -> JsonObject:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _schemas(resource: ServedResource) -> dict[str, JsonObject]:
    if resource.schema is None:
        return definitions(resource.schema_name.rpartition(".")[2], prefix=_PREFIX)
    shared = definitions("ObjectMeta", prefix=_PREFIX)
    text = {"type": "string"}
    metadata = {"$ref": f"{_PREFIX}{next(iter(shared))}"}
    properties = {
        **(resource.schema.get("properties") or {}),
        "apiVersion": text,
        "kind": text,
        "metadata": metadata,
    }
    return {**shared, resource.schema_name: {**resource.schema, "properties": properties}}


def _plain(schema: JsonObject) -> JsonObject:
    """Return a schema with the words of version 2 that clients read."""
    parts = schema.get("allOf") or []
    if len(parts) == 1 and "$ref" in parts[0]:
        schema = {**parts[0], "description": schema.get("description", "")}
    plain = {word: schema[word] for word in (*_KEPT, *_EXTENSIONS) if schema.get(word)}
    if schema.get("x-kubernetes-int-or-string"):
        return {**plain, "type": "string", "format": "int-or-string"}
    if schema.get(_PRESERVE):
        return {k: v for k, v in plain.items() if k != "required"}
    if isinstance(schema.get("items"), dict):
        plain["items"] = _plain(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        plain["additionalProperties"] = _plain(schema["additionalProperties"])
    if schema.get("properties"):
        plain["properties"] = {n: _plain(s) for n, s in schema["properties"].items()}
    return plain


def _paths(resource: ServedResource) -> dict[str, JsonObject]:
    prefix = f"/apis/{resource.api_version}" if resource.group else f"/api/{resource.version}"
    if resource.namespaced:
        prefix += "/namespaces/{namespace}"
    reference = {"$ref": f"{_PREFIX}{resource.schema_name}"}
    operation = {
        "parameters": [{"name": name, "in": "query", "type": "string"} for name in _QUERY],
        "responses": {"200": {"description": "OK", "schema": reference}},
        _GVK: _kind_of(resource),
    }
    path = f"{prefix}/{resource.plural}/{{name}}"
    return {path: {"get": operation, "patch": operation, "put": operation}}


def encode_v2(document: JsonObject) -> bytes:
    """Return the document in protobuf."""
    info = _text(1, document["info"]["title"]) + _text(2, document["info"]["version"])
    paths = _named(2, document["paths"], _path_item)
    schemas = _named(1, document["definitions"], _schema)
    return b"".join(
        (
            _text(1, document["swagger"]),
            _message(2, info),
            _message(8, paths),
            _message(9, schemas),
        )
    )


def _varint(value: int) -> bytes:
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def _message(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _text(number: int, value: str) -> bytes:
    return _message(number, value.encode()) if value else b""


def _named(number: int, values: JsonObject, encode: Callable[[Any], bytes]) -> bytes:
    """Return a map as repeated messages of a name (1) and a value (2)."""
    return b"".join(
        _message(number, _text(1, name) + _message(2, encode(value)))
        for name, value in values.items()
    )


def _extensions(number: int, values: JsonObject) -> Iterator[bytes]:
    """Yield extensions: NamedAny, whose Any (2) holds YAML text (2); JSON is YAML."""
    for name in _EXTENSIONS:
        if name in values:
            value = _text(2, _encode(values[name]).decode())
            yield _message(number, _text(1, name) + _message(2, value))


def _path_item(item: JsonObject) -> bytes:
    numbers = {"get": 2, "put": 3, "patch": 8}
    return b"".join(_message(numbers[verb], _operation(item[verb])) for verb in item)


def _operation(operation: JsonObject) -> bytes:
    parameters = b"".join(_message(8, _query(p["name"])) for p in operation["parameters"])
    return parameters + b"".join(_extensions(13, operation))


def _query(name: str) -> bytes:
    """Return a ParametersItem > Parameter > NonBodyParameter > QueryParameterSubSchema."""
    query = _text(2, "query") + _text(4, name) + _text(6, "string")
    return _message(1, _message(2, _message(3, query)))


def _schema(schema: JsonObject) -> bytes:
    data = [
        _text(1, schema.get("$ref", "")),
        _text(2, schema.get("format", "")),
        _text(4, schema.get("description", "")),
        *(_text(19, name) for name in schema.get("required") or ()),
    ]
    if "additionalProperties" in schema:
        data.append(_message(21, _message(1, _schema(schema["additionalProperties"]))))
    if schema.get("type"):
        data.append(_message(22, _text(1, schema["type"])))
    if "items" in schema:
        data.append(_message(23, _message(1, _schema(schema["items"]))))
    if "properties" in schema:
        data.append(_message(25, _named(1, schema["properties"], _schema)))
    data += _extensions(31, schema)
    return b"".join(data)
