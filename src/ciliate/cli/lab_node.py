"""Where `cilium-dbg` looks on a machine that is no node: at the control plane of its lab."""

import os

import click

from ciliate.config.installation import AGENT_SOCKET
from ciliate.errors import CiliateError


def go_to_lab_node() -> None:
    """Enter the control plane's machine of the lab, and say so; elsewhere stay where we are.

    On a node, with CILIUM_SOCK set, or without a lab nothing happens.
    """
    if os.environ.get("CILIUM_SOCK") or os.path.exists(AGENT_SOCKET) or os.geteuid() != 0:
        return
    from ciliate.lab.cgroup import LabCgroup  # noqa: PLC0415 - for this case alone.
    from ciliate.lab.choice import chosen_lab, own_lab  # noqa: PLC0415 - likewise.
    from ciliate.lab.namespaces import enter  # noqa: PLC0415 - likewise.
    from ciliate.lab.state import read_state  # noqa: PLC0415 - likewise.

    try:
        lab = own_lab()
        machine = read_state(lab).nodes[0]
    except CiliateError:
        return  # No lab: the command will say that it reaches no agent.
    click.echo(f"on {machine.name} of lab {chosen_lab().name}:", err=True)
    # First: from the machine the lab's groups cannot be seen.
    LabCgroup.of(lab.name).join(f"{machine.name}/exec")
    enter(machine.pins)
