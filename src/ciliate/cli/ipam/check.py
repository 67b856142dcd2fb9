"""`ciliate ipam check`: do allocators, kernels and API agree about every address?

Each agent compares its own node; here the nodes are compared with each other. The API is read twice
where something is found: only what is there both times counts.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import click
import msgspec

from ciliate.api.ipam_audit import CheckReport, Evidence, Finding, Severity
from ciliate.cli.cluster import cluster_client, kubeconfig_option, run
from ciliate.cli.duration import DURATION
from ciliate.cli.ipam.finding_list import counted, render_findings
from ciliate.cli.name_completion import NODE
from ciliate.console.installation import installation
from ciliate.console.nearest import meant
from ciliate.console.output import output_option, render
from ciliate.errors import CiliateError

if TYPE_CHECKING:
    from ciliate.kube.client import ApiClient

#: A cluster-wide finding, and those of an agent that replace it: they also say since when.
_SAID_BETTER: Final = {
    "published-without-pod": ("published-without-endpoint", "published-address-differs"),
}


class ClusterFindings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything found: the output of `-o json`."""

    findings: tuple[Finding, ...]
    nodes: tuple[str, ...]
    unanswered: dict[str, str]
    agents: int = 0  # So many answered; none was asked with --no-agents.
    addresses: int = 0  # So many were compared on all nodes together.
    endpoints: int = 0
    young: int = 0


class AddressesDifferError(CiliateError):
    """There are findings, which have been printed."""

    def __init__(self, *, errors: int, warnings: int, unanswered: int) -> None:
        self.errors = errors
        self.warnings = warnings
        self.unanswered = unanswered
        silent = f", {counted(unanswered, 'agent')} without an answer" if unanswered else ""
        super().__init__(
            f"{counted(errors, 'error')}, {counted(warnings, 'warning')}{silent}:"
            " each finding names its remedy"
        )


class NodeMissingError(CiliateError):
    """`--node` names no node."""

    def __init__(self, *, wanted: str, present: Iterable[str]) -> None:
        self.wanted = wanted
        nodes = sorted(present)
        hint = meant(wanted, nodes)
        super().__init__(f"there is no node {wanted!r}{hint}: there are {', '.join(nodes)}")


@click.command("check")
@click.option("--node", type=NODE, default="", metavar="NODE", help="Only this node.")
@click.option(
    "--grace",
    "grace_s",
    default="5s",
    show_default=True,
    type=DURATION,
    help="How long a pod may take to come or go.",
)
@click.option("--no-agents", is_flag=True, help="Compare only what the API says.")
@kubeconfig_option
@output_option
def command(
    *, node: str, grace_s: float, no_agents: bool, kubeconfig: str, output: str | None
) -> None:
    """Compare allocators, kernels and API: leaks, double use.

    Exits with 1 when there are errors or warnings, or an agent does not answer.

    \b
    Examples:
      ciliate ipam check
      ciliate ipam check --node worker-3 -o json
      ciliate ipam check --no-agents
    """  # noqa: D301 - click's mark for lines that stay as they are.
    found = run(
        check(cluster_client(kubeconfig), node=node, grace_s=grace_s, with_agents=not no_agents)
    )
    if output is not None:
        click.echo(render(found, output), nl=False)
    else:
        click.echo(render_findings(found.findings, now=datetime.now(UTC)), nl=False)
        click.echo(summary(found))
    counts = Counter(each.severity for each in found.findings)
    if counts[Severity.ERROR] or counts[Severity.WARNING]:
        raise AddressesDifferError(
            errors=counts[Severity.ERROR],
            warnings=counts[Severity.WARNING],
            unanswered=len(found.unanswered),
        )


def summary(found: ClusterFindings) -> str:
    """Return the line below the findings: how much was compared."""
    nodes = len(found.nodes)
    agreed = all(each.severity is Severity.INFO for each in found.findings)
    if not found.agents:
        compared = f"{counted(nodes, 'node')}; no agent reported its allocator and kernel"
        agree = "The API agrees with itself: "
    else:
        compared = (
            f"{counted(found.addresses, 'address')} and {counted(found.endpoints, 'endpoint')} on"
            f" {found.agents} of {nodes} nodes"
        )
        agree = "Allocators, kernels and API agree: "
    young = f"; {counted(found.young, 'difference')} too young to count" if found.young else ""
    if agreed:
        return click.style(agree, fg="green") + f"{compared}{young}."
    return f"Compared {compared}{young}."


