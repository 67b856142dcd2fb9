"""Routing on a running node: its routes, and the changes that touch them."""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Final, Literal

from ciliate.api.resource import ObjectKey
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.target import MapTarget
from ciliate.net.address import IPAddress, IPNetwork, from_octets, host_network, to_octets
from ciliate.net.link import LOCAL_TABLE, Route
from ciliate.netlink.monitor import Change
from ciliate.node.context import Context
from ciliate.node.endpoint import Endpoint
from ciliate.node.feature import AnyReconciler, Feature, Task
from ciliate.node.known_node import KnownNode
from ciliate.node.known_pod import KnownPod
from ciliate.node.own_node import OwnNode
from ciliate.node.progress import Progress
from ciliate.reconcile.reconciler import Reconciler
from ciliate.routing.claims import CIDRClaims
from ciliate.routing.displaced_pods import DisplacedPods
from ciliate.routing.maps import ROUTE_MTUS
from ciliate.routing.plan import hop_of, why_unreachable
from ciliate.routing.reachability import NodeReachability
from ciliate.routing.reserved import Reserved
from ciliate.routing.route_mtus import route_mtu_entries
from ciliate.routing.routes import Routes
from ciliate.routing.service_ranges import ServiceRanges
from ciliate.routing.status import Routing
from ciliate.routing.target import Observed, Owners, RouteTarget, is_host_route, is_to_node
from ciliate.routing.ways import DirectWays, TunnelWays, Ways
from ciliate.routing.written_routes import FILE_NAME, WrittenRoutes

_log = logging.getLogger(__name__)

#: How long changes of nodes are gathered before their routes are written together.
_SETTLE_S: Final = 0.1


