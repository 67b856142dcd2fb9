"""Fields of built-in kinds that stay as they were made: one table, in kube-apiserver's words.

Rules of more than one field are functions below it. Not here: what is fixed only while another
field says so (`immutable` of ConfigMaps and Secrets, in `data_checks`), addresses of Services
(`service_checks`), and pods, of which next to everything is fixed (`validation`). Source:
kubernetes `pkg/apis/*/validation`, the functions Validate…Update.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from ciliate.apiserver.errors import Cause
from ciliate.apiserver.store import JsonObject

_IMMUTABLE: Final = "field is immutable"


@dataclass(frozen=True, slots=True)
class FixedField:
    """A field whose value stays; `forbidden` ones are refused without their value."""

    path: str
    problem: str = _IMMUTABLE
    forbidden: bool = False
    #: Where the refusal places it, if elsewhere.
    told_at: str = ""
    #: Whether it may be given once, where it was left out.
    once: bool = False
    #: Fields of it that may change.
    but: tuple[str, ...] = ()

    def causes(self, new: JsonObject, old: JsonObject) -> list[Cause]:
        """Return the cause of a change."""
        value, was = self._value(new), self._value(old)
        if value == was or (self.once and not was):
            return []
        return [refusal(self.told_at or self.path, value, self.problem, forbidden=self.forbidden)]

    def _value(self, obj: JsonObject) -> Any:
        value: Any = obj
        for name in self.path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if self.but and isinstance(value, dict):
            value = {name: item for name, item in value.items() if item and name not in self.but}
        return value or None  # What is empty may be left out.


def refusal(field: str, value: Any, problem: str, *, forbidden: bool = False) -> Cause:
    """Return the cause of a change that is refused."""
    if forbidden:
        return Cause(field, "FieldValueForbidden", f"Forbidden: {problem}")
    shown = json.dumps(value, separators=(",", ":"))
    return Cause(field, "FieldValueInvalid", f"Invalid value: {shown}: {problem}")


def fixed_field_causes(resource_id: str, new: JsonObject, old: JsonObject) -> list[Cause]:
    """Return what is wrong with an update: fields that would change and may not."""
    rules = _FIXED.get(resource_id, ())
    causes = [cause for rule in rules for cause in rule.causes(new, old)]
    further = _FURTHER.get(resource_id)
    return causes if further is None else causes + further(new, old)


def _claim_causes(new: JsonObject, old: JsonObject) -> list[Cause]:
    """Find changes of a PersistentVolumeClaim: a volume is given once, bound ones may grow."""
    spec, was = deepcopy(new.get("spec") or {}), deepcopy(old.get("spec") or {})
    if not was.get("volumeName"):
        was["volumeName"] = spec.get("volumeName")
    spec.setdefault("volumeName", None)
    if (old.get("status") or {}).get("phase") == "Bound":
        for side in (spec, was):
            side.pop("volumeAttributesClassName", None)
            ((side.get("resources") or {}).get("requests") or {}).pop("storage", None)
    if spec == was:
        return []
    problem = (
        "spec is immutable after creation except resources.requests and "
        "volumeAttributesClassName for bound claims"
    )
    return [refusal("spec", None, problem, forbidden=True)]


#: What a suspended Job's pods may still be given: where they are to run.
_SCHEDULING: Final = ("nodeSelector", "tolerations", "schedulingGates", "affinity")


def _job_causes(new: JsonObject, old: JsonObject) -> list[Cause]:
    spec, was = new["spec"], old["spec"]
    causes = []
    completions = spec.get("completions")
    if completions != was.get("completions"):
        is_elastic = spec.get("completionMode") == "Indexed" and completions is not None
        if not is_elastic:
            causes.append(refusal("spec.completions", completions, _IMMUTABLE))
        elif completions != spec.get("parallelism"):
            problem = "can only be modified in tandem with parallelism"
            causes.append(refusal("spec.completions", completions, problem))
    template, had = deepcopy(spec.get("template") or {}), deepcopy(was.get("template") or {})
    if was.get("suspend") and not (old.get("status") or {}).get("startTime"):
        for side in (template, had):
            side.pop("metadata", None)
            for name in _SCHEDULING:
                (side.get("spec") or {}).pop(name, None)
    if template != had:
        causes.append(refusal("spec.template", spec.get("template"), _IMMUTABLE))
    return causes


def _csi_node_causes(new: JsonObject, old: JsonObject) -> list[Cause]:
    """Find drivers of a CSINode that changed; they come and go as a whole."""
    had = (old.get("spec") or {}).get("drivers") or []
    names = {driver.get("name") for driver in had}
    return [
        refusal(f"spec.drivers[{index}]", driver, _IMMUTABLE)
        for index, driver in enumerate((new.get("spec") or {}).get("drivers") or ())
        if driver.get("name") in names and driver not in had
    ]


_SELECTOR: Final = FixedField("spec.selector")
_ROLE: Final = FixedField("roleRef", "cannot change roleRef")
_SET_APART: Final = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
    "'minReadySeconds' are forbidden"
)
_VOLUME_SOURCE: Final = FixedField(
    "spec",
    "spec.persistentvolumesource is immutable after creation",
    forbidden=True,
    told_at="spec.persistentvolumesource",
    but=(
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    ),
)


def _not_updated(*names: str) -> tuple[FixedField, ...]:
    return tuple(
        FixedField(name, f"updates to {name} are forbidden.", forbidden=True) for name in names
    )


_FIXED: Final[dict[str, tuple[FixedField, ...]]] = {
    "clusterrolebindings.rbac.authorization.k8s.io": (_ROLE,),
    "controllerrevisions.apps": (FixedField("data"),),
    "csidrivers.storage.k8s.io": (
        # As kube-apiserver writes the name.
        FixedField("spec.attachRequired", told_at="spec.attachedRequired"),
        FixedField("spec.volumeLifecycleModes"),
    ),
    "csistoragecapacities.storage.k8s.io": (
        FixedField("nodeTopology"),
        FixedField("storageClassName"),
    ),
    "daemonsets.apps": (_SELECTOR,),
    "deployments.apps": (_SELECTOR,),
    "endpointslices.discovery.k8s.io": (FixedField("addressType"),),
    "ingressclasses.networking.k8s.io": (FixedField("spec.controller"),),
    "ipaddresses.networking.k8s.io": (FixedField("spec.parentRef"),),
    "jobs.batch": (
        _SELECTOR,
        FixedField("spec.completionMode"),
        FixedField("spec.podFailurePolicy"),
        FixedField("spec.backoffLimitPerIndex"),
        FixedField("spec.managedBy"),
        FixedField("spec.successPolicy"),
    ),
    "nodes": (
        FixedField(
            "spec.providerID",
            'node updates may not change providerID except from "" to valid',
            forbidden=True,
            once=True,
        ),
    ),
    "persistentvolumeclaims": (FixedField("spec.volumeMode", told_at="volumeMode"),),
    "persistentvolumes": (
        _VOLUME_SOURCE,
        FixedField("spec.volumeMode", told_at="volumeMode"),
        FixedField("spec.nodeAffinity", once=True),
    ),
    "priorityclasses.scheduling.k8s.io": (
        FixedField("value", "may not be changed in an update.", forbidden=True),
        FixedField("preemptionPolicy"),
    ),
    "replicasets.apps": (_SELECTOR,),
    "resourcequotas": (FixedField("spec.scopes"),),
    "rolebindings.rbac.authorization.k8s.io": (_ROLE,),
    "runtimeclasses.node.k8s.io": (FixedField("handler"),),
    "statefulsets.apps": (
        FixedField(
            "spec",
            _SET_APART,
            forbidden=True,
            but=(
                "replicas",
                "ordinals",
                "template",
                "updateStrategy",
                "revisionHistoryLimit",
                "persistentVolumeClaimRetentionPolicy",
                "minReadySeconds",
            ),
        ),
    ),
    "storageclasses.storage.k8s.io": (
        *_not_updated("parameters", "provisioner", "reclaimPolicy"),
        FixedField("volumeBindingMode"),
    ),
    "volumeattachments.storage.k8s.io": (FixedField("spec"),),
}

_FURTHER: Final[dict[str, Callable[[JsonObject, JsonObject], list[Cause]]]] = {
    "csinodes.storage.k8s.io": _csi_node_causes,
    "jobs.batch": _job_causes,
    "persistentvolumeclaims": _claim_causes,
}
