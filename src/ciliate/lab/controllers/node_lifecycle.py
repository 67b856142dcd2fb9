"""Nodes without heartbeat, and taints that follow a node's readiness."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any, Final

from ciliate.api.coordination import Lease
from ciliate.api.core import Taint
from ciliate.api.metadata import format_time
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError
from ciliate.kube.informer import Informer
from ciliate.lab.controllers.failures import log_failures
from ciliate.lab.controllers.placement import NOT_READY, UNREACHABLE, node_is_ready
from ciliate.lab.objects import NODES, Json, Node
from ciliate.reconcile.work_queue import WorkQueue

NAMESPACE: Final = "kube-node-lease"
#: Without a heartbeat for so long a node is Unknown. Generous: all kubelets of a lab share a
#: process, and a laptop may sleep. Counted from when we saw the Lease change, on our own clock.
GRACE_S: Final = 60.0
_PERIOD_S: Final = 5.0

_log = logging.getLogger(__name__)


def wanted_taints(node: Node) -> tuple[Taint, ...]:
    """Return the node's taints with those about its readiness put right."""
    others = [taint for taint in node.spec.taints if taint.key not in (NOT_READY, UNREACHABLE)]
    if node_is_ready(node):
        return tuple(others)
    state = _ready_status(node)
    key = UNREACHABLE if state == "Unknown" else NOT_READY
    return (*others, Taint(key=key, effect="NoSchedule"))


def _ready_status(node: Node) -> str:
    for condition in node.status.get("conditions") or []:
        if condition.get("type") == "Ready":
            return str(condition.get("status"))
    return "False"


class NodeLifecycleController:
    """Acts for every node; one task executes `run`."""

    def __init__(self, client: ApiClient, nodes: Informer[Node], leases: Informer[Lease]) -> None:
        self._client = client
        self._nodes = nodes
        self._heard: dict[str, float] = {}
        self._queue: WorkQueue[str] = WorkQueue()
        nodes.add_listener(self._node_changed)
        leases.add_listener(self._lease_changed)

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if new is None:
            assert old is not None
            self._heard.pop(old.metadata.name, None)
            return
        self._heard.setdefault(new.metadata.name, _now())
        self._queue.put(new.metadata.name)

    def _lease_changed(self, _old: Lease | None, new: Lease | None) -> None:
        if new is not None and new.metadata.name in self._heard:
            self._heard[new.metadata.name] = _now()

    async def run(self) -> None:
        """Watch over nodes until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._queue.run(self._reconcile, log_failures("node lifecycle")))
            while True:
                await asyncio.sleep(_PERIOD_S)
                for name, heard in self._heard.items():
                    if _now() - heard > GRACE_S:
                        self._queue.put(name)

    async def _reconcile(self, name: str) -> None:
        node = self._nodes.get(name)
        if node is None:
            return
        try:
            if _now() - self._heard.get(name, _now()) > GRACE_S:
                await self._mark_unknown(node)
            taints = wanted_taints(node)
            if taints != node.spec.taints:
                body: dict[str, Any] = {"spec": {"taints": list(taints) or None}}
                # The whole list is replaced, so only in the version that was read.
                body["metadata"] = {"resourceVersion": node.metadata.resource_version}
                await self._client.patch(NODES, name, body)
        except NotFoundError:
            return

    async def _mark_unknown(self, node: Node) -> None:
        if _ready_status(node) == "Unknown":
            return
        now = format_time(datetime.now(UTC))
        conditions: list[Json] = [
            {
                **condition,
                "status": "Unknown",
                "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.",
                "lastTransitionTime": now,
            }
            for condition in node.status.get("conditions") or []
        ]
        _log.warning("node %s: no heartbeat for %.0f s", node.metadata.name, GRACE_S)
        await self._client.patch(
            NODES, node.metadata.name, {"status": {"conditions": conditions}}, subresource="status"
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
