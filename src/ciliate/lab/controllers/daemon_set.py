"""DaemonSets: one pod on every node that suits, replaced node by node when the template changes."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ciliate.api.metadata import OwnerReference
from ciliate.api.resource import ObjectKey
from ciliate.kube.client import ApiClient
from ciliate.kube.informer import Informer
from ciliate.lab.controllers.failures import log_failures, raise_first
from ciliate.lab.controllers.names import hash_of, random_suffix
from ciliate.lab.controllers.placement import (
    NOT_READY,
    UNREACHABLE,
    UNSCHEDULABLE,
    selects,
    untolerated,
)
from ciliate.lab.controllers.pods import (
    OwnedPods,
    available_in_s,
    controller_of,
    draft_of,
    is_ready,
)
from ciliate.lab.controllers.revision_history import HASH_LABEL, RevisionHistory
from ciliate.lab.controllers.rollout import resolve
from ciliate.lab.objects import DAEMON_SETS, DaemonSet, Json, Node, Pod, RollingUpdate
from ciliate.reconcile.work_queue import WorkQueue

GENERATION_LABEL: Final = "pod-template-generation"

#: What the controller lets its pods tolerate on top of their template: a network's own pods must
#: start on nodes that are not ready for want of a network (Kubernetes, "Taints and Tolerations").
_TOLERATIONS: Final[tuple[Json, ...]] = (
    {"key": NOT_READY, "operator": "Exists", "effect": "NoExecute"},
    {"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute"},
    {"key": NOT_READY, "operator": "Exists", "effect": "NoSchedule"},
    {"key": UNREACHABLE, "operator": "Exists", "effect": "NoSchedule"},
    {"key": UNSCHEDULABLE, "operator": "Exists", "effect": "NoSchedule"},
    {
        "key": "node.kubernetes.io/network-unavailable",
        "operator": "Exists",
        "effect": "NoSchedule",
    },
)


@dataclass(frozen=True, slots=True)
class DaemonPodChange:
    """Nodes that need a pod, and pods to delete."""

    create: tuple[str, ...]
    delete: tuple[Pod, ...]


def template_of(daemon_set: DaemonSet) -> Json:
    """Return the pod template with the tolerations every daemon pod has."""
    template = daemon_set.spec.template
    spec = dict(template.get("spec") or {})
    declared = list(spec.get("tolerations") or [])
    spec["tolerations"] = declared + [each for each in _TOLERATIONS if each not in declared]
    return {**template, "spec": spec}


def suits(template: Mapping[str, Any], node: Node) -> bool:
    """Whether the node should run the pod."""
    spec = template.get("spec") or {}
    if not selects(spec.get("nodeSelector") or {}, spec.get("affinity") or {}, node):
        return False
    return untolerated(spec.get("tolerations") or [], node) is None


def decide(
    daemon_set: DaemonSet, nodes: Iterable[Node], pods: Sequence[Pod], *, now: float
) -> DaemonPodChange:
    """Return what to create and delete now; pods being deleted still hold their node."""
    template = template_of(daemon_set)
    wanted = {node.metadata.name for node in nodes if suits(template, node)}
    on_node: dict[str, list[Pod]] = defaultdict(list)
    for pod in pods:
        on_node[pod.spec.node_name].append(pod)
    delete: list[Pod] = []
    for name, there in on_node.items():
        living = [pod for pod in there if not pod.metadata.deletion_timestamp]
        finished = [pod for pod in living if pod.status.phase in ("Succeeded", "Failed")]
        living = [pod for pod in living if pod not in finished]
        delete += finished
        delete += living if name not in wanted else living[1:]
    create = tuple(sorted(wanted - set(on_node)))
    if daemon_set.spec.update_strategy.type == "RollingUpdate":
        gone = {pod.metadata.uid for pod in delete}
        keep = [pod for pod in pods if pod.metadata.uid not in gone]
        delete += outdated(daemon_set, keep, len(wanted), now=now)
    return DaemonPodChange(create, tuple(delete))


def outdated(daemon_set: DaemonSet, pods: Sequence[Pod], desired: int, *, now: float) -> list[Pod]:
    """Return pods of an old template to delete now: at most maxUnavailable nodes lack one."""
    current = hash_of(daemon_set.spec.template)
    rolling = daemon_set.spec.update_strategy.rolling_update
    limit = rolling.max_unavailable if rolling is not None else 1
    if rolling is not None and rolling == RollingUpdate():
        limit = 1  # The API's default for a DaemonSet is 1, not a Deployment's 25 %.
    allowed = max(resolve(limit, desired, round_up=True), 1)
    living = [pod for pod in pods if not pod.metadata.deletion_timestamp]
    old = [pod for pod in living if pod.metadata.labels.get(HASH_LABEL) != current]
    available = [
        pod
        for pod in living
        if available_in_s(pod, min_ready_s=daemon_set.spec.min_ready_seconds, now=now) == 0
    ]
    room = max(allowed - (desired - len(available)), 0)
    useless = [pod for pod in old if pod not in available]  # They serve no traffic.
    useful = sorted((pod for pod in old if pod in available), key=lambda pod: pod.spec.node_name)
    return useless + useful[:room]


def status_of(
    daemon_set: DaemonSet, nodes: Iterable[Node], pods: Iterable[Pod], *, now: float
) -> tuple[Json, float | None]:
    """Return the status, and in how many seconds time alone may change it."""
    template = template_of(daemon_set)
    wanted = {node.metadata.name for node in nodes if suits(template, node)}
    living = [pod for pod in pods if not pod.metadata.deletion_timestamp]
    placed = [pod for pod in living if pod.spec.node_name in wanted]
    current = hash_of(daemon_set.spec.template)
    pauses = [
        available_in_s(pod, min_ready_s=daemon_set.spec.min_ready_seconds, now=now)
        for pod in placed
    ]
    available = sum(1 for pause in pauses if pause == 0)
    status: Json = {
        "currentNumberScheduled": len({pod.spec.node_name for pod in placed}),
        "desiredNumberScheduled": len(wanted),
        "numberMisscheduled": len(living) - len(placed),
        "numberReady": sum(1 for pod in placed if is_ready(pod)),
        "numberAvailable": available,
        "numberUnavailable": len(wanted) - available,
        "updatedNumberScheduled": sum(
            1 for pod in placed if pod.metadata.labels.get(HASH_LABEL) == current
        ),
        "observedGeneration": daemon_set.metadata.generation,
    }
    return status, min((pause for pause in pauses if pause), default=None)


class DaemonSetController:
    """Acts for every DaemonSet; one task executes `run`."""

    def __init__(
        self,
        client: ApiClient,
        daemon_sets: Informer[DaemonSet],
        nodes: Informer[Node],
        pods: Informer[Pod],
        owned: OwnedPods,
        *,
        history: RevisionHistory,
    ) -> None:
        self._client = client
        self._daemon_sets = daemon_sets
        self._nodes = nodes
        self._pods = pods
        self._owned = owned
        self._history = history
        self._queue: WorkQueue[ObjectKey] = WorkQueue()
        daemon_sets.add_listener(self._changed)
        nodes.add_listener(self._node_changed)
        pods.add_listener(self._pod_changed)

    def _changed(self, _old: DaemonSet | None, new: DaemonSet | None) -> None:
        if new is not None:
            self._queue.put((new.metadata.namespace, new.metadata.name))

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if old is not None and new is not None:
            before = (old.metadata.labels, old.spec)
            if before == (new.metadata.labels, new.spec):
                return
        for key in self._daemon_sets.objects:
            self._queue.put(key)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            owner = controller_of(pod.metadata) if pod is not None else None
            if pod is not None and owner is not None and owner.kind == "DaemonSet":
                self._queue.put((pod.metadata.namespace, owner.name))

    async def run(self) -> None:
        """Reconcile until cancelled, once all nodes and pods are known."""
        await self._nodes.synced()
        await self._pods.synced()
        await self._history.synced()
        await self._queue.run(self._reconcile, log_failures("daemonset"))

    async def _reconcile(self, key: ObjectKey) -> float | None:
        found = self._daemon_sets.get(key[1], key[0])
        if found is None or found.metadata.deletion_timestamp:
            return None
        nodes = list(self._nodes.objects.values())
        now = time.time()
        uid = found.metadata.uid
        change = decide(found, nodes, self._owned.of(uid), now=now)
        outcomes = await asyncio.gather(
            self._history.keep(found, self._owned.of(uid)),
            *(self._create(found, node) for node in change.create),
            *(self._owned.delete(pod) for pod in change.delete),
            return_exceptions=True,
        )
        status, again_s = status_of(found, nodes, self._owned.of(uid), now=now)
        if any(found.status.get(name, 0) != value for name, value in status.items()):
            await self._client.patch(
                DAEMON_SETS, key[1], {"status": status}, namespace=key[0], subresource="status"
            )
        raise_first(outcomes)  # Last: a pod that cannot be made keeps no status from being told.
        return again_s

    async def _create(self, daemon_set: DaemonSet, node: str) -> None:
        meta = daemon_set.metadata
        owner = OwnerReference(
            api_version="apps/v1",
            kind="DaemonSet",
            name=meta.name,
            uid=meta.uid,
            controller=True,
            block_owner_deletion=True,
        )
        draft = draft_of(
            template_of(daemon_set),
            name=f"{meta.name}-{random_suffix()}",
            namespace=meta.namespace,
            owner=owner,
            labels={
                HASH_LABEL: hash_of(daemon_set.spec.template),
                GENERATION_LABEL: str(meta.generation),
            },
        )
        draft.spec["nodeName"] = (
            node  # The place is the controller's decision, not the scheduler's.
        )
        await self._owned.create(draft)
