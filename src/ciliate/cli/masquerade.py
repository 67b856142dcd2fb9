"""`ciliate masquerade`: the cluster's masquerading, as the agents of all nodes see it."""

from typing import TYPE_CHECKING

import click

from ciliate.cli.cluster import cluster_client, kubeconfig_option, run
from ciliate.cli.name_completion import NODE
from ciliate.console.installation import installation
from ciliate.console.nearest import meant
from ciliate.console.output import output_option, render
from ciliate.errors import CiliateError

if TYPE_CHECKING:
    from ciliate.kube.client import ApiClient


class NodeMissingError(CiliateError):
    """`--node` names none that exists."""

    def __init__(self, *, wanted: str, present: set[str]) -> None:
        self.wanted = wanted
        listed = ", ".join(sorted(present)) or "none"
        super().__init__(
            f"there is no node {wanted!r}{meant(wanted, present)}: there are {listed}"
        )


class SilentAgentsError(CiliateError):
    """Some agents gave no answer; the others' has been printed."""

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = problems
        listed = "; ".join(f"{node}: {problem}" for node, problem in sorted(problems.items()))
        super().__init__(
            f"{len(problems)} agents without an answer ({listed}): see"
            f" `kubectl -n {installation().namespace} get pods -o wide`"
        )


@click.group("masquerade")
def command() -> None:
    """The ports that masqueraded connections hold."""


@command.command("ports")
@click.option("--node", type=NODE, default="", metavar="NODE", help="Only this node.")
@click.option("--all", "everything", is_flag=True, help="Every destination, not the fullest 50.")
@kubeconfig_option
@output_option
def ports(*, node: str, everything: bool, kubeconfig: str, output: str | None) -> None:
    """Show who holds ports of the nodes toward which destination, the fullest first.

    A port of a node is unique toward one destination: address, port and protocol. When all are
    used, no pod of the node opens another connection there.

    GROWTH is by how many ports a second more are used than half a minute ago, FAILED how many
    connections were not made since no port was free. EVICTED are connections that were ended to
    make room or to give back a port, REFUSED those that could not be opened. Exits with 1 when an
    agent does not answer.

    \b
    Examples:
      ciliate masquerade ports
      ciliate masquerade ports --node worker-3 --all
      ciliate masquerade ports -o jsonpath='{.worker-3.destinations[*].fill-percent}'
    """  # noqa: D301 - click's mark for lines that stay as they are.
    run(_show(cluster_client(kubeconfig), node=node, everything=everything, output=output))


async def _show(client: "ApiClient", *, node: str, everything: bool, output: str | None) -> None:
    # Here, so that `--help` does not wait for the API client's imports.
    from ciliate.api.core import NODES  # noqa: PLC0415
    from ciliate.cli.cluster_agents import ask_agents  # noqa: PLC0415
    from ciliate.cli.port_picture import render_cluster_ports  # noqa: PLC0415
    from ciliate.masquerade.ports.report import PortsReport  # noqa: PLC0415

    async with client:
        present = {each.metadata.name for each in (await client.list(NODES)).items}
        if node and node not in present:
            raise NodeMissingError(wanted=node, present=present)
        words = ("masquerade", "ports", *(("--all",) if everything else ()))
        answers = await ask_agents(client, {node} if node else present, words, PortsReport)
    reports = dict(sorted(answers.by_node.items()))
    if output is not None:
        click.echo(render(reports, output), nl=False)
    else:
        click.echo(render_cluster_ports(reports), nl=False)
        for name, why in sorted(answers.out_of_reach.items()):
            click.echo(f"{name}: its agent was not asked: {why}", err=True)
    if answers.problems:
        raise SilentAgentsError(dict(answers.problems))
