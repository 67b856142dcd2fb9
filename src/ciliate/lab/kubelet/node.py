"""What the parts of a node's kubelet share: the node's identity, its paths, its clients."""

import asyncio
import shutil
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from ciliate.api.resource import ObjectKey
from ciliate.api.service import Service
from ciliate.kube.client import ApiClient
from ciliate.kube.events import EventRecorder
from ciliate.lab.cgroup import LabCgroup
from ciliate.lab.kubelet.container import ContainerPlace
from ciliate.lab.kubelet.pod_files import ClusterNames
from ciliate.lab.kubelet.pod_state import PodRecord, PodStore
from ciliate.lab.kubelet.sandbox import SandboxPaths
from ciliate.lab.namespaces import in_namespaces
from ciliate.lab.paths import LabPaths
from ciliate.lab.zygote_client import ZygoteClient

T = TypeVar("T")

#: Probes of one node that are asked at once; the next waits, and its time-out begins then.
PROBES_AT_ONCE_MAX: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeIdentity:
    """What the lab says about a node; `ips` are those it begins with."""

    name: str
    ips: tuple[str, ...]
    pins: Path
    folder: Path  # <lab>/<node>
    control_plane: bool = False
    pods_max: int = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeletNode:
    """A node, its places, and the services all its pods use."""

    identity: NodeIdentity
    lab: LabCgroup
    zygote: ZygoteClient
    client: ApiClient
    events: EventRecorder
    store: PodStore
    threads: Executor
    tasks: asyncio.TaskGroup
    names: ClusterNames
    services: Mapping[ObjectKey, Service]  # All of the cluster, live.
    lab_paths: LabPaths
    ips: Callable[[], tuple[str, ...]]  # The node's addresses as last reported.
    probe_slots: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(PROBES_AT_ONCE_MAX)
    )

    @property
    def name(self) -> str:
        """The node's name, which is its hostname as well."""
        return self.identity.name

    async def blocking(self, job: Callable[[], T]) -> T:
        """Run a job that waits for kernel or plugins in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, job)

    async def new_socket(self, family: socket.AddressFamily) -> socket.socket:
        """Return a TCP socket of the node's network, from where kubelets ask their containers.

        Raises:
            KernelCallError: The node's network could not be entered.
        """
        pins = self.identity.pins
        return await asyncio.to_thread(
            in_namespaces, pins, lambda: socket.socket(family, socket.SOCK_STREAM), ["net"]
        )

    def sandbox_paths(self, record: PodRecord, netns_name: str) -> SandboxPaths:
        """Where a pod's sandbox is pinned."""
        return SandboxPaths(
            node_pins=self.identity.pins,
            directory=self.identity.folder / "pods" / record.folder_name,
            netns_name=netns_name,
        )

    def pins_of(self, record: PodRecord) -> Path:
        """The namespaces a pod's containers run in: its own, or the node's."""
        if record.host_network:
            return self.identity.pins
        return self.identity.folder / "pods" / record.folder_name / "ns"

    def logs_of(self, record: PodRecord) -> Path:
        """Where a pod's logs lie."""
        return self.identity.folder / "kubelet" / "logs" / f"{record.folder_name}_{record.uid}"

    def remove_files_of(self, record: PodRecord) -> None:
        """Remove a pod's logs and FIFOs; blocking."""
        shutil.rmtree(self.logs_of(record), ignore_errors=True)
        for folder in (self._fifos, self._messages):
            for file in folder.glob(f"{record.uid}_*"):
                file.unlink(missing_ok=True)

    def message_file(self, record: PodRecord, container: str) -> Path:
        """Where a container's last words lie."""
        return self._messages / f"{record.uid}_{container}"

    @property
    def _messages(self) -> Path:
        return self.identity.folder / "kubelet" / "messages"

    @property
    def _fifos(self) -> Path:
        return self.identity.folder / "kubelet" / "fifos"

    def container_place(self, record: PodRecord, container: str, lives: int) -> ContainerPlace:
        """Where the life number `lives` of a container runs and logs."""
        return ContainerPlace(
            pins=self.pins_of(record),
            cgroup=f"{self.pod_cgroup(record)}/{container}",
            fifo=self._fifos / f"{record.uid}_{container}",
            log=self.logs_of(record) / container / f"{lives}.log",
        )

    def pod_cgroup(self, record: PodRecord) -> str:
        """The control group of all of a pod's containers."""
        return f"{self.name}/{record.cgroup_name}"

    def pause_cgroup(self, record: PodRecord) -> str:
        """That of the first process of a pod whose containers share process numbers."""
        return f"{self.pod_cgroup(record)}/_pause"  # No container's name has an underscore.
