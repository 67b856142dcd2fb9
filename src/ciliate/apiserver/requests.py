"""What a request asks for: path, query and headers as values.

Paths: `/api/v1/…` for the core group, `/apis/GROUP/VERSION/…` for others; then
`[namespaces/NS/]PLURAL[/NAME[/SUBRESOURCE]]`, and below a proxy whatever the one asked serves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from ciliate.apiserver import errors
from ciliate.apiserver.rbac import Asked
from ciliate.apiserver.resources import Registry, ServedResource
from ciliate.apiserver.selectors import Selection, parse_fields, parse_labels
from ciliate.apiserver.store import JsonObject

#: The largest body that is read; etcd behind a kube-apiserver takes no more.
BODY_BYTES_MAX: Final = 3 * 1024 * 1024
#: Levels of nesting in a body; deeper ones only exist to exhaust a parser.
_DEPTH_MAX: Final = 200
_VALIDATIONS: Final = ("Ignore", "Strict", "Warn")
#: Octets of a field manager's name.
_MANAGER_MAX: Final = 128

_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """The resource, object and subresource a path names."""

    resource: ServedResource
    namespace: str
    name: str
    subresource: str
    #: Whether the path names a namespace; lists of a namespaced kind may leave it out.
    in_namespace: bool


def parse_target(registry: Registry, path: str) -> RequestTarget:
    """Return what an API path names.

    Raises:
        StatusError: Nothing is served there (404).
    """
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise errors.path_not_found()
    namespace, in_namespace = "", False
    if rest[0] == "namespaces" and len(rest) >= 3 and not _is_namespace_subresource(group, rest):
        namespace, rest, in_namespace = rest[1], rest[2:], True
    resource = registry.find(group, version, rest[0])
    # Of what is below a proxy, the API server knows nothing.
    is_too_long = len(rest) > 3 and rest[2] != "proxy"
    if resource is None or is_too_long or (in_namespace and not resource.namespaced):
        raise errors.path_not_found()
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and subresource not in resource.subresources:
        raise errors.path_not_found()
    if name and resource.namespaced and not in_namespace:
        raise errors.path_not_found()
    return RequestTarget(resource, namespace, name, subresource, in_namespace)


def asked_of(target: RequestTarget, request: web.BaseRequest) -> Asked:
    """Return what a request asks to be allowed."""
    verbs = {"POST": "create", "PUT": "update", "PATCH": "patch"}
    verb = verbs.get(request.method, "")
    if request.method == "DELETE":
        verb = "delete" if target.name else "deletecollection"
    elif not verb and is_true(request.query.get("watch")):
        verb = "watch"
    elif not verb:
        verb = "get" if target.name else "list"
    resource = target.resource
    is_namespace = resource.id == "namespaces"
    return Asked(
        verb=verb,
        group=resource.group,
        resource=f"{resource.plural}/{target.subresource}"
        if target.subresource
        else resource.plural,
        namespace=target.name if is_namespace else target.namespace,
        name=target.name,
    )


def _is_namespace_subresource(group: str, rest: list[str]) -> bool:
    return group == "" and len(rest) == 3 and rest[2] in {"status", "finalize"}


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The query of a list or watch."""

    selection: Selection
    limit: int
    continue_token: str
    resource_version: str
    version_match: str
    watch: bool
    bookmarks: bool
    #: Whether a watch begins with what is there; None: the client does not say.
    initial_events: bool | None
    timeout_s: float | None


def is_true(value: str | None) -> bool:
    """Return what a boolean query parameter says."""
    return value is not None and value.lower() in {"1", "true", "t", ""}


