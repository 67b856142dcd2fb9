"""Routing on a node whose kernel is in memory."""

import asyncio
import errno
import shutil
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from tests.unit.node.cluster_tables import (
    NODE,
    NODE_IP,
    Kubernetes,
    cilium_node,
    new_cluster,
    own_node,
)
from tests.unit.reconcile.memory_target import nothing

from ciliate.api.cilium_node import CiliumNode
from ciliate.config.installation import Installation
from ciliate.config.settings import parse_agent_settings
from ciliate.datapath.datapath import Datapath
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError
from ciliate.net.address import IPAddress, IPNetwork
from ciliate.net.link import LOCAL_TABLE, MAIN_TABLE, Route, RouteAnswer, RouteKind
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.monitor import Change, ChangeKind
from ciliate.node.context import Context, Paths
from ciliate.node.devices import DeviceWatch, NodeDevices
from ciliate.node.endpoint_store import EndpointStore
from ciliate.node.endpoint_table import EndpointTable
from ciliate.node.feature import AnyReconciler
from ciliate.node.progress import Progress
from ciliate.routing import reachability, target
from ciliate.routing.feature import RoutingFeature

ETH1 = 3
ROUTER = 5  # cilium_host


class NoServiceCIDRs:
    """The API of a cluster before Kubernetes 1.33, as far as routing asks it."""

    async def get_json(self, path: str, **_: object) -> object:
        raise NotFoundError(verb="get", target=path, detail="no such kind", status=404)


SETTINGS = {
    "routing-mode": "native",
    "auto-direct-node-routes": "true",
    "ipv4-native-routing-cidr": "10.244.0.0/16",
    "enable-bpf-masquerade": "true",
    "enable-endpoint-routes": "true",
    "ipam": "kubernetes",
}


def worker(number: int, *cidrs: str, ip: str = "") -> CiliumNode:
    """Return the CiliumNode of worker `number`."""
    address = ip or f"192.168.10.10{number}"
    return cilium_node(f"k8s-w{number}", address, *(cidrs or (f"10.244.{number}.0/24",)))


def with_ipv6(node: CiliumNode, address: IPAddress) -> CiliumNode:
    """Return a CiliumNode with another InternalIP."""
    internal = msgspec.structs.replace(node.spec.addresses[0], ip=str(address))
    spec = msgspec.structs.replace(node.spec, addresses=(*node.spec.addresses, internal))
    return msgspec.structs.replace(node, spec=spec)


