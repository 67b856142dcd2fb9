"""The routes of the main table that are ours: to other nodes' pod CIDRs and to local pods.

Everything carries protocol `kernel`, as Cilium's routes do, so that systemd-networkd leaves them
alone. That proves nothing: ours are those that were noted before they were written, and those by
pods' devices. A route of somebody else is never replaced, whatever its metric.
"""

import errno
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ciliate.errors import CiliateError
from ciliate.net.address import IPAddress, IPNetwork
from ciliate.net.link import LOCAL_TABLE, MAIN_TABLE, Route, RouteKind, RouteProtocol
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.pod_link import HOST_PREFIX
from ciliate.netlink.routes import (
    add_routes,
    delete_route,
    matched_route,
    observe_routes,
    replace_route,
)
from ciliate.reconcile.target import Failures, one_by_one
from ciliate.routing.errors import (
    RouteConflictError,
    RouteRefusedError,
    WrittenRoutesError,
    route_text,
)
from ciliate.routing.plan import NextHop, Refusal, Way, hop_of, route_by
from ciliate.routing.written_routes import WrittenRoutes

#: What the kernel makes of a route without a metric, by IP version.
_METRIC = {4: 0, 6: 1024}


@dataclass(frozen=True, slots=True)
class Observed:
    """The kernel's tables as they were read: our routes, and those of others."""

    ours: Mapping[IPNetwork, NextHop] = field(default_factory=dict)
    others: Sequence[Route] = ()
    local: Sequence[Route] = ()  # The local table: this node's own addresses.


@dataclass(frozen=True, slots=True)
class Owners:
    """What tells our routes from others' besides the notes.

    A pod's route is ours to correct while `is_own_pod` says that its address is a pod's here. It
    is made before the endpoint is known and goes with the interface: it is never a leftover.
    `is_node` says whether an address is another node's, `is_router_link` whether a device is the
    router's, and `inherits` whether an agent that kept no notes worked here.
    """

    is_own_pod: Callable[[IPNetwork], bool]
    is_node: Callable[[IPAddress], bool]
    is_router_link: Callable[[int], bool]
    inherits: bool


