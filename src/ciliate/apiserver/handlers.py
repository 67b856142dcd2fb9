"""The verbs: from a parsed request to a response.

Reads show only what is on disk (`Store.settle`); writes answer when their change is
(`Store.durable`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

from ciliate.apiserver import errors, lists, tables, warnings
from ciliate.apiserver.bodies import read_object, read_options, read_patch
from ciliate.apiserver.history import Stored, StoreEventType
from ciliate.apiserver.managed_fields import Author
from ciliate.apiserver.modifications import Modifications
from ciliate.apiserver.replacements import makes_objects, needs_version
from ciliate.apiserver.requests import (
    ListQuery,
    Representation,
    RequestTarget,
    field_manager,
    is_dry_run,
    parse_accept,
    parse_list_query,
)
from ciliate.apiserver.resources import ServedResource
from ciliate.apiserver.store import JsonObject, Store
from ciliate.apiserver.versions import loaded, shown
from ciliate.apiserver.watching import Render, Watch, render_plain
from ciliate.apiserver.writes import DeleteOptions, Writer, Written

#: Seconds of a watch whose client names none: kube-apiserver takes 30 to 60 minutes.
_WATCH_S: Final = 1800.0
#: Objects removed by one deletecollection between two commits.
_JSON: Final = "application/json"
#: Kinds whose deletion answers with the object; others answer with a Status.
_RETURNS_OBJECT: Final = frozenset({"pods", "services", "serviceaccounts"})

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


def json_response(body: bytes, *, status: int = 200) -> web.Response:
    """Return JSON as a response: a line, as Go's encoder writes it, which clients' texts show."""
    return web.Response(body=body + b"\n", status=status, content_type=_JSON)


def render_object(resource: ServedResource, raw: bytes, request: web.BaseRequest) -> bytes:
    """Return one object in the representation the client takes."""
    form = parse_accept(request.headers.get("Accept", ""))
    raw = shown(resource, raw)
    if form.kind == "":
        return raw
    obj: JsonObject = _decode(raw)
    if form.kind == "PartialObjectMetadata":
        return _encode(tables.partial_metadata(obj))
    metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
    include = request.query.get("includeObject", "Metadata")
    return _encode(tables.table(resource, [obj], metadata, include_object=include))


def _manager(request: web.BaseRequest) -> str:
    kinds = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}
    agent = request.headers.get("User-Agent", "")
    return field_manager(request.query, agent, kinds[request.method])


@dataclass(slots=True)
class Verbs:
    """The verbs that every resource has."""

    store: Store
    writer: Writer
    modifications: Modifications
    bookmark_interval_s: float

    async def read(self, target: RequestTarget, request: web.BaseRequest) -> web.StreamResponse:
        """Answer GET: one object, a list or a watch."""
        self.store.settle()
        if target.name and request.query.get("watch") is None:
            current = self.find(target)
            if target.subresource == "scale":
                return json_response(_encode(self.modifications.scale_of(target, current)))
            return json_response(render_object(target.resource, current.raw, request))
        query = parse_list_query(target, request.query)
        form = parse_accept(request.headers.get("Accept", ""))
        if query.watch:
            return await self._watch(target, query, form, request)
        return self._list(target, query, form, request)

    def find(self, target: RequestTarget) -> Stored:
        """Return the object a path names.

        Raises:
            StatusError: There is none (404).
        """
        resource = target.resource
        found = self.store.get(resource.id, (target.namespace, target.name))
        if found is None:
            raise errors.not_found(
                resource=resource.plural, group=resource.group, name=target.name
            )
        return found

    def _list(
        self,
        target: RequestTarget,
        query: ListQuery,
        form: Representation,
        request: web.BaseRequest,
    ) -> web.Response:
        resource = target.resource
        page = lists.page(self.store, self.store.collection(resource.id), query)
        if form.kind == "":
            return json_response(page.render(resource))
        metadata = msgspec.Raw(page.metadata())
        if form.kind == "Table":
            objects = [loaded(resource, item) for item in page.items]
            include = request.query.get("includeObject", "Metadata")
            table = tables.table(resource, objects, metadata, include_object=include)
            return json_response(_encode(table))
        document = {
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "items": [
                tables.partial_metadata(_decode(shown(resource, item.raw))) for item in page.items
            ],
        }
        return json_response(_encode(document))

    async def _watch(
        self,
        target: RequestTarget,
        query: ListQuery,
        form: Representation,
        request: web.BaseRequest,
    ) -> web.StreamResponse:
        watch = Watch(
            store=self.store,
            collection=self.store.collection(target.resource.id),
            resource=target.resource,
            query=query,
            render=_renderer(target.resource, form, request.query),
            bookmark_interval_s=self.bookmark_interval_s,
            is_served=lambda: self.writer.registry.serves(target.resource),
        )
        response = web.StreamResponse(headers={"Content-Type": _JSON})
        response.enable_chunked_encoding()
        warnings.attach(response)
        await response.prepare(request)
        timeout_s = _WATCH_S if query.timeout_s is None else query.timeout_s
        async for chunk in watch.lines(timeout_s):
            await response.write(chunk)
        await response.write_eof()
        return response

    async def create(self, target: RequestTarget, request: web.BaseRequest) -> web.StreamResponse:
        """Answer POST on a collection."""
        obj = await read_object(target, request)
        written = self.writer.create(
            target.resource,
            target.namespace,
            obj,
            tracking=Author(_manager(request)),
            dry_run=is_dry_run(request.query),
        )
        return await self._answer(target, written, request, status=201)

    async def replace(self, target: RequestTarget, request: web.BaseRequest) -> web.StreamResponse:
        """Answer PUT: the whole object, made when it is absent and its kind allows that."""
        obj = await read_object(target, request)
        resource, metadata = target.resource, obj["metadata"]
        dry_run, manager = is_dry_run(request.query), _manager(request)
        current = self.store.get(resource.id, (target.namespace, target.name))
        if current is None and makes_objects(resource) and not target.subresource:
            return await self._make(target, obj, request)
        current = self.find(target)
        if target.subresource == "scale":
            scale = self.modifications.set_scale(
                target, current, obj, manager=manager, dry_run=dry_run
            )
            await self.store.durable()
            return json_response(_encode(scale))
        if needs_version(resource) and not metadata.get("resourceVersion"):
            cause = errors.Cause(
                "metadata.resourceVersion",
                "FieldValueInvalid",
                "Invalid value: 0x0: must be specified for an update",
            )
            raise errors.invalid(
                kind=resource.kind, group=resource.group, name=target.name, causes=[cause]
            )
        written = self.writer.update(
            resource,
            current,
            obj,
            subresource=target.subresource,
            tracking=Author(manager, target.subresource),
            dry_run=dry_run,
        )
        return await self._answer(target, written, request)

    async def _make(
        self, target: RequestTarget, obj: JsonObject, request: web.BaseRequest
    ) -> web.StreamResponse:
        """Answer a PUT that makes its object.

        Raises:
            StatusError: It is meant for a certain object, which is gone (409).
        """
        resource, metadata = target.resource, obj["metadata"]
        if metadata.get("uid"):
            problem = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: "
            raise errors.conflict(
                resource=resource.plural, group=resource.group, name=target.name, problem=problem
            )
        metadata.pop("resourceVersion", None)
        written = self.writer.create(
            resource,
            target.namespace,
            obj,
            tracking=Author(_manager(request)),
            dry_run=is_dry_run(request.query),
        )
        return await self._answer(target, written, request, status=201)

    async def patch(self, target: RequestTarget, request: web.BaseRequest) -> web.StreamResponse:
        """Answer PATCH, in any of its four formats."""
        media, patch = await read_patch(target, request)
        created, written = self.modifications.patch(
            target, media, patch, request.query, manager=_manager(request)
        )
        return await self._answer(target, written, request, status=201 if created else 200)

    async def delete(self, target: RequestTarget, request: web.BaseRequest) -> web.StreamResponse:
        """Answer DELETE of one object."""
        options = await read_options(request)
        resource = target.resource
        current = self.find(target)
        written = self.writer.delete(resource, current, options)
        if not written.removed or resource.id in _RETURNS_OBJECT:
            return await self._answer(target, written, request)
        await self.store.durable()
        details = {"name": current.name, "kind": resource.plural, "uid": current.uid}
        if resource.group:
            details["group"] = resource.group
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": details,
        }
        return json_response(_encode(status))

    async def delete_collection(
        self, target: RequestTarget, request: web.BaseRequest
    ) -> web.StreamResponse:
        """Answer DELETE of all objects that selectors name."""
        options = await read_options(request)
        query = parse_list_query(target, request.query)
        self.store.settle()
        page = lists.page(self.store, self.store.collection(target.resource.id), query)
        gone = [self._deleted(target.resource, item, options) for item in page.items]
        await self.store.durable()
        listed = lists.Page([g for g in gone if g is not None], self.store.committed)
        return json_response(listed.render(target.resource))

    def _deleted(
        self, resource: ServedResource, item: Stored, options: DeleteOptions
    ) -> Stored | None:
        # Deleting one object may have removed another: an admission's doing.
        current = self.store.get(resource.id, (item.namespace, item.name))
        if current is None:
            return None
        self.writer.delete(resource, current, options)
        return current

    async def _answer(
        self,
        target: RequestTarget,
        written: Written,
        request: web.BaseRequest,
        *,
        status: int = 200,
    ) -> web.StreamResponse:
        await self.store.durable()
        body = render_object(target.resource, written.raw, request)
        return json_response(body, status=status)


def _renderer(resource: ServedResource, form: Representation, query: Mapping[str, str]) -> Render:
    if form.kind == "":
        return _converting(resource) if resource.converts else render_plain
    include = query.get("includeObject", "Metadata")
    return _transforming(resource, form.kind, include)


def _converting(resource: ServedResource) -> Render:
    return lambda event_type, raw: render_plain(event_type, shown(resource, raw))


def _transforming(
    resource: ServedResource, kind: str, include: str
) -> Callable[[StoreEventType, bytes], bytes]:
    first = True

    def render(event_type: StoreEventType, raw: bytes) -> bytes:
        nonlocal first
        obj: JsonObject = _decode(shown(resource, raw))
        view: Any
        if kind == "Table":
            metadata = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            view = tables.table(
                resource, [obj], metadata, include_object=include, with_columns=first
            )
            first = False
        else:
            view = tables.partial_metadata(obj)
        return _encode({"type": event_type.value.decode(), "object": view}) + b"\n"

    return render
