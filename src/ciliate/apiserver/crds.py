"""CustomResourceDefinitions: a definition becomes a resource the moment it is stored.

Every served version is served (`custom_resources`), converted by strategy None. Under which names
is settled as it is written (`definition_names`): a client that waits for the conditions Established
and NamesAccepted needs no controller. Deleting a definition waits for its objects (finalizer, see
`collector`).
"""

import logging
import re
from dataclasses import dataclass, field
from typing import Any, Final

from ciliate.api.jsonpath import JsonPathError, compile_path
from ciliate.apiserver import errors, warnings
from ciliate.apiserver.columns import DEFINITION
from ciliate.apiserver.custom_resources import custom_resources
from ciliate.apiserver.definition_names import (
    TakenNames,
    has_its_names,
    is_established,
    settle_names,
)
from ciliate.apiserver.errors import Cause
from ciliate.apiserver.names import (
    invalid_value,
    label_1035_problems,
    required_value,
    subdomain_problems,
)
from ciliate.apiserver.object_json import managed_fields
from ciliate.apiserver.resources import Registry, ServedResource
from ciliate.apiserver.schema_rules import schema_causes
from ciliate.apiserver.schemas import definition_name, node_of
from ciliate.apiserver.store import JsonObject, Store, decode, no_fields
from ciliate.apiserver.structural import unevaluated_rules
from ciliate.apiserver.validation import unsupported_value

_log: Final = logging.getLogger(__name__)

GROUP: Final = "apiextensions.k8s.io"
DEFINITIONS: Final = f"customresourcedefinitions.{GROUP}"
#: Holds a definition until its objects are gone.
CLEANUP: Final = f"customresourcecleanup.{GROUP}"

#: What a definition of a group of Kubernetes' own has: where it was approved, or that it was not.
_APPROVAL: Final = "api-approved.kubernetes.io"

#: Fields of a version that selectors may name: each is a value in the index of every object.
_SELECTABLE_MAX: Final = 8
#: What reading a definition ends with: it is a client's, any part may have another type.
_UNUSABLE: Final = (KeyError, TypeError, AttributeError, ValueError)
_SIMPLE_PATH: Final = re.compile(r"(\.[A-Za-z_][A-Za-z0-9_-]*)+")


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
        if is_established(old) and names.get("kind") != old["spec"]["names"]["kind"]:
            problem = "field is immutable"
            causes.append(invalid_value("spec.names.kind", names.get("kind"), problem))
        causes += _stored_version_causes(new)
    else:
        causes += _group_causes(str(group or ""), new["metadata"].get("annotations") or {})
    if spec.get("preserveUnknownFields"):
        problem = "set x-kubernetes-preserve-unknown-fields in the versions' schemas instead"
        causes.append(invalid_value("spec.preserveUnknownFields", "true", problem))
    return causes + _conversion_causes(spec) + _version_causes(spec.get("versions") or [])


def _group_causes(group: str, annotations: JsonObject) -> list[Cause]:
    """Refuse a group of built-in kinds, and one of Kubernetes' own that it has not approved."""
    causes = [invalid_value("spec.group", group, problem) for problem in subdomain_problems(group)]
    if group and "." not in group:
        causes.append(
            invalid_value("spec.group", group, "should be a domain with at least one dot")
        )
    if group.endswith((".k8s.io", ".kubernetes.io")) and not annotations.get(_APPROVAL):
        problem = f'protected groups must have approval annotation "{_APPROVAL}"'
        causes.append(required_value(f"metadata.annotations[{_APPROVAL}]", problem))
    return causes if group else []


def _conversion_causes(spec: JsonObject) -> list[Cause]:
    """Refuse conversion by a webhook: objects would be shown in a form nobody converted."""
    conversion = spec.get("conversion") or {}
    strategy = conversion.get("strategy", "None")
    if strategy == "Webhook":
        problem = (
            'a lab\'s API server calls no webhooks: with "None" objects change their apiVersion'
            " alone; or define the stored version only"
        )
        return [invalid_value("spec.conversion.strategy", strategy, problem)]
    if strategy != "None":
        return [unsupported_value("spec.conversion.strategy", strategy, ("None", "Webhook"))]
    return []


def _stored_version_causes(new: JsonObject) -> list[Cause]:
    """Find what status.storedVersions and the versions say against each other."""
    versions = [v for v in new["spec"].get("versions") or () if isinstance(v, dict)]
    names = [v.get("name") for v in versions]
    listed = (new.get("status") or {}).get("storedVersions") or []
    return [
        invalid_value(f"status.storedVersions[{index}]", name, "must appear in spec.versions")
        for index, name in enumerate(listed)
        if name not in names
    ]


