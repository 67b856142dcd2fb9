"""`ciliate ipam status`: how full pools and nodes are, what drains, what nodes wait for."""

import asyncio
from typing import TYPE_CHECKING, Final

import click

from ciliate.cli.cluster import cluster_client, kubeconfig_option, run
from ciliate.cli.ipam.finding_list import counted
from ciliate.cli.ipam.picture import render_ipam
from ciliate.cli.ipam.summary import IpamInventory, IpamSummary, summarize
from ciliate.cli.name_completion import NODE, complete_pools
from ciliate.console.installation import installation
from ciliate.console.nearest import meant
from ciliate.console.output import output_option, render
from ciliate.errors import CiliateError

if TYPE_CHECKING:
    from ciliate.kube.client import ApiClient

_WATCH_S: Final = 2.0


class AgentsSilentError(CiliateError):
    """Some agents gave no answer; the API's state of their nodes has been printed."""

    def __init__(self, *, unanswered: int) -> None:
        self.unanswered = unanswered
        super().__init__(
            f"{counted(unanswered, 'agent')} without an answer: see `kubectl -n {installation().namespace} get pods -o wide`,"
            " or ask the API alone with --no-agents"
        )


class NothingSuchError(CiliateError):
    """`--pool` or `--node` names none that exists."""

    def __init__(self, *, what: str, wanted: str, present: set[str]) -> None:
        self.wanted = wanted
        listed = ", ".join(sorted(present)) or "none"
        hint = meant(wanted, present)
        super().__init__(f"there is no {what} {wanted!r}{hint}: there are {listed}")


@click.command("status")
@click.option("--pool", default="", shell_complete=complete_pools, help="Only this pool.")
@click.option("--node", type=NODE, default="", metavar="NODE", help="Only this node.")
@click.option("--no-agents", is_flag=True, help="Only what the API says; no pod is entered.")
@click.option("--watch", is_flag=True, help="Show it anew every two seconds.")
@kubeconfig_option
@output_option
def command(
    *,
    pool: str,
    node: str,
    no_agents: bool,
    watch: bool,
    kubeconfig: str,
    output: str | None,
) -> None:
    """Show pools and nodes: size, used, free, until when it lasts.

    Exits with 1 when an agent does not answer.

    \b
    Examples:
      ciliate ipam status
      ciliate ipam status --pool default --watch
      ciliate ipam status --node worker-3 -o json
      ciliate ipam status --no-agents -o jsonpath='{.pools[*].blocks_left}'
    """  # noqa: D301 - click's mark for lines that stay as they are.
    run(
        _show(
            cluster_client(kubeconfig),
            wanted=(pool, node),
            with_agents=not no_agents,
            watch=watch,
            output=output,
        )
    )


async def _show(
    client: "ApiClient",
    *,
    wanted: tuple[str, str],
    with_agents: bool,
    watch: bool,
    output: str | None,
) -> None:
    async with client:
        while True:
            found = select(
                summarize(await read(client, node=wanted[1], with_agents=with_agents)), *wanted
            )
            text = render(found, output) if output is not None else render_ipam(found)
            if watch and output is None:
                click.clear()  # Without a terminal this does nothing.
            click.echo(text, nl=False)
            if not watch:
                break
            await asyncio.sleep(_WATCH_S)
    unanswered = sum(bool(each.unanswered) for each in found.nodes)
    if unanswered:
        raise AgentsSilentError(unanswered=unanswered)


async def read(client: "ApiClient", *, node: str, with_agents: bool) -> IpamInventory:
    """Return what API, agents and operator say; with `node`, only that node's agent is asked.

    Raises:
        KubeError: The API server refuses or does not answer.
    """
    # Here, so that `--help` does not wait for the API client's imports.
    from ciliate.api.agent_ipam import IpamReport  # noqa: PLC0415
    from ciliate.api.cilium_endpoint import CILIUM_ENDPOINTS  # noqa: PLC0415
    from ciliate.api.cilium_node import CILIUM_NODES  # noqa: PLC0415
    from ciliate.api.core import NODES  # noqa: PLC0415
    from ciliate.api.operator_ipam import OperatorIpam  # noqa: PLC0415
    from ciliate.api.pod_ip_pool import CILIUM_POD_IP_POOLS  # noqa: PLC0415
    from ciliate.cli.cluster_addresses import (  # noqa: PLC0415
        ipam_mode,
        list_if_defined,
        read_config,
    )
    from ciliate.cli.cluster_agents import (  # noqa: PLC0415
        AgentAnswers,
        UnansweredError,
        ask_agents,
        ask_operator,
    )

    config, nodes, endpoints, pools = await asyncio.gather(
        read_config(client),
        list_if_defined(client, CILIUM_NODES),
        list_if_defined(client, CILIUM_ENDPOINTS),
        list_if_defined(client, CILIUM_POD_IP_POOLS),
    )
    answers: AgentAnswers[IpamReport] = AgentAnswers({}, {})
    operator, problem = None, "not asked"
    if with_agents:
        machines = {each.metadata.name for each in (await client.list(NODES)).items}
        names = {each.metadata.name for each in nodes if node in ("", each.metadata.name)}
        names &= machines  # A CiliumNode without Node has no agent: a finding of `ipam check`.
        answers = await ask_agents(client, names, ("ipam",), IpamReport)
        if ipam_mode(config) in ("cluster-pool", "multi-pool"):
            try:
                operator = await ask_operator(client, ("ipam",), OperatorIpam)
            except UnansweredError as error:
                problem = error.problem
    return IpamInventory(
        config=config,
        cilium_nodes=nodes,
        endpoints=endpoints,
        pools=pools,
        reports=answers.by_node,
        unanswered=answers.problems,
        out_of_reach=answers.out_of_reach,
        operator=operator,
        operator_problem=problem,
    )


def select(found: IpamSummary, pool: str, node: str) -> IpamSummary:
    """Return the part of the status that was asked for.

    Raises:
        NothingSuchError: There is no such pool or node.
    """
    pools, nodes = {each.pool for each in found.pools}, {each.node for each in found.nodes}
    if pool and pool not in pools:
        raise NothingSuchError(what="pool", wanted=pool, present=pools)
    if node and node not in nodes:
        raise NothingSuchError(what="node", wanted=node, present=nodes)
    from msgspec.structs import replace  # noqa: PLC0415 - beside its only use.

    return replace(
        found,
        pools=tuple(each for each in found.pools if pool in ("", each.pool)),
        nodes=tuple(
            replace(each, cidrs=tuple(c for c in each.cidrs if pool in ("", c.pool)))
            for each in found.nodes
            if node in ("", each.node)
        ),
    )
