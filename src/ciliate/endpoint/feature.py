"""Pods' interfaces on a running node: taken over, attached by CNI requests, published.

The runtime comes last: `serve` does the queued DELs, opens the CNI socket and writes the CNI
configuration.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final

from ciliate.api.agent_status import ComponentStatus, FeatureMode
from ciliate.api.cilium_endpoint import CiliumEndpoint, EndpointState
from ciliate.api.core import Pod
from ciliate.cni.queue import drain_delete_queue
from ciliate.cni.request_log import RequestLog
from ciliate.cni.server import CniServer
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.target import MapTarget
from ciliate.endpoint.attachments import KnownIdentity, PodAttachments, PodNetwork, Wiring
from ciliate.endpoint.entries import EndpointEntries, InterfaceEntries
from ciliate.endpoint.pod_mtu import PodMtuTarget, desired_mtus
from ciliate.endpoint.publication import CiliumEndpointTarget, Publications, is_alive
from ciliate.endpoint.records import EndpointRecords
from ciliate.endpoint.report import endpoint_list, endpoint_model
from ciliate.endpoint.restoration import restore_endpoints
from ciliate.endpoint.runtime_config import RuntimeConfig
from ciliate.endpoint.status import EndpointCount
from ciliate.endpoint.watchdog import CniWatchdog
from ciliate.errors import CiliateError
from ciliate.net.address import IPAddress, ip_address, to_octets
from ciliate.node.address_source import AddressSource
from ciliate.node.context import Context
from ciliate.node.devices import NodeDevices
from ciliate.node.endpoint import Endpoint
from ciliate.node.feature import Answer, AnyReconciler, Feature, Task
from ciliate.node.maps import ENDPOINTS, INTERFACES
from ciliate.node.privileges import read_privileges
from ciliate.reconcile.reconciler import Reconciler
from ciliate.reconcile.status import RunStatus

_log = logging.getLogger(__name__)

#: How often the agent checks for interfaces that vanished without a DEL, and how long one check
#: may take: it waits for workers.
_HOUSEKEEPING_S: Final = 60.0

#: CNI requests write the maps themselves; the reconcilers only repair, so they may wait for a
#: burst of pods to pass.
_REPAIR_SETTLE_S: Final = 0.5

#: How long changes of CiliumEndpoints are gathered before they are published together.
_PUBLISH_SETTLE_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What this feature gets from others for a new pod."""

    addresses: AddressSource
    identity: KnownIdentity
    gateways: Callable[[], tuple[IPAddress, ...]]
    #: Ends the connections of pods that have left the datapath, before others get their addresses.
    forget_leavers: Callable[[], Awaitable[None]]
    #: Returns once packets of a new pod are decided as those of any other.
    admit: Callable[[Endpoint], Awaitable[None]]


