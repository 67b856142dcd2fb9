"""OpenAPI documents: what `kubectl explain` shows and what `kubectl apply` checks with.

Version 3 has one document per group version, listed at /openapi/v3 with a hash that clients cache
by. Paths carry only what clients look for: which kind they serve, and that field validation and
dry runs are understood. Strategic merge patch is left out of the formats on purpose: clients then
compute patches of built-in kinds from their own types.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from aiohttp import web

from ciliate.apiserver import errors
from ciliate.apiserver.openapi_v2 import PROTOBUF_TYPES, encode_v2, render_v2
from ciliate.apiserver.resources import Registry, ServedResource
from ciliate.apiserver.schemas import METADATA_NAME, definitions
from ciliate.apiserver.store import JsonObject

_encode: Final = msgspec.json.Encoder().encode
_PREFIX: Final = "#/components/schemas/"
_GVK: Final = "x-kubernetes-group-version-kind"
_QUERY: Final = ("dryRun", "fieldManager", "fieldValidation", "force")
_PATCHES: Final = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
)


@dataclass(slots=True)
class OpenApi:
    """Renders documents of what is served now, once per change."""

    registry: Registry
    _documents: dict[str, bytes] = field(default_factory=dict)
    _generation: int = -1

    def answer(self, path: str, accept: str) -> web.Response:
        """Answer a path below /openapi/, in protobuf where version 2 is asked for in it.

        Raises:
            StatusError: There is no such document (404).
        """
        if self._generation != self.registry.generation:
            self._documents.clear()
            self._generation = self.registry.generation
        if path == "/openapi/v3":
            return web.Response(body=self._index(), content_type="application/json")
        if path.startswith("/openapi/v3/"):
            body = self._document(path.removeprefix("/openapi/v3/").strip("/"))
            return web.Response(body=body, content_type="application/json")
        if path == "/openapi/v2":
            return self._version_2(accept)
        raise errors.path_not_found()

    def _version_2(self, accept: str) -> web.Response:
        wanted = any(t in accept for t in PROTOBUF_TYPES)
        # Old clients ask by a name with an "@" in it, which they cannot parse in an answer.
        media = PROTOBUF_TYPES[1] if wanted else "application/json"
        found = self._documents.get(media)
        if found is None:
            document = render_v2(self.registry)
            found = encode_v2(document) if wanted else _encode(document)
            self._documents[media] = found
        return web.Response(body=found, headers={"Content-Type": media})

    def _group_paths(self) -> list[str]:
        return [
            f"apis/{group}/{version}" if group else f"api/{version}"
            for group, versions in self.registry.groups().items()
            for version in versions
        ]

    def _index(self) -> bytes:
        paths = {}
        for path in self._group_paths():
            digest = hashlib.sha256(self._document(path)).hexdigest().upper()
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
        return _encode({"paths": paths})

    def _document(self, path: str) -> bytes:
        found = self._documents.get(path)
        if found is None:
            if path not in self._group_paths():
                raise errors.path_not_found()
            found = self._documents[path] = _encode(self._render(path))
        return found

    def _render(self, path: str) -> JsonObject:
        parts = path.split("/")
        group, version = (parts[1], parts[2]) if parts[0] == "apis" else ("", parts[1])
        resources = [
            r
            for r in self.registry.all()
            if (r.group, r.version) == (group, version) and r.schema_name
        ]
        schemas: dict[str, JsonObject] = {}
        for resource in resources:
            schemas |= _schemas(resource)
        paths: dict[str, JsonObject] = {}
        for resource in resources:
            paths |= _paths(f"/{path}", resource)
        return {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": "unversioned"},
            "paths": paths,
            "components": {"schemas": schemas},
        }


def _kind_of(resource: ServedResource) -> JsonObject:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _schemas(resource: ServedResource) -> dict[str, JsonObject]:
    """Return a kind's schema and all it refers to."""
    if resource.schema is None:
        kind = resource.schema_name.rpartition(".")[2]
        found = definitions(kind, prefix=_PREFIX)
        found[resource.schema_name] |= {_GVK: [_kind_of(resource)]}
        if resource.note:
            found[resource.schema_name]["description"] = f"{resource.kind} is {resource.note}."
        return found
    properties = {
        "apiVersion": {"type": "string", "description": "Group and version of the schema."},
        "kind": {"type": "string", "description": "The kind of the object."},
        **(resource.schema.get("properties") or {}),
        "metadata": {
            "allOf": [{"$ref": f"{_PREFIX}{METADATA_NAME}"}],
            "description": "Standard object's metadata.",
        },
    }
    schema = {**resource.schema, "properties": properties, _GVK: [_kind_of(resource)]}
    return {**definitions("ObjectMeta", prefix=_PREFIX), resource.schema_name: schema}


def _paths(prefix: str, resource: ServedResource) -> dict[str, JsonObject]:
    base = f"{prefix}/namespaces/{{namespace}}" if resource.namespaced else prefix
    collection = f"{base}/{resource.plural}"
    listing = {"get": _operation(resource, "list")}
    return {
        # Of all namespaces: where kubectl 1.27 looks for the kind that it explains.
        f"{prefix}/{resource.plural}": listing,
        collection: {
            **listing,
            "post": {**_operation(resource, "post"), "requestBody": _body(("application/json",))},
        },
        f"{collection}/{{name}}": {
            "get": _operation(resource, "get"),
            "put": {**_operation(resource, "put"), "requestBody": _body(("application/json",))},
            "patch": {**_operation(resource, "patch"), "requestBody": _body(_PATCHES)},
            "delete": _operation(resource, "delete"),
        },
    }


def _operation(resource: ServedResource, action: str) -> JsonObject:
    reference = {"$ref": f"{_PREFIX}{resource.schema_name}"}
    answer: JsonObject = {"description": "OK"}
    if action in {"get", "post", "put", "patch"}:
        answer["content"] = {"application/json": {"schema": reference}}
    return {
        "operationId": f"{action}{resource.kind}",
        "parameters": [_parameter(name) for name in _QUERY],
        "responses": {"200": answer},
        "x-kubernetes-action": action,
        _GVK: _kind_of(resource),
    }


def _parameter(name: str) -> JsonObject:
    return {"name": name, "in": "query", "schema": {"type": "string"}}


def _body(formats: tuple[str, ...]) -> JsonObject:
    content: dict[str, Any] = {media: {"schema": {"type": "object"}} for media in formats}
    return {"content": content}
