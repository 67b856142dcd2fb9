"""CustomResourceDefinitions: a definition becomes a resource the moment it is stored.

The version that is stored is the only one served. Established and NamesAccepted are conditions in
the definition's status, written with it: a client that waits for them needs no controller. Deleting
a definition waits for its objects (finalizer, see `collector`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ciliate.api.jsonpath import JsonPath, JsonPathError, compile_path
from ciliate.apiserver import errors
from ciliate.apiserver.columns import DEFINITION, NAME, created_age
from ciliate.apiserver.errors import Cause
from ciliate.apiserver.names import invalid_value, required_value
from ciliate.apiserver.resources import Column, Printing, Registry, ServedResource, Validate
from ciliate.apiserver.schema import SchemaNode, Shape, fill_defaults
from ciliate.apiserver.schemas import METADATA, definition_name, node_of
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.structural import check, check_transition, compile_schema
from ciliate.apiserver.timestamps import age, now
from ciliate.apiserver.validation import unsupported_value

GROUP: Final = "apiextensions.k8s.io"
DEFINITIONS: Final = f"customresourcedefinitions.{GROUP}"
#: Holds a definition until its objects are gone.
CLEANUP: Final = f"customresourcecleanup.{GROUP}"

_AGE_PATH: Final = ".metadata.creationTimestamp"


def _default(obj: JsonObject) -> None:
    """Fill in a definition as kube-apiserver does."""
    spec = obj.get("spec") or {}
    names = spec.get("names") or {}
    kind = names.get("kind")
    if isinstance(kind, str) and kind:
        names.setdefault("singular", kind.lower())
        names.setdefault("listKind", f"{kind}List")
    spec.setdefault("conversion", {"strategy": "None"})


def _validate(new: JsonObject, old: JsonObject | None) -> list[Cause]:
    """Check a definition itself."""
    spec = new.get("spec")
    if not isinstance(spec, dict):
        return [required_value("spec")]
    names, group = spec.get("names") or {}, spec.get("group")
    required = {
        "spec.group": group,
        "spec.names.plural": names.get("plural"),
        "spec.names.kind": names.get("kind"),
        "spec.scope": spec.get("scope"),
    }
    causes = [required_value(name) for name, value in required.items() if not value]
    if spec.get("scope") not in {None, "Cluster", "Namespaced"}:
        causes.append(unsupported_value("spec.scope", spec["scope"], ("Cluster", "Namespaced")))
    wanted = f"{names.get('plural')}.{group}"
    if new["metadata"]["name"] != wanted:
        problem = 'must be spec.names.plural+"."+spec.group'
        causes.append(invalid_value("metadata.name", new["metadata"]["name"], problem))
    if old is not None:
        causes += [
            invalid_value(f"spec.{field}", spec.get(field), "field is immutable")
            for field in ("group", "scope")
            if spec.get(field) != (old.get("spec") or {}).get(field)
        ]
    return causes + _version_causes(spec.get("versions") or [])


def _version_causes(versions: list[JsonObject]) -> list[Cause]:
    stored = [v for v in versions if v.get("storage")]
    if len(stored) != 1:
        problem = "must have exactly one version marked as storage version"
        return [invalid_value("spec.versions", [v.get("name") for v in versions], problem)]
    causes = []
    for index, version in enumerate(versions):
        at = f"spec.versions[{index}]"
        if not isinstance((version.get("schema") or {}).get("openAPIV3Schema"), dict):
            problem = "schemas are required"
            causes.append(required_value(f"{at}.schema.openAPIV3Schema", problem))
        for place, column in enumerate(version.get("additionalPrinterColumns") or ()):
            try:
                compile_path(str(column.get("jsonPath", "")))
            except JsonPathError as error:
                field = f"{at}.additionalPrinterColumns[{place}].jsonPath"
                causes.append(invalid_value(field, column.get("jsonPath"), str(error)))
    return causes


def definition_resource() -> ServedResource:
    """Return the resource of definitions themselves."""
    return ServedResource(
        group=GROUP,
        version="v1",
        plural="customresourcedefinitions",
        singular="customresourcedefinition",
        kind="CustomResourceDefinition",
        namespaced=False,
        printing=DEFINITION,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        subresources=frozenset({"status"}),
        has_generation=True,
        default=_default,
        validate=_validate,
        node=node_of("CustomResourceDefinition"),
        schema_name=definition_name("CustomResourceDefinition"),
    )


def custom_resource(definition: JsonObject) -> ServedResource:
    """Return the resource a definition describes."""
    spec = definition["spec"]
    names = spec["names"]
    version = next(v for v in spec["versions"] if v.get("storage"))
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
        namespaced=spec["scope"] == "Namespaced",
        printing=_printing(version.get("additionalPrinterColumns") or ()),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=frozenset(s for s in ("status", "scale") if s in subresources),
        has_generation=True,
        default=lambda obj: fill_defaults(node, obj),
        validate=_validator(node, schema),
        node=node,
        schema_name=_schema_name(spec["group"], version["name"], names["kind"]),
        schema=schema,
        scale=subresources.get("scale"),
        is_custom=True,
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
        import json  # noqa: PLC0415 - columns of structures are rare

        return json.dumps(value, separators=(",", ":"))
    return str(value)


@dataclass(slots=True)
class Definitions:
    """Serves what definitions describe (an Admission of theirs)."""

    registry: Registry

    def creating(self, obj: JsonObject, *, dry_run: bool) -> None:
        """Accept the names and say so."""
        del dry_run
        self._check_names(obj)
        finalizers = obj["metadata"].setdefault("finalizers", [])
        if CLEANUP not in finalizers:
            finalizers.append(CLEANUP)
        _establish(obj)

    def updating(self, new: JsonObject, old: JsonObject, *, dry_run: bool) -> None:
        """Accept the names again."""
        del dry_run
        if new["spec"] != old["spec"]:
            _compiles(new)
            _establish(new)

    def written(self, obj: JsonObject) -> None:
        """Serve the resource, in place of an older version of it."""
        resource = custom_resource(obj)
        known = self.registry.by_id(resource.id)
        if known is not None and known.version != resource.version:
            self.registry.remove(known)
        self.registry.add([resource])

    def deleted(self, obj: JsonObject) -> None:
        """Serve the resource no more."""
        known = self.registry.by_id(obj["metadata"]["name"])
        if known is not None:
            self.registry.remove(known)

    def _check_names(self, obj: JsonObject) -> None:
        resource = _compiles(obj)
        known = self.registry.find(resource.group, resource.version, resource.plural)
        if known is not None and not known.is_custom:
            raise errors.forbidden(
                resource="customresourcedefinitions",
                group=GROUP,
                name=obj["metadata"]["name"],
                problem="the resource is built in",
            )


def _compiles(obj: JsonObject) -> ServedResource:
    """Return the resource of a definition.

    Raises:
        StatusError: Its schema cannot be compiled (422).
    """
    try:
        return custom_resource(obj)
    except (KeyError, TypeError, AttributeError, ValueError, re.error) as error:
        # The definition is a client's: any part of it may have another type than is read here.
        cause = invalid_value("spec.versions", "object", f"cannot be served: {error!r}")
        raise errors.invalid(
            kind="CustomResourceDefinition",
            group=GROUP,
            name=obj["metadata"]["name"],
            causes=[cause],
        ) from error


def _establish(obj: JsonObject) -> None:
    moment = now()
    status = obj.setdefault("status", {})
    status["acceptedNames"] = obj["spec"]["names"]
    status["storedVersions"] = [v["name"] for v in obj["spec"]["versions"] if v.get("storage")]
    texts = (
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    )
    known = {c.get("type"): c for c in status.get("conditions") or ()}
    status["conditions"] = [
        known.get(kind)
        or {
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": moment,
        }
        for kind, reason, message in texts
    ]
