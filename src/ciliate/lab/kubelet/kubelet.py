"""The kubelet of one node: which pods it has, and the services around them.

Its process reports pods to it (`lab/node_services.py`: one watch serves all nodes). It
keeps a `PodWorker` for each, one at a time for a name: a pod made anew under the same name
waits until its predecessor is gone from the node.
"""

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ciliate.api.core import MIRROR_ANNOTATION
from ciliate.api.metadata import format_time
from ciliate.api.resource import ObjectKey
from ciliate.api.service import Service
from ciliate.kube.client import ApiClient
from ciliate.kube.events import EventRecorder
from ciliate.lab.cgroup import LabCgroup
from ciliate.lab.errors import KernelCallError
from ciliate.lab.kubelet import cni, sandbox
from ciliate.lab.kubelet.conf_watch import ConfWatch
from ciliate.lab.kubelet.configuration import Reference
from ciliate.lab.kubelet.errors import (
    ContainerNotFoundError,
    NetworkNotReadyError,
    PluginFailedError,
)
from ciliate.lab.kubelet.node import KubeletNode, NodeIdentity
from ciliate.lab.kubelet.node_status import NodeReporter
from ciliate.lab.kubelet.pod_files import ClusterNames
from ciliate.lab.kubelet.pod_network import SandboxNetwork
from ciliate.lab.kubelet.pod_state import PodRecord, PodStore
from ciliate.lab.kubelet.pod_worker import PodWorker
from ciliate.lab.kubelet.streaming import StreamServer
from ciliate.lab.objects import Pod
from ciliate.lab.paths import LabPaths
from ciliate.lab.zygote_client import ZygoteClient

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all kubelets of a lab share."""

    client: ApiClient
    events: EventRecorder
    lab: LabCgroup
    zygote: ZygoteClient
    threads: Executor
    names: ClusterNames
    services: Mapping[ObjectKey, Service]  # All of the cluster, live.
    paths: LabPaths


class Kubelet:
    """One node's kubelet; one task executes `run`."""

    def __init__(self, identity: NodeIdentity, surroundings: Surroundings) -> None:
        self._identity = identity
        self._around = surroundings
        self._pods: dict[ObjectKey, Pod] = {}
        self._workers: dict[ObjectKey, PodWorker] = {}
        self._node: KubeletNode | None = None
        self._open = False  # Whether pods may be given workers: not before the take-over.
        self._status = NodeReporter(identity, surroundings.client)

    @property
    def name(self) -> str:
        """The node's name."""
        return self._identity.name

    def pod_changed(self, pod: Pod) -> None:
        """Note a pod of this node; starts or wakes its worker."""
        if MIRROR_ANNOTATION in pod.metadata.annotations:
            return
        key = (pod.metadata.namespace, pod.metadata.name)
        self._pods[key] = pod
        self._settle(key)

    def pod_gone(self, pod: Pod) -> None:
        """Note that the API server no longer has a pod, or has it elsewhere."""
        key = (pod.metadata.namespace, pod.metadata.name)
        known = self._pods.get(key)
        if known is not None and known.metadata.uid == pod.metadata.uid:
            del self._pods[key]
        self._settle(key)

    def configuration_changed(self, namespace: str, changed: Reference) -> None:
        """A ConfigMap or Secret came, changed or went: pods that wait for it go on."""
        for key, worker in self._workers.items():
            if key[0] == namespace:
                worker.configuration_changed(changed)

    def _settle(self, key: ObjectKey) -> None:
        """Give the worker of `key` its pod, or start one."""
        if not self._open:
            return  # Not running yet, or no more: `run` begins with all that is known then.
        assert self._node is not None
        pod = self._pods.get(key)
        worker = self._workers.get(key)
        if worker is not None:
            same = pod is not None and pod.metadata.uid == worker.record.uid
            worker.update(pod if same else None)
        elif pod is not None:
            record = PodRecord(
                uid=pod.metadata.uid,
                namespace=pod.metadata.namespace,
                name=pod.metadata.name,
                host_network=pod.spec.host_network,
                start_time=_start_time(pod),
            )
            self._start(key, PodWorker(self._node, record, pod))

    def _start(self, key: ObjectKey, worker: PodWorker) -> None:
        assert self._node is not None
        self._workers[key] = worker
        self._node.tasks.create_task(self._drive(key, worker), name=f"pod {key[0]}/{key[1]}")

    async def _drive(self, key: ObjectKey, worker: PodWorker) -> None:
        await worker.run()
        del self._workers[key]
        pod = self._pods.get(key)
        if pod is not None and pod.metadata.uid == worker.record.uid:
            # Its deletion is under way in the API server; the watch has not shown it yet.
            del self._pods[key]
        self._settle(key)

    async def run(self) -> None:
        """Be the node's kubelet until cancelled; pods go on when it ends.

        To be started when the pods of the API server are known: what is on disk and not in the
        API server is removed.
        """
        try:
            await self._run()
        finally:
            self._open = False  # Its tasks have ended: nothing is started from now on.

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            around = self._around
            self._node = KubeletNode(
                identity=self._identity,
                lab=around.lab,
                zygote=around.zygote,
                client=around.client,
                events=around.events,
                store=PodStore(self._identity.folder / "kubelet" / "pods"),
                threads=around.threads,
                tasks=tasks,
                names=around.names,
                services=around.services,
                lab_paths=around.paths,
                ips=lambda: self._status.ips,
            )
            await self._take_over()
            watch = ConfWatch(self._identity.pins, self._conf_changed)
            try:
                self._conf_changed()
                tasks.create_task(self._status.run(), name=f"node {self.name}")
                tasks.create_task(self._status.follow_addresses(), name=f"ips {self.name}")
                tasks.create_task(StreamServer(self).run(self._socket), name=f"stream {self.name}")
                await asyncio.get_running_loop().create_future()  # Until cancelled.
            finally:
                watch.close()

    @property
    def _socket(self) -> Path:
        return self._identity.folder / "kubelet.sock"

    async def _take_over(self) -> None:
        """Adopt or remove what an earlier life of this kubelet left."""
        assert self._node is not None
        records = self._node.store.load()
        await self._node.blocking(lambda: _remove_unrecorded(self._identity, records))
        try:
            await SandboxNetwork(self._node).collect_garbage(records)
        except (PluginFailedError, KernelCallError) as error:
            _log.warning("node %s: CNI GC: %s", self.name, error)
        for record in records:
            key = (record.namespace, record.name)
            if key in self._workers:
                _log.warning("two records of pod %s/%s: the second is left", *key)
                continue
            pod = self._pods.get(key)
            same = pod is not None and pod.metadata.uid == record.uid
            self._start(key, PodWorker(self._node, record, pod if same else None))
        self._open = True
        for key in list(self._pods):
            self._settle(key)

    def _conf_changed(self) -> None:
        """Read the CNI configuration again, for the node's status and for waiting pods."""
        try:
            cni.load_network_list(self._identity.pins)
        except NetworkNotReadyError as error:
            self._status.set_network(error.problem)
            return
        except KernelCallError as error:
            self._status.set_network(str(error))
            return
        self._status.set_network("")
        for worker in self._workers.values():
            worker.network_changed()

    def worker_of(self, namespace: str, pod: str) -> PodWorker:
        """Return the worker of a pod, for exec and logs.

        Raises:
            ContainerNotFoundError: This node has no such pod.
        """
        worker = self._workers.get((namespace, pod))
        if worker is None:
            raise ContainerNotFoundError(f"pod {namespace}/{pod} is not on node {self.name}")
        return worker

    def own_network(self) -> Path:
        """Return the pins of the node's network namespace, for the API server's proxy."""
        return self._identity.pins

    def network_of(self, worker: PodWorker) -> Path:
        """Return the pins of a pod's network namespace, for port forwarding.

        Raises:
            ContainerNotFoundError: It has none yet, or no more.
        """
        assert self._node is not None
        record = worker.record
        if not record.host_network and (record.sandbox is None or record.sandbox.result is None):
            raise ContainerNotFoundError(f"pod {record.namespace}/{record.name} has no network")
        return self._node.pins_of(record)

    def logs_path(self, worker: PodWorker, container: str, *, previous: bool) -> Path:
        """Return the log file of a container's current or previous life.

        Raises:
            ContainerNotFoundError: It has not had such a life.
        """
        assert self._node is not None
        state = worker.record.containers.get(container)
        if state is None or not state.started_once:
            raise ContainerNotFoundError(
                f'container "{container}" in pod "{worker.record.name}" is waiting to start'
            )
        lives = state.restart_count - (1 if previous else 0)
        if lives < 0:
            raise ContainerNotFoundError(
                f'previous terminated container "{container}" in pod '
                f'"{worker.record.name}" not found'
            )
        return self._node.container_place(worker.record, container, lives).log


def _start_time(pod: Pod) -> str:
    return pod.status.start_time or format_time(datetime.now(UTC))


def _remove_unrecorded(identity: NodeIdentity, records: list[PodRecord]) -> None:
    """Remove sandboxes that no record knows: made, and killed before they were written down."""
    known = {record.sandbox.netns_name for record in records if record.sandbox}
    sandbox.hide_netns(identity.pins, sandbox.netns_names(identity.pins) - known)
    folders = {record.folder_name for record in records}
    pods = identity.folder / "pods"
    if not pods.is_dir():
        return
    for folder in pods.iterdir():
        if folder.name not in folders and (folder / "ns").is_dir():
            sandbox.remove_directory(folder)
