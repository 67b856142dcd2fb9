"""The process `ciliate lab kube`: the kubelets of all nodes, and the small controllers.

One process and one event loop for all: a lab of 50 nodes would else spend its time and memory on
50 interpreters. One watch of pods, and one of Services, serves every kubelet. Nodes come and go while it runs: it reads
`lab.json` again whenever that changes. Pods go on when it is killed; the next one adopts them.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from ciliate.api.service import SERVICES, Service
from ciliate.errors import CiliateError
from ciliate.kube.client import ApiClient
from ciliate.kube.events import EventRecorder
from ciliate.kube.informer import Informer
from ciliate.lab.cgroup import LabCgroup
from ciliate.lab.control_plane_flags import values_of
from ciliate.lab.control_plane_pods import ControlPlanePods
from ciliate.lab.controllers.host import ControllerHost
from ciliate.lab.dns.manifests import service_addresses
from ciliate.lab.errors import LabError
from ciliate.lab.kubelet.configuration import Reference, Source
from ciliate.lab.kubelet.kubelet import Kubelet, Surroundings
from ciliate.lab.kubelet.node import NodeIdentity
from ciliate.lab.kubelet.pod_files import ClusterNames
from ciliate.lab.link_keeper import keep_links
from ciliate.lab.objects import CONFIG_MAP_NAMES, PODS, SECRET_NAMES, Named, Pod
from ciliate.lab.paths import LabPaths
from ciliate.lab.state import LabState, MachineState, read_state
from ciliate.lab.topology import Role
from ciliate.lab.zygote_client import ZygoteClient
from ciliate.reconcile.backoff import Backoff
from ciliate.system.descriptors import raise_limit
from ciliate.system.threads import Threads, use_for_to_thread

#: Threads for namespaces and plugins; most wait. 50 ADDs at once fit.
THREADS_MAX: Final = 64
#: How often lab.json is checked for changes: one stat(2).
_STATE_PERIOD_S: Final = 0.25
#: How many pods a node takes: the variable, or kubelet's own default.
PODS_MAX_VARIABLE: Final = "CILIATE_LAB_PODS_MAX"
_PODS_MAX: Final = 110

_log = logging.getLogger(__name__)


def main(argv: list[str]) -> int:
    """Host kubelets and controllers of the lab whose folder is given, with flags, until SIGTERM."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    # Each container costs a few descriptors; the default soft limit is 1024.
    raise_limit()
    try:
        asyncio.run(_run_until_signal(argv[0], argv[1:]))
    except CiliateError as error:
        _log.error("%s", error)
        return 1
    return 0


async def _run_until_signal(lab_dir: str, flags: Sequence[str]) -> None:
    task = asyncio.ensure_future(run(lab_dir, flags))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def run(lab_dir: str, flags: Sequence[str]) -> None:
    """Host the kubelets and controllers of the lab in `lab_dir` until cancelled."""
    use_for_to_thread()
    paths = LabPaths.of(Path(lab_dir).name)
    with Threads(THREADS_MAX, thread_name_prefix="kubelet") as threads:
        # Apart by their names: managedFields tell whose a field is.
        async with (
            ApiClient.from_kubeconfig(paths.kubeconfig, user_agent="kubelet") as client,
            ApiClient.from_kubeconfig(
                paths.kubeconfig, user_agent="kube-controller-manager"
            ) as manager,
        ):
            host = _Host(paths, client, threads, values_of(flags, "cluster-cidr"), manager=manager)
            await host.run()


