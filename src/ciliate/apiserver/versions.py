"""Versions of one kind: objects are stored in one of them and shown in the one that is asked for.

The conversion of custom resources is that of strategy None: apiVersion changes, then the object loses
what the version does not know and gets its defaults; a built-in kind may also move fields. It is done as an object is read, so a definition whose storage
version or schema changed needs no rewriting of what is stored: `ServedResource.converts` says where
that may be the case, and all other objects are served as the bytes they are stored as.
"""

from typing import Final

import msgspec

from ciliate.apiserver.history import Stored
from ciliate.apiserver.resources import Registry, ServedResource
from ciliate.apiserver.schema import prune
from ciliate.apiserver.store import JsonObject, decode

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


def loaded(resource: ServedResource, stored: Stored) -> JsonObject:
    """Return a stored object in a resource's version, as a dict of the caller's own."""
    obj = decode(stored)
    return _read(resource, obj) if resource.converts else obj


def shown(resource: ServedResource, raw: bytes) -> bytes:
    """Return a stored object's JSON in a resource's version."""
    return _encode(_read(resource, _decode(raw))) if resource.converts else raw


def to_store(registry: Registry, resource: ServedResource, obj: JsonObject) -> JsonObject:
    """Return a valid object of a resource's version in the version that is stored, in place."""
    storage = registry.by_id(resource.id)
    if storage is None or storage.version == resource.version:
        return obj
    resource.to_stored(obj)
    return _converted(storage, obj)


def is_outdated(registry: Registry, resource: ServedResource, stored: Stored) -> bool:
    """Return whether an object is stored in another version than it would be now."""
    storage = registry.by_id(resource.id)
    if storage is None or not storage.converts:
        return False
    return bool(decode(stored)["apiVersion"] != storage.api_version)


def _read(resource: ServedResource, obj: JsonObject) -> JsonObject:
    if obj["apiVersion"] != resource.api_version:
        resource.from_stored(obj)
    return _converted(resource, obj)


def _converted(resource: ServedResource, obj: JsonObject) -> JsonObject:
    obj["apiVersion"] = resource.api_version
    if resource.node is not None:
        prune(resource.node, obj)
        resource.default(obj)
    return obj
