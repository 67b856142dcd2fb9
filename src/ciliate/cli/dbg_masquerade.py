"""`ciliate dbg masquerade`: what decides the source address of this node's pods."""

from typing import TYPE_CHECKING

import click

from ciliate.console.output import output_option, render
from ciliate.console.table import align
from ciliate.masquerade.report import RuleRow, rule_lines

if TYPE_CHECKING:
    from ciliate.cli.agent_client import AgentClient


@click.group("masquerade")
def command() -> None:
    """Show what decides the source address of packets that leave."""


def _agent() -> "AgentClient":
    from ciliate.cli.agent_client import AgentClient  # noqa: PLC0415 - http.client: 25 ms.

    return AgentClient.from_environment()


@command.command("rules")
@output_option
def rules(output: str | None) -> None:
    """List the masquerade rules in their order; the first that matches decides."""
    rows = _agent().get("masquerade/rules", list[RuleRow])
    if output is not None:
        click.echo(render(rows, output), nl=False)
        return
    click.echo(align(rule_lines(rows), width_min=5, padding=3), nl=False)
