"""Deployments: a ReplicaSet per template there has been, the newest grown while the old shrink."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from ciliate.api.metadata import LabelSelector, ObjectMeta, OwnerReference, format_time
from ciliate.api.resource import ObjectKey
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import AlreadyExistsError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.lab.controllers.failures import log_failures
from ciliate.lab.controllers.names import hash_of
from ciliate.lab.controllers.pods import controller_of, controller_uid
from ciliate.lab.controllers.progress import progressing, seconds_left
from ciliate.lab.controllers.rollout import Revision, limits, next_replicas
from ciliate.lab.objects import (
    DEPLOYMENTS,
    REPLICA_SETS,
    Deployment,
    Json,
    ReplicaSet,
    ReplicaSetSpec,
)
from ciliate.reconcile.work_queue import WorkQueue

HASH_LABEL: Final = "pod-template-hash"
REVISION: Final = "deployment.kubernetes.io/revision"
#: Annotations that say something of the Deployment itself; its ReplicaSets get all others.
_OWN_ANNOTATIONS: Final = frozenset({"kubectl.kubernetes.io/last-applied-configuration", REVISION})


def template_with(template: Mapping[str, Any], label: str, value: str) -> Json:
    """Return a pod template with one more label."""
    meta = dict(template.get("metadata") or {})
    meta["labels"] = {**(meta.get("labels") or {}), label: value}
    return {**template, "metadata": meta}


def revision_of(replica_set: ReplicaSet) -> int:
    """Return the number of a ReplicaSet among its deployment's, 0 when it has none."""
    text = replica_set.metadata.annotations.get(REVISION, "0")
    return int(text) if text.isdecimal() else 0


def annotations_for(deployment: Deployment, revision: int) -> dict[str, str]:
    """Return the annotations of the newest ReplicaSet, such as `kubernetes.io/change-cause`.

    They stay with it when the Deployment's change: `kubectl rollout history` shows them.
    """
    annotations = deployment.metadata.annotations
    passed_on = {k: v for k, v in annotations.items() if k not in _OWN_ANNOTATIONS}
    return {**passed_on, REVISION: str(revision)}


def new_replica_set(deployment: Deployment, *, replicas: int, revision: int) -> ReplicaSet:
    """Return the ReplicaSet of the deployment's present template."""
    meta = deployment.metadata
    template = deployment.spec.template
    short = hash_of(template)
    selector = deployment.spec.selector
    return ReplicaSet(
        metadata=ObjectMeta(
            name=f"{meta.name}-{short}",
            namespace=meta.namespace,
            labels={**((template.get("metadata") or {}).get("labels") or {}), HASH_LABEL: short},
            annotations=annotations_for(deployment, revision),
            owner_references=(
                OwnerReference(
                    api_version="apps/v1",
                    kind="Deployment",
                    name=meta.name,
                    uid=meta.uid,
                    controller=True,
                    block_owner_deletion=True,
                ),
            ),
        ),
        spec=ReplicaSetSpec(
            selector=LabelSelector(
                match_labels={**selector.match_labels, HASH_LABEL: short},
                match_expressions=selector.match_expressions,
            ),
            template=template_with(template, HASH_LABEL, short),
            replicas=replicas,
            min_ready_seconds=deployment.spec.min_ready_seconds,
        ),
    )


