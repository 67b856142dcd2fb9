"""Which way packets to a pod go: by direct routes, or through the tunnel. Pure.

With `auto-direct-node-routes` those to other nodes' pods go to the pod's node, which must be on the
same layer-2 network; what the kernel answers about a node's InternalIP decides. Where pods are
reached through a tunnel they go to the router's device, at which a program sends them on. An address
in this node's own CIDRs that no pod has leads nowhere: the sender gets an ICMP error.
"""

from dataclasses import dataclass, replace
from typing import Final

from ciliate.net.address import IPAddress, IPNetwork
from ciliate.net.link import Route, RouteAnswer, RouteKind, RouteProtocol, RouteScope
from ciliate.net.router_device import RouterDevice


@dataclass(frozen=True, slots=True)
class NextHop:
    """Where packets go: a device, and a gateway behind it unless the destination is on it.

    `source` is the address that the node sends from, where it is not the device's; `mtu` in bytes
    limits packets more than the device does. `metric` 0 is what the kernel gives a route without one.
    """

    link_index: int
    gateway: IPAddress | None = None
    kind: RouteKind = RouteKind.UNICAST
    source: IPAddress | None = None
    mtu: int | None = None
    metric: int = 0


#: What the kernel makes of a route without a metric, by IP version.
KERNEL_METRICS: Final = {4: 0, 6: 1024}

#: No packet goes on: it is answered with an ICMP error (host or route unreachable).
NOWHERE: Final = NextHop(0, None, RouteKind.UNREACHABLE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """No route, and why: `claimant` is the object that claims the destination for pods."""

    claimant: str
    reason: str


#: What becomes of packets to a destination.
Way = NextHop | Refusal


def is_on_link(answer: RouteAnswer, node_ip: IPAddress) -> bool:
    """Whether the kernel reaches a node without a gateway between."""
    return answer.kind is RouteKind.UNICAST and answer.gateway in (None, node_ip)


def next_hop(node_ip: IPAddress, answer: RouteAnswer | None) -> NextHop | None:
    """Return the way to the pods of the node that has `node_ip`; None when there is none.

    A node behind a gateway is not on our layer-2 network: its pods are left to the network.
    """
    if answer is None or not is_on_link(answer, node_ip):
        return None
    return NextHop(answer.link_index or 0, node_ip)


def tunnel_hop(router: RouterDevice, version: int, mtu: int) -> NextHop | None:
    """Return the way to pods of other nodes through the tunnel; None: the router has no address.

    IPv6 has no gateway: the kernel takes none that is an address of the node.
    """
    address = router.address(version)
    if address is None:
        return None
    gateway = address if version == 4 else None
    return NextHop(router.index, gateway, source=address, mtu=mtu)


def router_hop(router: RouterDevice) -> NextHop:
    """Return the way to the router itself, by which routes with a gateway there are resolved."""
    return NextHop(router.index)


def route_by(destination: IPNetwork, hop: NextHop) -> Route:
    """Return the route of ours that leads to a destination by `hop`."""
    if hop.kind is not RouteKind.UNICAST:
        return Route(destination, protocol=RouteProtocol.KERNEL, kind=hop.kind)
    on_link = hop.gateway is None and destination.version == 4
    return Route(
        destination=destination,
        link_index=hop.link_index,
        gateway=hop.gateway,
        protocol=RouteProtocol.KERNEL,
        scope=RouteScope.LINK if on_link else RouteScope.UNIVERSE,
        source=hop.source,
        mtu=hop.mtu,
        metric=hop.metric or KERNEL_METRICS[destination.version],
    )


def with_metric(hop: NextHop, metric: int, version: int) -> NextHop:
    """Return a next hop by which a route of IP `version` has a metric."""
    return replace(hop, metric=0 if metric == KERNEL_METRICS[version] else metric)


def hop_of(route: Route) -> NextHop:
    """Return where a route of the kernel leads; IPv6 shows `lo` for one that leads nowhere."""
    if route.kind is not RouteKind.UNICAST:
        return NextHop(0, None, route.kind)
    hop = NextHop(route.link_index or 0, route.gateway, source=route.source, mtu=route.mtu)
    return with_metric(hop, route.metric, route.destination.version) if route.metric else hop


def why_unreachable(node_ip: IPAddress, answer: RouteAnswer | None) -> str:
    """Return why the pods of a node get no route; empty when they do."""
    if next_hop(node_ip, answer) is not None:
        return ""
    where = f"contains gateway {answer.gateway}" if answer else "does not exist"
    return (
        f"route to destination {node_ip} {where}, must be directly reachable."
        " Add `direct-routing-skip-unreachable` to skip unreachable routes"
    )