async def check(
    client: "ApiClient", *, node: str, grace_s: float, with_agents: bool
) -> ClusterFindings:
    """Return what is found; closes the client.

    Raises:
        KubeError: The API server refuses or does not answer.
        NodeMissingError: There is no such node.
    """
    # Here, so that `--help` does not wait for the API client's imports.
    from ciliate.cli.cluster_addresses import read_snapshot  # noqa: PLC0415
    from ciliate.cli.cluster_agents import ANSWER_S, AgentAnswers, ask_agents  # noqa: PLC0415
    from ciliate.ipam.audit.cluster import audit_cluster  # noqa: PLC0415

    async with client:
        begun = time.monotonic()
        first = await read_snapshot(client, {})
        names = {each.metadata.name for each in first.cilium_nodes}
        if node and node not in names:
            raise NodeMissingError(wanted=node, present=names)
        # A CiliumNode without Node has no agent to ask: that is a finding of its own.
        machines = names & {each.metadata.name for each in first.nodes}
        asked = machines & {node} if node else machines
        answers: AgentAnswers[CheckReport] = AgentAnswers({}, {})
        if with_agents:
            words = ("ipam", "check", "--grace", f"{grace_s * 1000:.0f}ms")
            answers = await ask_agents(
                client, asked, words, CheckReport, timeout_s=2 * grace_s + ANSWER_S
            )
        found = audit_cluster(replace(first, reports=answers.by_node))
        if found:
            await asyncio.sleep(max(0.0, begun + grace_s - time.monotonic()))
            second = await read_snapshot(client, answers.by_node)
            before = {each.key for each in found}
            found = tuple(each for each in audit_cluster(second) if each.key in before)
        since = datetime.now(UTC) - timedelta(seconds=time.monotonic() - begun)
    dated = tuple(msgspec.structs.replace(each, since=since) for each in found)
    merged = merge(dated, answers.by_node, answers.problems, asked, node=node)
    notes = tuple(_out_of_reach(name, why) for name, why in sorted(answers.out_of_reach.items()))
    return msgspec.structs.replace(merged, findings=(*merged.findings, *notes))


def merge(
    cluster: Iterable[Finding],
    reports: Mapping[str, CheckReport],
    unanswered: Mapping[str, str],
    asked: Iterable[str],
    *,
    node: str,
) -> ClusterFindings:
    """Return all findings, errors first; without those that an agent's finding replaces."""
    local = [finding for report in reports.values() for finding in report.findings]
    reported = {(each.kind, each.object) for each in local}
    found = [
        each
        for each in cluster
        if node in ("", each.node)
        and not any((kind, each.object) in reported for kind in _SAID_BETTER.get(each.kind, ()))
    ]
    found += local
    found += [_unanswered(name, problem) for name, problem in unanswered.items()]
    found += [_api_away(name, r) for name, r in reports.items() if r.api_problem]
    return ClusterFindings(
        findings=tuple(
            sorted(found, key=lambda each: (each.severity.rank, each.node, each.kind, each.object))
        ),
        nodes=tuple(sorted(asked)),
        unanswered=dict(unanswered),
        agents=len(reports),
        addresses=sum(report.addresses for report in reports.values()),
        endpoints=sum(report.endpoints for report in reports.values()),
        young=sum(report.young for report in reports.values()),
    )


def _unanswered(node: str, problem: str) -> Finding:
    return Finding(
        kind="agent-unreachable",
        severity=Severity.ERROR,
        node=node,
        object=f"agent of {node}",
        evidence=(Evidence(source="api", says=problem),),
        remedy=f"kubectl -n {installation().namespace} get pods -o wide --field-selector spec.nodeName={node}",
    )


def _out_of_reach(node: str, why: str) -> Finding:
    """A note, which comes last: the agent is ready, and only its own node can ask it."""
    return Finding(
        kind="agent-without-pod",
        severity=Severity.INFO,
        node=node,
        object=f"agent of {node}",
        evidence=(Evidence(source="api", says="its CiliumNode says that it is ready"),),
        remedy=why,
    )


def _api_away(node: str, report: CheckReport) -> Finding:
    return Finding(
        kind="agent-without-api",
        severity=Severity.ERROR,
        node=node,
        object=f"agent of {node}",
        evidence=(Evidence(source="agent", says=report.api_problem),),
        remedy="its node does not reach the API server: nothing there was compared with it",
        since=None,
    )
