"""Lists: whole or in chunks, of now or of an earlier revision.

A list is joined from the stored JSON of its objects, nothing is decoded. A continue token names
the revision of the first chunk and the last key given out; later chunks show that revision, out of
the history, and answer 410 Expired once the history has moved past it.
"""

import base64
from dataclasses import dataclass
from typing import Final

import msgspec

from ciliate.apiserver import errors
from ciliate.apiserver.history import Stored
from ciliate.apiserver.requests import ListQuery
from ciliate.apiserver.resources import ServedResource
from ciliate.apiserver.store import Collection, Key, Store
from ciliate.apiserver.versions import shown

_encode: Final = msgspec.json.Encoder().encode


class _Token(msgspec.Struct, array_like=True):
    revision: int
    namespace: str
    name: str


_decode_token: Final = msgspec.json.Decoder(_Token).decode


@dataclass(frozen=True, slots=True)
class Page:
    """One chunk of a list."""

    items: list[Stored]
    revision: int
    continue_token: str = ""
    remaining: int = 0

    def metadata(self) -> bytes:
        """Return the list's metadata as JSON."""
        metadata: dict[str, str | int] = {"resourceVersion": str(self.revision)}
        if self.continue_token:
            metadata["continue"] = self.continue_token
            if self.remaining:
                metadata["remainingItemCount"] = self.remaining
        return _encode(metadata)

    def render(self, resource: ServedResource) -> bytes:
        """Return the list object as JSON."""
        head = _encode({"kind": resource.list_kind, "apiVersion": resource.api_version})
        raws = [item.raw for item in self.items]
        if resource.converts:
            raws = [shown(resource, raw) for raw in raws]
        items = b",".join(raws)
        return b'%b,"metadata":%b,"items":[%b]}' % (head[:-1], self.metadata(), items)


def page(store: Store, collection: Collection, query: ListQuery) -> Page:
    """Return the chunk that `query` asks for.

    Raises:
        StatusError: The revision is compacted (410), not reached (504), or the token is none (400).
    """
    after: Key | None = None
    revision = store.committed
    if query.continue_token:
        token = _parse_token(query.continue_token)
        revision, after = token.revision, (token.namespace, token.name)
    elif query.resource_version not in {"", "0"}:
        asked = int(query.resource_version)
        if asked > store.committed:
            raise errors.too_large_version(asked=asked, current=store.committed)
        if query.version_match == "Exact":
            revision = asked
    items = _items(collection, query, revision, now=revision == store.committed)
    if after is not None:
        items = [item for item in items if (item.namespace, item.name) > after]
    if not query.limit or len(items) <= query.limit:
        return Page(items, revision)
    last = items[query.limit - 1]
    return Page(
        items=items[: query.limit],
        revision=revision,
        continue_token=_render_token(_Token(revision, last.namespace, last.name)),
        # As kube-apiserver: left out with a selector, where it would be a guess.
        remaining=0 if _filters(query) else len(items) - query.limit,
    )


def _filters(query: ListQuery) -> bool:
    return bool(query.selection.labels or query.selection.fields)


def _items(collection: Collection, query: ListQuery, revision: int, *, now: bool) -> list[Stored]:
    selection = query.selection
    name = selection.single_name
    if now and name is not None and selection.namespace:
        found = collection.objects.get((selection.namespace, name))
        return [found] if found is not None and selection.holds(found) else []
    if now:
        items: list[Stored] | None = collection.select(selection.namespace)
    else:
        items = collection.as_of(revision, selection.namespace)
    if items is None:
        raise errors.expired(
            "The provided continue parameter is too old to display a consistent list result. You "
            "can start a new list without the continue parameter."
            if query.continue_token
            else "The provided resource version is too old"
        )
    return [item for item in items if selection.holds(item)] if _filters(query) else items


def _render_token(token: _Token) -> str:
    return base64.urlsafe_b64encode(_encode(token)).decode().rstrip("=")


def _parse_token(text: str) -> _Token:
    try:
        return _decode_token(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, msgspec.MsgspecError) as error:
        raise errors.bad_request("continue key is not valid") from error
