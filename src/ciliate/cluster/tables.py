"""What the operator watches: one table a kind, and whether they can be trusted right now."""

import asyncio
from typing import Any, Final

from ciliate.api.cilium_identity import CILIUM_IDENTITIES, CiliumIdentity
from ciliate.api.cilium_node import CILIUM_NODES, CiliumNode
from ciliate.api.core import NODES, Node
from ciliate.cluster.partial_decode import partial_endpoint, partial_node
from ciliate.cluster.views import (
    AGENT_PODS,
    ENDPOINT_PRESENCES,
    POD_PRESENCES,
    AgentPod,
    EndpointPresence,
    PodPresence,
    trimmed_cilium_node,
    trimmed_endpoint,
    trimmed_node,
    trimmed_pod,
)
from ciliate.kube.client import ApiClient
from ciliate.kube.informer import Informer

#: An object that cannot be read as a whole claims its CIDRs and addresses all the same.
_NODES: Final = CILIUM_NODES.narrowed(CiliumNode, partial_decode=partial_node)
_ENDPOINTS: Final = ENDPOINT_PRESENCES.narrowed(EndpointPresence, partial_decode=partial_endpoint)


class Tables:
    """The informers of an operator that leads."""

    def __init__(self, client: ApiClient, *, namespace: str, agent_labels: str) -> None:
        self.nodes: Informer[Node] = Informer(client, NODES, transform=trimmed_node)
        self.cilium_nodes: Informer[CiliumNode] = Informer(
            client, _NODES, transform=trimmed_cilium_node
        )
        self.pods: Informer[PodPresence] = Informer(client, POD_PRESENCES, transform=trimmed_pod)
        self.agents: Informer[AgentPod] = Informer(
            client, AGENT_PODS, namespace=namespace, label_selector=agent_labels
        )
        self.endpoints: Informer[EndpointPresence] = Informer(
            client, _ENDPOINTS, transform=trimmed_endpoint
        )
        self.identities: Informer[CiliumIdentity] = Informer(client, CILIUM_IDENTITIES)

    @property
    def all(self) -> "tuple[Informer[Any], ...]":
        """Every informer."""
        return (
            self.nodes,
            self.cilium_nodes,
            self.pods,
            self.agents,
            self.endpoints,
            self.identities,
        )

    @property
    def current(self) -> bool:
        """Whether every table has been complete and its watch is alive.

        While one is not, absence means nothing and must not lead to a deletion.
        """
        return all(informer.has_synced and informer.connected for informer in self.all)

    def run(self, tasks: asyncio.TaskGroup) -> None:
        """Keep the tables up to date, in tasks of `tasks`."""
        for informer in self.all:
            tasks.create_task(informer.run(), name=f"watch {informer.name}")

    async def synced(self) -> None:
        """Wait until every table has been complete once."""
        for informer in self.all:
            await informer.synced()
