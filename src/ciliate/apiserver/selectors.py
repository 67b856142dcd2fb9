"""Label and field selectors: which objects a list or watch speaks of.

Syntax and messages: k8s.io/apimachinery `labels.Parse` and `fields.ParseSelector`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ciliate.apiserver.errors import bad_request
from ciliate.apiserver.history import Stored

Predicate = Callable[[Stored], bool]

_REQUIREMENT: Final = re.compile(
    r"""\s*(?:
        (?P<absent>!)\s*(?P<absent_key>[^\s,!=<>()]+)
      | (?P<set_key>[^\s,!=<>()]+)\s+(?P<set_op>in|notin)\s*\((?P<values>[^()]*)\)
      | (?P<key>[^\s,!=<>()]+)\s*(?:(?P<op>==|=|!=|<|>)\s*(?P<value>[^\s,!=<>()]*))?
    )\s*(?:,|$)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on a label."""

    key: str
    operator: str  # "in", "notin", "exists", "!", "<", ">".
    values: frozenset[str] = frozenset()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Return whether labels meet it; `notin` and `!=` hold for an absent label too."""
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value is not None and value in self.values
            case "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
            case _:
                return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        (bound,) = self.values
        try:
            if value is None:
                return False
            return int(value) > int(bound) if self.operator == ">" else int(value) < int(bound)
        except ValueError:
            return False


def parse_labels(selector: str) -> tuple[Requirement, ...]:
    """Return the requirements of a label selector.

    Raises:
        StatusError: It cannot be parsed (400).
    """
    requirements, position = [], 0
    while position < len(selector):
        found = _REQUIREMENT.match(selector, position)
        if found is None:
            raise bad_request(f"unable to parse requirement: found {selector[position:]!r}")
        requirements.append(_requirement(found))
        position = found.end()
    return tuple(requirements)


def _requirement(found: re.Match[str]) -> Requirement:
    if found["absent"]:
        return Requirement(found["absent_key"], "!")
    if found["set_key"]:
        values = frozenset(v.strip() for v in found["values"].split(","))
        return Requirement(found["set_key"], found["set_op"], values)
    if not found["op"]:
        return Requirement(found["key"], "exists")
    values = frozenset((found["value"],))
    operator = {"=": "in", "==": "in", "!=": "notin"}.get(found["op"], found["op"])
    return Requirement(found["key"], operator, values)


def matches_label_selector(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Return whether labels meet a LabelSelector object (matchLabels, matchExpressions)."""
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    operators = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
    return all(
        Requirement(
            e["key"], operators.get(e["operator"], "exists"), frozenset(e.get("values") or ())
        ).holds(labels)
        for e in selector.get("matchExpressions") or ()
    )


def parse_fields(selector: str, supported: frozenset[str]) -> tuple[tuple[str, bool, str], ...]:
    """Return (field, is wanted, value) of each term of a field selector.

    Raises:
        StatusError: It cannot be parsed, or names a field that the resource does not index (400).
    """
    terms = []
    for term in filter(None, selector.split(",")):
        name, operator, value = _split_term(term)
        if name not in supported and name not in {"metadata.name", "metadata.namespace"}:
            raise bad_request(f"field label not supported: {name}")
        terms.append((name, operator != "!=", value))
    return tuple(terms)


def _split_term(term: str) -> tuple[str, str, str]:
    for operator in ("!=", "==", "="):
        name, found, value = term.partition(operator)
        if found:
            return name.strip(), operator, value.strip()
    raise bad_request(f"invalid selector: '{term}'; can't understand '{term}'")


def _field(stored: Stored, name: str) -> str:
    if name == "metadata.name":
        return stored.name
    if name == "metadata.namespace":
        return stored.namespace
    return stored.fields.get(name, "")


@dataclass(frozen=True, slots=True)
class Selection:
    """Both selectors of one request; falsy when everything is selected."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[tuple[str, bool, str], ...] = ()
    #: Empty: all namespaces.
    namespace: str = ""

    def __bool__(self) -> bool:
        return bool(self.labels or self.fields or self.namespace)

    def holds(self, stored: Stored) -> bool:
        """Return whether an object is selected."""
        if self.namespace and stored.namespace != self.namespace:
            return False
        for name, wanted, value in self.fields:
            if (_field(stored, name) == value) is not wanted:
                return False
        return all(requirement.holds(stored.labels) for requirement in self.labels)

    @property
    def single_name(self) -> str | None:
        """The name, when a field selector asks for exactly one."""
        for name, wanted, value in self.fields:
            if name == "metadata.name" and wanted:
                return value
        return None
