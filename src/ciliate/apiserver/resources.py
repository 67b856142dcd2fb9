"""What the server serves: one `Resource` per kind, found by group, version and plural.

Built-in kinds are registered at the start, those of CustomResourceDefinitions when they are
created. `generation` moves with every change, so that discovery and OpenAPI documents are rendered
once per change.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ciliate.apiserver.errors import Cause
from ciliate.apiserver.names import NameCheck, subdomain_problems
from ciliate.apiserver.schema import SchemaNode
from ciliate.apiserver.store import JsonObject

Default = Callable[[JsonObject], None]
Validate = Callable[[JsonObject, JsonObject | None], list[Cause]]
Cells = Callable[[JsonObject], list[Any]]

#: The order that clients prefer versions in: by stage, then newest first.
_STAGES: Final = ("", "beta", "alpha")
_VERSION: Final = re.compile(r"v(?P<major>[1-9]\d*)((?P<stage>alpha|beta)(?P<minor>[1-9]\d*))?")

_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


def nothing_to_default(_: JsonObject) -> None:
    """Leave the object as it is."""


def nothing_to_check(_: JsonObject, __: JsonObject | None) -> list[Cause]:
    """Find nothing wrong."""
    return []


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table; `priority` above 0 shows with `-o wide` only."""

    name: str
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""

    def definition(self) -> JsonObject:
        """Return the columnDefinition of a Table."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


@dataclass(frozen=True, slots=True)
class Printing:
    """How a kind looks in a table."""

    columns: tuple[Column, ...]
    cells: Cells


@dataclass(frozen=True, slots=True)
class ServedResource:
    """A kind as the API serves it, and the rules of its objects."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool
    printing: Printing
    #: The kind of its lists, where that is not its own with "List" behind.
    listed_as: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    #: Names of subresources, "status", "scale", "log".
    subresources: frozenset[str] = frozenset()
    verbs: tuple[str, ...] = _VERBS
    #: Whether metadata.generation counts changes of everything but metadata and status.
    has_generation: bool = False
    name_problems: NameCheck = subdomain_problems
    default: Default = nothing_to_default
    validate: Validate = nothing_to_check
    #: Values of selectable fields beyond metadata.name and metadata.namespace.
    fields_of: Callable[[JsonObject], dict[str, str]] | None = None
    selectable: frozenset[str] = frozenset()
    #: The shape of its objects.
    node: SchemaNode | None = None
    #: Its definition's name in OpenAPI documents, "io.k8s.api.core.v1.Pod".
    schema_name: str = ""
    #: Of a custom resource: its OpenAPI schema as served, and the scale subresource's paths.
    schema: Mapping[str, Any] | None = None
    scale: Mapping[str, str] | None = None
    is_custom: bool = False
    #: Whether objects are stored in this version; each resource has one such, served or not.
    is_storage: bool = True
    is_served: bool = True
    #: Whether what is stored may differ from this version (see `versions`).
    converts: bool = False
    #: How an object becomes this version's, and the stored one's, beyond its apiVersion.
    from_stored: Default = nothing_to_default
    to_stored: Default = nothing_to_default
    #: Sent as a warning with every answer: what is said of a deprecated version.
    deprecation: str = ""
    #: Sent as a warning with every write, and told by OpenAPI: what nothing does in a lab.
    note: str = ""
    #: Why the kind is known by name and refused; empty: it is served.
    refusal: str = ""

    @property
    def id(self) -> str:
        """The resource's name in the store and in messages, "deployments.apps"."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """The `apiVersion` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def list_kind(self) -> str:
        """The kind of its lists."""
        return self.listed_as or f"{self.kind}List"

    @property
    def has_status(self) -> bool:
        """Whether status is a subresource, written through its own path alone."""
        return "status" in self.subresources


@dataclass(slots=True)
class Registry:
    """Every resource served now."""

    generation: int = 0
    _by_path: dict[tuple[str, str, str], ServedResource] = field(default_factory=dict)
    _by_id: dict[str, ServedResource] = field(default_factory=dict)

    def add(self, resources: Sequence[ServedResource]) -> None:
        """Serve resources, in place of others with their names."""
        for resource in resources:
            if resource.is_served:
                self._by_path[resource.group, resource.version, resource.plural] = resource
            if resource.is_storage:
                self._by_id[resource.id] = resource
        self.generation += 1

    def remove(self, resource_id: str) -> None:
        """Serve a resource no more, in none of its versions."""
        served = self._by_path.items()
        self._by_path = {path: r for path, r in served if r.id != resource_id}
        self._by_id.pop(resource_id, None)
        self.generation += 1

    def find(self, group: str, version: str, plural: str) -> ServedResource | None:
        """Return the resource at a path."""
        return self._by_path.get((group, version, plural))

    def serves(self, resource: ServedResource) -> bool:
        """Return whether a resource is served as it is here, and not by another definition."""
        return self.find(resource.group, resource.version, resource.plural) is resource

    def by_id(self, resource_id: str) -> ServedResource | None:
        """Return the resource with a store name, in the version that is stored."""
        return self._by_id.get(resource_id)

    def all(self) -> list[ServedResource]:
        """Every resource, in the order they were added."""
        return list(self._by_path.values())

    def groups(self) -> dict[str, list[str]]:
        """Every group with its versions, the preferred one first; the core group is ""."""
        groups: dict[str, set[str]] = {}
        for group, version, _ in self._by_path:
            groups.setdefault(group, set()).add(version)
        return {g: sorted(versions, key=precedence) for g, versions in groups.items()}


def precedence(version: str) -> tuple[int, int, int, str]:
    """Return where a version stands in clients' order: v2, v1, v1beta2, v1beta1, v1alpha1, then others by name."""
    parts = _VERSION.fullmatch(version)
    if parts is None:
        return (len(_STAGES), 0, 0, version)
    stage = _STAGES.index(parts["stage"] or "")
    return (stage, -int(parts["major"]), -int(parts["minor"] or 0), version)
