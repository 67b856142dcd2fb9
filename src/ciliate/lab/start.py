"""Starting a lab: from nothing to a cluster whose nodes are ready.

    folder -> zygote (imports, most of a second)
              machines, certificates, at the same time
              API server, kubelets, web servers, through the zygote
              objects; the kubelets start ds/cilium and the operator
              every node Ready

A lab that fails to come up is left for inspection, with its logs in its folder; the next `up`
clears it away first.
"""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ciliate.lab import links, processes
from ciliate.lab.container.image import prepare_image
from ciliate.lab.environment import commands_of, link_commands
from ciliate.lab.errors import LabError
from ciliate.lab.imports import import_all
from ciliate.lab.machine import MachineMaker
from ciliate.lab.machine_root import Visible, prepare_layer
from ciliate.lab.mounts import MountFlag, mount
from ciliate.lab.namespaces import in_namespaces
from ciliate.lab.paths import LabPaths
from ciliate.lab.processes import Processes, log_tail
from ciliate.lab.progress import StepProgress
from ciliate.lab.state import Checkout, LabState, Phase, machine_state, write_state
from ciliate.lab.topology import ROUTER, counted, default_machines, gateway_addresses

if TYPE_CHECKING:
    from ciliate.kube.client import ApiClient
    from ciliate.lab.readiness import ClusterView

#: Seconds in which the end of a process is noticed after it made something else fail.
_END_NOTICE_S: Final = 0.3

#: Imported while machines are made and the zygote imports: the API client takes a while.
_SLOW_IMPORTS: Final = ("ciliate.lab.control_plane", "ciliate.lab.readiness")


class PluginMissingError(LabError):
    """The CNI plugin has not been built."""

    def __init__(self, *, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} is not there: `make bpf plugin` builds it (lab.sh does)")


class LabStartError(LabError):
    """A process of the lab ended, or the cluster does not become ready."""

    def __init__(self, *, problem: str, log: str, name: str) -> None:
        self.problem = problem
        hint = (
            f"logs are in {LabPaths(name).logs}, `ciliate lab down --name {name}` clears it away"
        )
        tail = f"\n  last lines of its log:\n{_indented(log)}" if log else ""
        super().__init__(f"lab {name!r} did not come up: {problem}: {hint}{tail}")


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


@dataclass(frozen=True, slots=True)
class LabRequest:
    """What `lab up` was asked for."""

    nodes: int
    dual_stack: bool
    dns: bool
    settings: Mapping[str, str]
    values: tuple[str, ...]
    ip_masq_agent: Mapping[str, Any] = field(default_factory=dict)
    #: Hubble's parts, by the names of their Deployments; and what was said of them in so many words.
    parts: Sequence[str] = ()
    monitoring: bool = False
    said_of_parts: Mapping[str, bool] = field(default_factory=dict)


