"""The routes of this node as they should be: to its own pods, to other nodes' CIDRs and pods.

What is left of this node's own CIDRs leads nowhere: a packet to an address that no pod has is
answered with an ICMP error. By the default route it would go to the router and back until its TTL
is over, or leave to the internet with the pod's own address.
A live view, asked for one destination or for all. A destination that somebody claims and that must
not be routed to pods is in it too, with the reason: it is reported until the claim is corrected.
"""

from collections.abc import Iterator, Mapping

from ciliate.net.address import IPAddress, IPNetwork, from_octets, host_network, to_octets
from ciliate.net.cidr_index import CIDRIndex
from ciliate.node.cluster import Cluster
from ciliate.node.endpoint import connected
from ciliate.node.endpoint_table import EndpointTable
from ciliate.routing.claims import CIDRClaims
from ciliate.routing.displaced_pods import DisplacedPods
from ciliate.routing.plan import NOWHERE, NextHop, Refusal, Way, router_hop, with_metric
from ciliate.routing.reserved import Reserved
from ciliate.routing.ways import Ways


class Routes(Mapping[IPNetwork, Way]):
    """By destination. A pod of ours wins: the CiliumEndpoint that says otherwise is old."""

    def __init__(
        self,
        cluster: Cluster,
        table: EndpointTable,
        claims: CIDRClaims,
        displaced: DisplacedPods,
        *,
        ways: Ways | None,
        reserved: Reserved,
        answers_for_own: bool,
        metric: int = 0,
    ) -> None:
        """`ways` lead to other nodes; None: their pods have no routes of ours.

        `answers_for_own`: whether every pod in this node's CIDRs has a route of ours, so that the
        rest of them leads nowhere. Of pods that another plugin attaches only that one knows.
        Routes to other nodes have this `metric`.
        """
        self._cluster = cluster
        self._table = table
        self._claims = claims
        self._displaced = displaced
        self._reserved = reserved
        self._ways = ways
        self._answers_for_own = answers_for_own
        self._metric = metric
        #: Routes to other nodes as the kernel had them when they were last read.
        self._in_kernel: Mapping[IPNetwork, NextHop] = {}
        #: Those of them in which unresolved pods live: a CiliumNode was deleted while no agent
        #: ran, and only the kernel still has the route.
        self.remembered: frozenset[IPNetwork] = frozenset()

    def note_kernel(self, observed: Mapping[IPNetwork, NextHop]) -> None:
        """Remember our routes that the kernel has: they stay for unresolved pods."""
        self._in_kernel = {
            prefix: hop
            for prefix, hop in observed.items()
            if hop.gateway is not None or hop.source is not None
        }
        self.note_unresolved()

    def note_unresolved(self) -> frozenset[IPNetwork]:
        """Decide anew which of the kernel's routes stay; return these, and those before."""
        before = self.remembered
        index: CIDRIndex[IPNetwork] = CIDRIndex()
        unresolved = list(self._displaced.unresolved) if self._ways else []
        if unresolved:
            for prefix in self._in_kernel:
                index.put(prefix, prefix)
        found = map(index.find, unresolved)
        self.remembered = frozenset(prefix for prefix in found if prefix is not None)
        return before | self.remembered

    def is_decided(self, destination: IPNetwork) -> bool:
        """Whether the kernel has said how it reaches the node that a destination is on."""
        node_ip = self._node_ip(destination)
        return (
            node_ip is None
            or self._ways is None
            or self._ways.is_known(node_ip, destination.version)
        )

    def __getitem__(self, destination: IPNetwork) -> Way:
        hop = self._to_own_pod(destination)
        if hop is not None:
            reason = self._reserved.why_not_pods(destination.network_address)
            return Refusal("a pod of this node", reason) if reason else hop
        if self._ways:
            hop = self._to_router(destination) or self._to_node(destination)
            claimant = self._claims.refused.get(destination)
            if claimant is not None:
                return Refusal(f"CiliumNode {claimant}", self._reserved.why_not(destination))
        if hop is None and self._answers_for_own and self._claims.is_own(destination):
            hop = NOWHERE
        if hop is None and destination in self.remembered:
            hop = self._in_kernel.get(destination)
        if hop is None:
            raise KeyError(destination)
        reason = self._reserved.why_not(destination)
        return Refusal(self._claimant(destination), reason) if reason else hop

    def _claimant(self, destination: IPNetwork) -> str:
        """Return the object because of which a destination would be routed, for people."""
        if destination.prefixlen == destination.max_prefixlen:
            node_ip = self._displaced.routes.get(to_octets(destination.network_address))
            if node_ip is not None:
                return f"a CiliumEndpoint on node {node_ip}"
        return f"CiliumNode {self._claims.first(destination) or 'that is gone'}"

    def _to_own_pod(self, destination: IPNetwork) -> NextHop | None:
        if destination.prefixlen != destination.max_prefixlen:
            return None
        endpoint = self._table.at(to_octets(destination.network_address))
        if endpoint is None or endpoint.chained:  # Routes of another plugin's are that plugin's.
            return None
        return NextHop(endpoint.ifindex)

    def _to_router(self, destination: IPNetwork) -> NextHop | None:
        ways = self._ways
        if ways is None or ways.router is None or destination not in ways.own_destinations:
            return None
        return router_hop(ways.router)

    def _to_node(self, destination: IPNetwork) -> NextHop | None:
        node_ip = self._node_ip(destination)
        if node_ip is None or self._ways is None:
            return None
        if not self._ways.is_known(
            node_ip, destination.version
        ):  # Not asked yet: no reason to change it.
            return self._in_kernel.get(destination)
        hop = self._ways.to(node_ip, destination.version)
        return with_metric(hop, self._metric, destination.version) if hop is not None else None

    def _node_ip(self, destination: IPNetwork) -> IPAddress | None:
        """Return the address of the node that a destination is on, None when it is on none."""
        if destination.prefixlen == destination.max_prefixlen:
            displaced = self._displaced.routes.get(to_octets(destination.network_address))
            if displaced is not None:
                return displaced
        owner = self._claims.route_owner(destination)
        node = self._cluster.known_nodes.get(owner) if owner is not None else None
        if node is None:
            return None
        version = destination.version if self._ways is None else self._ways.version(destination)
        return node.node_ip(version)

    def __iter__(self) -> Iterator[IPNetwork]:
        found = {
            host_network(address)
            for endpoint in connected(self._table)
            for address in endpoint.addresses
        }
        if self._ways or self._answers_for_own:
            found.update(self._claims)
        if self._ways:
            found.update(self._ways.own_destinations)
            found.update(self._claims.refused)
            found.update(host_network(from_octets(octets)) for octets in self._displaced.routes)
        found |= self.remembered
        return (destination for destination in found if destination in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
