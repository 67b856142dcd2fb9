"""`ciliate dbg operator`: what the operator on this machine knows, over its health socket."""

import click
import msgspec

from ciliate.cli.output import output_option, render

#: Where `ciliate operator` listens by default.
_SOCKET = "/var/run/cilium/operator.sock"


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

    answer = msgspec.json.decode(ask_socket(_SOCKET, "/ipam", process="operator"))
    click.echo(render(answer, output or "json"), nl=False)