class RoutingFeature(Feature):
    """How packets reach pods on this node and on others."""

    name: ClassVar[str] = "routing"

    def __init__(self, context: Context) -> None:
        self._context = context
        cluster = context.cluster
        self._claims = CIDRClaims()
        tunnel = context.settings.routing.tunnel
        underlay = tunnel.underlay_version if tunnel is not None else None
        self._displaced = DisplacedPods(cluster, self._claims, underlay=underlay)
        self._reachability = NodeReachability(context.rtnl, self._answers_changed)
        self._reserved = Reserved()
        self._services = ServiceRanges(context.client, self._services_changed)
        self._routes = Routes(
            cluster,
            context.endpoints,
            self._claims,
            self._displaced,
            ways=self._ways(),
            reserved=self._reserved,
            metric=context.settings.routing.metric,
            answers_for_own=context.settings.cni.chaining_mode != "generic-veth"
            and context.settings.ipam.mode != "delegated-plugin",
        )
        self._written = WrittenRoutes(context.paths.state / FILE_NAME)
        owners = Owners(
            is_own_pod=self._is_own_pod,
            is_node=lambda ip: cluster.known_nodes.at(to_octets(ip)) is not None,
            is_router_link=lambda index: index == context.own_links.router.index,
            # Asked before this agent keeps its first endpoint.
            inherits=not context.endpoint_store.is_new,
        )
        target = RouteTarget(context.rtnl, self._written, owners, observed=self._kernel_read)
        self._sync: AnyReconciler = Reconciler(
            target,
            self._desired,
            settle_s=_SETTLE_S,
            # A CIDR's route may give way to routes of the pods in it: no packet is lost in
            # between.
            puts_first=True,
        )
        #: Why a node's pods have no route; logged when it changes.
        self._unreachable: dict[IPAddress, str] = {}

    def _ways(self) -> Ways | None:
        context, settings = self._context, self._context.settings.routing
        direct = DirectWays(self._reachability)
        if settings.tunnel is not None:
            return TunnelWays(
                context.own_links,
                context.cluster.known_nodes,
                settings.tunnel,
                mtu=lambda: context.devices.route_mtu,
                otherwise=direct,
            )
        return direct if settings.auto_direct_node_routes else None

    async def load(self) -> None:
        """Learn which routes a previous agent wrote."""
        await asyncio.to_thread(self._written.load)

    async def start(self, progress: Progress) -> None:  # noqa: ARG002 - waits for moments only.
        """Learn how this node reaches the nodes that are known by now, and the Services' ranges."""
        # Before the first pass: a route into the ranges would take Services' packets at once.
        self._context.tasks.create_task(self._services.run(), name="Services' ranges")
        cluster = self._context.cluster
        cluster.known_nodes.add_listener(self._node_changed)
        cluster.known_pods.add_listener(self._pod_changed)
        cluster.own.listen(self._own_node_changed)
        await self._reachability.ask()
        await self._services.answered()

    def reconcilers(self, datapath: Datapath) -> Sequence[AnyReconciler]:
        """Return the reconcilers of the routes, and of the MTUs that routes have."""
        devices = self._context.devices
        self._context.endpoints.listen(self._endpoint_changed)
        devices.listen(lambda _old, _new: self._reachability.ask_anew())
        if self._context.settings.routing.tunnel is not None:
            self._context.own_links.listen(self._sync.wake)
            devices.listen(lambda _old, _new: self._sync.wake())  # Their MTU is the routes'.
        devices.listen_routes(self._kernel_changed)
        # The kernel takes routes along with an address or a device: that is no war of writers.
        devices.listen_losses(lambda _change: self._sync.excuse())
        mtus = Reconciler(
            MapTarget("sync-route-mtus", datapath.opened(ROUTE_MTUS)),
            lambda: route_mtu_entries(devices.current.limiting_routes),
        )
        devices.listen(
            lambda old, new: mtus.touch(
                route_mtu_entries((*old.limiting_routes, *new.limiting_routes))
            )
        )
        return (self._sync, mtus)

    def tasks(self) -> Sequence[Task]:
        """Return what asks the kernel for next hops."""
        return (self._reachability.run,)

    def status(self) -> Mapping[str, object]:
        """Return the Routing line's part."""
        host: Literal["BPF", "Legacy"] = "Legacy" if self._context.stack.is_in_use else "BPF"
        tunnel = self._context.settings.routing.tunnel
        return {
            "routing": Routing(
                inter_host_routing_mode="Native" if tunnel is None else "Tunnel",
                intra_host_routing_mode=host,
                tunnel_protocol="" if tunnel is None else tunnel.protocol,
            )
        }

    def _desired(self) -> Routes | None:
        """Return the routes, once what they follow from is known."""
        return self._routes if self._context.cluster.has_listed else None

    def _is_own_pod(self, destination: IPNetwork) -> bool:
        endpoint = self._context.endpoints.at(to_octets(destination.network_address))
        return endpoint is not None and not endpoint.chained

    def _kernel_read(self, observed: Observed) -> None:
        self._reserved.note_kernel(observed.others, observed.local)
        self._reachability.keep(self._node_ips())
        self._routes.note_kernel(observed.ours)

    # Sources: each names the destinations whose route it may change.

    def _services_changed(self, ranges: frozenset[IPNetwork]) -> None:
        self._reserved.note_services(ranges)
        self._sync.wake()

    def _node_changed(self, old: KnownNode | None, new: KnownNode | None) -> None:
        change = self._claims.update(old, new)
        if any(map(self._claims.covers, self._reserved.update(old, new))):
            self._sync.wake()  # A node is where pods are claimed to be, or no longer.
        known = (self._context.cluster.known_nodes.get(name) for name in change.nodes)
        concerned = [node for node in (old, new, *known) if node is not None]
        ips = {ip for node in concerned for ip in node.internal_ips}
        ips |= self._context.cluster.known_nodes.former_ips({node.name for node in concerned})
        self._watch_answers(new)
        self._touch_displaced(self._displaced.inspect_nodes(ips))
        published = (node.all_cidrs for node in (old, new) if node is not None)
        self._touch(change.cidrs.union(*published))
        left = set(old.internal_ips if old is not None else ())
        for ip in left.difference(new.internal_ips if new is not None else ()):
            self._unreachable.pop(ip, None)

    def _own_node_changed(self, old: OwnNode, new: OwnNode) -> None:
        """CiliumEndpoints by an address that is this node's now, or was, are pods here."""
        ips = {*old.internal_ips, *new.internal_ips}
        self._touch_displaced(self._displaced.inspect_nodes(ips))

    def _pod_changed(self, key: ObjectKey, _old: KnownPod | None, new: KnownPod | None) -> None:
        self._touch_displaced(self._displaced.inspect(key, new))

    def _touch_displaced(self, addresses: set[bytes]) -> None:
        if not addresses:
            return
        routes = self._displaced.routes
        self._reachability.watch(routes[each] for each in addresses if each in routes)
        self._touch(host_network(from_octets(octets)) for octets in addresses)
        self._touch(self._routes.note_unresolved())

    def _touch(self, destinations: Iterable[IPNetwork]) -> None:
        """Enqueue these; where the kernel has not answered about the node yet, its answer does."""
        self._sync.touch(each for each in destinations if self._routes.is_decided(each))

    def _watch_answers(self, node: KnownNode | None) -> None:
        if node is None or node.is_local or not node.all_cidrs:
            return
        routing = self._context.settings.routing
        if routing.tunnel is not None and node.tunnel_received == routing.tunnel.name:
            return
        if routing.auto_direct_node_routes or routing.tunnel is not None:
            versions = {cidr.version for cidr in node.all_cidrs}
            ips = map(node.node_ip, versions)
            self._reachability.watch(ip for ip in ips if ip is not None)

    def _answers_changed(self, node_ips: frozenset[IPAddress]) -> None:
        routes = self._displaced.routes
        known = self._context.cluster.known_nodes
        for node_ip in node_ips:
            for node in known.all_at(to_octets(node_ip)):
                self._touch(node.all_cidrs)
                self._report(node_ip, node)
        self._touch(
            host_network(from_octets(octets))
            for octets, node_ip in routes.items()
            if node_ip in node_ips
        )

    def _report(self, node_ip: IPAddress, node: KnownNode) -> None:
        reason = why_unreachable(node_ip, self._reachability.answers.get(node_ip))
        if reason == self._unreachable.get(node_ip, ""):
            return
        self._unreachable[node_ip] = reason
        if reason:
            routing = self._context.settings.routing
            skip = routing.skip_unreachable or routing.tunnel is not None
            _log.log(logging.INFO if skip else logging.ERROR, "node %s: %s", node.name, reason)

    def _endpoint_changed(self, old: Endpoint | None, new: Endpoint | None) -> None:
        # Where it stays connected its routes stay too: most changes are of its identity. The route
        # of a pod that goes leaves with its interface.
        if old is None or new is None or old.is_connected != new.is_connected:
            known = (each for each in (old, new) if each is not None)
            destinations = {host_network(a) for each in known for a in each.addresses}
            self._sync.touch(each for each in destinations if each in self._routes)

    def _kernel_changed(self, change: Change) -> None:
        """A route was added or removed: perhaps one of ours by a user, mostly by this agent."""
        route = change.route
        prefix = route.destination if route is not None else None
        if prefix is not None and (prefix.is_multicast or prefix.is_link_local):
            return  # They come with every interface; neither pods nor nodes are there.
        if route is not None and route.table == LOCAL_TABLE:
            if self._claims.covers(route.destination):  # An address where pods are claimed to be.
                self._sync.wake()
            return
        if route is not None and is_host_route(route):
            self._host_route_changed(route, removed=change.removed)
            return
        if route is not None and not change.removed:
            if self._routes.get(route.destination) == hop_of(route):
                return
        elif route is not None and is_to_node(route) and route.destination not in self._routes:
            return  # A leftover, most often removed by us.
        if self._concerns_us(route):
            if prefix is None:
                self._reachability.ask_anew()
            else:
                self._reachability.ask_within(prefix)
            self._sync.wake()

    def _concerns_us(self, route: Route | None) -> bool:
        """Whether a change of a route may be of ours, or of the way to nodes; None: unknown."""
        if route is None or is_to_node(route) or route.destination in self._routes:
            return True
        if self._claims.covers(route.destination) or (
            route.gateway is not None and self._claims.covers(host_network(route.gateway))
        ):
            return True  # A network that this node is connected to, where pods are claimed to be.
        return self._reachability.has_asked_within(route.destination)

    def _host_route_changed(self, route: Route, *, removed: bool) -> None:
        """Look at a pod's route alone: pods come and go, and leave the way to nodes as it is."""
        wanted = self._routes.get(route.destination)
        hop = None if removed else hop_of(route)
        if wanted is not None and wanted != hop:
            self._sync.touch([route.destination])

    def _node_ips(self) -> set[IPAddress]:
        """Return the addresses by which pods of other nodes may be reached."""
        nodes = self._context.cluster.known_nodes
        ips = {ip for node in nodes if not node.is_local for ip in node.internal_ips}
        return ips.union(self._displaced.routes.values())
