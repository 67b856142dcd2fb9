"""Address management of this node, put together: blocks, their sources, the router, demand.

In the order of a start: CIDRs that may be in use are loaded, restored pods take their addresses,
the CiliumNode lists the former CIDRs they are in, and only then does the agent wait for a CIDR to
give addresses out of. The same CiliumNode reconciler runs on afterwards.
"""

import asyncio
import random
from dataclasses import dataclass, replace
from typing import Any, Final

from ciliate.ipam.agent.address_source import OwnAddresses
from ciliate.ipam.agent.cilium_node import (
    CiliumNodeTarget,
    NodePublication,
    OwnCIDRs,
    boot_id,
    node_publication,
)
from ciliate.ipam.agent.foreign_pods import ForeignPods
from ciliate.ipam.agent.pod_cidrs import CIDRFile, PodCIDRs
from ciliate.ipam.agent.pool_demand import PoolDemand
from ciliate.ipam.agent.router import Router
from ciliate.ipam.node import NodeAddresses
from ciliate.node.context import Context
from ciliate.node.feature import AnyReconciler
from ciliate.node.own_node import OwnNode
from ciliate.node.progress import Progress
from ciliate.reconcile.reconciler import Reconciler

#: The first address of a block is chosen at random among so many.
_STARTS: Final = 1 << 16

#: How often idle CIDRs are searched without any event: the demand of pods that gave up expires.
_IDLE_CHECK_S: Final = 60.0

_NODE_IP_OWNER: Final = "node-ip (excluded)"


@dataclass(frozen=True, slots=True)
class NodeIPAM:
    """The parts that know this node's addresses."""

    context: Context
    addresses: NodeAddresses
    pod_cidrs: PodCIDRs
    demand: PoolDemand | None  # In multi-pool mode only.
    router: Router
    source: OwnAddresses
    publication: AnyReconciler  # Of this node's CiliumNode.

    @classmethod
    def make(cls, context: Context) -> "NodeIPAM":
        """Wire the parts; nothing is read or written yet."""
        settings, cluster = context.settings.ipam, context.cluster
        addresses = NodeAddresses(
            settings.versions, start=lambda: random.randrange(_STARTS), edges=cluster.pool_edges
        )
        for address in cluster.own.current.internal_ips:
            addresses.reserve(address, _NODE_IP_OWNER)
        file = CIDRFile(context.paths.state / "pod-cidrs.json")
        pod_cidrs = PodCIDRs(settings, cluster, addresses, file)
        demand = None
        if settings.mode == "multi-pool":
            demand = PoolDemand(settings, addresses, pod_cidrs)
        router = Router(
            settings, cluster, addresses, context.rtnl, made=context.own_links.note_router
        )
        own_cidrs = OwnCIDRs(settings.mode, cluster.nodes, addresses, demand, pod_cidrs.of_node)
        return cls(
            context,
            addresses,
            pod_cidrs,
            demand,
            router,
            OwnAddresses(context, addresses, pod_cidrs, demand),
            _publication(context, router, own_cidrs),
        )

    def load(self) -> None:
        """Hold CIDRs that may have pods in them; restored endpoints take their addresses next."""
        self.pod_cidrs.load()

    async def start(self, progress: Progress) -> None:
        """Publish what this node holds and needs; wait until it can give addresses.

        Raises:
            CiliateError: The router has no address.
        """
        cluster = self.context.cluster
        cluster.own.listen(self._keep_off)
        ForeignPods(cluster.known_pods, self.addresses, cluster.own).follow()
        self.pod_cidrs.follow()
        wake = self.publication.wake
        self.addresses.listen(wake)
        self.router.listen(wake)
        cluster.own.listen(lambda _old, _new: wake())
        cluster.nodes.add_listener(lambda _old, _new: wake())
        if self.demand is not None:
            self.demand.listen(wake)
            self.addresses.listen(self.demand.freed)  # It may be idle at once.
            self.context.tasks.create_task(self._close_idle(self.demand))
        self.context.tasks.create_task(self.publication.run())
        await self.pod_cidrs.ready(progress)
        await self.router.choose(self.context.own.name)
        wake()

    def _keep_off(self, old: OwnNode, new: OwnNode) -> None:
        """Keep the node's own addresses from pods; former ones are pods' again."""
        for address in new.internal_ips:
            self.addresses.reserve(address, _NODE_IP_OWNER)
        for address in set(old.internal_ips).difference(new.internal_ips):
            self.addresses.unreserve(address, _NODE_IP_OWNER)

    async def _close_idle(self, demand: PoolDemand) -> None:
        """Give back CIDRs that were idle for a while, until cancelled."""
        woken = asyncio.Event()
        demand.listen(woken.set)
        while True:
            due_s = demand.close_idle()
            woken.clear()
            try:
                async with asyncio.timeout(_IDLE_CHECK_S if due_s is None else due_s):
                    await woken.wait()
            except TimeoutError:
                continue


def _publication(context: Context, router: Router, own_cidrs: OwnCIDRs) -> AnyReconciler:
    """Return the reconciler of this node's CiliumNode."""
    cluster, boot = context.cluster, boot_id()

    def own_publication() -> dict[str, NodePublication] | None:
        """Labels and addresses follow the Node; nothing is published while there is none.

        The object is owned by the Node, and Kubernetes deletes it as often as it is made.
        """
        own = context.own
        if cluster.own_node.has_synced and cluster.own_node.get(own.name) is None:
            return None
        published = own_cidrs.complete(own.name, node_publication(own, router.current, boot=boot))
        if not router.current:  # Not chosen yet: the published one stays.
            published = replace(
                published, addresses=(*published.addresses, *_published_router(context))
            )
        return {own.name: published}

    name, mode = context.own.name, context.settings.ipam.mode
    target = CiliumNodeTarget(context.client, cluster.nodes, name, mode)
    return Reconciler(target, own_publication)


def _published_router(context: Context) -> tuple[Any, ...]:
    found = context.cluster.nodes.get(context.own.name)
    addresses = found.spec.addresses if found is not None else ()
    return tuple(address for address in addresses if address.type == "CiliumInternalIP")
