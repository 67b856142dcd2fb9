"""What `lab status` shows: the lab, its processes, machines, nodes.

Reads files and control groups first; the API server is asked for the nodes' state alone, and a lab
whose API server is away still has a status.
"""

from pathlib import Path

import msgspec

from ciliate.console.table import align
from ciliate.lab import topology
from ciliate.lab.cgroup import LabCgroup
from ciliate.lab.paths import LabPaths
from ciliate.lab.processes import alive
from ciliate.lab.state import LabState, MachineState, Phase
from ciliate.lab.topology import Role


class MachineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the table."""

    name: str
    role: str
    eth0: list[str]
    eth1: list[str]
    more: list[str]
    processes: int
    ready: bool | None
    """Whether the node is Ready; None for machines that are no nodes, and when the API server does not answer."""


class LabStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The whole status, as `-o json` prints it."""

    name: str
    phase: str
    healthy: bool
    checkout: str
    dual_stack: bool
    api: str
    kubeconfig: str
    settings: dict[str, str]
    processes: dict[str, bool]
    machines: list[MachineStatus]
    unready: list[str] = []
    """Pods of agents, operator and Prometheus that are not ready, each with why."""


async def lab_status(paths: LabPaths, state: LabState) -> LabStatus:
    """Ask what there is to ask."""
    running = alive(paths)
    ready, unready = await _cluster(paths, state) if running["apiserver"] else (None, [])
    cgroup = LabCgroup.of(paths.name)
    machines = [
        _machine_status(machine, state, LabCgroup(cgroup.path / machine.name), ready)
        for machine in state.machines
        if machine.role is not Role.SWITCH
    ]
    nodes_ready = all(machine.ready for machine in machines if machine.ready is not None)
    settled = state.phase is Phase.UP and nodes_ready and not unready
    return LabStatus(
        name=state.name,
        phase=state.phase.value,
        healthy=all(running.values()) and ready is not None and settled,
        checkout=state.checkout,
        dual_stack=state.dual_stack,
        api=f"https://127.0.0.1:{state.api_port}",
        kubeconfig=str(paths.kubeconfig),
        settings=state.settings,
        processes=running,
        machines=machines,
        unready=unready,
    )


def _machine_status(
    machine: MachineState, state: LabState, cgroup: LabCgroup, ready: dict[str, bool] | None
) -> MachineStatus:
    dual_stack = state.dual_stack
    eth0: list[str] = []
    more: list[str] = []
    if machine.role is Role.INTERNET:
        more = [str(a.ip) for a in topology.internet_addresses(dual_stack=dual_stack)]
    else:
        eth0 = [str(a.ip) for a in topology.uplink_addresses(dual_stack=dual_stack)]
    if machine.role is Role.ROUTER:
        for number in (1, 2):
            more += [str(a.ip) for a in topology.loop_addresses(number, dual_stack=dual_stack)]
    is_ready = None
    if machine.role.is_node and ready is not None:
        is_ready = ready.get(machine.name, False)
    return MachineStatus(
        name=machine.name,
        role=machine.role.value,
        eth0=eth0,
        eth1=machine.node_ips,
        more=more,
        processes=len(cgroup.pids()) if Path(cgroup.path).exists() else 0,
        ready=is_ready,
    )


async def _cluster(paths: LabPaths, state: LabState) -> tuple[dict[str, bool] | None, list[str]]:
    """Whether each node is Ready, and what of agents, operator and Prometheus is not.

    None: the API server does not answer.
    """
    # All take a while to import, and a lab that is down needs none.
    from ciliate.api.core import NODES  # noqa: PLC0415 - see above.
    from ciliate.api.pod_report import POD_REPORTS, why_unready  # noqa: PLC0415 - see above.
    from ciliate.kube.client import ApiClient  # noqa: PLC0415 - see above.
    from ciliate.kube.errors import KubeError  # noqa: PLC0415 - see above.
    from ciliate.lab.manifests import (  # noqa: PLC0415 - see above.
        AGENT_SELECTOR,
        NAMESPACE,
        OPERATOR_SELECTOR,
    )
    from ciliate.lab.monitoring import manifests as monitoring  # noqa: PLC0415 - see above.
    from ciliate.lab.readiness import is_ready  # noqa: PLC0415 - see above.

    parts = [(NAMESPACE, AGENT_SELECTOR), (NAMESPACE, OPERATOR_SELECTOR)]
    if state.monitoring:
        parts.append((monitoring.NAMESPACE, monitoring.SELECTOR))
    unready: list[str] = []
    try:
        async with ApiClient.from_kubeconfig(paths.kubeconfig) as client:
            nodes = (await client.list(NODES)).items
            for namespace, selector in parts:
                pods = await client.list(POD_REPORTS, namespace=namespace, label_selector=selector)
                unready += [why_unready(pod) for pod in pods.items if not pod.is_ready]
    except KubeError:
        return None, []
    return {node.metadata.name: is_ready(node.status.conditions) for node in nodes}, unready


def render_status(status: LabStatus) -> str:
    """The status for people."""
    rows = ["MACHINE\tROLE\tETH0\tETH1\tMORE\tPROCESSES\tSTATE", *map(_row, status.machines)]
    dead = [name for name, runs in status.processes.items() if not runs]
    lines = [
        f"lab {status.name}: {'healthy' if status.healthy else 'NOT healthy'} ({status.phase})",
        f"API server {status.api}, KUBECONFIG={status.kubeconfig}",
        *([f"not running: {', '.join(dead)}"] if dead else []),
        *(f"not ready: {line}" for line in status.unready),
        "",
        align(rows, width_min=0, padding=3),
    ]
    return "\n".join(lines)


def _row(machine: MachineStatus) -> str:
    cells = (
        machine.name,
        machine.role,
        " ".join(machine.eth0) or "-",
        " ".join(machine.eth1) or "-",
        " ".join(machine.more) or "-",
        str(machine.processes),
        "-" if machine.ready is None else "Ready" if machine.ready else "NotReady",
    )
    return "\t".join(cells)
