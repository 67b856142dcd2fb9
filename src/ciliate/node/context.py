"""What every feature of the agent stands on, once settings and Node are known."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from ciliate.config.installation import STATE_DIR, Installation
from ciliate.config.settings import AgentSettings
from ciliate.kube.client import ApiClient
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.pod import PodLinks
from ciliate.node.cluster import Cluster
from ciliate.node.devices import DeviceWatch
from ciliate.node.endpoint_store import EndpointStore
from ciliate.node.endpoint_table import EndpointTable
from ciliate.node.host_path import placed_path
from ciliate.node.own_links import OwnLinks
from ciliate.node.own_node import OwnNode
from ciliate.node.service_names import ServiceNames
from ciliate.node.stack_routing import StackRouting
from ciliate.system.fork_server import ForkServer


@dataclass(frozen=True, slots=True)
class Paths:
    """Where the agent keeps its sockets and files."""

    run: Path = Path(STATE_DIR)  # --state-dir
    socket: Path | None = None  # --socket-path

    @property
    def state(self) -> Path:
        """The agent's own files, 0700."""
        return self.run / "state"

    @property
    def api_socket(self) -> Path:
        """Where `dbg` asks."""
        return self.socket or self.run / "cilium.sock"

    @property
    def cni_socket(self) -> Path:
        """Where the CNI plugin asks."""
        return self.run / "cni.sock"

    def placed(self, path: str) -> Path:
        """Return where a file of a setting is."""
        return placed_path(path, run=self.run)

    @property
    def delete_queue(self) -> Path:
        """DEL requests of the time when no agent ran."""
        return self.run / "deleteQueue"


@dataclass(frozen=True, slots=True)
class Context:
    """Facts, tables, connections to kernel and API, and the group that tasks live in."""

    settings: AgentSettings
    installation: Installation
    paths: Paths
    client: ApiClient
    cluster: Cluster
    devices: DeviceWatch
    endpoints: EndpointTable
    endpoint_store: EndpointStore
    rtnl: Rtnetlink
    links: PodLinks
    tasks: asyncio.TaskGroup
    stack: StackRouting = field(default_factory=lambda: StackRouting(always=False))
    own_links: OwnLinks = field(default_factory=OwnLinks)
    service_names: ServiceNames = field(default_factory=ServiceNames)
    forks: ForkServer | None = None

    @property
    def own(self) -> OwnNode:
        """This node as Kubernetes knows it now; `cluster.own` tells of changes."""
        return self.cluster.own.current