def deployment_status(
    deployment: Deployment, new: ReplicaSet | None, every: Sequence[ReplicaSet], *, now: str
) -> Json:
    """Return the status that `kubectl rollout status` and `kubectl get deploy` read."""
    desired = deployment.spec.replicas
    ready = sum(int(each.status.get("readyReplicas", 0)) for each in every)
    available = sum(int(each.status.get("availableReplicas", 0)) for each in every)
    total = sum(int(each.status.get("replicas", 0)) for each in every)
    updated = int(new.status.get("replicas", 0)) if new is not None else 0
    max_unavailable, _ = limits(deployment.spec.strategy, desired)
    complete = updated == desired == total and available >= desired
    name = new.metadata.name if new is not None else ""
    enough = available >= desired - max_unavailable
    availability = (
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        if enough
        else (
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    )
    before = {c["type"]: c for c in deployment.status.get("conditions") or []}
    counts = {
        "replicas": total,
        "updatedReplicas": updated,
        "readyReplicas": ready,
        "availableReplicas": available,
        "unavailableReplicas": max(desired - available, 0),
    }
    progress = progressing(deployment, counts, name=name, is_complete=complete, now=now)
    return {
        "observedGeneration": deployment.metadata.generation,
        **counts,
        "conditions": [_condition("Available", *availability, before=before, now=now), progress],
    }


def _condition(
    kind: str, status: str, reason: str, message: str, *, before: Mapping[str, Json], now: str
) -> Json:
    last = before.get(kind, {})
    condition = {"type": kind, "status": status, "reason": reason, "message": message}
    if all(last.get(key) == value for key, value in condition.items()):
        return dict(last)
    since = last.get("lastTransitionTime") if last.get("status") == status else None
    return {**condition, "lastUpdateTime": now, "lastTransitionTime": since or now}


class DeploymentController:
    """Acts for every Deployment; one task executes `run`."""

    def __init__(
        self,
        client: ApiClient,
        deployments: Informer[Deployment],
        replica_sets: Informer[ReplicaSet],
    ) -> None:
        self._client = client
        self._deployments = deployments
        self._replica_sets = replica_sets
        self._queue: WorkQueue[ObjectKey] = WorkQueue()
        deployments.add_listener(self._changed)
        replica_sets.add_listener(self._replica_set_changed)

    def _changed(self, _old: Deployment | None, new: Deployment | None) -> None:
        if new is not None:
            self._queue.put((new.metadata.namespace, new.metadata.name))

    def _replica_set_changed(self, old: ReplicaSet | None, new: ReplicaSet | None) -> None:
        for each in (old, new):
            owner = controller_of(each.metadata) if each is not None else None
            if each is not None and owner is not None and owner.kind == "Deployment":
                self._queue.put((each.metadata.namespace, owner.name))

    async def run(self) -> None:
        """Reconcile until cancelled, once all ReplicaSets are known."""
        await self._replica_sets.synced()
        await self._queue.run(self._reconcile, log_failures("deployment"))

    async def _reconcile(self, key: ObjectKey) -> float | None:
        deployment = self._deployments.get(key[1], key[0])
        if deployment is None or deployment.metadata.deletion_timestamp:
            return None
        every = self._owned(deployment)
        wanted_name = f"{deployment.metadata.name}-{hash_of(deployment.spec.template)}"
        new = next((each for each in every if each.metadata.name == wanted_name), None)
        old = [each for each in every if each.metadata.name != wanted_name]
        if new is None and not deployment.spec.paused:
            await self._create_new(deployment, old)
        elif new is not None:
            await self._number(deployment, new, old)
            await self._scale(deployment, new, old)
            await self._forget_old(deployment, old)
        return await self._report(deployment, new, every)

    def _owned(self, deployment: Deployment) -> list[ReplicaSet]:
        """Return the deployment's ReplicaSets, oldest revision first."""
        uid = deployment.metadata.uid
        found = [
            each
            for each in self._replica_sets.objects.values()
            if controller_uid(each.metadata) == uid and not each.metadata.deletion_timestamp
        ]
        return sorted(found, key=revision_of)

    async def _create_new(self, deployment: Deployment, old: Sequence[ReplicaSet]) -> None:
        desired = deployment.spec.replicas
        _, surge = limits(deployment.spec.strategy, desired)
        total = sum(each.spec.replicas for each in old)
        recreate = deployment.spec.strategy.type == "Recreate" and total > 0
        room = 0 if recreate else max(desired + surge - total, 0)
        revision = max((revision_of(each) for each in old), default=0) + 1
        made = new_replica_set(deployment, replicas=min(desired, room), revision=revision)
        try:
            await self._client.create(REPLICA_SETS, made)
        except AlreadyExistsError:
            return  # Created a moment ago; the watch will show it soon.

    async def _number(
        self, deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet]
    ) -> None:
        """Keep the newest template's revision the highest, also after a rollback to it."""
        highest = max((revision_of(each) for each in old), default=0)
        revision = max(revision_of(new), highest + 1)
        await self._annotate(REPLICA_SETS, new.metadata, annotations_for(deployment, revision))
        await self._annotate(DEPLOYMENTS, deployment.metadata, {REVISION: str(revision)})

    async def _annotate(
        self, resource: Any, meta: ObjectMeta, annotations: Mapping[str, str]
    ) -> None:
        changed = {k: v for k, v in annotations.items() if meta.annotations.get(k) != v}
        if changed:
            patch = {"metadata": {"annotations": changed}}
            await self._client.patch(resource, meta.name, patch, namespace=meta.namespace)

    async def _scale(
        self, deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet]
    ) -> None:
        if deployment.spec.paused:
            return
        wanted = next_replicas(
            deployment.spec.strategy,
            deployment.spec.replicas,
            _as_revision(new),
            [_as_revision(each) for each in old],
        )
        for each in (new, *old):
            replicas = wanted[each.metadata.name]
            if each.spec.replicas != replicas:
                await self._client.patch(
                    REPLICA_SETS,
                    each.metadata.name,
                    {"spec": {"replicas": replicas}},
                    namespace=each.metadata.namespace,
                )

    async def _forget_old(self, deployment: Deployment, old: Sequence[ReplicaSet]) -> None:
        empty = [
            each
            for each in old
            if each.spec.replicas == 0 and not int(each.status.get("replicas", 0))
        ]
        surplus = max(len(empty) - deployment.spec.revision_history_limit, 0)
        for each in empty[:surplus]:
            try:
                await self._client.delete(
                    REPLICA_SETS,
                    each.metadata.name,
                    namespace=each.metadata.namespace,
                    uid=each.metadata.uid,
                )
            except NotFoundError:
                continue

    async def _report(
        self, deployment: Deployment, new: ReplicaSet | None, every: Sequence[ReplicaSet]
    ) -> float | None:
        """Write the status where it changed; return when it may change by time alone."""
        now = format_time(datetime.now(UTC))
        status = deployment_status(deployment, new, every, now=now)
        if any(deployment.status.get(key, 0) != value for key, value in status.items()):
            meta = deployment.metadata
            await self._client.patch(
                DEPLOYMENTS,
                meta.name,
                {"status": status},
                namespace=meta.namespace,
                subresource="status",
            )
        left_s = seconds_left(deployment, status["conditions"][-1], now)
        return None if left_s is None else max(left_s, 0.0) + 1.0  # Times are in whole seconds.


def _as_revision(replica_set: ReplicaSet) -> Revision:
    return Revision(
        name=replica_set.metadata.name,
        wanted=replica_set.spec.replicas,
        available=int(replica_set.status.get("availableReplicas", 0)),
        existing=int(replica_set.status.get("replicas", 0)),
    )
