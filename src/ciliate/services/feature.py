"""Services on a running node: the maps, the programs of sockets, and who is told of what."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from ciliate.config.service_settings import Algorithm, SelectionSettings
from ciliate.config.settings import AgentSettings
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.socket_storage import SocketStorage
from ciliate.datapath.sockets import SocketAttacher
from ciliate.datapath.sweep import Sweeper
from ciliate.metrics.family import Family
from ciliate.net.address import from_octets, to_octets
from ciliate.net.owner_index import OwnerIndex
from ciliate.node.context import Context
from ciliate.node.feature import Action, Answer, AnyReconciler, Feature, Task
from ciliate.node.known_node import KnownNode
from ciliate.node.progress import Progress
from ciliate.reconcile.reconciler import Reconciler
from ciliate.reconcile.status import RunStatus
from ciliate.services.attachment import SocketTarget
from ciliate.services.backend_address import BackendAddress
from ciliate.services.book import ServiceBook
from ciliate.services.capacity import map_entries
from ciliate.services.datagram_flows import DatagramFlows
from ciliate.services.explain.explainer import Explainer
from ciliate.services.frontend_names import FrontendNames
from ciliate.services.health_answers import HealthCheck
from ciliate.services.health_check import HealthChecks
from ciliate.services.local_pods import host_ports_of
from ciliate.services.maglev import Maglev
from ciliate.services.map_keys import MapKey
from ciliate.services.maps import SOCKET_PEERS
from ciliate.services.metrics import ServiceMetrics
from ciliate.services.model import NodeFacts, ServiceKey, ServingSettings
from ciliate.services.native_range import NativeRange
from ciliate.services.node_addresses import node_port_addresses
from ciliate.services.node_port_range import NodePortRangeTarget
from ciliate.services.problem_changes import shown
from ciliate.services.problem_events import ProblemEvents
from ciliate.services.proxy_health import proxy_health_endpoint
from ciliate.services.replacement import replacement
from ciliate.services.service_list import ServiceModel, service_model
from ciliate.services.socket_ending import SocketEnding
from ciliate.services.targets import ServiceMapsTarget, held, opened_maps
from ciliate.services.watch import ServiceWatch

_ZONE_LABEL: Final = "topology.kubernetes.io/zone"

#: How long changes are gathered before they are written: a rollout changes a slice several times.
_SETTLE_S: Final = 0.01

#: Rows of a list that are made before others have their turn.
_ROWS_AT_ONCE: Final = 64


class ServicesFeature(Feature):
    """What a client of a Service reaches."""

    name: ClassVar[str] = "services"

    def __init__(
        self,
        context: Context,
        *,
        devices_status: Callable[[], RunStatus | None] = lambda: None,
    ) -> None:
        """Serve a node; `devices_status` is of the programs at its devices."""
        self._context = context
        self._devices_status = devices_status
        self._settings = context.settings.services
        serving = serving_settings(context.settings)
        #: Which nodes have an address; what changed since the book was told, and whether it is to be.
        self._node_addresses: OwnerIndex[bytes, str] = OwnerIndex()
        self._moved: set[bytes] = set()
        self._is_to_look = False
        for node in context.cluster.known_nodes:
            self._note_addresses(None, node)
        self._book = ServiceBook(
            self._facts(),
            serving,
            sizes=map_entries(self._settings),
            maglev=maglev_settings(self._settings.selection),
        )
        self._names = FrontendNames(self._book, context.service_names)
        self._metrics = ServiceMetrics()
        self._watch = ServiceWatch(context.client, self._book, serving, self._touch, self._metrics)
        self._sync: Reconciler[MapKey, bytes] | None = None
        self._attached: Reconciler[str, int] | None = None
        self._ending: SocketEnding | None = None
        self._datagrams: DatagramFlows | None = None
        self._native: NativeRange | None = None
        self._problems = ProblemEvents(context, self._book.problems, self._uid)
        self._explainer = Explainer(context, self._book)
        self._checks = HealthChecks(lambda: self._is_healthy)
        self._healthz = proxy_health_endpoint(
            self._settings.healthz or ("", 0),
            is_healthy=lambda: self._is_healthy,
            sync=RunStatus("sync-services"),
            own_node=lambda: next(iter(context.cluster.own_node.objects.values()), None),
        )

    @property
    def is_on(self) -> bool:
        """Whether any Service is served."""
        return self._settings.sockets.enabled

    async def load(self) -> None:
        """Take over ids and the order of backends: what lives keeps its place."""
        bpf_root = Path(self._context.settings.kernel.bpf_root)
        self._book.adopt(await asyncio.to_thread(held, bpf_root))

    async def start(self, progress: Progress) -> None:
        """Wait until Services and their endpoints are known: half of them would shrink the maps."""
        if not self.is_on:
            return
        if self._settings.replaces_kube_proxy:
            await NodePortRangeTarget(self._context.rtnl, self._settings.node_ports).check()
        for informer in self._watch.informers:
            self._context.tasks.create_task(informer.run(), name=f"watch {informer.name}")
        await self._watch.listed(progress)
        self._book.settle()
        self._look_at_pods()

    def reconcilers(self, datapath: Datapath) -> Sequence[AnyReconciler]:
        """Return the reconcilers of maps, then of the programs that read them."""
        context, sockets = self._context, self._settings.sockets
        opened = opened_maps(datapath)
        self._explainer.use(datapath, opened)
        self._sync = Reconciler(
            ServiceMapsTarget(opened, written=self._written),
            self._desired,
            settle_s=_SETTLE_S,
            puts_first=True,
        )
        target = SocketTarget(
            SocketAttacher(Path(context.settings.kernel.bpf_root), datapath.programs.socket_fds),
            configured=sockets.cgroup_root,
            enabled=self.is_on,
            protects_binds=self._settings.node_ports.protects_binds,
        )
        self._attached = Reconciler(target, target.desired)
        found: list[AnyReconciler] = [self._sync, self._attached]
        if self._settings.replaces_kube_proxy:
            ports = NodePortRangeTarget(context.rtnl, self._settings.node_ports)
            found.append(Reconciler(ports, ports.desired))
        if self._settings.node_ports.answers_health_checks:
            found.append(self._checks.sync)
        if self.is_on:
            notes = SocketStorage(datapath.map_fd(SOCKET_PEERS))
            self._ending = SocketEnding(
                sockets, context.endpoints, notes=notes, kept=lambda: _Kept(self._book)
            )
            self._ending.compare_all()
        if self._settings.replaces_kube_proxy:
            connections = context.settings.kernel.connections_max
            self._datagrams = DatagramFlows(Sweeper(datapath.programs.sweep_fd, connections))
            self._native = NativeRange(datapath, context.settings.routing)
            self._native.note(self._book)
            found.append(self._native.sync)
        self._follow()
        return found

    def _follow(self) -> None:
        """Have the book follow what it depends on besides Services."""
        cluster = self._context.cluster
        self._context.devices.listen(lambda _old, _new: self._look_at_node())
        cluster.own.listen(lambda _old, _new: self._look_at_node())
        cluster.own_node.add_listener(lambda _old, _new: self._look_at_node())
        cluster.known_nodes.add_listener(self._node_changed)
        cluster.pods.add_listener(lambda _old, _new: self._look_at_pods())

    def tasks(self) -> Sequence[Task]:
        """Return the tasks: who tells of problems, ends sockets, and answers health checks."""
        found: list[Task] = []
        if self.is_on:
            self._problems.wake()
            found += (self._problems.run, self._problems.events.run)
        if self._ending is not None:
            found.append(self._ending.run)
        if self._datagrams is not None:
            found.append(self._datagrams.run)
        if self._settings.node_ports.answers_health_checks:
            found.append(self._checks.run)
        if self._settings.healthz is not None:
            found.append(self._healthz.run)
        return found

    def statuses(self) -> Sequence[RunStatus]:
        """Return the statuses of the tasks."""
        ending = () if self._ending is None else (self._ending.status,)
        datagrams = () if self._datagrams is None else (self._datagrams.status,)
        healthz = () if self._settings.healthz is None else (self._healthz.status,)
        return (*ending, *datagrams, *healthz)

    def families(self) -> Iterable[Family]:
        """Return the metrics of Services."""
        ending = () if self._ending is None else self._ending.families()
        unserved = len({key for key, _ in self._book.problems()})
        own = self._metrics.families(self._book.filled(), self._book.ids(), unserved)
        return (*own, *ending) if self.is_on else ()

    def answers(self) -> Mapping[str, Answer]:
        """Return the handler of `dbg service list`."""
        return {"service": self._list}

    def actions(self) -> Mapping[str, Action]:
        """Return the handler of `explain service`, which looks now."""
        return {"service/explain": self._explainer.explain}

    async def _list(self) -> list[ServiceModel]:
        found = []
        for row in self._book.rows():
            found.append(service_model(row))
            if not len(found) % _ROWS_AT_ONCE:
                await asyncio.sleep(0)
        return found

    def status(self) -> Mapping[str, object]:
        """Return the kube-proxy replacement, with the node's devices, and what is not served."""
        return {
            "kube_proxy_replacement": replacement(self._context, self._parts()),
            "service_problems": shown(self._book.problems()),
        }

    def _uid(self, key: ServiceKey) -> str:
        found = self._watch.services.get(key.name, key.namespace)
        return found.metadata.uid if found is not None else ""

    def _parts(self) -> Iterator[RunStatus]:
        """Yield how each part is that has to be at work to replace kube-proxy."""
        for each in (self._sync, self._attached):
            if each is not None:
                yield each.status
        devices = self._devices_status()
        if devices is not None:
            yield devices

    @property
    def _is_healthy(self) -> bool:
        return self._sync is not None and not self._sync.status.consecutive_failures

    def _desired(self) -> Mapping[MapKey, bytes] | None:
        if not self.is_on:
            return {}
        if not self._watch.has_listed:
            return None
        self._metrics.taken()
        return self._book

    def _written(self) -> None:
        self._metrics.written(time.monotonic(), time.time())

    def _touch(self, keys: Collection[MapKey]) -> None:
        self._problems.wake()
        self._names.touch(keys)  # Before the maps have it: no event of it is older than its name.
        if self._sync is not None:
            self._sync.touch(keys)
        if self._native is not None:
            self._native.note(keys)
        lost = [_backend(each) for each in self._book.take_lost_backends()]
        if self._ending is not None and lost:
            self._ending.went(lost)
        if self._datagrams is not None:
            self._datagrams.went(lost)
        self._checks.show(
            {
                port: HealthCheck(*each.service, each.local_endpoints)
                for port, each in self._book.health_checks().items()
            }
        )

    def _node_changed(self, old: KnownNode | None, new: KnownNode | None) -> None:
        """Look at the nodes of one burst together: all of a large cluster come at the start."""
        self._note_addresses(old, new)
        if not self._is_to_look:
            self._is_to_look = True
            asyncio.get_running_loop().call_soon(self._look_at_nodes)

    def _note_addresses(self, old: KnownNode | None, new: KnownNode | None) -> None:
        if old is not None:
            for address in _addresses_of(old):
                self._node_addresses.remove(address, old.name)
                self._moved.add(address)
        if new is not None:
            for address in _addresses_of(new):
                self._node_addresses.add(address, new.name)
                self._moved.add(address)

    def _look_at_nodes(self) -> None:
        """Look at what became of other nodes alone."""
        moved, self._moved, self._is_to_look = self._moved, set(), False
        self._touch(self._book.set_node(self._facts(), moved))

    def _look_at_node(self) -> None:
        self._touch(self._book.set_node(self._facts()))

    def _look_at_pods(self) -> None:
        pods = self._context.cluster.pods.objects.values()
        self._touch(self._book.set_host_ports(host_ports_of(pods)))

    def _facts(self) -> NodeFacts:
        context = self._context
        own, devices = context.own, context.devices.current
        node = next(iter(context.cluster.own_node.objects.values()), None)
        return NodeFacts(
            name=own.name,
            zone=node.metadata.labels.get(_ZONE_LABEL, "") if node is not None else "",
            node_port_addresses=node_port_addresses(
                devices.selected, self._settings.node_ports.addresses, own.internal_ips
            ),
            node_addresses=devices.octets.union(self._node_addresses),
            labels=node.metadata.labels if node is not None else {},
        )