def _version_causes(versions: list[JsonObject]) -> list[Cause]:
    stored = [v for v in versions if v.get("storage")]
    if len(stored) != 1:
        problem = "must have exactly one version marked as storage version"
        return [invalid_value("spec.versions", [v.get("name") for v in versions], problem)]
    causes = []
    for index, version in enumerate(versions):
        at = f"spec.versions[{index}]"
        causes += [
            invalid_value(f"{at}.name", version.get("name"), problem)
            for problem in label_1035_problems(str(version.get("name", "")))
        ]
        if [v.get("name") for v in versions].index(version.get("name")) < index:
            shown = f'Duplicate value: "{version.get("name")}"'
            causes.append(Cause(f"{at}.name", "FieldValueDuplicate", shown))
        causes += _schema_causes(version, f"{at}.schema.openAPIV3Schema")
        for place, column in enumerate(version.get("additionalPrinterColumns") or ()):
            try:
                compile_path(str(column.get("jsonPath", "")))
            except JsonPathError as error:
                field = f"{at}.additionalPrinterColumns[{place}].jsonPath"
                causes.append(invalid_value(field, column.get("jsonPath"), str(error)))
        causes += _selectable_causes(version, at)
    return causes


def _schema_causes(version: JsonObject, at: str) -> list[Cause]:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if not isinstance(schema, dict):
        return [required_value(at, "schemas are required")]
    try:
        return list(schema_causes(schema, at))
    except _UNUSABLE as error:
        return [invalid_value(at, "object", f"cannot be read: {error!r}")]


def _selectable_causes(version: JsonObject, at: str) -> list[Cause]:
    """Check which fields selectors may name: few, and single values of the schema."""
    fields = version.get("selectableFields") or []
    causes = []
    if len(fields) > _SELECTABLE_MAX:
        message = f"Too many: {len(fields)}: must have at most {_SELECTABLE_MAX} items"
        causes.append(Cause(f"{at}.selectableFields", "FieldValueTooMany", message))
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    seen: set[str] = set()
    for place, selectable in enumerate(fields):
        path = str(selectable.get("jsonPath", ""))
        where = f"{at}.selectableFields[{place}].jsonPath"
        if path in seen:
            causes.append(Cause(where, "FieldValueDuplicate", f'Duplicate value: "{path}"'))
        seen.add(path)
        problem = _unselectable(schema, path)
        if problem:
            causes.append(invalid_value(where, path, problem))
    return causes


def _unselectable(schema: Any, path: str) -> str:
    """Return why selectors cannot name a field, empty when they can."""
    if not _SIMPLE_PATH.fullmatch(path):
        return "must be a simple path of fields, as .spec.color"
    names = path.removeprefix(".").split(".")
    if names[0] == "metadata":
        return "must not point to fields in metadata"
    for name in names:
        properties = schema.get("properties") if isinstance(schema, dict) else None
        schema = properties.get(name) if isinstance(properties, dict) else None
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind not in {"string", "boolean", "integer"}:
        return "must point to a field of type string, boolean or integer of this version's schema"
    return ""


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


