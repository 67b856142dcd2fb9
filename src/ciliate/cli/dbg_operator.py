"""`ciliate dbg operator`: what the operator on this machine knows, over its health socket."""

import os

import click
import msgspec

from ciliate.config.installation import OPERATOR_SOCKET
from ciliate.console.output import output_option, render


@click.group("operator")
def command() -> None:
    """The operator, where it runs."""


@command.command("ipam")
@output_option
def ipam(output: str | None) -> None:
    """Show pools, blocks and nodes as the operator counts them.

    Only the operator that leads, in a mode in which it gives nodes their CIDRs, has an answer.
    """
    from ciliate.cli.agent_client import ask_socket  # noqa: PLC0415 - http.client: 25 ms.

    path = os.environ.get("CILIUM_OPERATOR_SOCK") or OPERATOR_SOCKET
    answer = msgspec.json.decode(ask_socket(path, "/ipam", process="operator"))
    click.echo(render(answer, output or "json"), nl=False)
