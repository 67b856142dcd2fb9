"""The CustomResourceDefinitions that Ciliate installs: those of cilium.io, and its own.

They are YAML files beside this module (`crds/`): `kubectl apply -f` takes them as they are, the
operator installs them, the embedded API server validates with them. The label
`io.cilium.k8s.crd.schema.version` says whether an installed one is older than ours, as with
Cilium.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from ciliate.api.metadata import Condition, ObjectMeta
from ciliate.api.resource import Resource

#: Carries the version of a definition's schema, dotted numbers; a higher one is never replaced.
SCHEMA_VERSION_LABEL: Final = "io.cilium.k8s.crd.schema.version"


class DefinitionStatus(Struct, frozen=True, gc=False, omit_defaults=True):
    """Whether the API server serves the kind: condition Established."""

    conditions: tuple[Condition, ...] = ()


class CustomResourceDefinition(Struct, frozen=True, gc=False, omit_defaults=True):
    """An installed definition, as far as installing needs to know it."""

    metadata: ObjectMeta = ObjectMeta()
    status: DefinitionStatus = DefinitionStatus()


CUSTOM_RESOURCE_DEFINITIONS: Final = Resource(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    namespaced=False,
    struct=CustomResourceDefinition,
)


@dataclass(frozen=True, slots=True)
class Definition:
    """One of our definitions: its object name, its YAML text, and the parsed document."""

    name: str
    text: str
    document: dict[str, Any]

    @property
    def schema_version(self) -> tuple[int, ...]:
        """The version of the schema, comparable."""
        return schema_version(self.document["metadata"]["labels"])


def schema_version(labels: dict[str, str]) -> tuple[int, ...]:
    """Return the schema version that a definition's labels state; none or garbled is ()."""
    parts = labels.get(SCHEMA_VERSION_LABEL, "").split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()


def definition_files() -> tuple[Path, ...]:
    """Return the YAML files, one definition each, by name."""
    return tuple(sorted((Path(__file__).parent / "crds").glob("*.yaml")))


def custom_resource_definitions() -> tuple[Definition, ...]:
    """Return all definitions, by name."""
    # Most processes never parse YAML; those that list definitions pay for the parser here.
    import yaml  # noqa: PLC0415 - see the line above

    # The C parser takes 8 ms, the other 50, and an agent that is new to a cluster waits for it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = []
    for path in definition_files():
        text = path.read_text(encoding="utf-8")
        document = yaml.load(text, Loader=loader)  # noqa: S506 - one of the two safe ones.
        found.append(Definition(document["metadata"]["name"], text, document))
    return tuple(found)
