"""Everything a node runs once Kubernetes has said who it is: set up in order, then kept by tasks.

The order matters. Addresses of pods that live are taken before any is given out; maps are filled
before programs that read them are attached; the CNI socket opens after the queued DELs were done;
the runtime is told last.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ciliate.agent.kernel import DesiredState
from ciliate.agent.reconcilers import Reconcilers
from ciliate.agent.report import Sources
from ciliate.cni.delegate import Delegate
from ciliate.cni.queue import drain_delete_queue
from ciliate.cni.server import Backend, CniServer
from ciliate.config.settings import AgentSettings
from ciliate.datapath import maps
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.settings import DatapathSettings
from ciliate.endpoint.attachments import PodAttachments, PodNetwork, Wiring
from ciliate.endpoint.records import Bookkeeping
from ciliate.endpoint.restoration import restore_endpoints
from ciliate.endpoint.runtime_config import RuntimeConfig, node_path
from ciliate.errors import CiliateError
from ciliate.identity.ipcache import Ipcache
from ciliate.identity.registry import IdentityRegistry
from ciliate.identity.resolver import IdentityKeeper
from ciliate.ipam.agent.check import IpamCheck
from ciliate.ipam.agent.delegated import DelegatedAddresses, DelegatedAttachments
from ciliate.ipam.agent.metrics import ipam_families
from ciliate.ipam.agent.node_ipam import NodeIPAM
from ciliate.ipam.agent.repair import IpamRepair
from ciliate.ipam.agent.router import Router
from ciliate.ipam.agent.snapshot import Witnesses
from ciliate.masquerade.conntrack_gc import FlowCollector
from ciliate.metrics.family import Family
from ciliate.metrics.server import Metrics, MetricsServer
from ciliate.netlink.sysctl import node_sysctls, write_sysctls
from ciliate.node.context import Context, Paths
from ciliate.node.devices import DeviceWatch, observe_devices
from ciliate.node.endpoint_store import EndpointStore
from ciliate.node.endpoint_table import EndpointTable
from ciliate.node.progress import Progress
from ciliate.reconcile.status import RunStatus
from ciliate.routing.displaced_pods import Strays

_log = logging.getLogger(__name__)

#: How often interfaces that died without a DEL are looked for.
_HOUSEKEEPING_S = 60.0


@dataclass(frozen=True, slots=True)
class RunningNode:
    """Everything that exists once the kernel is as it should be."""

    context: Context
    ipam: NodeIPAM
    check: IpamCheck
    table: EndpointTable
    store: EndpointStore
    datapath: Datapath
    watch: DeviceWatch
    state: DesiredState
    reconcilers: Reconcilers
    identities: IdentityKeeper
    runtime_config: RuntimeConfig
    statuses: list[RunStatus]

    @classmethod
    async def set_up(
        cls, context: Context, runtime_config: RuntimeConfig, progress: Progress
    ) -> "RunningNode":
        """Take over what stands, bring the kernel to what should be, start the tasks."""
        settings = context.settings
        table, store = EndpointTable(), EndpointStore(context.paths.state / "endpoints")
        node_ip = context.own.internal_ips[0]
        ipcache = Ipcache(context.cluster, node_ip=node_ip)
        ipam = NodeIPAM.make(context, ipcache)
        await ipam.recall()
        kept = await restore_endpoints(context, ipam.addresses, store, table)
        await ipam.start(progress)
        await _set_up_node_links(context, ipam.router)
        datapath = await asyncio.to_thread(open_datapath, settings, context.paths)
        watch = DeviceWatch(context.rtnl, settings, await observe_devices(context.rtnl, settings))
        state = DesiredState(
            settings,
            context.cluster,
            table,
            watch,
            ipcache,
            Strays(context.cluster, ipcache, node_ip=node_ip),
            context.own.internal_ips,
        )
        reconcilers = Reconcilers(context, state, datapath, table=table, node=ipam.announcement)
        await reconcilers.first_pass()
        if datapath.changed:
            await context.links.replace_programs(
                [endpoint.ifindex for endpoint in kept],
                from_pod_fd=datapath.programs.from_pod_fd,
                to_pod_fd=datapath.programs.to_pod_fd,
            )
        await asyncio.to_thread(datapath.settle)
        registry = IdentityRegistry(context.client, context.cluster.identities)
        identities = IdentityKeeper(
            context.cluster,
            registry,
            table,
            store,
            cluster_name=settings.cluster.name,
            label_filter=settings.label_filter,
        )
        node = cls(
            context,
            ipam,
            IpamCheck(Witnesses(context, ipam, table, datapath)),
            table,
            store,
            datapath,
            watch,
            state,
            reconcilers,
            identities,
            runtime_config,
            [
                *(r.status for r in reconcilers.all),
                identities.status,
                watch.status,
                ipam.router.status,
            ],
        )
        node._start()
        return node

    def _start(self) -> None:
        self.table.listen(self.reconcilers.pods_changed)
        self.watch.listen(self.reconcilers.devices_changed)
        self.watch.listen_routes(self.reconcilers.routes_changed)
        self.reconcilers.start()
        tasks = self.context.tasks
        tasks.create_task(self.identities.run())
        tasks.create_task(self.watch.follow())
        tasks.create_task(self.watch.run())
        tasks.create_task(self.ipam.router.follow(lambda: self.mtu))
        tasks.create_task(self.check.run())
        self.statuses.append(self.check.status)
        collector = FlowCollector(self.datapath)
        self.statuses.append(collector.status)
        tasks.create_task(collector.run())

    def metrics(self) -> Metrics:
        """Return what answers questions for metrics; serve it where the settings say so."""
        ipam, address = self.ipam, self.context.settings.metrics_address

        def families() -> tuple[Family, ...]:
            return ipam_families(ipam.addresses, ipam.source.pending)

        metrics = Metrics(families, process="cilium")
        if address:
            server = MetricsServer(metrics, key="prometheus-serve-addr", address=address)
            self.statuses.append(server.status)
            self.context.tasks.create_task(server.run())
        return metrics

    @property
    def mtu(self) -> int:
        """MTU of pods' interfaces, in bytes."""
        return self.context.settings.routing.mtu or self.watch.current.mtu

    def pod_network(self) -> PodNetwork:
        """Return what a pod that comes now is given besides its address."""
        return PodNetwork(gateways=self.ipam.router.current, mtu=self.mtu, route_mtu=self.mtu)

    @asynccontextmanager
    async def cni_service(self) -> AsyncIterator[None]:
        """Answer CNI requests, queued DELs first, and tell the runtime that the node is ready.

        On the way out no request is taken any more before the tasks that serve them end.
        """
        attachments, backend = self._attachments()
        paths = self.context.paths
        server = CniServer(
            backend,
            path=str(paths.cni_socket),
            chaining_mode=self.context.settings.cni.chaining_mode,
        )
        await drain_delete_queue(str(paths.delete_queue), backend.delete, start=server.start)
        self.context.tasks.create_task(self._keep_house(attachments))
        try:
            await self.runtime_config.write()
            self.statuses.append(self.runtime_config.status)
            self.context.tasks.create_task(self.runtime_config.run())
            yield
        finally:
            await server.stop()

    def _attachments(self) -> tuple[PodAttachments, Backend]:
        """Return who attaches pods, and who answers for it."""
        settings = self.context.settings
        delegate = Delegate(node_path)
        addresses = DelegatedAddresses(
            delegate,
            self.table,
            is_current=settings.ipam.mode == "delegated-plugin",
            former=self.ipam.source,
            versions=settings.ipam.versions,
            node_addresses=lambda: (*self.watch.current.addresses, *self.ipam.router.current),
        )
        wiring = Wiring(
            addresses=addresses,
            books=Bookkeeping(
                table=self.table,
                store=self.store,
                interfaces=self.datapath.opened(maps.INTERFACES),
                endpoints=self.datapath.opened(maps.ENDPOINTS),
                stack_routed=settings.cni.stack_routed,
            ),
            links=self.context.links,
            programs=self.datapath.programs,
            identities=self.identities,
            versions=settings.ipam.versions,
        )
        attachments = PodAttachments(wiring, self.pod_network, self.context.tasks)
        return attachments, DelegatedAttachments(attachments, addresses, delegate)

    async def _keep_house(self, attachments: PodAttachments) -> None:
        status = RunStatus("remove-vanished-endpoints")
        self.statuses.append(status)
        while True:
            await asyncio.sleep(_HOUSEKEEPING_S)
            try:
                await attachments.remove_vanished()
            except CiliateError as error:
                status.failed(str(error))
                _log.warning("endpoints: %s", error)
            else:
                status.succeeded()

    def _repair(self) -> IpamRepair:
        demand = self.ipam.demand
        return IpamRepair(
            self.context,
            self.ipam.addresses,
            self.table,
            self.check,
            freed=demand.freed if demand is not None else lambda: None,
        )

    def sources(self, *, warnings: tuple[str, ...], started_at: datetime) -> Sources:
        """Return what `dbg status` and its kin are made of."""
        return Sources(
            context=self.context,
            state=self.state,
            ipam=self.ipam,
            check=self.check,
            repair=self._repair(),
            table=self.table,
            statuses=self.statuses,
            datapath=self.datapath,
            warnings=warnings,
            started_at=started_at,
            runtime_config=self.runtime_config,
        )


async def _set_up_node_links(context: Context, router: Router) -> None:
    """Forwarding, and the router's address on cilium_host."""
    settings = context.settings
    await asyncio.to_thread(
        write_sysctls, node_sysctls(ipv4=settings.ipam.ipv4, ipv6=settings.ipam.ipv6)
    )
    devices = await observe_devices(context.rtnl, settings)
    await router.ensure_link(settings.routing.mtu or devices.mtu)


def open_datapath(settings: AgentSettings, paths: Paths) -> Datapath:
    """Load the programs for `settings`, or take over those that run already; blocking."""
    kernel, routing, masquerade = settings.kernel, settings.routing, settings.masquerade
    return Datapath.open(
        bpf_root=Path(kernel.bpf_root),
        state_dir=paths.state,
        settings=DatapathSettings(
            native_routing_v4=routing.native_v4,
            native_routing_v6=routing.native_v6,
            masquerade_v4=masquerade.ipv4,
            masquerade_v6=masquerade.ipv6,
            verify_source=kernel.verify_source,
            snat_port_min=masquerade.port_min,
            snat_port_max=masquerade.port_max,
        ),
        capacities={"nat": kernel.nat_entries_max, "conntrack": kernel.conntrack_entries_max},
    )
