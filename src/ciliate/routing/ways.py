"""The way to another node, by whose address pods of it are reached: direct, or through the tunnel."""

from collections.abc import Callable, Iterable
from typing import Protocol

from ciliate.config.tunnel_settings import TunnelSettings
from ciliate.net.address import IPAddress, IPNetwork, host_network, to_octets
from ciliate.net.router_device import RouterDevice
from ciliate.node.known_node import KnownNode
from ciliate.node.known_nodes import KnownNodes
from ciliate.node.own_links import OwnLinks
from ciliate.routing.plan import NextHop, next_hop, tunnel_hop
from ciliate.routing.reachability import NodeReachability


class Ways(Protocol):
    """How routes lead to other nodes."""

    @property
    def router(self) -> RouterDevice | None:
        """The device that routes lead to; None: they lead to the network."""

    @property
    def own_destinations(self) -> Iterable[IPNetwork]:
        """What else needs a route, for those to other nodes."""

    def version(self, destination: IPNetwork) -> int:
        """Return the IP version of the node's address by which a destination on it is reached."""

    def is_known(self, node_ip: IPAddress, version: int) -> bool:
        """Whether it is known how pods of that IP version on a node are reached."""

    def to(self, node_ip: IPAddress, version: int) -> NextHop | None:
        """Return the way to pods of that IP version on a node that is known; None: there is none."""


class DirectWays:
    """Straight to the node, where it is on the same layer-2 network (auto-direct-node-routes)."""

    router: RouterDevice | None = None
    own_destinations: Iterable[IPNetwork] = ()

    def __init__(self, reachability: NodeReachability) -> None:
        self._reachability = reachability

    def version(self, destination: IPNetwork) -> int:
        """See `Ways`."""
        return destination.version

    def is_known(self, node_ip: IPAddress, version: int) -> bool:  # noqa: ARG002 - the node's.
        """See `Ways`."""
        return node_ip in self._reachability.answers

    def to(self, node_ip: IPAddress, version: int) -> NextHop | None:  # noqa: ARG002 - the node's.
        """See `Ways`."""
        return next_hop(node_ip, self._reachability.answers[node_ip])


class TunnelWays:
    """To the router's device, where a program sends packets on through the tunnel.

    A node that does not take packets out of it is reached directly: its agent is yet to be told of
    the tunnel, or that there is none any more.
    """

    def __init__(
        self,
        links: OwnLinks,
        nodes: KnownNodes,
        tunnel: TunnelSettings,
        *,
        mtu: Callable[[], int],
        otherwise: DirectWays,
    ) -> None:
        """`mtu` is what a packet may have inside the tunnel, in bytes."""
        self._links = links
        self._nodes = nodes
        self._tunnel = tunnel
        self._mtu = mtu
        self._otherwise = otherwise

    @property
    def router(self) -> RouterDevice | None:
        """See `Ways`."""
        return self._links.router

    @property
    def own_destinations(self) -> Iterable[IPNetwork]:
        """See `Ways`: the kernel asks for a route to the gateway, which IPv6 routes have none of."""
        return (host_network(each) for each in self._links.router.addresses if each.version == 4)

    def version(self, destination: IPNetwork) -> int:  # noqa: ARG002 - the tunnel's, for all.
        """See `Ways`."""
        return self._tunnel.underlay_version

    def is_known(self, node_ip: IPAddress, version: int) -> bool:
        """See `Ways`."""
        directly = self._directly(node_ip, version)
        return directly is None or self._otherwise.is_known(directly, version)

    def to(self, node_ip: IPAddress, version: int) -> NextHop | None:
        """See `Ways`."""
        directly = self._directly(node_ip, version)
        if directly is not None:
            return self._otherwise.to(directly, version)
        if not self._leads_to(self._nodes.named(to_octets(node_ip))):
            return None
        return tunnel_hop(self._links.router, version, self._mtu())

    def _directly(self, node_ip: IPAddress, version: int) -> IPAddress | None:
        """Return the address by which a node is reached directly; None: it is not."""
        node = self._nodes.named(to_octets(node_ip))
        if self._leads_to(node):
            return None
        if node_ip.version == version:
            return node_ip
        return node.node_ip(version) if node is not None else None

    def _leads_to(self, node: KnownNode | None) -> bool:
        return node is not None and node.tunnel_received == self._tunnel.name