class EndpointFeature(Feature):
    """The pods of this node."""

    name: ClassVar[str] = "endpoint"

    def __init__(
        self, context: Context, neighbours: Neighbours, runtime_config: RuntimeConfig
    ) -> None:
        self._context = context
        self._neighbours = neighbours
        self._runtime_config = runtime_config
        self._restored: tuple[Endpoint, ...] = ()
        self._housekeeping = RunStatus("remove-vanished-endpoints")
        self._watch = RunStatus("watch-cni")
        self._stack_routed = context.stack.carries
        self._attachments: PodAttachments | None = None
        self._publication_target = CiliumEndpointTarget(
            context.client, context.cluster.endpoints, is_here=self._is_here
        )
        self._publish: AnyReconciler = Reconciler(
            self._publication_target,
            self._publications,
            settle_s=_PUBLISH_SETTLE_S,
        )

    def _publications(self) -> Publications | None:
        """Return what is published, once it is known which Pods there are."""
        pods = self._context.cluster.pods
        if not pods.has_synced:
            return None
        return Publications(self._context.endpoints, pods.objects, self._context.own.node_ip)

    async def load(self) -> None:
        """Take over the endpoints that live on, clean up after the others."""
        self._restored = await restore_endpoints(self._context, self._neighbours.addresses)

    def reconcilers(self, datapath: Datapath) -> Sequence[AnyReconciler]:
        """Return the reconcilers of the maps `interfaces` and `endpoints`."""
        table, devices = self._context.endpoints, self._context.devices
        self._attachments = self._make_attachments(datapath)
        interfaces: AnyReconciler = Reconciler(
            MapTarget("sync-interfaces", datapath.opened(INTERFACES)),
            lambda: InterfaceEntries(table, stack_routed=self._stack_routed),
            settle_s=_REPAIR_SETTLE_S,
        )
        endpoints: AnyReconciler = Reconciler(
            MapTarget("sync-endpoints", datapath.opened(ENDPOINTS)),
            lambda: EndpointEntries(table, devices, stack_routed=self._stack_routed),
            settle_s=_REPAIR_SETTLE_S,
        )

        mtus: AnyReconciler = Reconciler(
            PodMtuTarget(self._context.links, table, self._context.endpoint_store),
            lambda: desired_mtus(table, lambda: devices.route_mtu),
            settle_s=_REPAIR_SETTLE_S,
        )

        def endpoint_changed(old: Endpoint | None, new: Endpoint | None) -> None:
            known = [each for each in (old, new) if each is not None]
            interfaces.touch(each.ifindex for each in known)
            endpoints.touch(octets for each in known for octets in each.octets)
            self._publish.touch(each.pod_key for each in known)

        def devices_changed(old: NodeDevices, new: NodeDevices) -> None:
            moved = {octets for octets, _ in old.holders.items() ^ new.holders.items()}
            endpoints.touch(old.octets ^ new.octets | moved)
            mtus.wake()

        def stack_changed() -> None:
            interfaces.touch(each.ifindex for each in table)
            endpoints.touch(octets for each in table for octets in each.octets)

        table.listen(endpoint_changed)
        self._context.stack.listen(stack_changed)
        devices.listen(devices_changed)
        self._context.cluster.endpoints.add_listener(self._published_changed)
        # Every CiliumEndpoint names the node by its address.
        self._context.cluster.own.listen(lambda _old, _new: self._publish.wake())
        self._context.cluster.pods.add_listener(self._pod_changed)
        return (interfaces, endpoints, mtus)

    def _is_here(self, address: str) -> bool:
        """Whether a CiliumEndpoint that names this address is this node's.

        Two nodes may change addresses with each other: until both have said so, the objects of the
        one that had ours are not ours to delete.
        """
        if not self._context.cluster.own.is_named(address):
            return False
        return not self._context.cluster.known_nodes.others_have(to_octets(ip_address(address)))

    def _published_changed(self, old: CiliumEndpoint | None, new: CiliumEndpoint | None) -> None:
        """The watch reports a CiliumEndpoint: of this node, or with the name of a pod here."""
        either = new or old
        assert either is not None, "a change has a before or an after"
        key = either.metadata.namespace, either.metadata.name
        is_ours = self._publication_target.is_ours
        if is_ours(old) or is_ours(new) or self._context.endpoints.of_pod(key) is not None:
            self._publish.touch([key])  # Most changes are our own.

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        """The watch reports a Pod of this node: what says its CiliumEndpoint may be due."""
        either = new or old
        assert either is not None, "a change has a before or an after"
        uid = either.metadata.uid
        if is_alive(old, uid) != is_alive(new, uid):
            self._publish.touch([(either.metadata.namespace, either.metadata.name)])

    def _make_attachments(self, datapath: Datapath) -> PodAttachments:
        context, neighbours = self._context, self._neighbours
        wiring = Wiring(
            addresses=neighbours.addresses,
            records=EndpointRecords(
                table=context.endpoints,
                store=context.endpoint_store,
                interfaces=datapath.opened(INTERFACES),
                endpoints=datapath.opened(ENDPOINTS),
                stack_routed=self._stack_routed,
            ),
            links=context.links,
            programs=datapath.programs,
            identity=neighbours.identity,
            versions=context.settings.ipam.versions,
            forget_leavers=neighbours.forget_leavers,
            admit=neighbours.admit,
            missing=lambda: read_privileges(context.settings.kernel.bpf_root).missing(),
        )
        return PodAttachments(wiring, self._pod_network, context.tasks)

    def _pod_network(self) -> PodNetwork:
        """Return what a new pod gets now besides its address."""
        devices = self._context.devices
        return PodNetwork(
            gateways=self._neighbours.gateways(), mtu=devices.mtu, route_mtu=devices.route_mtu
        )

    async def programs_changed(self, datapath: Datapath) -> None:
        """Have the pods of a previous agent run the programs loaded now."""
        await self._context.links.replace_programs(
            [endpoint.ifindex for endpoint in self._restored],
            from_pod_fd=datapath.programs.from_pod_fd,
            to_pod_fd=datapath.programs.to_pod_fd,
        )

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Answer CNI requests, queued DELs first, and report the node ready to the runtime.

        At shutdown the socket closes before the tasks that serve requests end.
        """
        assert self._attachments is not None, "made with the datapath"
        paths = self._context.paths
        cni = self._context.settings.cni
        requests = RequestLog(paths.placed(cni.log_file) if cni.log_file else None)
        server = CniServer(
            self._attachments,
            path=str(paths.cni_socket),
            chaining_mode=cni.chaining_mode,
            requests=requests,
        )
        delete = self._attachments.delete
        queue = partial(drain_delete_queue, str(paths.delete_queue), delete, requests=requests)
        await queue(start=server.start)
        watchdog = CniWatchdog(
            self._watch, self._context.links, server, reopen=partial(queue, start=server.reopen)
        )
        watching = self._context.tasks.create_task(watchdog.run())
        self._context.tasks.create_task(self._keep_house(self._attachments))
        try:
            await self._runtime_config.write()
            self._context.tasks.create_task(self._runtime_config.run())
            yield
        finally:
            watching.cancel()
            await server.stop()

    async def _keep_house(self, attachments: PodAttachments) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING_S)
            try:
                async with asyncio.timeout(_HOUSEKEEPING_S):
                    await attachments.remove_vanished()
            except (CiliateError, TimeoutError) as error:
                problem = str(error) or f"not done within {_HOUSEKEEPING_S:.0f} s"
                self._housekeeping.failed(problem)
                _log.warning("endpoints: %s", problem)
            else:
                self._housekeeping.succeeded()

    def tasks(self) -> Sequence[Task]:
        """Return what publishes the pods."""
        return (self._publish.run,)

    def statuses(self) -> Sequence[RunStatus]:
        """Return how publishing, housekeeping, CNI and its configuration go."""
        return (
            self._publish.status,
            self._housekeeping,
            self._watch,
            self._runtime_config.status,
        )

    def status(self) -> Mapping[str, object]:
        """Return the lines of the CNI configuration, and how many endpoints there are."""
        known = tuple(self._context.endpoints)
        config = self._runtime_config
        return {
            "cni_chaining": FeatureMode(mode=self._context.settings.cni.chaining_mode),
            "cni_file": ComponentStatus(
                state="Ok" if config.status.successes else "Disabled", msg=config.message
            ),
            "endpoints": EndpointCount(
                total=len(known) + 1,
                ready=1 + sum(each.state is EndpointState.READY for each in known),
            ),
        }

    def answers(self) -> Mapping[str, Answer]:
        """Return the handlers of `dbg endpoint list` and `get`."""
        table = self._context.endpoints
        return {
            "endpoint": lambda: endpoint_list(table),
            **{f"endpoint/{each.id}": partial(endpoint_model, each) for each in table},
        }
