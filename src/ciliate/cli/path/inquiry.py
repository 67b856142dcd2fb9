"""Asking the agents at both ends of a way."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ciliate.api.cilium_node import CILIUM_NODES
from ciliate.api.core import NODES, PODS, Pod
from ciliate.cli.asked_pod import ask_agent, networkless
from ciliate.cli.path.model import Manner, NodePath, PathReport
from ciliate.cli.path.report import both_ways, one_way, source_of
from ciliate.errors import CiliateError
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError
from ciliate.masquerade.explain.question import read_target


@dataclass(slots=True)
class Inquiry:
    """One command's questions; pods and nodes are listed once."""

    client: ApiClient
    pods: Mapping[str, Pod] = field(default_factory=dict)
    nodes: Mapping[str, frozenset[str]] = field(default_factory=dict)

    async def read(self) -> None:
        """List pods by address, and the addresses of nodes.

        Raises:
            KubeError: The API server refuses or does not answer.
        """
        pods = (await self.client.list(PODS)).items
        self.pods = {
            each.ip: pod for pod in pods if not networkless(pod) for each in pod.status.pod_ips
        }
        self.nodes = await node_addresses(self.client)

    async def report(self, pod: Pod, destination: str) -> PathReport:
        """Return the way from a pod to ADDRESS[:PORT][/PROTOCOL], and back where that is a pod.

        Raises:
            CiliateError: The agent at the near end does not answer, or refuses.
        """
        target = read_target(destination)
        near = await self._ask(pod, destination)
        far_pod = self.pods.get(str(target.address))
        if far_pod is None or near.departure.manner is Manner.NOWHERE:
            return one_way(near, target, self.nodes)
        source = source_of(near)
        try:
            far = await self._ask(far_pod, f"[{source}]" if ":" in source else source)
        except CiliateError as error:
            return one_way(near, target, self.nodes, str(error))
        return both_ways(near, far, self.nodes)

    async def _ask(self, pod: Pod, destination: str) -> NodePath:
        name = f"{pod.metadata.namespace}/{pod.metadata.name}"
        words = ("explain", "path", name, destination)
        return await ask_agent(self.client, pod.spec.node_name, words, NodePath)


async def node_addresses(client: ApiClient) -> dict[str, frozenset[str]]:
    """Return the addresses by which the cluster knows each node.

    Raises:
        KubeError: The API server refuses or does not answer.
    """
    found: dict[str, set[str]] = {}
    for node in (await client.list(NODES)).items:
        found[node.metadata.name] = {each.address for each in node.status.addresses}
    try:
        for each in (await client.list(CILIUM_NODES)).items:
            found.setdefault(each.metadata.name, set()).update(a.ip for a in each.spec.addresses)
    except NotFoundError:
        pass
    return {name: frozenset(addresses) for name, addresses in found.items()}