def _addresses_of(node: KnownNode) -> Iterator[bytes]:
    return map(to_octets, (*node.internal_ips, *node.external_ips))


class _Kept:
    """The backends that sockets may keep, as the book has them."""

    def __init__(self, book: ServiceBook) -> None:
        self._book = book

    def __contains__(self, found: object) -> bool:
        if not isinstance(found, BackendAddress):
            return False
        octets = to_octets(found.address) + found.port.to_bytes(2, "big")
        return self._book.names_backend(octets + bytes((found.protocol,)))


def _backend(octets: bytes) -> BackendAddress:
    port = int.from_bytes(octets[16:18], "big")
    return BackendAddress(from_octets(octets[:16]), port, octets[18])


def maglev_settings(selection: SelectionSettings) -> Maglev:
    """Return how tables are made; none are where backends are chosen by chance."""
    if selection.algorithm is not Algorithm.MAGLEV:
        return Maglev()
    return Maglev.seeded(selection.maglev_table_size, selection.maglev_seed)


def serving_settings(settings: AgentSettings) -> ServingSettings:
    """Return the part of the settings that decides about frontends and endpoints."""
    of = settings.services
    return ServingSettings(
        node_port_first=of.node_ports.first,
        node_port_last=of.node_ports.last,
        cluster_ips_from_outside=of.access.cluster_ips_from_outside,
        checks_source_ranges=of.access.checks_source_ranges,
        checks_them_for_all_types=of.access.checks_them_for_all_types,
        proxy_name=of.proxy_name,
        session_affinity=of.selection.session_affinity,
        topology_annotation=of.selection.topology_annotation,
    )
