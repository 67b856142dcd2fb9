"""`ciliate dbg masquerade`: what decides the source address of this node's pods."""

from typing import TYPE_CHECKING

import click

from ciliate.cli.port_picture import render_node_ports
from ciliate.console.output import output_option, render
from ciliate.console.table import align
from ciliate.masquerade.ports.report import PortsReport, PortsRequest
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


@command.command(
    "ports",
    epilog="\b\nExamples:\n  cilium-dbg masquerade ports\n"
    "  cilium-dbg masquerade ports --all -o jsonpath='{.destinations[*].destination}'",
)
@click.option("--all", "everything", is_flag=True, help="Every destination, not the fullest 50.")
@output_option
def ports(output: str | None, *, everything: bool) -> None:
    """Show who holds ports of this node toward which destination, the fullest first.

    GROWTH is by how many ports a second more are used than half a minute ago, FAILED how many
    connections were not made since no port was free. EVICTED are connections that were ended to
    make room or to give back a port, REFUSED those that could not be opened.
    """
    report = _agent().post("masquerade/ports", PortsRequest(everything=everything), PortsReport)
    if output is not None:
        click.echo(render(report, output), nl=False)
        return
    click.echo(render_node_ports(report), nl=False)
