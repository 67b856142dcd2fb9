"""Objects and lists of objects to and from the API's JSON documents. Pure.

Our Structs carry neither apiVersion nor kind: the `Resource` knows them, and a cache of ten
thousand objects need not repeat them.
"""

import logging
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from ciliate.api.decode import decode_document, without_nulls
from ciliate.api.metadata import KubeObject, ListMeta, PartialObject
from ciliate.api.resource import ObjectKey, Resource
from ciliate.kube.errors import UnavailableError

T = TypeVar("T", bound=KubeObject)
D = TypeVar("D")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ObjectList(Generic[T]):
    """All objects of a kind at one `resource_version`, from which a watch goes on.

    `unreadable` names objects that exist but do not fit the Struct; each was logged. Code that
    concludes from an object's absence must check there too. What a partial decode reads of such an
    object is among the items instead.
    """

    items: tuple[T, ...]
    resource_version: str
    unreadable: frozenset[ObjectKey] = frozenset()


@dataclass(frozen=True, slots=True)
class Chunk(Generic[T]):
    """A part of a list, and the token that asks for the next; empty at the end."""

    items: tuple[T, ...]
    unreadable: frozenset[ObjectKey]
    resource_version: str
    token: str


class _ListDocument(msgspec.Struct, Generic[D], frozen=True, gc=False):
    items: tuple[D, ...] = ()
    metadata: ListMeta = ListMeta()


def key_of(item: KubeObject) -> ObjectKey:
    """Return the key under which caches hold `item`."""
    return item.metadata.namespace, item.metadata.name


def target_of(
    resource: Resource[T], namespace: str = "", name: str = "", subresource: str = ""
) -> str:
    """Return how messages name what a request is about: "pods default/web/status"."""
    where = "/".join(filter(None, (namespace, name, subresource)))
    return f"{resource.plural} {where}" if where else resource.plural


def encode(resource: Resource[T], item: T) -> bytes:
    """Return the document of `item`, with the apiVersion and kind that its Struct lacks."""
    kind = msgspec.json.encode({"apiVersion": resource.api_version, "kind": resource.kind})
    fields = msgspec.json.encode(item)
    return kind if fields == b"{}" else kind[:-1] + b"," + fields[1:]


def decode(document: bytes, struct: type[D], *, verb: str, target: str) -> D:
    """Return `document` as `struct`.

    Raises:
        UnavailableError: It is none: whatever answered is not the API we know.
    """
    try:
        return decode_document(document, struct)
    except msgspec.MsgspecError as error:
        detail = f"the answer is not a {getattr(struct, '__name__', 'document')}: {error}"
        raise UnavailableError(verb=verb, target=target, detail=detail) from error


def decode_chunk(resource: Resource[T], document: bytes, target: str) -> Chunk[T]:
    """Return the objects of one answer to a list.

    Raises:
        UnavailableError: It is no list.
    """
    try:
        kind = _ListDocument[resource.struct]  # type: ignore[name-defined]  # A type made at run time.
        whole: _ListDocument[T] = decode_document(document, kind)
    except msgspec.MsgspecError:
        return _decode_each(resource, document, target)
    return Chunk(
        whole.items,
        frozenset(),
        whole.metadata.resource_version,
        whole.metadata.continue_token,
    )


def decode_partially(
    resource: Resource[T], document: bytes, key: ObjectKey, cause: msgspec.MsgspecError
) -> T | None:
    """Return what the resource makes of an object that does not fit its Struct; log that.

    None: not even its claims can be read, and the object is left out.
    """
    name = "/".join(filter(None, key))
    if resource.partial_decode is None:
        _log.error("%s %s cannot be read and is left as it was: %s", resource.kind, name, cause)
        return None
    _log.error("%s %s cannot be read but for what it claims: %s", resource.kind, name, cause)
    return resource.partial_decode(without_nulls(document))


def _decode_each(resource: Resource[T], document: bytes, target: str) -> Chunk[T]:
    """Decode a list one by one, because something in it does not fit."""
    whole = decode(document, _ListDocument[msgspec.Raw], verb="list", target=target)
    items: list[T] = []
    unreadable: set[ObjectKey] = set()
    for raw in whole.items:
        try:
            items.append(decode_document(bytes(raw), resource.struct))
        except msgspec.MsgspecError as error:
            key = key_of(decode(bytes(raw), PartialObject, verb="list", target=target))
            rest = decode_partially(resource, bytes(raw), key, error)
            if rest is None:
                unreadable.add(key)
            else:
                items.append(rest)
    meta = whole.metadata
    return Chunk(tuple(items), frozenset(unreadable), meta.resource_version, meta.continue_token)