class RouteTarget:
    """Our routes, by destination."""

    name = "sync-routes"

    def __init__(
        self,
        rtnl: Rtnetlink,
        written: WrittenRoutes,
        owners: Owners,
        *,
        observed: Callable[[Observed], object],
    ) -> None:
        """Call `observed` with the kernel's tables each time they are read as a whole."""
        self._rtnl = rtnl
        self._written = written
        self._owners = owners
        self._observed = observed
        self._has_inherited = False
        #: Routes of others by destination, when the table was last read.
        self._others: dict[IPNetwork, Route] = {}
        #: Routes by devices of pods that come or go just now.
        self._by_pods: dict[IPNetwork, NextHop] = {}
        #: Where the last put found the route, whoever made it (reconcile/rewrites.py).
        self.left_alone: set[IPNetwork] = set()

    async def observe(self) -> Mapping[IPNetwork, Way]:
        """Return our routes as the kernel has them."""
        routes = await observe_routes(self._rtnl)
        if not self._written.is_known and not self._has_inherited:
            self._inherit(routes)
            self._has_inherited = True
        found = self._told_apart(routes)
        self._written.keep(_hops(routes))
        self._observed(
            Observed(found.ours, found.others, await observe_routes(self._rtnl, table=LOCAL_TABLE))
        )
        return found.ours

    def _inherit(self, routes: Iterable[Route]) -> None:
        """Take over what an agent left that kept no notes; told by its form, this once.

        It wrote `proto kernel` routes by gateways, which the kernel itself never makes; a default
        route only where a CiliumNode claimed the whole world, so by a node.
        """
        left = (
            route
            for route in routes
            if self._owners.inherits
            and _has_our_form(route)
            and route.gateway is not None
            and route.metric == _METRIC[route.destination.version]
            and (not route.is_default or self._owners.is_node(route.gateway))
        )
        self._written.inherit({route.destination: hop_of(route) for route in left})

    async def _read(self) -> Observed:
        return self._told_apart(await observe_routes(self._rtnl))

    def _told_apart(self, routes: Iterable[Route]) -> Observed:
        ours: dict[IPNetwork, NextHop] = {}
        others: list[Route] = []
        self._by_pods = {}
        for route in routes:
            if self._is_ours(route):
                ours[route.destination] = hop_of(route)
            elif self._is_pods(route):
                self._by_pods[route.destination] = hop_of(route)
            else:
                others.append(route)
        self._others = {route.destination: route for route in others}
        return Observed(ours, others)

    def _is_ours(self, route: Route) -> bool:
        if route.protocol != RouteProtocol.KERNEL:
            return False
        if route.metric != _METRIC[route.destination.version]:
            return False
        if self._is_pods(route):
            return self._owners.is_own_pod(route.destination)
        return self._written.holds(route.destination, hop_of(route))

    def _is_pods(self, route: Route) -> bool:
        """Whether a route leads to one address by a device that we make for a pod."""
        by_device = route.gateway is None and route.link_name.startswith(HOST_PREFIX)
        return is_host_route(route) and by_device and route.kind is RouteKind.UNICAST

    async def put(self, entries: Mapping[IPNetwork, Way]) -> Failures[IPNetwork]:
        """Install each route, unless another's stands there; withdraw those that are refused."""
        refused = {key: way for key, way in entries.items() if isinstance(way, Refusal)}
        hops = {key: way for key, way in entries.items() if isinstance(way, NextHop)}
        failures: dict[IPNetwork, CiliateError] = {}
        self.left_alone = set()
        if refused:
            failures.update(await self._withdraw(refused, with_pods=True))
            for key, refusal in refused.items():
                failures[key] = RouteRefusedError(key, refusal.claimant, refusal.reason)
        if hops:
            failures.update(await self._install(hops))
        return failures

    async def _install(self, hops: Mapping[IPNetwork, NextHop]) -> Failures[IPNetwork]:
        # The most specific first: a pod has its route before its CIDR leads nowhere.
        keys = sorted(hops, key=lambda key: key.prefixlen, reverse=True)
        free = [key for key in keys if key not in self._others]
        contested = [key for key in keys if key in self._others]
        failures: dict[IPNetwork, CiliateError] = {**self._note(hops, free)}
        free = [key for key in free if key not in failures]
        routes = [route_by(key, hops[key]) for key in free]
        for key, outcome in zip(free, await add_routes(self._rtnl, routes), strict=True):
            if outcome is not None and outcome.errno != errno.EEXIST:
                failures[key] = outcome
            elif outcome is not None and await self._stands(key, hops[key]):
                self.left_alone.add(key)
            elif outcome is not None:
                contested.append(key)
        if contested:
            failures.update(await self._settle(hops, contested))
        return failures

    def _note(
        self, hops: Mapping[IPNetwork, NextHop], keys: Iterable[IPNetwork]
    ) -> Failures[IPNetwork]:
        """Note what is about to be written; return those that need a note and got none."""
        noted = {key: hops[key] for key in keys if not self._is_to_pod(hops[key])}
        try:
            self._written.note(noted)
        except WrittenRoutesError as error:
            holds = self._written.holds
            return {key: error for key, hop in noted.items() if not holds(key, hop)}
        return {}

    async def _stands(self, destination: IPNetwork, hop: NextHop) -> bool:
        """Whether the kernel uses this very route already; asked before the table is read."""
        route = await matched_route(self._rtnl, destination.network_address)
        return (
            route is not None
            and (route.destination, route.table) == (destination, MAIN_TABLE)
            and (route.protocol, hop_of(route)) == (RouteProtocol.KERNEL, hop)
        )

    async def _settle(
        self, hops: Mapping[IPNetwork, NextHop], contested: Iterable[IPNetwork]
    ) -> Failures[IPNetwork]:
        """Read what stands there: it is replaced where it is ours, and nobody else's is beside it."""
        ours = (await self._read()).ours

        async def settle(key: IPNetwork) -> None:
            # A pod may live elsewhere by now, and its former device be about to go.
            standing = ours.get(key) or self._by_pods.get(key)
            hop, other = hops[key], self._others.get(key)
            if hop in (standing, hop_of(other) if other is not None else None):
                self.left_alone.add(key)
                return  # As it should be, whoever made it.
            if other is not None:
                if standing is not None:
                    await delete_route(self._rtnl, route_by(key, standing))
                raise RouteConflictError(key, other)
            if unnoted := self._note(hops, [key]):
                raise unnoted[key]
            if standing is not None:
                await replace_route(self._rtnl, route_by(key, hop))
                return
            (outcome,) = await add_routes(self._rtnl, [route_by(key, hop)])
            if outcome is not None:
                raise outcome

        return await one_by_one(contested, settle)

    async def last_writer(self, key: IPNetwork) -> str:
        """Return what stands in place of a route of ours; the kernel notes no process."""
        routes = await observe_routes(self._rtnl)
        standing = [route_text(route) for route in routes if route.destination == key]
        return (
            f"there is {' and '.join(standing) or 'no route'} now; whose doing it was the kernel"
            " does not note: a routing daemon or another network tool, as a rule"
        )

    async def remove(self, keys: Collection[IPNetwork]) -> Failures[IPNetwork]:
        """Remove routes to other nodes; an absent one is a success.

        A pod that is being attached may have a route to the same address by now, which must stay.
        """
        return await self._withdraw(keys, with_pods=False)

    async def _withdraw(
        self, keys: Collection[IPNetwork], *, with_pods: bool
    ) -> Failures[IPNetwork]:
        standing = (await self._read()).ours
        hops = {key: standing[key] for key in keys if key in standing}
        if not with_pods:
            hops = {key: hop for key, hop in hops.items() if not self._is_to_pod(hop)}
        return await one_by_one(
            hops, lambda key: delete_route(self._rtnl, route_by(key, hops[key]))
        )

    def _is_to_pod(self, hop: NextHop) -> bool:
        """Whether a route leads to a pod of this node, by its device."""
        by_device = hop.gateway is None and hop.kind is RouteKind.UNICAST
        return by_device and not self._owners.is_router_link(hop.link_index)


def is_host_route(route: Route) -> bool:
    """Whether a route leads to one address alone, as those to pods do."""
    return route.destination.prefixlen == route.destination.max_prefixlen


def is_to_node(route: Route) -> bool:
    """Whether a route has the form of those that we make to other nodes' pods."""
    return _has_our_form(route) and not route.is_default


def _has_our_form(route: Route) -> bool:
    by_kernel = route.protocol == RouteProtocol.KERNEL
    return by_kernel and route.kind is RouteKind.UNICAST and route.gateway is not None


def _hops(routes: Iterable[Route]) -> Mapping[IPNetwork, Collection[NextHop]]:
    found: dict[IPNetwork, list[NextHop]] = {}
    for route in routes:
        found.setdefault(route.destination, []).append(hop_of(route))
    return found
