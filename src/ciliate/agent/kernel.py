"""What the kernel of this node should hold, out of tables and watches: one function per target.

Each is asked by a reconciler whenever something changed. None means "not known yet": nothing is
removed before every watch has listed once.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from ciliate.config.settings import AgentSettings
from ciliate.datapath import layout
from ciliate.endpoint.plan import connected, endpoint_entries, interface_entries
from ciliate.identity.ipcache import Entries, Ipcache
from ciliate.masquerade.plan import masquerade_addresses
from ciliate.net.address import IPAddress, IPNetwork, host_network, to_octets
from ciliate.net.link import RouteAnswer
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.routes import lookup_route
from ciliate.node.devices import DeviceWatch
from ciliate.node.endpoint_table import EndpointTable
from ciliate.node.watches import Cluster
from ciliate.routing.displaced_pods import Strays
from ciliate.routing.plan import RemoteNode, RoutePlan, direct_node_routes, stray_routes
from ciliate.routing.target import NextHop, RouteTarget

_log = logging.getLogger(__name__)

_NO_ADDRESS = bytes(16)


def _octets(address: IPAddress | None) -> bytes:
    return to_octets(address) if address is not None else _NO_ADDRESS


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What the maps and the route table should hold."""

    settings: AgentSettings
    cluster: Cluster
    table: EndpointTable
    devices: DeviceWatch
    ipcache: Ipcache
    strays: Strays
    own_ips: tuple[IPAddress, ...]  # InternalIPs, for devices without an address of a family.

    def interfaces(self) -> dict[int, layout.Interface]:
        """The map `interfaces`."""
        return interface_entries(self.table, stack_routed=self.settings.cni.stack_routed)

    def endpoints(self) -> dict[bytes, layout.Endpoint]:
        """The map `endpoints`."""
        return endpoint_entries(
            self.table,
            self.devices.current.addresses,
            stack_routed=self.settings.cni.stack_routed,
        )

    def ipcache_map(self) -> Entries | None:
        """The map `ipcache`."""
        return self.ipcache.entries(self.table, self.devices.current.addresses)

    def masquerade_addresses(self) -> dict[int, layout.MasqueradeAddress]:
        """The map `masquerade_addresses`."""
        return {
            index: layout.MasqueradeAddress(ipv4=_octets(chosen.ipv4), ipv6=_octets(chosen.ipv6))
            for index, chosen in masquerade_addresses(
                self.devices.current.selected, primary=self.own_ips
            ).items()
        }

    def uplinks(self) -> Mapping[str, int]:
        """The devices that run our programs."""
        return self.devices.current.by_name

    def remote_nodes(self) -> list[RemoteNode]:
        """The other nodes, as far as routes need them."""
        return [
            RemoteNode(node.name, node.internal_ips, node.pod_cidrs, node.draining_cidrs)
            for node in self.cluster.known_nodes
            if not node.is_local
        ]

    def own_cidrs(self) -> frozenset[IPNetwork]:
        """This node's CIDRs as the cluster was told them.

        Not as they are held: a CIDR in which another node's pods still live is routed there until
        those pods count as strays, and both are decided by what is told.
        """
        own = (node.pod_cidrs for node in self.cluster.known_nodes if node.is_local)
        return frozenset(cidr for cidrs in own for cidr in cidrs)


class NodeRouteTarget(RouteTarget):
    """Our routes. How the kernel reaches the other nodes is asked once, until something changed."""

    def __init__(self, rtnl: Rtnetlink, state: DesiredState) -> None:
        super().__init__(rtnl)
        self._state = state
        self._answers: dict[IPAddress, RouteAnswer | None] = {}
        self._asked: Mapping[IPAddress, RouteAnswer | None] = {}  # As of the last `observe`.
        self._pod_routes: dict[IPNetwork, NextHop] = {}
        self._node_routes: dict[IPNetwork, NextHop] = {}
        self.plan = RoutePlan({}, ())

    def forget_answers(self) -> None:
        """Ask the kernel anew: a node, a device or an address changed."""
        # A pass under way keeps what it has asked: without answers it would take every route to a
        # node for a leftover.
        self._answers = {}

    async def observe(self) -> Mapping[IPNetwork, NextHop]:
        """Return our routes as the kernel has them."""
        observed = await super().observe()
        answers = self._answers
        while missing := self._node_ips() - answers.keys():  # Others may come while we ask.
            for node_ip in missing:
                answers[node_ip] = await self._ask(node_ip)
        self._asked = answers
        self._pod_routes = {
            prefix: hop
            for prefix, hop in observed.items()
            if prefix.prefixlen == prefix.max_prefixlen and hop.gateway is None
        }
        self._node_routes = {
            prefix: hop for prefix, hop in observed.items() if hop.gateway is not None
        }
        return observed

    async def _ask(self, node_ip: IPAddress) -> RouteAnswer | None:
        try:
            return await lookup_route(self._rtnl, node_ip)
        except NetlinkError as error:  # No route to that node: its pods get none either.
            _log.debug("route to node %s: %s", node_ip, error)
            return None

    def _node_ips(self) -> set[IPAddress]:
        """The addresses that routes lead to."""
        if not self._state.settings.routing.auto_direct_node_routes:
            return set()
        hops = {
            node.node_ip(version)
            for node in self._state.remote_nodes()
            for version in {c.version for c in (*node.pod_cidrs, *node.draining_cidrs)}
        }
        return {ip for ip in hops if ip is not None} | set(self._state.strays.routes.values())

    def desired(self) -> Mapping[IPNetwork, NextHop] | None:
        """Return the routes to other nodes' pod CIDRs and to the pods of this node.

        A pod's route is never taken for a leftover: it is made before its endpoint is known, and
        goes with its interface.
        """
        cluster = self._state.cluster
        if not (cluster.nodes.has_synced and cluster.endpoints.has_synced):
            return None
        if self._node_ips() - self._asked.keys():
            return None  # Not observed yet.
        routing = self._state.settings.routing
        routes = dict(self._pod_routes)
        for endpoint in connected(self._state.table):
            if endpoint.chained:
                continue  # Another plugin's interface: its routes are that plugin's.
            for address in endpoint.addresses:
                routes[host_network(address)] = NextHop(endpoint.ifindex)
        if routing.auto_direct_node_routes:
            answers = {ip: found for ip, found in self._asked.items() if found is not None}
            self._note(
                direct_node_routes(
                    self._state.remote_nodes(),
                    answers,
                    skip_unreachable=routing.skip_unreachable,
                    own_cidrs=self._state.own_cidrs(),
                )
            )
            strays = stray_routes(self._state.strays.routes, answers)
            for destination, route in {**self.plan.routes, **strays}.items():
                # A pod of ours wins: the CiliumEndpoint that says otherwise is old.
                routes.setdefault(destination, NextHop(route.link_index or 0, route.gateway))
            # A CiliumNode was deleted while we were away: the kernel remembers what we cannot.
            for prefix in self._state.strays.homeless(self._node_routes):
                routes.setdefault(prefix, self._node_routes[prefix])
        return routes

    def _note(self, plan: RoutePlan) -> None:
        if plan.unreachable != self.plan.unreachable:
            for left_out in plan.unreachable:
                level = logging.ERROR if left_out.is_error else logging.INFO
                _log.log(level, "node %s: %s", left_out.node, left_out.reason)
        self.plan = plan
