"""Which workload a pod belongs to: what a user deployed, not what Kubernetes made of it. Pure."""

import re
from typing import Final

from ciliate.api.metadata import ObjectMeta

_HASH_LABEL: Final = "pod-template-hash"

#: As a CronJob names its Jobs: its own name, and when they are due, in minutes since 1970.
_CRON_JOB: Final = re.compile(r"(.+)-\d{8,10}")


def workload_of(pod: ObjectMeta) -> tuple[str, str]:
    """Return kind and name of a pod's workload; empty for a pod that stands for itself."""
    owner = next((each for each in pod.owner_references if each.controller), None)
    if owner is None or not pod.generate_name:
        return "", ""
    if owner.kind == "ReplicaSet":
        ending = f"-{pod.labels.get(_HASH_LABEL, '')}"
        if len(ending) > 1 and owner.name.endswith(ending):
            return "Deployment", owner.name.removesuffix(ending)
    if owner.kind == "Job" and (found := _CRON_JOB.fullmatch(owner.name)):
        return "CronJob", found[1]
    if owner.kind == "ReplicationController" and (name := pod.labels.get("deploymentconfig")):
        return "DeploymentConfig", name
    return owner.kind, owner.name
