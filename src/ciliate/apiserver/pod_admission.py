"""What the server gives pods by itself: kube-apiserver's admission plugins and its pod strategy.

Nobody owns these fields (see `managed_fields`). Source: the plugins ServiceAccount, Priority and
DefaultTolerationSeconds.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec

from ciliate.api.core import MIRROR_ANNOTATION
from ciliate.apiserver import errors
from ciliate.apiserver.account_volume import mount_token
from ciliate.apiserver.compute_resources import quality_of_service
from ciliate.apiserver.store import JsonObject, Store

_EVICTION_S: Final = 300
#: Service accounts of which it is remembered whether their pods want the token.
_ACCOUNTS_MAX: Final = 1024


@lru_cache(maxsize=_ACCOUNTS_MAX)
def _is_wanted(account: bytes) -> Any:
    """Return whether a service account's pods are to have its token; None: it does not say."""
    return msgspec.json.decode(account).get("automountServiceAccountToken")


@dataclass(frozen=True, slots=True)
class PodAdmission:
    """Completes new pods (an Admission of theirs)."""

    store: Store

    def creating(self, obj: JsonObject, *, dry_run: bool) -> None:
        """Give the account, the priority, tolerations of nodes that fail, and the class.

        Raises:
            StatusError: There is no such account (403).
        """
        del dry_run
        spec = obj["spec"]
        if MIRROR_ANNOTATION not in (obj["metadata"].get("annotations") or {}):
            self._give_account(obj["metadata"], spec)
        spec.setdefault("priority", 0)
        spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
        _add_tolerations(spec)
        obj["status"]["qosClass"] = quality_of_service(spec)

    def _give_account(self, metadata: JsonObject, spec: JsonObject) -> None:
        """Name the pod's account and, unless somebody does not want it, bring its token along."""
        name = spec.setdefault("serviceAccountName", spec.get("serviceAccount") or "default")
        spec.setdefault("serviceAccount", name)
        namespace: str = metadata["namespace"]
        found = self.store.get("serviceaccounts", (namespace, str(name)))
        if found is None:
            missing = f'serviceaccount "{name}" not found'
            problem = f"error looking up service account {namespace}/{name}: {missing}"
            shown = metadata.get("name", "")
            raise errors.forbidden(resource="pods", group="", name=shown, problem=problem)
        wanted = spec.get("automountServiceAccountToken")
        if wanted is None:
            wanted = _is_wanted(found.raw)
        if wanted is not False:
            mount_token(spec)

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
