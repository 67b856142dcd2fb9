"""Pods of nodes that are gone for good: no kubelet will finish their deletion."""

from typing import Final

from ciliate.api.resource import ObjectKey
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ConflictError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.lab.controllers.failures import log_failures
from ciliate.lab.objects import PODS, Node, Pod
from ciliate.reconcile.work_queue import WorkQueue

#: A pod may name its node before that has registered (a lab that is starting).
QUARANTINE_S: Final = 10.0


class PodGarbageCollector:
    """Removes pods bound to nodes that do not exist; one task executes `run`."""

    def __init__(self, client: ApiClient, nodes: Informer[Node], pods: Informer[Pod]) -> None:
        self._client = client
        self._nodes = nodes
        self._pods = pods
        self._suspects: set[str] = set()  # uids seen without a node once already
        self._queue: WorkQueue[ObjectKey] = WorkQueue()
        pods.add_listener(self._pod_changed)
        nodes.add_listener(self._node_changed)

    def _pod_changed(self, _old: Pod | None, new: Pod | None) -> None:
        if new is not None and self._is_orphan(new):
            self._queue.put((new.metadata.namespace, new.metadata.name))

    def _node_changed(self, _old: Node | None, new: Node | None) -> None:
        if new is None:
            for key, pod in self._pods.objects.items():
                if self._is_orphan(pod):
                    self._suspects.add(pod.metadata.uid)  # Seen to go: no need to wait.
                    self._queue.put(key)

    def _is_orphan(self, pod: Pod) -> bool:
        return bool(pod.spec.node_name) and self._nodes.get(pod.spec.node_name) is None

    async def run(self) -> None:
        """Collect until cancelled, once all nodes are known."""
        await self._nodes.synced()
        await self._queue.run(self._reconcile, log_failures("pod gc"))

    async def _reconcile(self, key: ObjectKey) -> float | None:
        pod = self._pods.get(key[1], key[0])
        if pod is None or not self._is_orphan(pod):
            if pod is not None:
                self._suspects.discard(pod.metadata.uid)
            return None
        uid = pod.metadata.uid
        if uid not in self._suspects:
            self._suspects.add(uid)
            return QUARANTINE_S
        self._suspects.discard(uid)
        try:
            await self._client.delete(PODS, key[1], namespace=key[0], uid=uid, grace_period_s=0)
        except (NotFoundError, ConflictError):
            return None
        return None
