"""`cilium bgp`: the sessions of all nodes with routers, and the routes of them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

import click

from ciliate.cli.bgp_arguments import FAMILIES, KINDS, SAFIS
from ciliate.cli.cluster import cluster_client, kubeconfig_option, run
from ciliate.cli.name_completion import NODE
from ciliate.console.output import echo_list, output_option, render

if TYPE_CHECKING:
    from ciliate.cli.cluster_agents import AgentAnswers
    from ciliate.kube.client import ApiClient

T = TypeVar("T")


@click.group(
    "bgp",
    epilog="\b\nExamples:\n  cilium bgp peers\n  cilium bgp peers --node worker-1 -o json\n"
    "  cilium bgp routes advertised ipv4 unicast",
)
def command() -> None:
    """BGP: the nodes' sessions with routers, and what they announce."""


@command.command("peers")
@click.option("--node", type=NODE, default="", metavar="NODE", help="Only this node.")
@kubeconfig_option
@output_option
def peers(*, node: str, kubeconfig: str, output: str | None) -> None:
    """List the sessions of all nodes, and why those are not established that are not.

    Exits with 1 when an agent does not answer.
    """
    run(_show_peers(cluster_client(kubeconfig), node=node, output=output))


@command.command("routes")
@click.argument("kind", type=click.Choice(KINDS), default="available")
@click.argument("family", type=click.Choice(FAMILIES), default="ipv4")
@click.argument("safi", type=click.Choice(SAFIS), default="unicast")
@click.option("--node", type=NODE, default="", metavar="NODE", help="Only this node.")
@kubeconfig_option
@output_option
def routes(
    *, kind: str, family: str, safi: str, node: str, kubeconfig: str, output: str | None
) -> None:
    """List routes: all that nodes have to announce (available), or what each peer was told.

    SAFI is always unicast. Exits with 1 when an agent does not answer.
    """
    words = (kind, family, safi)
    run(_show_routes(cluster_client(kubeconfig), words, node=node, output=output))


async def _show_peers(client: "ApiClient", *, node: str, output: str | None) -> None:
    # Here, so that `--help` does not wait for the API client's imports.
    from ciliate.bgp.report import PeerModel  # noqa: PLC0415
    from ciliate.bgp.show import peer_lines  # noqa: PLC0415
    from ciliate.console.table import align  # noqa: PLC0415

    answers = await _ask(client, node, ("peers",), list[PeerModel])
    if output is not None:
        click.echo(render(answers.by_node, output), nl=False)
    else:
        text = align(peer_lines(answers.by_node), width_min=5, padding=3)
        echo_list(text, count=sum(map(len, answers.by_node.values())), what="peers")
        for name, found in answers.by_node.items():
            for peer in found:
                if peer.problem:
                    where = f"{name}: peer {peer.name} ({peer.peer_address})"
                    click.echo(f"{where}: {peer.problem}", err=True)
    _tell_silent(answers.problems, answers.out_of_reach)


async def _show_routes(
    client: "ApiClient", words: tuple[str, ...], *, node: str, output: str | None
) -> None:
    from ciliate.bgp.report import RouteModel  # noqa: PLC0415 - see above.
    from ciliate.bgp.show import route_lines  # noqa: PLC0415
    from ciliate.console.table import align  # noqa: PLC0415

    answers = await _ask(client, node, ("routes", *words), list[RouteModel])
    if output is not None:
        click.echo(render(answers.by_node, output), nl=False)
    else:
        lines = route_lines(answers.by_node, with_peer=words[0] == "advertised")
        count = sum(map(len, answers.by_node.values()))
        echo_list(align(lines, width_min=5, padding=3), count=count, what="routes")
    _tell_silent(answers.problems, answers.out_of_reach)


async def _ask(
    client: "ApiClient", node: str, words: tuple[str, ...], answer: type[T]
) -> "AgentAnswers[T]":
    """Return what the agents answer to `cilium-dbg bgp WORDS`, by node.

    Raises:
        NodeMissingError: There is no such node.
        KubeError: The API server refuses or does not answer.
    """
    from ciliate.api.core import NODES  # noqa: PLC0415 - see above.
    from ciliate.cli.cluster_agents import AgentAnswers, ask_agents  # noqa: PLC0415
    from ciliate.cli.masquerade import NodeMissingError  # noqa: PLC0415

    async with client:
        present = {each.metadata.name for each in (await client.list(NODES)).items}
        if node and node not in present:
            raise NodeMissingError(wanted=node, present=present)
        answers = await ask_agents(client, {node} if node else present, ("bgp", *words), answer)
    ordered = dict(sorted(answers.by_node.items()))
    return AgentAnswers(ordered, answers.problems, answers.out_of_reach)


def _tell_silent(problems: Mapping[str, str], out_of_reach: Mapping[str, str]) -> None:
    from ciliate.cli.masquerade import SilentAgentsError  # noqa: PLC0415 - see above.

    for name, why in sorted(out_of_reach.items()):
        click.echo(f"{name}: its agent was not asked: {why}", err=True)
    if problems:
        raise SilentAgentsError(dict(problems))