def _integer(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    try:
        return int(text)
    except ValueError as error:
        raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error


def parse_list_query(target: RequestTarget, query: Mapping[str, str]) -> ListQuery:
    """Return the query of a list or watch.

    Raises:
        StatusError: A selector or number cannot be parsed (400).
    """
    fields = parse_fields(query.get("fieldSelector", ""), target.resource.selectable)
    if target.name:  # A watch on one object's path.
        fields = (*fields, ("metadata.name", True, target.name))
    selection = Selection(
        labels=parse_labels(query.get("labelSelector", "")),
        fields=fields,
        namespace=target.namespace,
    )
    version = query.get("resourceVersion", "")
    if version and not version.isdecimal():
        raise errors.bad_request(f'Invalid value: "{version}": invalid resource version')
    timeout_s = _integer(query, "timeoutSeconds")
    watch = is_true(query.get("watch"))
    _check_initial_events(query, watch=watch)
    return ListQuery(
        selection=selection,
        limit=max(_integer(query, "limit") or 0, 0),
        continue_token=query.get("continue", ""),
        resource_version=version,
        version_match=query.get("resourceVersionMatch", ""),
        watch=watch,
        bookmarks=is_true(query.get("allowWatchBookmarks")),
        initial_events=is_true(initial) if (initial := query.get("sendInitialEvents")) else None,
        timeout_s=None if timeout_s is None else float(timeout_s),
    )


def _check_initial_events(query: Mapping[str, str], *, watch: bool) -> None:
    """Refuse what kube-apiserver refuses of a watch list (KEP-3157).

    Raises:
        StatusError: The parameters do not go together (422).
    """
    initial, match = query.get("sendInitialEvents"), query.get("resourceVersionMatch", "")
    problem = ""
    if initial and not watch:
        problem = "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"
    elif initial and match != "NotOlderThan":
        problem = (
            "resourceVersionMatch: Forbidden: sendInitialEvents requires setting"
            " resourceVersionMatch to NotOlderThan"
        )
    elif watch and match and not initial:
        problem = (
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless"
            " sendInitialEvents is provided"
        )
    if problem:
        name, _, message = problem.partition(": ")
        cause = errors.Cause(name, "FieldValueForbidden", message)
        raise errors.invalid(kind="ListOptions", group="meta.k8s.io", name="", causes=[cause])


def is_dry_run(query: Mapping[str, str]) -> bool:
    """Return whether nothing may be stored.

    Raises:
        StatusError: The parameter has another value than All (400).
    """
    value = query.get("dryRun", "")
    if value not in {"", "All"}:
        raise errors.bad_request(f'Invalid value: "{value}": supported values: "All"')
    return value == "All"


def field_manager(query: Mapping[str, str], user_agent: str, options: str) -> str:
    """Return who a write is by: the parameter's name, or the user agent's first word.

    Raises:
        StatusError: The name is too long, or cannot be printed (422).
    """
    name = query.get("fieldManager", "")
    if not name:
        first = user_agent.partition("/")[0]
        return "".join(c for c in first if c.isprintable())[:_MANAGER_MAX] or "unknown"
    if len(name.encode()) > _MANAGER_MAX:
        problem = f"Too long: may not be more than {_MANAGER_MAX} bytes"
        raise invalid_option(options, "fieldManager", "FieldValueTooLong", problem)
    if not name.isprintable():
        problem = f'Invalid value: "{name}": should only contain printable characters'
        raise invalid_option(options, "fieldManager", "FieldValueInvalid", problem)
    return name


def field_validation(query: Mapping[str, str], options: str) -> str:
    """Return what to do about unknown and repeated fields: Strict, Warn or Ignore.

    Raises:
        StatusError: The parameter has another value (422).
    """
    value = query.get("fieldValidation", "")
    if value not in {"", *_VALIDATIONS}:
        listed = ", ".join(f'"{v}"' for v in ("", *_VALIDATIONS))
        problem = f'Unsupported value: "{value}": supported values: {listed}'
        raise invalid_option(options, "fieldValidation", "FieldValueNotSupported", problem)
    return value or "Warn"


def invalid_option(options: str, field: str, reason: str, message: str) -> errors.StatusError:
    """Return the error for a parameter of a write (`options` is CreateOptions and so on)."""
    cause = errors.Cause(field, reason, message)
    return errors.invalid(kind=options, group="meta.k8s.io", name="", causes=[cause])


def media_type(header: str) -> str:
    """Return a Content-Type without its parameters."""
    return header.partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Representation:
    """What the client takes: the object itself, a table of it, or its metadata alone."""

    kind: str = ""  # "", "Table", "PartialObjectMetadata", "PartialObjectMetadataList".


def parse_accept(header: str) -> Representation:
    """Return the first representation of an Accept header that is served, JSON by default."""
    for choice in header.split(","):
        media, _, rest = choice.strip().partition(";")
        if media not in {_JSON, "*/*", "application/*", ""}:
            continue
        parameters = dict(p.strip().partition("=")[::2] for p in rest.split(";") if p)
        wanted = parameters.get("as", "")
        if not wanted:
            return Representation()
        if parameters.get("g") == "meta.k8s.io" and parameters.get("v") in {"v1", "v1beta1"}:
            return Representation(wanted)
    return Representation()


def as_object(value: Any) -> JsonObject:
    """Return a body that must be an object with metadata of the right shape.

    Raises:
        StatusError: It is something else (400).
    """
    if not isinstance(value, dict):
        raise errors.bad_request("the object provided is unrecognized (must be of type object)")
    metadata = value.get("metadata")
    if metadata is None:
        metadata = value["metadata"] = {}
    if not isinstance(metadata, dict):
        raise errors.bad_request("metadata: must be an object")
    for name, shape in _METADATA_SHAPES.items():
        if metadata.get(name) is None:
            metadata.pop(name, None)
        elif not isinstance(metadata[name], shape):
            found = type(metadata[name]).__name__
            raise errors.bad_request(
                f"json: cannot unmarshal {found} into Go struct field ObjectMeta.metadata.{name}"
            )
    for owner in metadata.get("ownerReferences") or ():
        if not isinstance(owner, dict):
            raise errors.bad_request("metadata.ownerReferences: must be a list of objects")
    return value


_METADATA_SHAPES: Final[dict[str, type]] = {
    "name": str,
    "generateName": str,
    "namespace": str,
    "uid": str,
    "resourceVersion": str,
    "labels": dict,
    "annotations": dict,
    "finalizers": list,
    "ownerReferences": list,
    "managedFields": list,
    "creationTimestamp": str,
    "deletionTimestamp": str,
}


def check_depth(value: Any) -> None:
    """Refuse nesting so deep that recursive code would exhaust its stack.

    Raises:
        StatusError: The value is nested too deeply (400).
    """
    level: list[Any] = [value]
    for _ in range(_DEPTH_MAX):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise errors.bad_request(f"the object is nested deeper than {_DEPTH_MAX} levels")
