"""When a lab is up: every node Ready, every agent and the operator ready.

The API server is watched, not asked again and again. What is waited for is said in words, so that
a deadline can name what is missing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from ciliate.api.apps import DAEMON_SETS, DEPLOYMENTS, DaemonSet, Deployment
from ciliate.api.core import NODES, PODS, Node, Pod
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import KubeError
from ciliate.kube.informer import Informer
from ciliate.lab.errors import LabError
from ciliate.lab.manifests import AGENT, NAMESPACE, OPERATOR

#: Time for a lab to become ready, in seconds: the first, and more for every node.
_DEADLINE_S: Final = 45.0
_DEADLINE_NODE_S: Final = 1.0

#: A pod of kube-system that has ended so often will not come up by itself.
_RESTARTS_MAX: Final = 2

_LOG_LINES: Final = 8


class NotReadyError(LabError):
    """Something did not become ready in time."""

    def __init__(self, *, missing: Sequence[str], waited_s: float | None) -> None:
        self.missing = tuple(missing)
        after = "" if waited_s is None else f" after {waited_s:.0f} s"
        super().__init__(f"not ready{after}: {'; '.join(missing)}")


def deadline_s(nodes: int) -> float:
    """How long a lab of so many nodes may take."""
    return _DEADLINE_S + _DEADLINE_NODE_S * nodes


def is_ready(conditions: Sequence[object], kind: str = "Ready") -> bool:
    """Whether a node's or pod's conditions say so."""
    return any(
        getattr(condition, "type", "") == kind and getattr(condition, "status", "") == "True"
        for condition in conditions
    )


def why_unready(pod: Mapping[str, Any]) -> str:
    """A pod as JSON that is not ready: its node, what its container waits for or ended with."""
    words = [f"pod {pod['metadata']['name']} on {pod['spec'].get('nodeName', 'no node')}"]
    for container in pod["status"].get("containerStatuses", ()):
        waiting = container["state"].get("waiting", {}).get("reason", "")
        message = container.get("lastState", {}).get("terminated", {}).get("message", "")
        words += [word for word in (waiting, message.strip().rpartition("\n")[2]) if word]
    return ": ".join(words)


@dataclass(slots=True)
class ClusterView:
    """The cluster as its API server has it, kept right by watches."""

    nodes: Informer[Node]
    pods: Informer[Pod]
    sets: Informer[DaemonSet]
    deployments: Informer[Deployment]
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def missing_nodes(self, names: Sequence[str]) -> list[str]:
        """Which of these nodes are not Ready."""
        missing = []
        for name in names:
            node = self.nodes.get(name)
            if node is None:
                missing.append(f"node {name} has not registered")
            elif not is_ready(node.status.conditions):
                missing.append(f"node {name} is not Ready")
        return missing

    def missing_agents(self, count: int) -> list[str]:
        """Whether ds/cilium is short of `count` ready pods."""
        agents = self.sets.get(AGENT, NAMESPACE)
        ready = agents.status.number_ready if agents is not None else 0
        return [] if ready >= count else [f"ds/{AGENT}: {ready} of {count} ready"]

    def missing_operator(self) -> list[str]:
        """Whether the operator is not ready."""
        operator = self.deployments.get(OPERATOR, NAMESPACE)
        ready = operator.status.ready_replicas if operator is not None else 0
        return [] if ready else [f"deploy/{OPERATOR}: 0 of 1 ready"]

    def _crashing(self) -> list[str]:
        return [
            f"pod {pod.metadata.name} has ended {status.restart_count} times"
            for pod in self.pods.objects.values()
            for status in pod.status.container_statuses
            if status.restart_count >= _RESTARTS_MAX and not status.ready
        ]

    async def wait(self, missing: Callable[[], list[str]], limit_s: float) -> None:
        """Wait until `missing` names nothing.

        Raises:
            NotReadyError: It still does after `limit_s` seconds, or a pod ends again and again.
        """
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    # Cleared first: a change during the question is seen on the next turn.
                    self.changed.clear()
                    if not missing():
                        return
                    if self._crashing():
                        raise NotReadyError(missing=missing() + self._crashing(), waited_s=None)
                    await self.changed.wait()
        except TimeoutError as error:
            raise NotReadyError(missing=missing(), waited_s=limit_s) from error


async def unready_log(client: ApiClient, view: ClusterView) -> str:
    """The last log lines of a pod of kube-system that is not ready; empty when there are none."""
    for pod in view.pods.objects.values():
        if is_ready(pod.status.conditions):
            continue
        name = pod.metadata.name
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/log"
        for previous in ("false", "true"):
            params = {"tailLines": str(_LOG_LINES), "previous": previous}
            try:
                text = (await client.request("GET", path, params=params)).decode(errors="replace")
            except KubeError:
                continue  # It has not begun to log: another pod may have.
            if text:
                return f"pod {name}:\n{text}"
    return ""


@asynccontextmanager
async def watched_cluster(client: ApiClient) -> AsyncIterator[ClusterView]:
    """Watch nodes, ds/cilium, the operator's Deployment and the pods of kube-system."""
    changed = asyncio.Event()

    def wake(*_: object) -> None:
        changed.set()

    view = ClusterView(
        nodes=Informer(client, NODES, on_change=wake),
        pods=Informer(client, PODS, namespace=NAMESPACE, on_change=wake),
        sets=Informer(client, DAEMON_SETS, namespace=NAMESPACE, on_change=wake),
        deployments=Informer(client, DEPLOYMENTS, namespace=NAMESPACE, on_change=wake),
        changed=changed,
    )
    informers = (view.nodes, view.pods, view.sets, view.deployments)
    tasks = [asyncio.create_task(informer.run()) for informer in informers]
    try:
        await asyncio.gather(*(informer.synced() for informer in informers))
        yield view
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
