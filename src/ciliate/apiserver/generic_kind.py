"""A kind without rules of its own: what one line of a table says, as a resource of the API.

Its shape comes from the API's types; its defaults, and what it cannot be without, are paths in the
line. Which kinds there are is in `stored_kinds`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ciliate.apiserver.defaults import default_template, with_status_zeros
from ciliate.apiserver.errors import Cause
from ciliate.apiserver.names import NameCheck, required_value, subdomain_problems
from ciliate.apiserver.resources import Default, Printing, ServedResource, Validate
from ciliate.apiserver.schemas import definition_name, node_of
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.validation import unsupported_value

#: Lists all of them: `kubectl api-resources --categories=stored-only`.
CATEGORY: Final = "stored-only"


@dataclass(frozen=True, slots=True)
class StoredKind:
    """One line of the table."""

    group: str
    kind: str
    plural: str
    #: What does not happen, as the warning says it; empty: the server acts on it.
    missing: str
    printing: Printing
    version: str = "v1"
    short: tuple[str, ...] = ()
    namespaced: bool = True
    categories: tuple[str, ...] = ()
    has_status: bool = True
    #: Values of absent fields, by path.
    defaults: Mapping[str, Any] = field(default_factory=dict)
    #: Paths that must have a value.
    required: tuple[str, ...] = ()
    #: Paths whose value is one of few.
    one_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Where a pod template is, which is filled in as a Deployment's; "." is the object itself.
    template_in: str = ""
    name_problems: NameCheck = subdomain_problems
    #: The name of its type in the tables, where that is not the kind's.
    type_name: str = ""

    def resource(self) -> ServedResource:
        """Return the resource as the API serves it."""
        type_name = self.type_name or self.kind
        return ServedResource(
            group=self.group,
            version=self.version,
            plural=self.plural,
            singular=self.kind.lower(),
            kind=self.kind,
            namespaced=self.namespaced,
            printing=self.printing,
            short_names=self.short,
            categories=(*self.categories, *((CATEGORY,) if self.missing else ())),
            subresources=frozenset({"status"} if self.has_status else ()),
            has_generation=self.has_status,
            name_problems=self.name_problems,
            default=with_status_zeros(type_name, self._default()),
            validate=self._validate(),
            node=node_of(type_name),
            schema_name=definition_name(type_name),
            note=stored_only(self.missing) if self.missing else "",
        )

    def _default(self) -> Default:
        values = [(tuple(path.split(".")), value) for path, value in self.defaults.items()]

        def default(obj: JsonObject) -> None:
            for (*parents, last), value in values:
                parent = _below(obj, parents)
                if parent is not None:
                    parent.setdefault(last, value)
            if self.template_in:
                parent = _below(obj, [name for name in self.template_in.split(".") if name])
                if parent is not None:
                    default_template(parent)

        return default

    def _validate(self) -> Validate:
        def validate(new: JsonObject, _: JsonObject | None) -> list[Cause]:
            causes = [required_value(path) for path in self.required if _at(new, path) in _ABSENT]
            for path, values in self.one_of.items():
                if _at(new, path) not in values:
                    causes.append(unsupported_value(path, _at(new, path), values))
            return causes

        return validate


_ABSENT: Final[tuple[Any, ...]] = (None, "", [], {})


def stored_only(missing: str) -> str:
    """Return the warning of a kind that is stored only."""
    return f"stored only, nothing in a lab acts on it: {missing}"


def _below(obj: JsonObject, path: list[str]) -> JsonObject | None:
    """Return the object at a path, made where it is absent; None where something else is."""
    value: Any = obj
    for name in path:
        value = value.setdefault(name, {})
        if not isinstance(value, dict):
            return None
    found: JsonObject = value
    return found


def _at(obj: JsonObject, path: str) -> Any:
    value: Any = obj
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
