"""What the server gives pods by itself: kube-apiserver's admission plugins and its pod strategy.

Nobody owns these fields (see `managed_fields`). Source: the plugins ServiceAccount, Priority and
DefaultTolerationSeconds.
"""

from typing import Final

from ciliate.apiserver.compute_resources import quality_of_service
from ciliate.apiserver.store import JsonObject

_EVICTION_S: Final = 300


class PodAdmission:
    """Completes new pods (an Admission of theirs)."""

    def creating(self, obj: JsonObject, *, dry_run: bool) -> None:
        """Give the account, the priority, tolerations of nodes that fail, and the class."""
        del dry_run
        spec = obj["spec"]
        account = spec.setdefault("serviceAccountName", spec.get("serviceAccount") or "default")
        spec.setdefault("serviceAccount", account)
        spec.setdefault("priority", 0)
        spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
        _add_tolerations(spec)
        obj["status"]["qosClass"] = quality_of_service(spec)

    def updating(self, new: JsonObject, old: JsonObject, *, dry_run: bool) -> None:
        """Leave the pod as it is: none of this may change."""

    def written(self, obj: JsonObject) -> None:
        """Take no note."""

    def deleted(self, obj: JsonObject) -> None:
        """Release nothing."""


def _add_tolerations(spec: JsonObject) -> None:
    tolerations = spec.setdefault("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if any(
            t.get("key") in {key, None, ""} and t.get("effect") in {"NoExecute", None, ""}
            for t in tolerations
        ):
            continue
        tolerations.append(
            {
                "key": key,
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": _EVICTION_S,
            }
        )
