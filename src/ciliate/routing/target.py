"""The routes of the main table that are ours: to other nodes' pod CIDRs and to local pods.

Everything carries protocol `kernel`, as Cilium's routes do, so that systemd-networkd leaves them
alone. What the kernel itself installs never has a gateway and never leads to a pod interface:
that distinguishes ours, also those of a previous agent.
"""

from collections.abc import Callable, Collection, Mapping

from ciliate.net.address import IPNetwork
from ciliate.net.link import Route, RouteKind, RouteProtocol, RouteScope
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.pod_link import HOST_PREFIX
from ciliate.netlink.routes import delete_route, observe_routes, replace_route
from ciliate.reconcile.target import Failures, one_by_one
from ciliate.routing.plan import NextHop


class RouteTarget:
    """Our routes, by destination.

    A pod's route is ours to correct while `is_own_pod` says that its address is a pod's here. It
    is made before the endpoint is known and goes with the interface: it is never a leftover.
    """

    name = "sync-routes"

    def __init__(
        self,
        rtnl: Rtnetlink,
        *,
        is_own_pod: Callable[[IPNetwork], bool],
        observed: Callable[[Mapping[IPNetwork, NextHop]], object],
    ) -> None:
        """Call `observed` with the kernel's routes each time they are read."""
        self._rtnl = rtnl
        self._is_own_pod = is_own_pod
        self._observed = observed

    async def observe(self) -> Mapping[IPNetwork, NextHop]:
        """Return our routes as the kernel has them."""
        found = await self._read()
        self._observed(found)
        return found

    async def _read(self) -> dict[IPNetwork, NextHop]:
        return {
            route.destination: NextHop(route.link_index or 0, route.gateway)
            for route in await observe_routes(self._rtnl)
            if self._is_ours(route)
        }

    def _is_ours(self, route: Route) -> bool:
        if route.protocol != RouteProtocol.KERNEL or route.kind is not RouteKind.UNICAST:
            return False
        if route.link_index is None or route.is_default:
            return False
        if route.gateway is not None:
            return True
        is_pods = is_host_route(route) and route.link_name.startswith(HOST_PREFIX)
        return is_pods and self._is_own_pod(route.destination)

    async def put(self, entries: Mapping[IPNetwork, NextHop]) -> Failures[IPNetwork]:
        """Install each route in place of any other to that destination."""
        return await one_by_one(
            entries, lambda key: replace_route(self._rtnl, _route(key, entries[key]))
        )

    async def remove(self, keys: Collection[IPNetwork]) -> Failures[IPNetwork]:
        """Remove routes to other nodes; an absent one is a success.

        A pod that is being attached may have a route to the same address by now, or the node may
        be connected to that network, which must stay: the gateway tells them apart.
        """
        standing = await self._read()
        gateways = {key: standing[key].gateway for key in keys if key in standing}
        gateways = {key: gateway for key, gateway in gateways.items() if gateway is not None}

        async def delete(key: IPNetwork) -> None:
            route = Route(destination=key, gateway=gateways[key], protocol=RouteProtocol.KERNEL)
            await delete_route(self._rtnl, route)

        return await one_by_one(gateways, delete)


def is_host_route(route: Route) -> bool:
    """Whether a route leads to one address alone, as those to pods do."""
    return route.destination.prefixlen == route.destination.max_prefixlen


def is_to_node(route: Route) -> bool:
    """Whether a route is one that we make to other nodes' pods."""
    return (
        route.protocol == RouteProtocol.KERNEL
        and route.kind is RouteKind.UNICAST
        and route.gateway is not None
        and not route.is_default
    )


def _route(destination: IPNetwork, next_hop: NextHop) -> Route:
    on_link = next_hop.gateway is None and destination.version == 4
    return Route(
        destination=destination,
        link_index=next_hop.link_index,
        gateway=next_hop.gateway,
        protocol=RouteProtocol.KERNEL,
        scope=RouteScope.LINK if on_link else RouteScope.UNIVERSE,
    )
