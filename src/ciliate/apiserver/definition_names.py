"""Names of custom resources: a definition is served under those that no other of its group has.

A definition asks for names (`spec.names`); those that are free become `status.acceptedNames`, and
two conditions say how that went. NamesAccepted is False while one of them is in use; Established
becomes True with the first names and stays. Source: kube-apiserver's naming controller.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.timestamps import now

#: The names of a definition and the reasons of their conflicts: of several, the last is told.
_REASONS: Final = {
    "plural": "PluralConflict",
    "singular": "SingularConflict",
    "shortNames": "ShortNamesConflict",
    "kind": "KindConflict",
    "listKind": "ListKindConflict",
}
_NAMES: Final = "NamesAccepted"
_ESTABLISHED: Final = "Established"


@dataclass(frozen=True, slots=True)
class TakenNames:
    """What the others of a group are called."""

    resources: frozenset[str]
    kinds: frozenset[str]

    @classmethod
    def of(cls, others: Iterable[JsonObject]) -> "TakenNames":
        """Return what is taken by others, each given by its names as a definition has them."""
        listed = list(others)
        resources = {n.get(key) for n in listed for key in ("plural", "singular")}
        resources |= {short for n in listed for short in n.get("shortNames") or ()}
        kinds = {n.get(key) for n in listed for key in ("kind", "listKind")}
        return cls(frozenset(filter(None, resources)), frozenset(filter(None, kinds)))


def is_established(definition: JsonObject) -> bool:
    """Return whether a definition has names it is served under."""
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == _ESTABLISHED and c.get("status") == "True" for c in conditions)


def has_its_names(definition: JsonObject) -> bool:
    """Return whether a definition got every name it asks for."""
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == _NAMES and c.get("status") == "True" for c in conditions)


def settle_names(definition: JsonObject, taken: TakenNames) -> None:
    """Write into a definition's status which of its names it gets."""
    status = definition.setdefault("status", {})
    asked, had = definition["spec"]["names"], status.get("acceptedNames") or {}
    accepted, conflict = {"categories": asked.get("categories")}, None
    for name, reason in _REASONS.items():
        in_use = taken.kinds if name.lower().endswith("kind") else taken.resources
        own = _listed(had.get(name))
        used = [n for n in _listed(asked.get(name)) if n in in_use and n not in own]
        accepted[name] = had.get(name) if used else asked.get(name)
        if used:
            problems = [f'"{n}" is already in use' for n in used]
            told = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
            conflict = (reason, told)
    accepted = {name: value for name, value in accepted.items() if value}
    status["acceptedNames"] = accepted
    _set_conditions(definition, conflict)


def _listed(value: Any) -> list[Any]:
    if not value:
        return []
    return value if isinstance(value, list) else [value]


def _set_conditions(definition: JsonObject, conflict: tuple[str, str] | None) -> None:
    names = ("True", "NoConflicts", "no conflicts found")
    established = ("True", "InitialNamesAccepted", "the initial names have been accepted")
    if conflict is not None:
        names = ("False", *conflict)
        if not is_established(definition):
            established = ("False", "NotAccepted", "not all names are accepted")
    _set(definition["status"], _NAMES, *names)
    _set(definition["status"], _ESTABLISHED, *established)


def _set(status: JsonObject, kind: str, value: str, reason: str, message: str) -> None:
    conditions: list[dict[str, Any]] = status.setdefault("conditions", [])
    known = next((c for c in conditions if c.get("type") == kind), None)
    if known is None:
        known = {"type": kind}
        conditions.append(known)
    if known.get("status") != value:
        known["lastTransitionTime"] = now()
    known |= {"status": value, "reason": reason, "message": message}
