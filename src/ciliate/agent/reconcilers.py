"""The agent's reconcilers: every target it keeps right, in the order of the first pass.

What programs read comes before what makes packets reach the programs.
"""

from dataclasses import dataclass
from typing import Any, Final

from ciliate.agent.kernel import DesiredState, NodeRouteTarget
from ciliate.api.cilium_endpoint import CiliumEndpoint
from ciliate.datapath import maps
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.target import MapTarget
from ciliate.endpoint.publication import CiliumEndpointTarget, publications
from ciliate.node.context import Context
from ciliate.node.devices import UplinkTarget
from ciliate.node.endpoint_table import EndpointTable
from ciliate.reconcile.reconciler import Reconciler

#: CNI requests write their maps themselves; the reconcilers only repair, so they may wait for a
#: burst of pods to pass.
_REPAIR_SETTLE_S: Final = 0.5

#: What nodes learn of each other and of their pods: soon, but once for what comes together.
_TELL_SETTLE_S: Final = 0.1

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
        node: AnyReconciler,
    ) -> None:
        self._context = context
        self._state = state
        self._stray_changes = 0
        self._maps = _Maps.make(state, datapath)
        self._uplinks: AnyReconciler = Reconciler(UplinkTarget(datapath), state.uplinks)
        self._route_target = NodeRouteTarget(context.rtnl, state)
        self._routes: AnyReconciler = Reconciler(
            self._route_target,
            self._route_target.desired,
            settle_s=_TELL_SETTLE_S,
            # A CIDR's route may give way to routes of the pods in it: no packet goes between.
            puts_first=True,
        )
        self._node = node
        self._publications = _publication_reconciler(context, table)

    @property
    def _of_kernel(self) -> tuple[AnyReconciler, ...]:
        """What programs read, before what leads packets to them."""
        held = self._maps
        return (
            held.interfaces,
            held.endpoints,
            held.ipcache,
            held.masquerade_addresses,
            self._uplinks,
            self._routes,
        )

    @property
    def all(self) -> tuple[AnyReconciler, ...]:
        """Every reconciler."""
        return (*self._of_kernel, self._node, self._publications)

    async def first_pass(self) -> None:
        """Bring the kernel to what is known now; what fails is retried by its task."""
        for reconciler in self._of_kernel:
            await reconciler.run_once()

    def start(self) -> None:
        """Keep every target right from now on."""
        cluster = self._context.cluster
        cluster.known_nodes.add_listener(lambda _old, _new: self._nodes_changed())
        cluster.endpoints.add_listener(self._endpoint_changed)
        self._context.tasks.create_task(self._wake_when_synced())
        for reconciler in (*self._of_kernel, self._publications):  # The node's runs already.
            self._context.tasks.create_task(reconciler.run())

    async def _wake_when_synced(self) -> None:
        """An empty list calls no listener, and yet says that everything is known now."""
        await self._context.cluster.nodes.synced()
        await self._context.cluster.endpoints.synced()
        self._maps.ipcache.wake()
        self._routes.wake()

    def _nodes_changed(self) -> None:
        self._route_target.forget_answers()
        for reconciler in (self._maps.ipcache, self._routes):
            reconciler.wake()

    def _endpoint_changed(self, old: CiliumEndpoint | None, new: CiliumEndpoint | None) -> None:
        self._maps.ipcache.wake()
        if self._state.strays.changes_by_pods != self._stray_changes:
            self._stray_changes = self._state.strays.changes_by_pods
            self._routes.wake()
        if any(self._is_of_this_node(endpoint) for endpoint in (old, new)):
            self._publications.wake()

    def _is_of_this_node(self, endpoint: CiliumEndpoint | None) -> bool:
        networking = endpoint.status.networking if endpoint is not None else None
        return networking is not None and networking.node == str(self._context.own.internal_ips[0])

    def pods_changed(self) -> None:
        """An endpoint of this node came, changed or went."""
        held = self._maps
        for reconciler in (
            held.interfaces,
            held.endpoints,
            held.ipcache,
            self._publications,
        ):
            reconciler.wake()

    def routes_changed(self) -> None:
        """A route came or went, perhaps one of ours by somebody's hand."""
        self._route_target.forget_answers()
        self._routes.wake()

    def devices_changed(self) -> None:
        """A device or an address of the node came, changed or went."""
        self._route_target.forget_answers()
        held = self._maps
        for reconciler in (
            held.endpoints,
            held.ipcache,
            held.masquerade_addresses,
            self._uplinks,
            self._routes,
        ):
            reconciler.wake()


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
                state.ipcache_map,
                settle_s=_TELL_SETTLE_S,
            ),
            masquerade_addresses=Reconciler(
                MapTarget("sync-masquerade-addresses", datapath.opened(maps.MASQUERADE_ADDRESSES)),
                state.masquerade_addresses,
            ),
        )


def _publication_reconciler(context: Context, table: EndpointTable) -> AnyReconciler:
    node_ip = context.own.internal_ips[0]
    return Reconciler(
        CiliumEndpointTarget(context.client, context.cluster.endpoints, node_ip),
        lambda: publications(table.newest_by_pod().values(), node_ip),
        settle_s=_TELL_SETTLE_S,
    )
