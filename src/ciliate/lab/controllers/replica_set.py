"""ReplicaSets: as many pods of one template as wanted."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ciliate.api.metadata import OwnerReference
from ciliate.api.resource import ObjectKey
from ciliate.kube.client import ApiClient
from ciliate.kube.informer import Informer
from ciliate.lab.controllers.failures import log_failures, raise_first
from ciliate.lab.controllers.names import random_suffix
from ciliate.lab.controllers.pods import (
    OwnedPods,
    available_in_s,
    controller_of,
    draft_of,
    is_active,
    is_ready,
)
from ciliate.lab.objects import REPLICA_SETS, Json, Pod, ReplicaSet
from ciliate.reconcile.work_queue import WorkQueue

#: Pods created or deleted in one reconciliation; the next one does the rest.
_BURST_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class ReplicaChange:
    """How many pods are missing, or which are too many."""

    create: int
    delete: tuple[Pod, ...]


def decide(wanted: int, pods: Sequence[Pod]) -> ReplicaChange:
    """Return what brings the active pods to the wanted number."""
    active = [pod for pod in pods if is_active(pod)]
    missing = wanted - len(active)
    if missing >= 0:
        return ReplicaChange(min(missing, _BURST_MAX), ())
    return ReplicaChange(0, tuple(deletion_order(active)[: min(-missing, _BURST_MAX)]))


def deletion_order(pods: Iterable[Pod]) -> list[Pod]:
    """Return pods, the most dispensable first: unplaced, unready, crowded, young."""
    pods = list(pods)
    crowd: dict[str, int] = {}
    for pod in pods:
        crowd[pod.spec.node_name] = crowd.get(pod.spec.node_name, 0) + 1
    by_age = sorted(pods, key=lambda pod: pod.metadata.creation_timestamp or "", reverse=True)
    return sorted(
        by_age,
        key=lambda pod: (bool(pod.spec.node_name), is_ready(pod), -crowd[pod.spec.node_name]),
    )


def status_of(
    replica_set: ReplicaSet, pods: Iterable[Pod], *, now: float
) -> tuple[Json, float | None]:
    """Return the status, and in how many seconds time alone may change it."""
    active = [pod for pod in pods if is_active(pod)]
    pauses = [
        available_in_s(pod, min_ready_s=replica_set.spec.min_ready_seconds, now=now)
        for pod in active
    ]
    status: Json = {"replicas": len(active), "observedGeneration": replica_set.metadata.generation}
    counts = {
        "fullyLabeledReplicas": len(active),
        "readyReplicas": sum(1 for pod in active if is_ready(pod)),
        "availableReplicas": sum(1 for pause in pauses if pause == 0),
    }
    status.update(counts)
    return status, min((pause for pause in pauses if pause), default=None)


class ReplicaSetController:
    """Acts for every ReplicaSet; one task executes `run`."""

    def __init__(
        self,
        client: ApiClient,
        replica_sets: Informer[ReplicaSet],
        pods: Informer[Pod],
        owned: OwnedPods,
    ) -> None:
        self._client = client
        self._replica_sets = replica_sets
        self._pods = pods
        self._owned = owned
        self._queue: WorkQueue[ObjectKey] = WorkQueue()
        replica_sets.add_listener(self._changed)
        pods.add_listener(self._pod_changed)

    def _changed(self, _old: ReplicaSet | None, new: ReplicaSet | None) -> None:
        if new is not None:
            self._queue.put((new.metadata.namespace, new.metadata.name))

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            owner = controller_of(pod.metadata) if pod is not None else None
            if pod is not None and owner is not None and owner.kind == "ReplicaSet":
                self._queue.put((pod.metadata.namespace, owner.name))

    async def run(self) -> None:
        """Reconcile until cancelled, once all pods are listed: until then none counts as missing."""
        await self._pods.synced()
        await self._queue.run(self._reconcile, log_failures("replicaset"))

    async def _reconcile(self, key: ObjectKey) -> float | None:
        found = self._replica_sets.get(key[1], key[0])
        if found is None or found.metadata.deletion_timestamp:
            return None
        change = decide(found.spec.replicas, self._owned.of(found.metadata.uid))
        outcomes = await asyncio.gather(
            *(self._create(found) for _ in range(change.create)),
            *(self._owned.delete(pod) for pod in change.delete),
            return_exceptions=True,
        )
        status, again_s = status_of(found, self._owned.of(found.metadata.uid), now=time.time())
        if any(found.status.get(name, 0) != value for name, value in status.items()):
            await self._client.patch(
                REPLICA_SETS, key[1], {"status": status}, namespace=key[0], subresource="status"
            )
        raise_first(outcomes)  # Last: a pod that cannot be made keeps no status from being told.
        return again_s

    async def _create(self, replica_set: ReplicaSet) -> None:
        meta = replica_set.metadata
        owner = OwnerReference(
            api_version="apps/v1",
            kind="ReplicaSet",
            name=meta.name,
            uid=meta.uid,
            controller=True,
            block_owner_deletion=True,
        )
        await self._owned.create(
            draft_of(
                replica_set.spec.template,
                name=f"{meta.name}-{random_suffix()}",
                namespace=meta.namespace,
                owner=owner,
                labels={},
            )
        )
