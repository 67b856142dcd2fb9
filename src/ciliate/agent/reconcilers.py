"""The agent's reconcilers: every target it keeps right, in the order of the first pass.

What programs read comes before what makes packets reach the programs.
"""

from dataclasses import replace
from typing import Any

from ciliate.agent.bootstrap import own_node
from ciliate.agent.context import Context
from ciliate.agent.devices import UplinkTarget
from ciliate.agent.kernel import DesiredState, NodeRouteTarget
from ciliate.agent.node import CiliumNodeTarget, NodePublication, boot_id, node_publication
from ciliate.datapath import maps
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.target import MapTarget
from ciliate.endpoint.publication import CiliumEndpointTarget, publications
from ciliate.endpoint.table import EndpointTable
from ciliate.kube.informer import Informer
from ciliate.net.address import IPAddress
from ciliate.reconcile.reconciler import Reconciler


class Reconcilers:
    """Made once; woken together by every change."""

    def __init__(
        self,
        context: Context,
        state: DesiredState,
        datapath: Datapath,
        *,
        table: EndpointTable,
        router: tuple[IPAddress, ...],
    ) -> None:
        self._context = context
        self._kernel = _kernel_reconcilers(context, state, datapath)
        self._api = _api_reconcilers(context, table, router)

    @property
    def all(self) -> tuple[Reconciler[Any, Any], ...]:
        """Every reconciler."""
        return (*self._kernel, *self._api)

    def wake(self) -> None:
        """Something changed: let each look whether it concerns its target."""
        for reconciler in self.all:
            reconciler.wake()

    async def first_pass(self) -> None:
        """Bring the kernel to what is known now; what fails is retried by its task."""
        for reconciler in self._kernel:
            await reconciler.run_once()

    def start(self) -> None:
        """Keep every target right from now on."""
        watched: tuple[Informer[Any], ...] = (
            self._context.cluster.own_node,
            self._context.cluster.nodes,
            self._context.cluster.endpoints,
        )
        for informer in watched:
            informer.add_listener(lambda _old, _new: self.wake())
        for reconciler in self.all:
            self._context.tasks.create_task(reconciler.run())


def _kernel_reconcilers(
    context: Context, state: DesiredState, datapath: Datapath
) -> tuple[Reconciler[Any, Any], ...]:
    routes = NodeRouteTarget(context.rtnl, state)
    return (
        Reconciler(
            MapTarget("sync-interfaces", datapath.opened(maps.INTERFACES)), state.interfaces
        ),
        Reconciler(MapTarget("sync-endpoints", datapath.opened(maps.ENDPOINTS)), state.endpoints),
        Reconciler(MapTarget("sync-ipcache", datapath.opened(maps.IPCACHE)), state.ipcache),
        Reconciler(
            MapTarget("sync-masquerade-addresses", datapath.opened(maps.MASQUERADE_ADDRESSES)),
            state.masquerade_addresses,
        ),
        Reconciler(UplinkTarget(datapath), state.uplinks),
        Reconciler(routes, routes.desired),
    )


def _api_reconcilers(
    context: Context, table: EndpointTable, router: tuple[IPAddress, ...]
) -> tuple[Reconciler[Any, Any], ...]:
    own, cluster = context.own, context.cluster
    node_ip = own.internal_ips[0]
    boot = boot_id()

    def own_publication() -> dict[str, NodePublication]:
        """Labels and addresses follow the Node; its pod CIDRs never change."""
        latest = cluster.own_node.get(own.name)
        known = replace(own_node(latest), pod_cidrs=own.pod_cidrs) if latest else own
        return {own.name: node_publication(known, router, boot=boot)}

    return (
        Reconciler(CiliumNodeTarget(context.client, cluster.nodes, own.name), own_publication),
        Reconciler(
            CiliumEndpointTarget(context.client, cluster.endpoints, node_ip),
            lambda: publications(table.newest_by_pod().values(), node_ip),
        ),
    )
