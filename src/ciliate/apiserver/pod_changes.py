"""What of a pod's specification may change once it is made: next to nothing.

In kube-apiserver's words. Source: kubernetes `pkg/apis/core/validation`, ValidatePodUpdate.
"""

from copy import deepcopy
from typing import Any, Final

from ciliate.apiserver.errors import Cause
from ciliate.apiserver.fixed_fields import refusal
from ciliate.apiserver.store import JsonObject

_CHANGEABLE: Final = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set "
    "to 1 if it was previously negative)"
)
#: Fields with rules of their own.
_RULED: Final = ("activeDeadlineSeconds", "schedulingGates", "tolerations")
_DEADLINE: Final = "spec.activeDeadlineSeconds"


def pod_change_causes(new: JsonObject, old: JsonObject) -> list[Cause]:
    """Return what is wrong with an update of a pod's specification."""
    for name in ("containers", "initContainers"):
        if len(new.get(name) or ()) != len(old.get(name) or ()):
            problem = "pod updates may not add or remove containers"
            return [refusal(f"spec.{name}", None, problem, forbidden=True)]
    causes = _deadline_causes(new.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds"))
    causes += _toleration_causes(new.get("tolerations") or [], old.get("tolerations") or [])
    causes += _gate_causes(new, old)
    if not causes and _fixed(new) != _fixed(old):
        causes.append(refusal("spec", None, _CHANGEABLE, forbidden=True))
    return causes


def _fixed(spec: JsonObject) -> JsonObject:
    fixed = deepcopy(spec)
    for name in _RULED:
        fixed.pop(name, None)
    for name in ("containers", "initContainers"):
        for container in fixed.get(name) or ():
            container.pop("image", None)
    return fixed


def _deadline_causes(value: Any, was: Any) -> list[Cause]:
    if was is None or value == was:
        return []
    if value is None:
        problem = "must not update from a positive integer to nil value"
        return [refusal(_DEADLINE, None, problem)]
    if value > was:
        return [refusal(_DEADLINE, value, "must be less than or equal to previous value")]
    return []


def _toleration_causes(new: list[JsonObject], old: list[JsonObject]) -> list[Cause]:
    kept = [_without_seconds(t) for t in new]
    if all(_without_seconds(t) in kept for t in old):
        return []
    problem = "existing toleration can not be modified except its tolerationSeconds"
    return [refusal("spec.tolerations", None, problem, forbidden=True)]


def _without_seconds(toleration: JsonObject) -> JsonObject:
    return {name: value for name, value in toleration.items() if name != "tolerationSeconds"}


def _gate_causes(new: JsonObject, old: JsonObject) -> list[Cause]:
    had = [gate.get("name") for gate in old.get("schedulingGates") or ()]
    return [
        refusal(
            f"spec.schedulingGates[{index}]",
            None,
            f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'",
            forbidden=True,
        )
        for index, gate in enumerate(new.get("schedulingGates") or ())
        if gate.get("name") not in had
    ]
