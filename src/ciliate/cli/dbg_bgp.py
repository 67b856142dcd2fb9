"""`ciliate dbg bgp`: this node's sessions with routers, and the routes of them."""

from typing import TYPE_CHECKING

import click

from ciliate.bgp.show import own_peer_lines, route_lines
from ciliate.cli.bgp_arguments import FAMILIES, KINDS, SAFIS, chosen
from ciliate.console.output import echo_list, output_option, render
from ciliate.console.table import align

if TYPE_CHECKING:
    from ciliate.cli.agent_client import AgentClient


@click.group(
    "bgp",
    epilog="\b\nExamples:\n  cilium-dbg bgp peers\n"
    "  cilium-dbg bgp routes advertised ipv4 unicast",
)
def command() -> None:
    """BGP of this node: its sessions with routers, and what it announces."""


def _agent() -> "AgentClient":
    from ciliate.cli.agent_client import AgentClient  # noqa: PLC0415 - http.client: 25 ms.

    return AgentClient.from_environment()


@command.command("peers")
@output_option
def peers(output: str | None) -> None:
    """List the sessions, and why those are not established that are not."""
    from ciliate.bgp.report import PeerModel  # noqa: PLC0415 - `--help` does without.

    found = _agent().get("bgp/peers", list[PeerModel])
    if output is not None:
        click.echo(render(found, output), nl=False)
        return
    text = align(own_peer_lines(found), width_min=5, padding=3)
    echo_list(text, count=len(found), what="peers")
    for peer in found:
        if peer.problem:
            click.echo(f"peer {peer.name} ({peer.peer_address}): {peer.problem}", err=True)


@command.command("routes")
@click.argument("kind", type=click.Choice(KINDS), default="available")
@click.argument("family", type=click.Choice(FAMILIES), default="ipv4")
@click.argument("safi", type=click.Choice(SAFIS), default="unicast")
@output_option
def routes(*, kind: str, family: str, safi: str, output: str | None) -> None:
    """List routes: all that the node has to announce (available), or what each peer was told.

    SAFI is always unicast.
    """
    from ciliate.bgp.report import RoutesModel  # noqa: PLC0415 - `--help` does without.

    assert safi in SAFIS, "click has refused others"
    found = chosen(_agent().get("bgp/routes", RoutesModel), kind, family)
    if output is not None:
        click.echo(render(found, output), nl=False)
        return
    lines = route_lines({"": found}, with_peer=kind == "advertised", with_node=False)
    echo_list(align(lines, width_min=5, padding=3), count=len(found), what="routes")
