"""When a lab is up: every node Ready, every agent and the operator ready.

The API server is watched, not asked again and again. What is waited for is said in words, so that
a deadline can name what is missing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from ciliate.api.apps import DAEMON_SETS, DEPLOYMENTS, DaemonSet, Deployment
from ciliate.api.core import NODES, Node
from ciliate.api.pod_report import POD_REPORTS, PodReport, why_unready
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import KubeError
from ciliate.kube.informer import Informer
from ciliate.lab.errors import LabError
from ciliate.lab.manifests import AGENT, NAMESPACE, OPERATOR

#: Time for a lab to become ready, in seconds: the first, and more for every node. It is for machines
#: that are emulated, or busy; what ends again and again is told before.
_DEADLINE_S: Final = 120.0
_DEADLINE_NODE_S: Final = 1.0

#: A pod of kube-system that has ended so often will not come up by itself.
_RESTARTS_MAX: Final = 2

_LOG_LINES: Final = 8

#: Pods whose failure an error tells; those of many nodes fail alike.
_PODS_TOLD_MAX: Final = 3


class NotReadyError(LabError):
    """Something did not become ready in time; `failures` are pods that may be the reason."""

    def __init__(
        self, *, missing: Sequence[str], failures: Sequence[str], waited_s: float | None
    ) -> None:
        self.missing = tuple(missing)
        self.failures = tuple(failures)
        after = "" if waited_s is None else f" after {waited_s:.0f} s"
        told = list(failures[:_PODS_TOLD_MAX])
        if len(failures) > _PODS_TOLD_MAX:
            told.append(f"and {len(failures) - _PODS_TOLD_MAX} more pods")
        super().__init__("\n  ".join([f"not ready{after}: {'; '.join(missing)}", *told]))


def deadline_s(nodes: int) -> float:
    """How long a lab of so many nodes may take."""
    return _DEADLINE_S + _DEADLINE_NODE_S * nodes


def is_ready(conditions: Sequence[object], kind: str = "Ready") -> bool:
    """Whether a node's or pod's conditions say so."""
    return any(
        getattr(condition, "type", "") == kind and getattr(condition, "status", "") == "True"
        for condition in conditions
    )


@dataclass(slots=True)
class ClusterView:
    """The cluster as its API server has it, kept right by watches."""

    nodes: Informer[Node]
    pods: Informer[PodReport]
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
        return self.missing_deployment(OPERATOR, NAMESPACE)

    def missing_deployment(self, name: str, namespace: str) -> list[str]:
        """Whether a Deployment has no pod that is ready."""
        found = self.deployments.get(name, namespace)
        ready = found.status.ready_replicas if found is not None else 0
        return [] if ready else [f"deploy/{name}: 0 of 1 ready"]

    async def wait(
        self,
        missing: Callable[[], list[str]],
        limit_s: float,
        *,
        concerns: Callable[[PodReport], bool] = lambda _: True,
    ) -> None:
        """Wait until `missing` names nothing; pods that are waited for `concerns` accepts.

        Raises:
            NotReadyError: It still does after `limit_s` seconds, or such a pod ends again and again.
        """
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    # Cleared first: a change during the question is seen on the next turn.
                    self.changed.clear()
                    if not missing():
                        return
                    if any(map(_is_crashing, self._unready(concerns))):
                        raise self._not_ready(missing(), concerns, waited_s=None)
                    await self.changed.wait()
        except TimeoutError as error:
            raise self._not_ready(missing(), concerns, waited_s=limit_s) from error

    def _unready(self, concerns: Callable[[PodReport], bool]) -> list[PodReport]:
        """Pods that may still become ready: those that are being deleted will not."""
        return [
            pod
            for pod in self.pods.objects.values()
            if concerns(pod) and not pod.is_ready and pod.metadata.deletion_timestamp is None
        ]

    def _not_ready(
        self,
        missing: Sequence[str],
        concerns: Callable[[PodReport], bool],
        *,
        waited_s: float | None,
    ) -> NotReadyError:
        failures = sorted(map(why_unready, self._unready(concerns)))
        return NotReadyError(missing=missing, failures=failures, waited_s=waited_s)


def _is_crashing(pod: PodReport) -> bool:
    return any(each.restart_count >= _RESTARTS_MAX and not each.ready for each in pod.containers)


async def unready_log(client: ApiClient, view: ClusterView) -> str:
    """The last log lines of a watched pod that is not ready; empty when there are none."""
    for pod in view.pods.objects.values():
        if pod.is_ready:
            continue
        name = pod.metadata.name
        path = f"/api/v1/namespaces/{pod.metadata.namespace}/pods/{name}/log"
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
async def watched_cluster(
    client: ApiClient, *, namespace: str = NAMESPACE
) -> AsyncIterator[ClusterView]:
    """Watch nodes, and a namespace's pods, DaemonSets and Deployments: of kube-system unless told."""
    changed = asyncio.Event()

    def wake(*_: object) -> None:
        changed.set()

    view = ClusterView(
        nodes=Informer(client, NODES, on_change=wake),
        pods=Informer(client, POD_REPORTS, namespace=namespace, on_change=wake),
        sets=Informer(client, DAEMON_SETS, namespace=namespace, on_change=wake),
        deployments=Informer(client, DEPLOYMENTS, namespace=namespace, on_change=wake),
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
