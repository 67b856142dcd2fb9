"""Binds pods to nodes: the rules are in `placement`, this acts on them."""

import contextlib
import logging
from datetime import UTC, datetime
from typing import Final

import msgspec

from ciliate.api.core import ObjectReference
from ciliate.api.metadata import format_time
from ciliate.api.resource import ObjectKey
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ConflictError, NotFoundError
from ciliate.kube.events import EventRecorder, Severity
from ciliate.kube.informer import Informer
from ciliate.lab.controllers.failures import log_failures
from ciliate.lab.controllers.placement import Placements
from ciliate.lab.objects import PODS, Json, Node, Pod
from ciliate.reconcile.work_queue import WorkQueue

_NAME: Final = "default-scheduler"
#: Pods without a node are tried again when nodes or pods change, and for safety after this.
_RETRY_S: Final = 10.0

_log = logging.getLogger(__name__)


class Scheduler:
    """Places every pod that has no node; one task executes `run`."""

    def __init__(
        self,
        client: ApiClient,
        nodes: Informer[Node],
        pods: Informer[Pod],
        events: EventRecorder,
    ) -> None:
        self._client = client
        self._nodes = nodes
        self._pods = pods
        self._events = events
        self._unplaced: set[ObjectKey] = set()
        self._assumed: dict[str, tuple[Pod, str]] = {}  # pod uid -> pod, node
        self._queue: WorkQueue[ObjectKey] = WorkQueue()
        pods.add_listener(self._pod_changed)
        nodes.add_listener(self._node_changed)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        pod = new or old
        assert pod is not None
        key = (pod.metadata.namespace, pod.metadata.name)
        if new is None or new.spec.node_name:
            self._assumed.pop(pod.metadata.uid, None)
            self._unplaced.discard(key)
            if new is None:
                self._retry_unplaced()  # There is room now.
        elif new.spec.scheduler_name == _NAME and old is None:
            self._unplaced.add(key)
            self._queue.put(key)

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if old is None or new is None or _placement_view(old) != _placement_view(new):
            self._retry_unplaced()

    def _retry_unplaced(self) -> None:
        for key in self._unplaced:
            self._queue.put(key)

    async def run(self) -> None:
        """Place pods until cancelled, once all nodes and pods are known."""
        await self._nodes.synced()
        await self._pods.synced()
        await self._queue.run(self._reconcile, log_failures("scheduler"))

    async def _reconcile(self, key: ObjectKey) -> float | None:
        pod = self._pods.get(key[1], key[0])
        if pod is None or pod.spec.node_name or pod.metadata.deletion_timestamp:
            return None
        if pod.metadata.uid in self._assumed:
            return None
        cluster = Placements(self._nodes.objects.values(), self._pods.objects.values())
        for assumed, node in self._assumed.values():
            cluster.assume(assumed, node)
        placement = cluster.place(pod)
        if not placement.node:
            await self._report(pod, placement.problem)
            return _RETRY_S
        await self._bind(pod, placement.node)
        return None

    async def _bind(self, pod: Pod, node: str) -> None:
        meta = pod.metadata
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        path = PODS.path(namespace=meta.namespace, name=meta.name, subresource="binding")
        self._assumed[meta.uid] = (pod, node)
        try:
            await self._client.request("POST", path, body=msgspec.json.encode(binding))
        except (NotFoundError, ConflictError):
            self._assumed.pop(meta.uid, None)  # Deleted, or bound already: the watch shows it.
            return
        except BaseException:
            self._assumed.pop(meta.uid, None)
            raise
        message = f"Successfully assigned {meta.namespace}/{meta.name} to {node}"
        self._record_event(pod, Severity.NORMAL, "Scheduled", message)

    async def _report(self, pod: Pod, problem: str) -> None:
        """Say on the pod why it is pending, unless it says so already."""
        known = next((c for c in pod.status.conditions if c.type == "PodScheduled"), None)
        if known is not None and known.status == "False" and known.message == problem:
            return
        self._record_event(pod, Severity.WARNING, "FailedScheduling", problem)
        condition: Json = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": problem,
            "lastProbeTime": None,
            "lastTransitionTime": format_time(datetime.now(UTC)),
        }
        with contextlib.suppress(NotFoundError):  # Deleted meanwhile.
            await self._client.patch(
                PODS,
                pod.metadata.name,
                {"status": {"phase": "Pending", "conditions": [condition]}},
                namespace=pod.metadata.namespace,
                subresource="status",
            )

    def _record_event(self, pod: Pod, severity: Severity, reason: str, message: str) -> None:
        meta = pod.metadata
        about = ObjectReference(kind="Pod", name=meta.name, namespace=meta.namespace, uid=meta.uid)
        self._events.record(about, severity=severity, reason=reason, message=message)


def _placement_view(node: Node) -> Json:
    """What of a node may change a decision: heartbeats do not."""
    return {
        "labels": node.metadata.labels,
        "spec": node.spec,
        "allocatable": node.status.get("allocatable"),
        "conditions": [
            (c.get("type"), c.get("status")) for c in node.status.get("conditions") or []
        ],
    }
