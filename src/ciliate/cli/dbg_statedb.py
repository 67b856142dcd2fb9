"""`ciliate dbg statedb`: tables of this node's agent, by the names that Cilium gives them."""

from typing import TYPE_CHECKING

import click

from ciliate.console.output import echo_list, output_option, render
from ciliate.console.table import align

if TYPE_CHECKING:
    from ciliate.cli.agent_client import AgentClient


@click.group("statedb", epilog="\b\nExamples:\n  cilium-dbg statedb l2-announce")
def command() -> None:
    """Tables of this node's agent."""


def _agent() -> "AgentClient":
    from ciliate.cli.agent_client import AgentClient  # noqa: PLC0415 - http.client: 25 ms.

    return AgentClient.from_environment()


@command.command("l2-announce")
@output_option
def l2_announce(output: str | None) -> None:
    """List the addresses of Services that this node answers for on layer 2, and at which devices."""
    from ciliate.l2_announcements.report import (  # noqa: PLC0415 - `--help` does without.
        Announced,
        announced_lines,
    )

    found = _agent().get("l2-announce", list[Announced])
    if output is not None:
        click.echo(render(found, output), nl=False)
        return
    text = align(announced_lines(found), width_min=5, padding=3)
    echo_list(text, count=len(found), what="addresses")
