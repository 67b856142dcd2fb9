"""The cluster as the watches report it, as plain tables.

Informers keep the tables; nothing here decides. Objects that cannot be read (a CIDR typed by hand)
are left out with a warning, so that one bad object does not stop the others.
"""

import asyncio
import contextlib
from typing import Any, Final

from ciliate.api.cilium_endpoint import CILIUM_ENDPOINTS, CiliumEndpoint
from ciliate.api.cilium_identity import CILIUM_IDENTITIES, CiliumIdentity
from ciliate.api.cilium_node import CILIUM_NODES, CiliumNode
from ciliate.api.core import NAMESPACES, NODES, PODS, Namespace, Node, Pod
from ciliate.api.metadata import format_time
from ciliate.api.pod_ip_pool import CILIUM_POD_IP_POOLS, CiliumPodIPPool
from ciliate.kube.client import ApiClient
from ciliate.kube.informer import Informer
from ciliate.kube.retrying import waiting_text
from ciliate.net.address import to_octets
from ciliate.node.known_node import KnownNode
from ciliate.node.known_nodes import KnownNodes
from ciliate.node.known_pod import trimmed
from ciliate.node.known_pods import KnownPods
from ciliate.node.own_node import OwnNode, OwnNodeWatch
from ciliate.node.progress import Progress

#: How often it is told what a table that is waited for is refused.
_REMINDER_S: Final = 0.5


class Cluster:
    """The informers of one agent."""

    def __init__(self, client: ApiClient, own: OwnNode, *, with_pools: bool) -> None:
        self.own_node: Informer[Node] = Informer(
            client, NODES, field_selector=f"metadata.name={own.name}"
        )
        self.own = OwnNodeWatch(own, self.own_node)
        self.nodes: Informer[CiliumNode] = Informer(client, CILIUM_NODES)
        self.endpoints: Informer[CiliumEndpoint] = Informer(
            client,
            CILIUM_ENDPOINTS,
            transform=lambda found: trimmed(found, is_here=self.own.is_named),
        )
        self.identities: Informer[CiliumIdentity] = Informer(client, CILIUM_IDENTITIES)
        self.namespaces: Informer[Namespace] = Informer(client, NAMESPACES)
        self.pods: Informer[Pod] = Informer(
            client, PODS, field_selector=f"spec.nodeName={own.name}"
        )
        #: None in the modes that know no pools.
        self.pools: Informer[CiliumPodIPPool] | None = (
            Informer(client, CILIUM_POD_IP_POOLS) if with_pools else None
        )
        self.known_nodes = KnownNodes(client, self.nodes, local_name=own.name)
        self.known_nodes.add_listener(lambda _old, new: self._note_addresses(new))
        self.known_pods = KnownPods(self.endpoints)

    def _note_addresses(self, node: KnownNode | None) -> None:
        """Learn what this node was called by an earlier agent, and what others are called."""
        if node is not None and node.is_local:
            others_have = self.known_nodes.others_have
            self.own.note_former(a for a in node.internal_ips if not others_have(to_octets(a)))
        elif node is not None:
            self.own.forget_former(node.internal_ips)

    @property
    def informers(self) -> tuple[Informer[Any], ...]:
        """All of them, to run them and to report their health."""
        return (
            self.own_node,
            self.nodes,
            self.endpoints,
            self.identities,
            self.namespaces,
            self.pods,
            *((self.pools,) if self.pools is not None else ()),
        )

    @property
    def problem(self) -> str:
        """Why a watch does not work, and since when; empty while all do."""
        for informer in self.informers:
            if informer.last_error is not None and not informer.connected:
                since = format_time(informer.failing_since)
                return f"watch of {informer.name}: {informer.last_error} (since {since})"
        return ""

    @property
    def has_listed(self) -> bool:
        """Whether nodes and pods have been complete once; before, absence of one means nothing."""
        return self.nodes.has_synced and self.endpoints.has_synced

    async def listed(self, progress: Progress) -> None:
        """Wait until the tables are complete that routes, addresses and the ipcache depend on."""
        for informer in (self.nodes, self.endpoints, self.pools):
            while informer is not None and not informer.has_synced:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_REMINDER_S):
                        await informer.synced()
                if (error := informer.last_error) is not None:
                    progress.say(f"watch of {informer.name}: {waiting_text(error)}")

    def pool_edges(self, name: str) -> tuple[bool, bool]:
        """Whether blocks of a pool give out their first and their last address."""
        pool = self.pools.get(name) if self.pools is not None else None
        return (pool.spec.allow_first_ip, pool.spec.allow_last_ip) if pool else (False, False)
