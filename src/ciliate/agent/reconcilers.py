"""The agent's reconcilers: every target it keeps right, in the order of the first pass.

What programs read comes before what makes packets reach the programs.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

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
from ciliate.net.address import IPAddress
from ciliate.reconcile.reconciler import Reconciler

#: CNI requests write their maps themselves; the reconcilers only repair, so they may wait for a
#: burst of pods to pass.
_REPAIR_SETTLE_S: Final = 0.5

#: What nodes learn of each other and of their pods: soon, but once for what comes together.
_TELL_SETTLE_S: Final = 0.05

AnyReconciler = Reconciler[Any, Any]


class Reconcilers:
    """Made once; each is woken by what can change its target, not by everything."""

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
        self._maps = _Maps.make(state, datapath)
        self._uplinks: AnyReconciler = Reconciler(UplinkTarget(datapath), state.uplinks)
        routes = NodeRouteTarget(context.rtnl, state)
        self._routes: AnyReconciler = Reconciler(routes, routes.desired, settle_s=_TELL_SETTLE_S)
        self._node = _node_reconciler(context, router)
        self._publications = _publication_reconciler(context, table)

    @property
    def all(self) -> tuple[AnyReconciler, ...]:
        """Every reconciler, what programs read before what leads packets to them."""
        held = self._maps
        return (
            held.interfaces,
            held.endpoints,
            held.ipcache,
            held.masquerade_addresses,
            self._uplinks,
            self._routes,
            self._node,
            self._publications,
        )

    async def first_pass(self) -> None:
        """Bring the kernel to what is known now; what fails is retried by its task."""
        for reconciler in self.all[:-2]:
            await reconciler.run_once()

    def start(self) -> None:
        """Keep every target right from now on."""
        held, cluster = self._maps, self._context.cluster
        cluster.own_node.add_listener(_waker(self._node))
        cluster.nodes.add_listener(_waker(held.ipcache, self._routes, self._node))
        cluster.endpoints.add_listener(_waker(held.ipcache, self._publications))
        for reconciler in self.all:
            self._context.tasks.create_task(reconciler.run())

    def pods_changed(self) -> None:
        """An endpoint of this node came, changed or went."""
        held = self._maps
        for reconciler in (
            held.interfaces,
            held.endpoints,
            held.ipcache,
            self._routes,
            self._publications,
        ):
            reconciler.wake()

    def devices_changed(self) -> None:
        """A device or an address of the node came, changed or went."""
        held = self._maps
        for reconciler in (
            held.endpoints,
            held.ipcache,
            held.masquerade_addresses,
            self._uplinks,
            self._routes,
        ):
            reconciler.wake()


def _waker(*reconcilers: AnyReconciler) -> Callable[[object, object], None]:
    def wake(_old: object, _new: object) -> None:
        for reconciler in reconcilers:
            reconciler.wake()

    return wake


@dataclass(frozen=True, slots=True)
class _Maps:
    """The reconcilers of the datapath's maps."""

    interfaces: AnyReconciler
    endpoints: AnyReconciler
    ipcache: AnyReconciler
    masquerade_addresses: AnyReconciler

    @classmethod
    def make(cls, state: DesiredState, datapath: Datapath) -> "_Maps":
        return cls(
            interfaces=Reconciler(
                MapTarget("sync-interfaces", datapath.opened(maps.INTERFACES)),
                state.interfaces,
                settle_s=_REPAIR_SETTLE_S,
            ),
            endpoints=Reconciler(
                MapTarget("sync-endpoints", datapath.opened(maps.ENDPOINTS)),
                state.endpoints,
                settle_s=_REPAIR_SETTLE_S,
            ),
            ipcache=Reconciler(
                MapTarget("sync-ipcache", datapath.opened(maps.IPCACHE)),
                state.ipcache,
                settle_s=_TELL_SETTLE_S,
            ),
            masquerade_addresses=Reconciler(
                MapTarget("sync-masquerade-addresses", datapath.opened(maps.MASQUERADE_ADDRESSES)),
                state.masquerade_addresses,
            ),
        )


def _node_reconciler(context: Context, router: tuple[IPAddress, ...]) -> AnyReconciler:
    own, cluster = context.own, context.cluster
    boot = boot_id()

    def own_publication() -> dict[str, NodePublication]:
        """Labels and addresses follow the Node; its pod CIDRs never change."""
        latest = cluster.own_node.get(own.name)
        known = replace(own_node(latest), pod_cidrs=own.pod_cidrs) if latest else own
        return {own.name: node_publication(known, router, boot=boot)}

    return Reconciler(CiliumNodeTarget(context.client, cluster.nodes, own.name), own_publication)


def _publication_reconciler(context: Context, table: EndpointTable) -> AnyReconciler:
    node_ip = context.own.internal_ips[0]
    return Reconciler(
        CiliumEndpointTarget(context.client, context.cluster.endpoints, node_ip),
        lambda: publications(table.newest_by_pod().values(), node_ip),
        settle_s=_TELL_SETTLE_S,
    )
