"""Request bodies: read up to a bound, decoded, checked against the kind's schema."""

from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from ciliate.apiserver import errors, protobuf, warnings
from ciliate.apiserver.decoding import decode_body, repeated_keys
from ciliate.apiserver.patches import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from ciliate.apiserver.requests import (
    BODY_BYTES_MAX,
    RequestTarget,
    as_object,
    check_depth,
    field_validation,
    is_dry_run,
    media_type,
)
from ciliate.apiserver.resources import ServedResource
from ciliate.apiserver.schema import prune
from ciliate.apiserver.shaping import shape
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.writes import DeleteOptions

_PATCHES: Final = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)
_PROPAGATIONS: Final = ("Background", "Foreground", "Orphan")


async def read_body(request: web.BaseRequest) -> bytes:
    """Return the body.

    Raises:
        StatusError: It is larger than `BODY_BYTES_MAX` (413).
    """
    if (request.content_length or 0) > BODY_BYTES_MAX:
        raise errors.body_too_large(BODY_BYTES_MAX)
    chunks, size = [], 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise errors.body_too_large(BODY_BYTES_MAX)
        chunks.append(chunk)
    return b"".join(chunks)


async def read_object(target: RequestTarget, request: web.BaseRequest) -> JsonObject:
    """Return the object of a POST or PUT, as the path's kind and in its namespace.

    Raises:
        StatusError: It is no object, of another kind, or contradicts the path (400).
    """
    options = "UpdateOptions" if request.method == "PUT" else "CreateOptions"
    validation = field_validation(request.query, options)
    body = await read_body(request)
    content_type = request.headers.get("Content-Type", "")
    repeated: list[str] = []
    if media_type(content_type) == protobuf.MEDIA_TYPE and not target.resource.is_custom:
        value: Any = protobuf.decode_protobuf(body, _type_name(target))
    else:
        value = decode_body(body, content_type)
        check_depth(value)
        if validation != "Ignore":
            repeated = repeated_keys(body, value)
    obj = as_object(value)
    if target.subresource in {"scale", "binding", "eviction"}:
        return obj
    return checked_object(target, obj, validation=validation, repeated=repeated)


def _type_name(target: RequestTarget) -> str:
    """Return the type of a body's object, as the tables call it."""
    subresource_types = {"scale": "Scale", "binding": "Binding", "eviction": "Eviction"}
    own = target.resource.schema_name.rpartition(".")[2]
    return subresource_types.get(target.subresource, own)


def checked_object(
    target: RequestTarget, obj: JsonObject, *, validation: str, repeated: Sequence[str] = ()
) -> JsonObject:
    """Return `obj` once it fits the path and the kind's shape.

    `validation` decides about unknown fields, and problems with `repeated` ones: Strict refuses,
    Warn and Ignore drop them.

    Raises:
        StatusError: It does not fit (400).
    """
    resource = target.resource
    _check_kind(resource, obj)
    _check_place(target, obj)
    normalize(resource, obj, validation=validation, repeated=repeated)
    return obj


def normalize(
    resource: ServedResource, obj: JsonObject, *, validation: str, repeated: Sequence[str] = ()
) -> None:
    """Bring an object into its kind's shape: no nulls, no unknown fields, the right types.

    Raises:
        StatusError: A field has the wrong type, or is unknown under Strict (400).
    """
    if resource.node is None:
        return
    unknown = prune(resource.node, obj) if resource.is_custom else shape(resource, obj)
    _report(resource, [*repeated, *(f'unknown field "{p}"' for p in unknown)], validation)


def _report(resource: ServedResource, problems: Sequence[str], validation: str) -> None:
    """Refuse a body for what only strict decoding minds, or warn of it.

    Raises:
        StatusError: The client asked for Strict (400).
    """
    if not problems or validation == "Ignore":
        return
    if validation == "Strict":
        raise errors.bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a '
            f"{resource.kind}: strict decoding error: {', '.join(problems)}"
        )
    for problem in problems:
        warnings.warn(problem)


def _check_kind(resource: ServedResource, obj: JsonObject) -> None:
    version = obj.setdefault("apiVersion", resource.api_version)
    kind = obj.setdefault("kind", resource.kind)
    if (version, kind) != (resource.api_version, resource.kind):
        raise errors.bad_request(
            f"the API version in the data ({version}, Kind={kind}) does not match the expected "
            f"API version ({resource.api_version}, Kind={resource.kind})"
        )


def _check_place(target: RequestTarget, obj: JsonObject) -> None:
    metadata = obj["metadata"]
    namespace = metadata.get("namespace", "")
    if target.resource.namespaced and namespace and namespace != target.namespace:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    name = metadata.get("name", "")
    if target.name and name != target.name:
        if name:
            raise errors.bad_request(
                f"the name of the object ({name}) does not match the name on the URL "
                f"({target.name})"
            )
        metadata["name"] = target.name


async def read_patch(target: RequestTarget, request: web.BaseRequest) -> tuple[str, Any]:
    """Return the format and the content of a patch.

    Raises:
        StatusError: The format is unknown, or not for this kind (415); the body is malformed (400).
    """
    media = media_type(request.headers.get("Content-Type", ""))
    supported = [p for p in _PATCHES if p != STRATEGIC_PATCH or not target.resource.is_custom]
    if media not in supported:
        raise errors.unsupported_media_type(media, supported)
    body = await read_body(request)
    patch = decode_body(body, media)
    check_depth(patch)
    validation = field_validation(request.query, "PatchOptions")
    if validation != "Ignore":
        _report(target.resource, repeated_keys(body, patch), validation)
    return media, patch


async def read_options(request: web.BaseRequest) -> DeleteOptions:
    """Return the options of a deletion, from its body and its query.

    Raises:
        StatusError: They are malformed (400).
    """
    body = await read_body(request)
    content: Any = {}
    content_type = request.headers.get("Content-Type", "")
    if media_type(content_type) == protobuf.MEDIA_TYPE and body:
        content = protobuf.decode_protobuf(body, "DeleteOptions")
    elif body:
        content = decode_body(body, content_type)
        if not isinstance(content, dict):
            raise errors.bad_request("DeleteOptions must be an object")
    query = request.query
    propagation = query.get("propagationPolicy") or content.get("propagationPolicy") or ""
    if propagation not in {"", *_PROPAGATIONS}:
        raise errors.bad_request(
            f'Invalid value: "{propagation}": DeleteOptions.meta.k8s.io "" is invalid: '
            f"propagationPolicy: Unsupported value, supported values: {', '.join(_PROPAGATIONS)}"
        )
    if not propagation and content.get("orphanDependents") is not None:
        propagation = "Orphan" if content["orphanDependents"] else "Background"
    preconditions = content.get("preconditions") or {}
    if not isinstance(preconditions, dict):
        raise errors.bad_request("DeleteOptions.preconditions must be an object")
    return DeleteOptions(
        grace_period_s=_grace_period_s(query.get("gracePeriodSeconds"), content),
        uid=str(preconditions.get("uid") or ""),
        resource_version=str(preconditions.get("resourceVersion") or ""),
        propagation=propagation,
        dry_run=is_dry_run(query) or "All" in (content.get("dryRun") or ()),
    )


def _grace_period_s(queried: str | None, content: JsonObject) -> int | None:
    value = queried if queried is not None else content.get("gracePeriodSeconds")
    if value is None:
        return None
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise errors.bad_request(f"gracePeriodSeconds: {value!r} is no number") from error
