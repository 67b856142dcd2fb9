"""The routes of the main table that are ours: to other nodes' pod CIDRs and to local pods.

Everything carries protocol `kernel`, as Cilium's routes do, so that systemd-networkd leaves them
alone. That proves nothing: ours are those that were noted before they were written, and those by
pods' devices. A route of somebody else is never replaced, whatever its metric.
"""

import errno
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

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
from ciliate.routing.plan import KERNEL_METRICS, NextHop, Refusal, Way, hop_of, route_by
from ciliate.routing.written_routes import WrittenRoutes

#: Equal to no way: there is more than one route, and one has to go.
_TWINS: Final = NextHop(-1)


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
        #: Our routes when the table was last read; and where one has a twin of another metric, all:
        #: an agent was killed that changed it.
        self._ours: dict[IPNetwork, NextHop] = {}
        self._twins: dict[IPNetwork, list[NextHop]] = {}
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
        return {**found.ours, **dict.fromkeys(self._twins, _TWINS)}

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
            and route.metric == KERNEL_METRICS[route.destination.version]
            and (not route.is_default or self._owners.is_node(route.gateway))
        )
        self._written.inherit({route.destination: hop_of(route) for route in left})

    async def _read(self) -> Observed:
        return self._told_apart(await observe_routes(self._rtnl))

    def _told_apart(self, routes: Iterable[Route]) -> Observed:
        ours: dict[IPNetwork, NextHop] = {}
        others: list[Route] = []
        self._by_pods, self._twins = {}, {}
        for route in routes:
            if self._is_ours(route):
                self._note_twin(route, ours.get(route.destination))
                ours[route.destination] = hop_of(route)
            elif self._is_pods(route):
                self._by_pods[route.destination] = hop_of(route)
            else:
                others.append(route)
        self._others = {route.destination: route for route in others}
        self._ours = ours
        return Observed(ours, others)

    def _note_twin(self, route: Route, other: NextHop | None) -> None:
        if other is not None:
            twins = self._twins.setdefault(route.destination, [other])
            twins.append(hop_of(route))

    def _is_ours(self, route: Route) -> bool:
        if route.protocol != RouteProtocol.KERNEL:
            return False
        has_metric = route.metric != KERNEL_METRICS[route.destination.version]
        if has_metric and route.kind is not RouteKind.UNICAST:
            return False
        if self._is_pods(route):
            return not has_metric and self._owners.is_own_pod(route.destination)
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
        contested = [key for key in keys if key in self._others or self._moves(key, hops[key])]
        rest = set(contested)
        free = [key for key in keys if key not in rest]
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

    def _moves(self, key: IPNetwork, hop: NextHop) -> bool:
        """Whether a route of ours stands under another metric, beside which the new one would be."""
        standing = self._ours.get(key)
        return key in self._twins or (standing is not None and standing.metric != hop.metric)

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
        await self._read()
        unnoted = self._note(hops, [key for key in contested if key not in self._others])

        async def settle(key: IPNetwork) -> None:
            standing, hop, other = self._standing(key), hops[key], self._others.get(key)
            if hop in standing or (other is not None and hop == hop_of(other)):
                if standing in ([], [hop]):
                    self.left_alone.add(key)  # As it should be, whoever made it.
            elif other is not None:
                await self._delete(key, standing)
                raise RouteConflictError(key, other)
            elif key in unnoted:
                raise unnoted[key]
            elif any(each.metric == hop.metric for each in standing):
                await replace_route(self._rtnl, route_by(key, hop))
            else:
                (outcome,) = await add_routes(self._rtnl, [route_by(key, hop)])
                if outcome is not None:
                    raise outcome
            # Behind the new one: at no moment is there none.
            await self._delete(key, [each for each in standing if each.metric != hop.metric])

        return await one_by_one(contested, settle)

    def _standing(self, key: IPNetwork) -> list[NextHop]:
        """Return our routes to a destination, as they were read last."""
        # A pod may live elsewhere by now, and its former device be about to go.
        found = self._ours.get(key) or self._by_pods.get(key)
        return self._twins.get(key, [found] if found is not None else [])

    async def _delete(self, key: IPNetwork, hops: Iterable[NextHop]) -> None:
        for hop in hops:
            await delete_route(self._rtnl, route_by(key, hop))

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
        leaving = [
            key
            for key in keys
            if key in standing and (with_pods or not self._is_to_pod(standing[key]))
        ]
        return await one_by_one(leaving, lambda key: self._delete(key, self._standing(key)))

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
