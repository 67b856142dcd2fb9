"""The agent's run, from its settings to its end; `running_node` does the work in between.

Settings are read and checked, and the Node is read, before the kernel is touched.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ciliate.agent.bootstrap import load_config, wait_for_node
from ciliate.agent.instance_lock import NETWORK_NAMESPACE, claim, instance_lock
from ciliate.agent.report import Report
from ciliate.agent.running_node import RunningNode
from ciliate.agent.server import AgentServer
from ciliate.agent.shutdown import has_daemon_set, is_for_good
from ciliate.config.installation import Installation
from ciliate.config.keys import review
from ciliate.config.settings import AgentSettings, parse_agent_settings
from ciliate.datapath.pins import make_folder
from ciliate.endpoint.runtime_config import RuntimeConfig
from ciliate.kube.client import ApiClient
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.pod import PodLinks
from ciliate.netlink.sysctl import use_procfs
from ciliate.node.cluster import Cluster
from ciliate.node.context import Context, Paths
from ciliate.node.devices import DeviceWatch, NodeDevices, observe_devices
from ciliate.node.endpoint_store import EndpointStore
from ciliate.node.endpoint_table import EndpointTable
from ciliate.node.host_path import host_path
from ciliate.node.privileges import require_privileges
from ciliate.node.progress import Progress
from ciliate.node.stack_routing import StackRouting
from ciliate.system.fork_server import ForkServer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    node_name: str
    installation: Installation
    overrides: Mapping[str, str]
    paths: Paths = field(default_factory=Paths)
    #: By which processes of the agent's start warm; None: they are executed.
    forks: ForkServer | None = None


class Agent:
    """One run of the agent on one node."""

    def __init__(self, client: ApiClient, options: Options) -> None:
        self._client = client
        self._options = options
        self._progress = Progress()
        self._started_at = datetime.now(UTC)
        self._runtime_config: RuntimeConfig | None = None
        self._runs_as_daemon_set = False

    async def run(self) -> None:
        """Work until cancelled; the datapath goes on without us.

        Raises:
            SettingError: A setting is wrong; nothing was touched.
            MissingPrivilegesError: What the container lacks; nothing was touched.
            CiliateError: The node could not be set up.
        """
        paths = self._options.paths
        async with (
            instance_lock(paths.state, self._options.node_name),
            claim(NETWORK_NAMESPACE, self._options.node_name, "a network namespace"),
            AgentServer(self._progress, paths.api_socket) as server,
            Rtnetlink.open() as rtnl,
            PodLinks() as links,
            AsyncExitStack() as claims,  # Ends behind the tasks.
            asyncio.TaskGroup() as tasks,
        ):
            config = await load_config(
                self._client, self._options.installation, self._options.overrides, self._progress
            )
            settings = parse_agent_settings(config, memory_bytes=_memory_bytes())
            use_procfs(str(host_path(settings.kernel.procfs)))
            require_privileges(settings.kernel.bpf_root)
            # Raises before anything is touched.
            devices = DeviceWatch(rtnl, settings, await observe_devices(rtnl, settings))
            _log.info("room for %d connections", settings.kernel.connections_max)
            root = Path(settings.kernel.bpf_root)
            make_folder(root)
            await claims.enter_async_context(claim(root, self._options.node_name, "a bpf-root"))
            context = await self._context(settings, devices, rtnl, links, tasks)
            warnings = review(config).warnings()
            self._runtime_config = RuntimeConfig(settings.cni, debug=settings.debug)
            tasks.create_task(self._note_daemon_set())  # Only the end of this agent needs it.
            await self._serve(context, server, warnings)

    async def _note_daemon_set(self) -> None:
        self._runs_as_daemon_set = await has_daemon_set(self._client, self._options.installation)

    async def leave(self) -> None:
        """Clean up what must not outlive the last agent of this node; after `run` has ended."""
        if self._runtime_config is None or not self._runs_as_daemon_set:
            return
        options = self._options
        if await is_for_good(self._client, options.installation, node=options.node_name):
            await self._runtime_config.remove()

    async def _context(
        self,
        settings: AgentSettings,
        devices: DeviceWatch,
        rtnl: Rtnetlink,
        links: PodLinks,
        tasks: asyncio.TaskGroup,
    ) -> Context:
        """Start the watches and wait for what Kubernetes must say first."""
        if settings.debug:
            logging.getLogger("ciliate").setLevel(logging.DEBUG)
        name = self._options.node_name
        own = await wait_for_node(self._client, name, self._progress)
        devices.listen(self._give_up_connections)
        cluster = Cluster(self._client, own, with_pools=settings.ipam.mode == "multi-pool")
        for informer in cluster.informers:
            tasks.create_task(informer.run())
        tasks.create_task(cluster.known_nodes.run())
        paths = self._options.paths
        return Context(
            settings=settings,
            installation=self._options.installation,
            paths=paths,
            client=self._client,
            cluster=cluster,
            devices=devices,
            endpoints=EndpointTable(),
            endpoint_store=EndpointStore(paths.state / "endpoints"),
            rtnl=rtnl,
            links=links,
            tasks=tasks,
            stack=StackRouting(always=settings.stack_routed),
            forks=self._options.forks,
        )

    def _give_up_connections(self, old: NodeDevices, new: NodeDevices) -> None:
        """Connect anew to the API server where the node has lost the address that was used."""
        lost = set(old.addresses).difference(new.addresses)
        if lost and self._client.give_up(lost):
            _log.info(
                "connecting anew to %s: %s left this node",
                self._client.server,
                ", ".join(map(str, lost)),
            )

    async def _serve(
        self, context: Context, server: AgentServer, warnings: tuple[str, ...]
    ) -> None:
        assert self._runtime_config is not None, "made with the settings"
        if warnings:
            _log.info("%d settings have no effect (see dbg status)", len(warnings))
        self._progress.say("setting up the node")
        node = await RunningNode.set_up(context, self._runtime_config, self._progress)
        report = Report(node, warnings=warnings, started_at=self._started_at)
        server.show(report, node.metrics)
        async with node.serve():
            self._progress.done()
            spent = datetime.now(UTC) - self._started_at
            _log.info("ready after %.0f ms", spent.total_seconds() * 1000)
            await asyncio.Event().wait()  # Until cancelled; the tasks work.


def _memory_bytes() -> int:
    """Return what the machine has: maps are in the kernel's memory, whatever this process may use."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
