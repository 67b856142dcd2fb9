"""`lab restart`: pods deleted and awaited as `kubectl rollout restart` does, or a process anew."""

import asyncio
from collections.abc import Sequence

from ciliate.api.core import PODS
from ciliate.api.pod_report import PodReport
from ciliate.console.nearest import meant
from ciliate.kube.client import ApiClient
from ciliate.lab import manifests, processes, readiness
from ciliate.lab.errors import LabError
from ciliate.lab.paths import LabPaths
from ciliate.lab.processes import Processes
from ciliate.lab.state import LabState


class UnknownNodeError(LabError):
    """No such node in the lab."""

    def __init__(self, *, name: str, nodes: Sequence[str]) -> None:
        self.name = name
        hint = meant(name, nodes)
        super().__init__(f"{name!r} is no node of this lab{hint}: {', '.join(nodes)}")


def restart(paths: LabPaths, state: LabState, *, what: str, node: str | None) -> list[str]:
    """Restart and wait until it is ready again; lines that say what was done.

    Raises:
        UnknownNodeError: `node` is none.
        NotReadyError: It does not become ready.
        KubeError: The API server refuses or does not answer.
    """
    nodes = [machine.name for machine in state.nodes]
    if node is not None and node not in nodes:
        raise UnknownNodeError(name=node, nodes=nodes)
    if what in (processes.APISERVER, processes.KUBE):
        return asyncio.run(_restart_process(paths, state, what))
    selector = manifests.AGENT_SELECTOR if what == "agent" else manifests.OPERATOR_SELECTOR
    return asyncio.run(_restart_pods(paths, state, selector, node))


async def _restart_process(paths: LabPaths, state: LabState, name: str) -> list[str]:
    running = Processes(paths)
    await running.stop(name)
    if name == processes.APISERVER:
        child = await running.start_apiserver(state)
    else:
        child = await running.start_kube(state)
    child.close()
    async with ApiClient.from_kubeconfig(paths.kubeconfig) as client:
        await client.alive()
    return [f"{name} restarted, pid {child.pid}"]


async def _restart_pods(
    paths: LabPaths, state: LabState, selector: str, node: str | None
) -> list[str]:
    async with ApiClient.from_kubeconfig(paths.kubeconfig) as client:
        old = [
            pod
            for pod in (
                await client.list(PODS, namespace=manifests.NAMESPACE, label_selector=selector)
            ).items
            if node in (None, pod.spec.node_name)
        ]
        for pod in old:
            await client.delete(PODS, pod.metadata.name, namespace=manifests.NAMESPACE)
        gone = {pod.metadata.uid for pod in old}
        async with readiness.watched_cluster(client) as view:
            labels = dict(word.split("=") for word in selector.split(","))

            def is_new(pod: PodReport) -> bool:
                return pod.metadata.uid not in gone and _matches(pod, labels, node)

            def missing() -> list[str]:
                pods = [p for p in view.pods.objects.values() if _matches(p, labels, node)]
                return _missing(pods, gone, max(1, len(old)))

            limit_s = readiness.deadline_s(len(state.nodes))
            await view.wait(missing, limit_s, concerns=is_new)
    return [f"pod {pod.metadata.name} on {pod.spec.node_name} replaced" for pod in old]


def _matches(pod: PodReport, labels: dict[str, str], node: str | None) -> bool:
    if node not in (None, pod.spec.node_name):
        return False
    return all(pod.metadata.labels.get(key) == value for key, value in labels.items())


def _missing(pods: Sequence[PodReport], gone: set[str], wanted: int) -> list[str]:
    left = [pod.metadata.name for pod in pods if pod.metadata.uid in gone]
    ready = [pod for pod in pods if pod.metadata.uid not in gone and pod.is_ready]
    missing = [f"pod {name} is still there" for name in left]
    if len(ready) < wanted:
        missing.append(f"{len(ready)} of {wanted} new pods are ready")
    return missing
