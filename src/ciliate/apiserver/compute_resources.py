"""What containers ask for and may use: rules of requests and limits, and a pod's class by them.

Sources: kubernetes `pkg/apis/core/validation` (ValidateResourceRequirements) and
`pkg/apis/core/v1/helper/qos`. Quantities are canonical here (`quantities`).
"""

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from ciliate.apiserver.errors import Cause
from ciliate.apiserver.names import invalid_value, qualified_name_problems
from ciliate.apiserver.quantities import amount
from ciliate.apiserver.store import JsonObject

#: Resources without a domain that a container may name; hugepages-SIZE is another.
_STANDARD: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
#: Whose requests and limits make a pod's class.
_CLASSIFYING: Final = ("cpu", "memory")

#: What containers ask for, judged before: pods come by the thousand, their templates do not.
_CACHED: Final = 1024

#: Resources and quantities as they are written.
_Texts = tuple[tuple[str, Any], ...]


def resource_causes(container: JsonObject, at: str) -> list[Cause]:
    """Return what is wrong with a container's requests and limits."""
    resources = container.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    if _is_flawless(tuple(limits.items()), tuple(requests.items())):
        return []
    causes = []
    for name, listed in (("limits", limits), ("requests", requests)):
        for resource, quantity in listed.items():
            field = f"{at}.resources.{name}[{resource}]"
            causes += [invalid_value(field, resource, p) for p in _name_problems(resource)]
            if amount(quantity) < 0:
                problem = "must be greater than or equal to 0"
                causes.append(invalid_value(field, quantity, problem))
    for resource, quantity in requests.items():
        if resource in limits and amount(quantity) > amount(limits[resource]):
            problem = f"must be less than or equal to {resource} limit of {limits[resource]}"
            causes.append(invalid_value(f"{at}.resources.requests", quantity, problem))
    return causes


@lru_cache(maxsize=_CACHED)
def _is_flawless(limits: _Texts, requests: _Texts) -> bool:
    """Return whether `resource_causes` finds nothing; it looks closer where this is unsure."""
    most = {name: amount(quantity) for name, quantity in limits}
    least = {name: amount(quantity) for name, quantity in requests}
    return not any(
        quantity < 0 or _name_problems(name) for name, quantity in (*most.items(), *least.items())
    ) and all(quantity <= most.get(name, quantity) for name, quantity in least.items())


def _name_problems(resource: str) -> list[str]:
    if resource in _STANDARD or resource.startswith("hugepages-"):
        return []
    problems = qualified_name_problems(resource)
    if not problems and "/" not in resource:
        problems.append("must be a standard resource for containers")
    return problems


def quality_of_service(spec: JsonObject) -> str:
    """Return a pod's class: Guaranteed, Burstable or BestEffort."""
    asked = []
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        resources = container.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        asked.append((tuple(limits.items()), tuple(requests.items())))
    return _class_of(tuple(asked))


@lru_cache(maxsize=_CACHED)
def _class_of(containers: tuple[tuple[_Texts, _Texts], ...]) -> str:
    requests: dict[str, Fraction] = {}
    limits: dict[str, Fraction] = {}
    has_all_limits = True
    for most, least in containers:
        _add(requests, dict(least))
        limited = _add(limits, dict(most))
        has_all_limits = has_all_limits and len(limited) == len(_CLASSIFYING)
    if not requests and not limits:
        return "BestEffort"
    return "Guaranteed" if has_all_limits and requests == limits else "Burstable"


def _add(sums: dict[str, Fraction], quantities: Mapping[str, Any]) -> set[str]:
    """Add what is asked of the classifying resources, and return which; zero asks for nothing."""
    asked = {n: amount(quantities[n]) for n in _CLASSIFYING if n in quantities}
    for name, value in asked.items():
        if value > 0:
            sums[name] = sums.get(name, Fraction(0)) + value
    return {name for name, value in asked.items() if value > 0}
