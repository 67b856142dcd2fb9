"""The routes of the main table that are ours: to other nodes' pod CIDRs and to local pods.

Everything carries protocol `kernel`, as Cilium's routes do, so that systemd-networkd leaves them
alone. What the kernel itself installs never has a gateway and never leads to a pod interface:
that tells ours apart, also those of a previous life.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ciliate.net.address import IPAddress, IPNetwork
from ciliate.net.link import Route, RouteKind, RouteProtocol, RouteScope
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.routes import delete_route, observe_routes, replace_route

#: Names of pods' host-side interfaces begin so.
POD_LINK_PREFIX = "lxc"


@dataclass(frozen=True, slots=True)
class NextHop:
    """Where packets go: a device, and a gateway behind it unless the destination is on it."""

    link_index: int
    gateway: IPAddress | None = None


def _is_ours(route: Route) -> bool:
    if route.protocol != RouteProtocol.KERNEL or route.kind is not RouteKind.UNICAST:
        return False
    if route.link_index is None or route.is_default:
        return False
    if route.gateway is not None:
        return True
    is_host_route = route.destination.prefixlen == route.destination.max_prefixlen
    return is_host_route and route.link_name.startswith(POD_LINK_PREFIX)


class RouteTarget:
    """Our routes, by destination."""

    name = "sync-routes"

    def __init__(self, rtnl: Rtnetlink) -> None:
        self._rtnl = rtnl

    async def observe(self) -> Mapping[IPNetwork, NextHop]:
        """Return our routes as the kernel has them."""
        return {
            route.destination: NextHop(route.link_index or 0, route.gateway)
            for route in await observe_routes(self._rtnl)
            if _is_ours(route)
        }

    async def put(self, key: IPNetwork, value: NextHop) -> None:
        """Install the route in place of any other to that destination."""
        await replace_route(self._rtnl, _route(key, value))

    async def remove(self, key: IPNetwork) -> None:
        """Remove the route; an absent one is a success."""
        await delete_route(self._rtnl, Route(destination=key, protocol=RouteProtocol.KERNEL))


def _route(destination: IPNetwork, next_hop: NextHop) -> Route:
    on_link = next_hop.gateway is None and destination.version == 4
    return Route(
        destination=destination,
        link_index=next_hop.link_index,
        gateway=next_hop.gateway,
        protocol=RouteProtocol.KERNEL,
        scope=RouteScope.LINK if on_link else RouteScope.UNIVERSE,
    )
