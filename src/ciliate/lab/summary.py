"""What `lab up` ends with: machines, addresses, and three commands to try."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ciliate.console.table import align
from ciliate.lab import topology
from ciliate.lab.paths import LabPaths
from ciliate.lab.state import LabState
from ciliate.lab.topology import Role

#: Nodes beyond these are summed up in a line.
_ROWS_MAX: Final = 12


def _addresses(state: LabState, role: Role, node_ips: list[str]) -> tuple[str, str]:
    """The addresses that count, and what they are."""
    if role is Role.INTERNET:
        ips = [str(a.ip) for a in topology.internet_addresses(dual_stack=state.dual_stack)]
        return " ".join(ips), "web server, behind every eth0"
    if role is Role.ROUTER:
        loops = [str(topology.loop_addresses(n, dual_stack=False)[0].ip) for n in (1, 2)]
        return " ".join(node_ips), f"web server; behind it {' and '.join(loops)}"
    what = "control plane" if role is Role.CONTROL_PLANE else "worker"
    return " ".join(node_ips), f"{what} node"


def render_summary(paths: LabPaths, state: LabState) -> str:
    """The summary for people."""
    shown = [machine for machine in state.machines if machine.role is not Role.SWITCH]
    shown.sort(key=lambda machine: (not machine.role.is_node, machine.index))
    rows = [
        "\t".join((f"  {machine.name}", *_addresses(state, machine.role, machine.node_ips)))
        for machine in shown
    ]
    if len(rows) > _ROWS_MAX:
        left = len(rows) - _ROWS_MAX
        rows = [*rows[: _ROWS_MAX - 2], f"  … and {left} more nodes\t\t", *rows[-2:]]
    api = f"API server https://127.0.0.1:{state.api_port}"
    return "\n".join(
        [
            f"lab {paths.name} is up: {topology.counted(len(state.nodes), 'node')}, {api}",
            align(rows, width_min=0, padding=3) + "try:",
            *(f"  {line}" for line in _to_try(paths, state)),
        ]
    )


def _to_try(paths: LabPaths, state: LabState) -> list[str]:
    """Commands, in an order in which they work in a shell that has not been set up."""
    program = Path(sys.prefix) / "bin" / "ciliate"
    if shutil.which("ciliate") == str(program):
        word = "ciliate"
    elif program.is_relative_to(Path.cwd()):
        word = str(program.relative_to(Path.cwd()))
    else:
        word = str(program)
    option = "" if paths.name == "lab" else f" --name {shlex.quote(paths.name)}"
    lines = [
        f'eval "$({shlex.quote(word)} lab env{option})"',
        "kubectl get node,pod -A -o wide",
        "ciliate lab exec k8s-ctr -- cilium-dbg status",
        *(["ciliate lab ui"] if state.parts else []),
        "ciliate lab down",
    ]
    # The lab's files, the way to the API server among them, are root's alone.
    return ["sudo -s", *lines] if "SUDO_USER" in os.environ else lines


def summary_facts(paths: LabPaths, state: LabState) -> Mapping[str, object]:
    """The summary for programs."""
    return {
        "name": state.name,
        "api": f"https://127.0.0.1:{state.api_port}",
        "kubeconfig": str(paths.kubeconfig),
        "dualStack": state.dual_stack,
        "machines": [
            {"name": machine.name, "role": machine.role.value, "addresses": machine.node_ips}
            for machine in state.machines
        ],
    }