@dataclass(slots=True)
class Definitions:
    """Serves what definitions describe (an Admission of theirs)."""

    registry: Registry
    store: Store
    #: What each definition is served by: its specification and its names.
    _served: dict[str, tuple[JsonObject, JsonObject]] = field(default_factory=dict)
    #: The accepted names of every definition, served or not, by its name.
    _names: dict[str, JsonObject] = field(default_factory=dict)

    def creating(self, obj: JsonObject, *, dry_run: bool) -> None:
        """Accept the names that are free and say so."""
        del dry_run
        self._check_names(obj)
        finalizers = obj["metadata"].setdefault("finalizers", [])
        if CLEANUP not in finalizers:
            finalizers.append(CLEANUP)
        self._settle(obj)
        _warn_of_rules(obj)

    def updating(self, new: JsonObject, old: JsonObject, *, dry_run: bool) -> None:
        """Accept the names again."""
        del dry_run
        if new["spec"] != old["spec"]:
            _compiled(new)
            self._settle(new)
            _warn_of_rules(new)

    def written(self, obj: JsonObject) -> None:
        """Serve the resource, in place of its former versions, once it has names."""
        name = obj["metadata"]["name"]
        accepted = (obj.get("status") or {}).get("acceptedNames") or {}
        given_back = self._names.get(name, accepted) != accepted
        self._names[name] = accepted
        if is_established(obj) and self._served.get(name) != (obj["spec"], accepted):
            resources = custom_resources(obj)  # Another's watches go on.
            self.registry.remove(name)
            self.registry.add(resources)
            self._served[name] = obj["spec"], accepted
            collection = self.store.collection(name, resources[0].fields_of or no_fields)
            for wake in collection.wakers:
                wake()
        if given_back:
            self._settle_waiting(obj["spec"]["group"])

    def restored(self, obj: JsonObject) -> None:
        """Serve a definition that an earlier run stored; one that cannot be is left unserved."""
        try:
            self.written(obj)
        except _UNUSABLE as error:
            name = obj["metadata"]["name"]
            _log.warning("customresourcedefinition %s is stored and not served: %r", name, error)

    def deleted(self, obj: JsonObject) -> None:
        """Serve the resource no more; who waits for its names gets them."""
        name = obj["metadata"]["name"]
        self.registry.remove(name)
        self._served.pop(name, None)
        self._names.pop(name, None)
        for wake in self.store.collection(name).wakers:
            wake()
        self._settle_waiting(obj["spec"]["group"])

    def _check_names(self, obj: JsonObject) -> None:
        for resource in _compiled(obj):
            known = self.registry.find(resource.group, resource.version, resource.plural)
            if known is not None and not known.is_custom:
                raise errors.forbidden(
                    resource="customresourcedefinitions",
                    group=GROUP,
                    name=obj["metadata"]["name"],
                    problem="the resource is built in",
                )

    def _settle(self, obj: JsonObject) -> None:
        """Write into a definition's status the names it gets and the versions it is stored in."""
        group, own = obj["spec"]["group"], obj["metadata"]["name"]
        others = [
            names
            for name, names in self._names.items()
            if name != own and name.partition(".")[2] == group
        ]
        others += [
            {
                "plural": resource.plural,
                "singular": resource.singular,
                "shortNames": list(resource.short_names),
                "kind": resource.kind,
                "listKind": resource.list_kind,
            }
            for resource in self.registry.all()
            if resource.group == group and not resource.is_custom
        ]
        settle_names(obj, TakenNames.of(others))
        _note_stored_version(obj)

    def _settle_waiting(self, group: str) -> None:
        """Give names that became free to the definitions of the group that asked for them."""
        for stored in self.store.collection(DEFINITIONS).select(""):
            if stored.name.partition(".")[2] != group:
                continue
            obj = decode(stored)
            if has_its_names(obj) or obj["metadata"].get("deletionTimestamp"):
                continue
            before = obj["status"]["acceptedNames"]
            self._settle(obj)
            if obj["status"]["acceptedNames"] != before:
                self.store.put(DEFINITIONS, "", obj, managed_fields(stored))
                self.written(obj)


def _compiled(obj: JsonObject) -> list[ServedResource]:
    """Return the resources of a definition.

    Raises:
        StatusError: One of its schemas cannot be compiled (422).
    """
    try:
        return custom_resources(obj)
    except _UNUSABLE as error:
        cause = invalid_value("spec.versions", "object", f"cannot be served: {error!r}")
        name = obj["metadata"]["name"]
        raise errors.invalid(
            kind="CustomResourceDefinition", group=GROUP, name=name, causes=[cause]
        ) from error


def _warn_of_rules(obj: JsonObject) -> None:
    """Say which versions have rules that nothing evaluates."""
    counts = [
        (version["name"], sum(1 for _ in unevaluated_rules(version["schema"]["openAPIV3Schema"])))
        for version in obj["spec"]["versions"]
    ]
    listed = ", ".join(f"{count} in {name}" for name, count in counts if count)
    if listed:
        warnings.warn(
            f"{obj['metadata']['name']} has x-kubernetes-validations ({listed}) that are stored"
            " and not evaluated: a lab's API server evaluates no CEL, so objects are taken that"
            " break these rules"
        )


def _note_stored_version(obj: JsonObject) -> None:
    # Objects stay in the version they were written in: only a client who has rewritten them all
    # may take a version off this list, by the status.
    stored = obj["status"].setdefault("storedVersions", [])
    storage = next(v["name"] for v in obj["spec"]["versions"] if v.get("storage"))
    if storage not in stored:
        stored.append(storage)