class RouteKernel:
    """A route table in memory behind the functions that ask the real one.

    `while_observing` and `while_asking` are what happens elsewhere during a call; `announced` is
    called with every route that is written, as the monitor would be.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.routes: dict[IPNetwork, Route] = {}
        #: The local table: this node's own addresses.
        self.local: list[Route] = []
        self.asked: list[str] = []
        self.observes = 0
        self.unreachable: set[str] = set()
        self.gateways: dict[str, str] = {}
        self.written: list[str] = []
        self.while_observing: Callable[[], object] = nothing
        self.while_asking: Callable[[], object] = nothing
        self.announced: Callable[[Change], object] = lambda _change: None
        monkeypatch.setattr(reachability, "lookup_routes", self._lookup)
        monkeypatch.setattr(target, "observe_routes", self._observe)
        monkeypatch.setattr(target, "replace_route", self._replace)
        monkeypatch.setattr(target, "delete_route", self._delete)
        monkeypatch.setattr(target, "add_routes", self._add)
        monkeypatch.setattr(target, "matched_route", self._matched)

    @property
    def as_rtnl(self) -> Rtnetlink:
        """A connection to it; the functions above ask nothing of that."""
        return cast("Rtnetlink", self)

    async def _lookup(
        self, _rtnl: Rtnetlink, destinations: Sequence[IPAddress]
    ) -> list[RouteAnswer | NetlinkError]:
        self.asked += map(str, destinations)
        await asyncio.sleep(0)
        self.while_asking()
        return [self._answer(each) for each in destinations]

    def _answer(self, destination: IPAddress) -> RouteAnswer | NetlinkError:
        if str(destination) in self.unreachable:
            return NetlinkError(
                step="look up route", subject=str(destination), errno=errno.ENETUNREACH
            )
        via = self.gateways.get(str(destination))
        gateway = ip_address(via) if via else None
        return RouteAnswer(destination, ETH1, gateway, None, RouteKind.UNICAST, 254)

    async def _observe(self, _rtnl: Rtnetlink, *, table: int = MAIN_TABLE) -> tuple[Route, ...]:
        if table == LOCAL_TABLE:
            return tuple(self.local)
        self.observes += 1
        self.while_observing()
        return tuple(self.routes.values())

    async def _add(self, rtnl: Rtnetlink, routes: Sequence[Route]) -> list[NetlinkError | None]:
        outcomes: list[NetlinkError | None] = []
        for route in routes:
            if route.destination in self.routes:
                outcomes.append(
                    NetlinkError(step="add route", subject=str(route), errno=errno.EEXIST)
                )
            else:
                await self._replace(rtnl, route)
                outcomes.append(None)
        return outcomes

    async def _matched(self, _rtnl: Rtnetlink, destination: IPAddress) -> Route | None:
        holding = [route for prefix, route in self.routes.items() if destination in prefix]
        return max(holding, key=lambda route: route.destination.prefixlen, default=None)

    async def _replace(self, _rtnl: Rtnetlink, route: Route) -> None:
        await asyncio.sleep(0)
        name = "eth1" if route.gateway is not None else f"lxc{route.link_index}"
        if route.link_index == ROUTER:
            name = "cilium_host"
        metric = 1024 if route.destination.version == 6 else 0
        self.routes[route.destination] = replace(route, link_name=name, metric=metric)
        self.written.append(f"put {route.destination}")
        self.announced(Change(ChangeKind.ROUTE, route=route))

    async def _delete(self, _rtnl: Rtnetlink, route: Route) -> None:
        await asyncio.sleep(0)
        self.written.append(f"remove {route.destination}")
        former = self.routes.pop(route.destination, None)
        if former is not None:
            self.announced(Change(ChangeKind.ROUTE, removed=True, route=former))

    def has(self, prefix: str, *, via: str = "", device: str = "eth1", index: int = ETH1) -> None:
        """Let the kernel have a route already."""
        network = ip_network(prefix)
        gateway = ip_address(via) if via else None
        metric = 1024 if network.version == 6 else 0
        self.routes[network] = Route(network, index, gateway, link_name=device, metric=metric)

    def loses(self, prefix: str) -> None:
        """Let a user delete a route."""
        route = self.routes.pop(ip_network(prefix))
        self.announced(Change(ChangeKind.ROUTE, removed=True, route=route))

    def held(self) -> Mapping[str, tuple[int | None, str]]:
        """Return the routes: where to, by which device and gateway."""
        return {
            str(prefix): (route.link_index, str(route.gateway or ""))
            for prefix, route in self.routes.items()
        }


class RoutingNode:
    """The routing feature of node k8s-ctr on such a kernel."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
        self.feature: RoutingFeature
        self.sync: AnyReconciler
        self.kernel = RouteKernel(monkeypatch)
        self.cluster = new_cluster(
            Kubernetes(), own_node(NODE, NODE_IP, ip_address("fd00:10::100"))
        )
        self.table = EndpointTable()
        parsed = parse_agent_settings(SETTINGS | settings)
        rtnl = self.kernel.as_rtnl
        self.devices = DeviceWatch(rtnl, parsed, NodeDevices((), ()))
        unused: Any = None
        self._spawned: list[asyncio.Task[None]] = []  # What outlives the start of the feature.
        self.paths = Paths(run=Path(mkdtemp(prefix="routing-")))
        weakref.finalize(self, shutil.rmtree, self.paths.run)
        #: An agent worked here before, which kept no notes of its routes.
        (self.paths.state / "endpoints").mkdir(parents=True)
        self._context = Context(
            settings=parsed,
            installation=Installation(),
            paths=self.paths,
            client=cast("ApiClient", NoServiceCIDRs()),
            cluster=self.cluster,
            devices=self.devices,
            endpoints=self.table,
            endpoint_store=EndpointStore(self.paths.state / "endpoints"),
            rtnl=rtnl,
            links=unused,
            tasks=cast("asyncio.TaskGroup", SimpleNamespace(create_task=self._spawn)),
        )
        self.kernel.announced = self._announced
        self._begin()

    def _begin(self) -> None:
        self.feature = RoutingFeature(self._context)
        maps = cast("Datapath", SimpleNamespace(opened=lambda _which: None))
        self.sync, self.sync_mtus = self.feature.reconcilers(maps)

    def be_new(self) -> None:
        """Let no agent have worked here before."""
        store = EndpointStore(self.paths.state / "none")
        self._context = replace(self._context, endpoint_store=store)
        self._begin()

    def _spawn(self, task: Coroutine[Any, Any, None], *, name: str) -> None:
        self._spawned.append(asyncio.get_running_loop().create_task(task, name=name))

    def be_of(self, client: ApiClient) -> None:
        """Let the next start ask an API server about the Services' ranges."""
        self._context = replace(self._context, client=client)

    async def stop(self) -> None:
        """End what a start left running."""
        for task in self._spawned:
            task.cancel()
        await asyncio.gather(*self._spawned, return_exceptions=True)
        self._spawned.clear()

    async def restart(self) -> None:
        """Let the agent begin anew: it knows what the watches report and what the kernel has."""
        await self.stop()
        self._begin()
        await self.start()

    def _announced(self, change: Change) -> None:
        """Report what `DeviceWatch.follow` would."""
        self.devices._take_in(change)

    async def start(self) -> None:
        """Start, as the agent does once the watches run."""
        await self.feature.load()
        await self.feature.start(Progress())

    async def pass_all(self) -> None:
        """Let the kernel answer what it was asked, and walk once."""
        await self.feature._reachability.ask()
        assert await self.sync.run_once()

    async def pass_touched(self) -> None:
        """Let the kernel answer, and apply the touched keys alone, until there are none."""
        reachability_ = self.feature._reachability
        while reachability_._unasked or self.sync._touched:
            await reachability_.ask()
            await self.sync._apply(self.sync._touched)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run everything as tasks until the block ends."""
        runs = (self.sync.run, *self.feature.tasks())
        tasks = [asyncio.create_task(run()) for run in runs]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
