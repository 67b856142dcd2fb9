"""Which workload a pod belongs to."""

import pytest

from ciliate.api.metadata import ObjectMeta, OwnerReference
from ciliate.api.workload import workload_of

HASH = {"pod-template-hash": "697b545f57"}


def owned(
    kind: str, name: str, *, generated: bool = True, labels: dict[str, str] | None = None
) -> ObjectMeta:
    owner = OwnerReference(api_version="v1", kind=kind, name=name, uid="u", controller=True)
    return ObjectMeta(
        name=f"{name}-x",
        generate_name=f"{name}-" if generated else "",
        labels=labels or {},
        owner_references=(owner,),
    )


@pytest.mark.parametrize(
    ("pod", "workload"),
    [
        (owned("ReplicaSet", "webpod-697b545f57", labels=HASH), ("Deployment", "webpod")),
        (owned("ReplicaSet", "alone", labels=HASH), ("ReplicaSet", "alone")),
        (owned("ReplicaSet", "webpod-697b545f57"), ("ReplicaSet", "webpod-697b545f57")),
        (owned("DaemonSet", "cilium"), ("DaemonSet", "cilium")),
        (owned("Job", "backup-29401234"), ("CronJob", "backup")),
        (owned("Job", "backup-7"), ("Job", "backup-7")),
        (
            owned("ReplicationController", "w-1", labels={"deploymentconfig": "w"}),
            ("DeploymentConfig", "w"),
        ),
        (owned("DaemonSet", "cilium", generated=False), ("", "")),
        (ObjectMeta(name="curl-pod"), ("", "")),
    ],
)
def test_workload_is_what_was_deployed(pod: ObjectMeta, workload: tuple[str, str]) -> None:
    assert workload_of(pod) == workload
