"""What the kernel of this node should hold, out of tables and watches: one function per target.

Each is asked by a reconciler whenever something changed. None means "not known yet": nothing is
removed before every watch has listed once.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from ciliate.agent.cluster import Cluster
from ciliate.agent.devices import DeviceWatch
from ciliate.api.cilium_endpoint import EndpointState
from ciliate.config.settings import AgentSettings
from ciliate.datapath import layout
from ciliate.endpoint.plan import connected, endpoint_entries, interface_entries
from ciliate.endpoint.table import EndpointTable
from ciliate.identity.ipcache import AddressOwner, KnownPod, address_owners
from ciliate.masquerade.plan import masquerade_addresses
from ciliate.net.address import IPAddress, IPNetwork, host_network, prefix_bits, to_octets
from ciliate.net.link import RouteAnswer
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.routes import lookup_route
from ciliate.routing.plan import RemoteNode, RoutePlan, direct_node_routes
from ciliate.routing.target import NextHop, RouteTarget

_log = logging.getLogger(__name__)

_NO_ADDRESS = bytes(16)


def _octets(address: IPAddress | None) -> bytes:
    return to_octets(address) if address is not None else _NO_ADDRESS


def ipcache_entries(
    owners: Mapping[IPNetwork, AddressOwner],
) -> dict[layout.IpcacheKey, layout.IpcacheEntry]:
    """Return the map `ipcache`."""
    return {
        layout.IpcacheKey(
            prefix_length=prefix_bits(prefix), address=to_octets(prefix.network_address)
        ): layout.IpcacheEntry(
            identity=owner.identity,
            flags=layout.IpcacheFlag.IPCACHE_CLUSTER if owner.is_pod else layout.IpcacheFlag(0),
            node=_octets(owner.node),
        )
        for prefix, owner in owners.items()
    }


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What the maps and the route table should hold."""

    settings: AgentSettings
    cluster: Cluster
    table: EndpointTable
    devices: DeviceWatch

    def interfaces(self) -> dict[int, layout.Interface]:
        """The map `interfaces`."""
        return interface_entries(self.table)

    def endpoints(self) -> dict[bytes, layout.Endpoint]:
        """The map `endpoints`."""
        return endpoint_entries(self.table, self.devices.current.addresses)

    def owners(self) -> dict[IPNetwork, AddressOwner]:
        """Whose each address is; this node's pods as it knows them, before they are published."""
        local = (
            KnownPod(e.addresses, e.identity, None)
            for e in connected(self.table)
            if e.state is EndpointState.READY
        )
        return address_owners(
            self.cluster.known_nodes(),
            (*self.cluster.known_pods(), *local),
            own=self.devices.current.addresses,
        )

    def ipcache(self) -> dict[layout.IpcacheKey, layout.IpcacheEntry] | None:
        """The map `ipcache`."""
        if not (self.cluster.nodes.has_synced and self.cluster.endpoints.has_synced):
            return None
        return ipcache_entries(self.owners())

    def masquerade_addresses(self) -> dict[int, layout.MasqueradeAddress]:
        """The map `masquerade_addresses`."""
        return {
            index: layout.MasqueradeAddress(ipv4=_octets(chosen.ipv4), ipv6=_octets(chosen.ipv6))
            for index, chosen in masquerade_addresses(self.devices.current.selected).items()
        }

    def uplinks(self) -> Mapping[str, int]:
        """The devices that run our programs."""
        return self.devices.current.by_name

    def remote_nodes(self) -> list[RemoteNode]:
        """The other nodes, as far as routes need them."""
        return [
            RemoteNode(node.name, node.addresses, node.pod_cidrs)
            for node in self.cluster.known_nodes()
            if not node.is_local
        ]


class NodeRouteTarget(RouteTarget):
    """Our routes; before each look the kernel is asked how it reaches the other nodes."""

    def __init__(self, rtnl: Rtnetlink, state: DesiredState) -> None:
        super().__init__(rtnl)
        self._state = state
        self._answers: dict[IPAddress, RouteAnswer] = {}
        self.plan = RoutePlan({}, ())

    async def observe(self) -> Mapping[IPNetwork, NextHop]:
        """Return our routes as the kernel has them."""
        answers: dict[IPAddress, RouteAnswer] = {}
        if self._state.settings.routing.auto_direct_node_routes:
            for node in self._state.remote_nodes():
                for version in {cidr.version for cidr in node.pod_cidrs}:
                    await self._ask(node.node_ip(version), answers)
        self._answers = answers
        return await super().observe()

    async def _ask(self, node_ip: IPAddress | None, answers: dict[IPAddress, RouteAnswer]) -> None:
        if node_ip is None:
            return
        try:
            answers[node_ip] = await lookup_route(self._rtnl, node_ip)
        except NetlinkError as error:  # No route to that node: its pods get none either.
            _log.debug("route to node %s: %s", node_ip, error)

    def desired(self) -> Mapping[IPNetwork, NextHop] | None:
        """Return the routes to other nodes' pod CIDRs and to the pods of this node."""
        if not self._state.cluster.nodes.has_synced:
            return None
        routing = self._state.settings.routing
        routes = {
            host_network(address): NextHop(endpoint.ifindex)
            for endpoint in connected(self._state.table)
            for address in endpoint.addresses
        }
        if routing.auto_direct_node_routes:
            self._note(
                direct_node_routes(
                    self._state.remote_nodes(),
                    self._answers,
                    skip_unreachable=routing.skip_unreachable,
                )
            )
            for cidr, route in self.plan.routes.items():
                routes[cidr] = NextHop(route.link_index or 0, route.gateway)
        return routes

    def _note(self, plan: RoutePlan) -> None:
        if plan.unreachable != self.plan.unreachable:
            for left_out in plan.unreachable:
                level = logging.ERROR if left_out.is_error else logging.INFO
                _log.log(level, "node %s: %s", left_out.node, left_out.reason)
        self.plan = plan