@dataclass(slots=True)
class _Ends:
    """The first of the lab's processes that ends, which none should."""

    first: asyncio.Future[tuple[str, int]]
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def watch(self, name: str, end: Awaitable[int]) -> None:
        """Notice the end of a process."""

        async def wait() -> None:
            code = await end
            if not self.first.done():
                self.first.set_result((name, code))

        self._tasks.append(asyncio.create_task(wait()))

    async def close(self) -> None:
        """Notice no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@dataclass(slots=True)
class LabStart:
    """One start of one lab; its lock is held by the caller, and nothing is left of a former one."""

    paths: LabPaths
    request: LabRequest
    progress: StepProgress
    checkout: Checkout = field(default_factory=Checkout.own)
    _api: socket.socket = field(init=False)

    async def run(self) -> LabState:
        """Start everything and wait until the cluster is ready.

        Raises:
            LabStartError: A process ended early, or the deadline passed.
            LabError: A machine could not be made.
        """
        state = self._prepare()
        ends = _Ends(asyncio.get_running_loop().create_future())
        work = asyncio.create_task(self._start(state, ends))
        either: set[asyncio.Future[Any]] = {work, ends.first}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if work.done() and work.exception() is not None:
                # What went wrong is often that a process ended, which is about to be reported.
                await asyncio.wait({ends.first}, timeout=_END_NOTICE_S)
            if ends.first.done():
                name, code = ends.first.result()
                problem = f"{name} ended with {code}"
                raise LabStartError(
                    problem=problem, log=log_tail(self.paths, name), name=self.paths.name
                )
            await work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await ends.close()
        up = msgspec.structs.replace(state, phase=Phase.UP)
        write_state(self.paths, up)
        return up

    def _prepare(self) -> LabState:
        """Make the folder, with what machines see in it, and say in it what is to come."""
        plugin = self.checkout.path / "build/ciliate-cni"
        if not plugin.exists():
            raise PluginMissingError(path=plugin)
        machines = default_machines(self.request.nodes)
        # Kept from here on: no other process can take the port before the server listens on it.
        self._api = processes.bind_api("127.0.0.1", 0)
        paths = self.paths
        paths.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mount("tmpfs", paths.folder, "tmpfs", options="mode=700")
        mount("none", paths.folder, flags=MountFlag.PRIVATE)
        for folder in (
            paths.pki,
            paths.logs,
            paths.apiserver,
            paths.commands,
            paths.machines,
            paths.stage,
        ):
            folder.mkdir(mode=0o700)
        state = LabState(
            name=paths.name,
            checkout=str(self.checkout.path),
            phase=Phase.STARTING,
            started_at=time.time(),
            dual_stack=self.request.dual_stack,
            dns=self.request.dns,
            monitoring=self.request.monitoring,
            parts=list(self.request.parts),
            api_port=self._api.getsockname()[1],
            settings=dict(self.request.settings),
            values=list(self.request.values),
            machines=[
                machine_state(paths, m, dual_stack=self.request.dual_stack) for m in machines
            ],
        )
        write_state(paths, state)
        write_hosts(paths, state)
        write_resolv_conf(paths, state)
        commands = commands_of(os.environ.get("PATH", ""))
        link_commands(paths, commands)
        prepare_layer(paths, plugin=plugin, commands=commands)
        return state

    async def _start(self, state: LabState, ends: _Ends) -> None:
        running = Processes(self.paths)
        ends.watch(processes.ZYGOTE, processes.ended(running.start_zygote()))
        self.progress.doing("machines")
        await asyncio.gather(
            asyncio.to_thread(self._make_machines, state),
            asyncio.to_thread(self._make_credentials, state),
            asyncio.to_thread(prepare_image, self.paths.image, _visible(state)),
        )
        self.progress.done(f"machines: {', '.join(_shortened(state))}")
        self.progress.doing("control plane")
        # At once: the API server's sockets are bound, so its clients may come before it listens.
        started = await asyncio.gather(
            running.start_apiserver(state, self._api),
            running.start_kube(state),
            running.start_web(processes.WEB_ROUTER, state),
            running.start_web(processes.WEB_INTERNET, state),
        )
        for name, child in zip(processes.FORKED, started, strict=True):
            ends.watch(name, child.wait())
        await self._populate(state)

    def _make_machines(self, state: LabState) -> None:
        machine_maker(self.paths, state).make_all([m.machine for m in state.machines])

    def _make_credentials(self, state: LabState) -> None:
        from ciliate.lab.credentials import make_credentials  # noqa: PLC0415 - a slow import.

        make_credentials(self.paths, state)
        import_all(_SLOW_IMPORTS)

    async def _populate(self, state: LabState) -> None:
        """Create the first objects and wait until the cluster is ready."""
        from ciliate.kube.client import ApiClient  # noqa: PLC0415 - a slow import.
        from ciliate.lab.control_plane import (  # noqa: PLC0415 - likewise.
            create_dns,
            create_monitoring,
            create_objects,
            create_parts,
        )

        async with ApiClient.from_kubeconfig(self.paths.kubeconfig) as client:
            await create_objects(client, self.paths, state, self.request.ip_masq_agent)
            self.progress.done(f"control plane: https://127.0.0.1:{state.api_port}")
            await wait_ready(client, self.paths, state, self.progress)
            if state.dns:
                await create_dns(client, state)
            await create_parts(client, state)
            if state.monitoring:
                await create_monitoring(client, state)
                await wait_monitoring(client, self.paths, state, self.progress)
            if state.dual_stack:
                await route_pods_on_router(client, self.paths, state)


def _shortened(state: LabState, shown_max: int = 8) -> list[str]:
    names = [machine.name for machine in state.machines]
    if len(names) <= shown_max:
        return names
    return [*names[: shown_max - 1], f"and {len(names) - shown_max + 1} more"]


def machine_maker(paths: LabPaths, state: LabState) -> MachineMaker:
    """The maker of this lab's machines."""
    return MachineMaker(paths, _visible(state), state.dual_stack)


