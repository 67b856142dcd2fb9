"""`ciliate ipam repair`: free leaked addresses, and undo that.

The agents decide and act, each on its own node; here the user confirms and the agents are called.
"""

import sys
from typing import TYPE_CHECKING

import click

from ciliate.api.ipam_audit import RepairRecord, RepairReport
from ciliate.cli.cluster import cluster_client, kubeconfig_option, run
from ciliate.cli.duration import DURATION
from ciliate.cli.ipam.finding_list import counted, render_repair, render_repairs
from ciliate.cli.name_completion import NODE
from ciliate.console.output import echo_list, output_option, render
from ciliate.errors import CiliateError

if TYPE_CHECKING:
    from ciliate.cli.cluster_agents import AgentAnswers
    from ciliate.kube.client import ApiClient


class RepairUnansweredError(CiliateError):
    """Some agents failed, or gave no answer."""

    def __init__(self, *, problems: dict[str, str]) -> None:
        self.problems = problems
        answers = "; ".join(f"{node}: {problem}" for node, problem in sorted(problems.items()))
        super().__init__(f"{counted(len(problems), 'agent')} gave no answer: {answers}")


class UnconfirmedError(CiliateError):
    """Standard input is no terminal, so the user cannot confirm."""

    def __init__(self) -> None:
        super().__init__("nothing was done: this is no terminal, so confirm with --yes")


class UndoUnknownError(CiliateError):
    """`--undo` names no repair of any node that answers."""

    def __init__(self, *, wanted: str) -> None:
        self.wanted = wanted
        super().__init__(f"no node knows a repair {wanted!r}: see `ciliate ipam repair --list`")


@click.command("repair")
@click.option("--node", type=NODE, default="", metavar="NODE", help="Only this node.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
@click.option("--undo", default="", metavar="ID", help="Take the addresses of a repair again.")
@click.option(
    "--grace",
    "grace_s",
    default="60s",
    show_default=True,
    type=DURATION,
    help="How long an address must have been leaked.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--list", "show_list", is_flag=True, help="Show what was repaired so far.")
@kubeconfig_option
@output_option
def command(
    *,
    node: str,
    dry_run: bool,
    undo: str,
    grace_s: float,
    yes: bool,
    show_list: bool,
    kubeconfig: str,
    output: str | None,
) -> None:
    """Free what only a node's allocator knows of; take that back.

    Nothing else is touched. Each node keeps a record, by which a repair can be undone while the
    addresses are free.

    \b
    Examples:
      ciliate ipam repair --dry-run
      ciliate ipam repair --node worker-3 --yes
      ciliate ipam repair --list
      ciliate ipam repair --undo 5f2c09ab
    """  # noqa: D301 - click's mark for lines that stay as they are.
    client = cluster_client(kubeconfig)
    if show_list:
        run(_list(client, node=node, output=output))
        return
    words = ("--undo", undo) if undo else ("--grace", f"{grace_s * 1000:.0f}ms")
    ask = not (dry_run or yes)
    if ask and not sys.stdin.isatty():
        raise UnconfirmedError
    run(_repair(client, words, node=node, undo=undo, dry_run=dry_run, ask=ask, output=output))


async def _repair(
    client: "ApiClient",
    words: tuple[str, ...],
    *,
    node: str,
    undo: str,
    dry_run: bool,
    ask: bool,
    output: str | None,
) -> None:
    async with client:
        names = await _nodes(client, node)
        if undo:
            names = await _who_repaired(client, names, undo)
        if ask:
            plan = await _act(client, names, (*words, "--dry-run"))
            # What is asked about is no part of an answer for programs.
            click.echo(render_repair(plan.by_node.values()), nl=False, err=output is not None)
            count = sum(len(each.freed) + len(each.taken) for each in plan.by_node.values())
            if not count:
                _raise_problems(plan)
                return
            click.confirm(f"Change {counted(count, 'address')}", abort=True)
        done = await _act(client, names, (*words, "--dry-run") if dry_run else words)
    reports = [done.by_node[name] for name in sorted(done.by_node)]
    click.echo(render(reports, output) if output else render_repair(reports), nl=False)
    _raise_problems(done)


async def _act(
    client: "ApiClient", names: list[str], words: tuple[str, ...]
) -> "AgentAnswers[RepairReport]":
    from ciliate.cli.cluster_agents import ask_agents  # noqa: PLC0415 - imports aiohttp.

    return await ask_agents(client, names, ("ipam", "repair", *words), RepairReport)


async def _nodes(client: "ApiClient", wanted: str) -> list[str]:
    from ciliate.api.cilium_node import CILIUM_NODES  # noqa: PLC0415 - as above.
    from ciliate.api.core import NODES  # noqa: PLC0415 - as above.
    from ciliate.cli.ipam.check import NodeMissingError  # noqa: PLC0415 - as above.

    machines = {each.metadata.name for each in (await client.list(NODES)).items}
    nodes = (await client.list(CILIUM_NODES)).items
    names = [each.metadata.name for each in nodes if each.metadata.name in machines]
    if wanted and wanted not in names:
        raise NodeMissingError(wanted=wanted, present=names)
    return [wanted] if wanted else names


async def _records(client: "ApiClient", names: list[str]) -> "AgentAnswers[list[RepairRecord]]":
    from ciliate.cli.cluster_agents import ask_agents  # noqa: PLC0415 - as above.

    return await ask_agents(client, names, ("ipam", "repairs"), list[RepairRecord])


async def _who_repaired(client: "ApiClient", names: list[str], undo: str) -> list[str]:
    answers = await _records(client, names)
    found = [n for n, records in answers.by_node.items() if any(r.id == undo for r in records)]
    if not found:
        _raise_problems(answers)
        raise UndoUnknownError(wanted=undo)
    return found


async def _list(client: "ApiClient", *, node: str, output: str | None) -> None:
    async with client:
        answers = await _records(client, await _nodes(client, node))
    if output is not None:
        click.echo(render(answers.by_node, output), nl=False)
    else:
        count = sum(map(len, answers.by_node.values()))
        echo_list(render_repairs(answers.by_node), count=count, what="repairs")
    _raise_problems(answers)


def _raise_problems(
    answers: "AgentAnswers[RepairReport] | AgentAnswers[list[RepairRecord]]",
) -> None:
    problems = {**answers.problems, **answers.out_of_reach}
    if problems:
        raise RepairUnansweredError(problems=problems)