class _Host:
    """Wires watch, kubelets and controllers."""

    def __init__(
        self,
        paths: LabPaths,
        client: ApiClient,
        threads: Threads,
        cluster_cidrs: Sequence[str],
        *,
        manager: ApiClient,
    ) -> None:
        self._cluster_cidrs = cluster_cidrs
        self._manager = manager
        self._paths = paths
        self._client = client
        self._pods: Informer[Pod] = Informer(client, PODS, on_change=self._pod_changed)
        self._services: Informer[Service] = Informer(client, SERVICES)
        self._config_maps = Informer(
            client,
            CONFIG_MAP_NAMES,
            on_change=partial(self._configuration_changed, Source.CONFIG_MAP),
        )
        self._secrets = Informer(
            client, SECRET_NAMES, on_change=partial(self._configuration_changed, Source.SECRET)
        )
        self._kubelets: dict[str, Kubelet] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._links: dict[str, asyncio.Task[None]] = {}
        #: What tells a machine from its successor of the same name: its namespace's inode.
        self._namespaces: dict[str, int] = {}
        self._events = EventRecorder(client, component="kubelet")
        self._around = Surroundings(
            client=client,
            events=self._events,
            lab=LabCgroup.of(paths.name),
            zygote=ZygoteClient(paths.zygote),
            threads=threads,
            names=ClusterNames(dns_servers=service_addresses(dual_stack=False)),
            services=self._services.objects,
            paths=paths,
        )

    async def run(self) -> None:
        state = read_state(self._paths)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pods.run(), name="pods")
            tasks.create_task(self._services.run(), name="services")
            tasks.create_task(self._config_maps.run(), name="configmaps")
            tasks.create_task(self._secrets.run(), name="secrets")
            tasks.create_task(self._events.run(), name="events")
            controllers = ControllerHost(
                self._manager, self._pods, self._services, cluster_cidrs=self._cluster_cidrs
            )
            mirrors = ControlPlanePods(self._client, self._pods, state)
            tasks.create_task(mirrors.run(), name="control plane's pods")
            tasks.create_task(controllers.run(), name="controllers")
            # What a kubelet finds on disk and not in the API server it removes: so not before.
            await self._pods.synced()
            await self._services.synced()  # Containers are told of those that are there.
            await self._follow_state(tasks)

    async def _follow_state(self, tasks: asyncio.TaskGroup) -> None:
        """Keep one kubelet for each node that lab.json lists at the moment."""
        seen: tuple[int, int] | None = None
        while True:
            # The file is replaced by rename: a change is a new inode.
            try:
                stat = self._paths.state.stat()
                changed = (stat.st_ino, stat.st_mtime_ns)
                if changed != seen and self._set_nodes(read_state(self._paths), tasks):
                    seen = changed
            except (LabError, OSError) as error:
                _log.warning("%s: %s", self._paths.state, error)
            await asyncio.sleep(_STATE_PERIOD_S)

    def _set_nodes(self, state: LabState, tasks: asyncio.TaskGroup) -> bool:
        """Start and stop kubelets; False: some could not start yet, so come again."""
        wanted = {machine.name: machine for machine in state.nodes}
        # Also one that was removed and added again between two looks at the list.
        found = {machine.name: _namespace(machine) for machine in state.machines}
        kept = {name for name, inode in found.items() if self._namespaces.get(name) == inode}
        self._namespaces = found
        for name in [name for name in self._running if name not in kept]:
            _log.info("node %s has left", name)
            self._leaving[name] = self._running.pop(name)
            self._leaving[name].cancel()
            self._kubelets.pop(name, None)
        self._keep_links(state, kept, tasks)
        complete = True
        for name, machine in wanted.items():
            if name in self._running:
                continue
            leaving = self._leaving.get(name)
            if not Path(machine.pins).is_dir() or (leaving is not None and not leaving.done()):
                complete = False  # Not made yet, or its predecessor is not gone yet.
                continue
            task = tasks.create_task(self._keep_kubelet(machine), name=f"kubelet {name}")
            self._running[name] = task
        return complete

    def _keep_links(self, state: LabState, kept: set[str], tasks: asyncio.TaskGroup) -> None:
        """Watch the links of each machine that has wires of its own."""
        plugged = {m.name: m for m in state.machines if m.role.is_node or m.role is Role.ROUTER}
        for name in [name for name in self._links if name not in kept]:
            self._links.pop(name).cancel()
        for name, each in plugged.items():
            if name not in self._links and Path(each.pins).is_dir():
                keeping = keep_links(each.machine, Path(each.pins), dual_stack=state.dual_stack)
                self._links[name] = tasks.create_task(keeping, name=f"links of {name}")

    async def _keep_kubelet(self, machine: MachineState) -> None:
        """Run a node's kubelet; a node that is broken does not take the others along."""
        backoff = Backoff()
        own = asyncio.current_task()
        assert own is not None
        while True:
            kubelet = Kubelet(self._identity(machine), self._around)
            self._kubelets[machine.name] = kubelet
            for pod in self._pods.objects.values():
                if pod.spec.node_name == machine.name:
                    kubelet.pod_changed(pod)
            failures: list[BaseException] = []
            try:
                await kubelet.run()
            except* (LabError, OSError) as group:
                failures.extend(group.exceptions)
            # A cancelled group whose tasks fail on their way out raises their errors instead of
            # the cancellation: on a node that is being removed, they do fail.
            if own.cancelling():
                return
            self._kubelets.pop(machine.name, None)
            for failure in failures:
                _log.error("kubelet of %s: %s; starting it again", machine.name, failure)
            await asyncio.sleep(backoff.next())

    def _identity(self, machine: MachineState) -> NodeIdentity:
        return NodeIdentity(
            name=machine.name,
            ips=tuple(machine.node_ips),
            pins=Path(machine.pins),
            folder=self._paths.machine(machine.name),
            control_plane=machine.role is Role.CONTROL_PLANE,
            pods_max=_pods_max(),
        )

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        """Pass the pod to the kubelet of its node, which is set once and never changes."""
        pod = new or old
        assert pod is not None
        kubelet = self._kubelets.get(pod.spec.node_name)
        if kubelet is None:
            return
        if new is None:
            kubelet.pod_gone(pod)
        else:
            kubelet.pod_changed(new)

    def _configuration_changed(self, source: Source, old: Named | None, new: Named | None) -> None:
        """Tell every kubelet which object came, changed or went."""
        changed = new or old
        assert changed is not None
        meta = changed.metadata
        for kubelet in self._kubelets.values():
            kubelet.configuration_changed(meta.namespace, Reference(source, meta.name))


def _namespace(machine: MachineState) -> int:
    """The inode of a machine's network namespace; 0: it is not made."""
    try:
        return Path(machine.pins, "net").stat().st_ino
    except FileNotFoundError:
        return 0


def _pods_max() -> int:
    """How many pods a node takes."""
    text = os.environ.get(PODS_MAX_VARIABLE, "")
    return int(text) if text.isdecimal() else _PODS_MAX