def _visible(state: LabState) -> Visible:
    return Visible(checkout=Path(state.checkout), environment=Path(sys.prefix))


def write_hosts(paths: LabPaths, state: LabState) -> None:
    """Write every machine's /etc/hosts, in place: the machines have it mounted."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    for machine in state.machines:
        lines += [f"{address} {machine.name}" for address in machine.node_ips]
    paths.hosts.write_text("\n".join(lines) + "\n", encoding="ascii")


def write_resolv_conf(paths: LabPaths, state: LabState) -> None:
    """Write what every machine's /etc/resolv.conf begins with: names are asked of the gateway.

    That is the machine `internet` (`lab/dns`), and nobody else: no question leaves the lab.
    """
    gateways = gateway_addresses(dual_stack=state.dual_stack)
    lines = [f"nameserver {each.ip}\n" for each in gateways]
    paths.resolv_conf.write_text("".join(lines), encoding="ascii")


async def wait_ready(
    client: "ApiClient", paths: LabPaths, state: LabState, progress: StepProgress
) -> None:
    """Wait until every node, agent and the operator is ready.

    Raises:
        LabStartError: They are not in time; names what is missing.
    """
    from ciliate.lab import readiness  # noqa: PLC0415 - a slow import.

    names = [machine.name for machine in state.nodes]
    limit_s = readiness.deadline_s(len(names))
    async with readiness.watched_cluster(client) as view:
        steps: list[tuple[str, Callable[[], list[str]]]] = [
            (counted(len(names), "agent"), partial(view.missing_agents, len(names))),
            ("operator", view.missing_operator),
            (counted(len(names), "node"), partial(view.missing_nodes, names)),
        ]
        for what, missing in steps:
            progress.doing(f"waiting: {what}")
            await _wait(client, paths, view, missing, limit_s)
            progress.done(f"{what} ready")


async def wait_monitoring(
    client: "ApiClient", paths: LabPaths, state: LabState, progress: StepProgress
) -> None:
    """Wait until Prometheus answers.

    Raises:
        LabStartError: It does not in time.
    """
    from ciliate.lab import readiness  # noqa: PLC0415 - a slow import.
    from ciliate.lab.monitoring.manifests import NAME, NAMESPACE, NODE_PORT  # noqa: PLC0415 - likewise.

    progress.doing("waiting: Prometheus")
    limit_s = readiness.deadline_s(len(state.nodes))
    async with readiness.watched_cluster(client, namespace=NAMESPACE) as view:
        missing = partial(view.missing_deployment, NAME, NAMESPACE)
        await _wait(client, paths, view, missing, limit_s)
    place = f"http://{state.nodes[0].node_ips[0]}:{NODE_PORT}"
    progress.done(f"Prometheus ready: {place} in the lab")


async def _wait(
    client: "ApiClient",
    paths: LabPaths,
    view: "ClusterView",
    missing: Callable[[], list[str]],
    limit_s: float,
) -> None:
    """Wait until nothing is missing, or tell with logs what is."""
    from ciliate.lab import readiness  # noqa: PLC0415 - a slow import.

    try:
        await view.wait(missing, limit_s)
    except readiness.NotReadyError as error:
        log = log_tail(paths, processes.KUBE) or await readiness.unready_log(client, view)
        raise LabStartError(problem=str(error), log=log, name=paths.name) from error


async def route_pods_on_router(client: "ApiClient", paths: LabPaths, state: LabState) -> None:
    """Teach the router of a dual-stack lab the way to every node's IPv6 pods.

    By these the router can open connections to pods; what pods open is masqueraded. IPv4 stays as the
    walk-through has it: the router knows no pod.
    """
    from ciliate.api.core import NODES  # noqa: PLC0415 - a slow import.

    ips = {machine.name: machine.node_ips for machine in state.nodes}
    words = []
    for item in (await client.list(NODES)).items:
        hops = [ip for ip in ips.get(item.metadata.name, ()) if ":" in ip]
        cidrs = [cidr for cidr in item.spec.pod_cidrs if ":" in cidr]
        words += [
            f"route replace {cidr} via {hop}" for cidr, hop in zip(cidrs, hops, strict=False)
        ]
    await asyncio.to_thread(
        in_namespaces, paths.pins(ROUTER), lambda: links.run_ip(ROUTER, words), ("net",)
    )
