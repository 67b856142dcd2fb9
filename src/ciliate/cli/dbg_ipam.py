"""`ciliate dbg ipam`: the addresses of this node, as its agent has them.

`ciliate ipam status`, `check` and `repair` run these commands in every agent's pod.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from ciliate.api.agent_ipam import HeldCIDRModel, IpamReport
from ciliate.api.ipam_audit import (
    CheckReport,
    CheckRequest,
    RepairRecord,
    RepairReport,
    RepairRequest,
)
from ciliate.cli.duration import DURATION
from ciliate.cli.ipam.finding_list import counted, render_findings, render_repair, render_repairs
from ciliate.console.output import echo_list, output_option, render
from ciliate.console.table import align

if TYPE_CHECKING:
    from ciliate.cli.agent_client import AgentClient

#: The agent's time for an answer, beyond a wait that was asked for: it reads everything twice.
_AGENT_WORKS_S: Final = 10.0


@click.group("ipam", invoke_without_command=True)
@click.option("--verbose", is_flag=True, help="Every address with its owner.")
@output_option
@click.pass_context
def command(context: click.Context, output: str | None, *, verbose: bool) -> None:
    """Show the CIDRs of this node, and its addresses."""
    if context.invoked_subcommand is not None:
        return
    report = _agent().get("ipam", IpamReport)
    if output is not None:
        click.echo(render(report, output), nl=False)
    else:
        click.echo(render_report(report, verbose=verbose), nl=False)


def _agent() -> "AgentClient":
    from ciliate.cli.agent_client import AgentClient  # noqa: PLC0415 - http.client: 25 ms.

    return AgentClient.from_environment()


@command.command("check")
@click.option("--grace", "grace_s", default="5s", show_default=True, type=DURATION)
@output_option
@click.pass_context
def check(context: click.Context, grace_s: float, output: str | None) -> None:
    """Compare allocator, kernel and API on this node. Exit code 1 with findings."""
    report = _agent().post(
        "ipam/check",
        CheckRequest(grace_s=grace_s),
        CheckReport,
        timeout_s=grace_s + _AGENT_WORKS_S,
    )
    if output is not None:
        click.echo(render(report, output), nl=False)
    else:
        click.echo(render_findings(report.findings, now=datetime.now(UTC)), nl=False)
        click.echo(
            f"{counted(len(report.findings), 'finding')};"
            f" {counted(report.addresses, 'address')} and"
            f" {counted(report.endpoints, 'endpoint')} compared."
        )
    if report.findings:
        context.exit(1)


@command.command("repair")
@click.option("--grace", "grace_s", default="60s", show_default=True, type=DURATION)
@click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
@click.option("--undo", default="", metavar="ID", help="Take the addresses of a repair again.")
@output_option
def repair(grace_s: float, undo: str, output: str | None, *, dry_run: bool) -> None:
    """Free addresses that are leaked for the grace time."""
    report = _agent().post(
        "ipam/repair",
        RepairRequest(grace_s=grace_s, dry_run=dry_run, undo=undo),
        RepairReport,
        timeout_s=_AGENT_WORKS_S,
    )
    click.echo(render(report, output) if output else render_repair([report]), nl=False)


@command.command("repairs")
@output_option
def repairs(output: str | None) -> None:
    """List what was repaired on this node, oldest first."""
    records = _agent().get("ipam/repairs", list[RepairRecord])
    if output is not None:
        click.echo(render(records, output), nl=False)
    else:
        echo_list(render_repairs({"": records}), count=len(records), what="repairs")


def render_report(report: IpamReport, *, verbose: bool) -> str:
    """Return the tables for people."""
    lines = [f"Mode:\t{report.mode}"]
    if report.waiting:
        lines.append(f"Waiting:\t{report.waiting}")
    lines += [
        f"Pending:\t{each.pods} pods for an {each.family} address of pool {each.pool}"
        for each in report.pending
    ]
    rows = ["CIDR\tPOOL\tSTATE\tUSED\tUSABLE\tPODS"]
    rows += [
        f"{each.cidr}\t{each.pool}\t{each.state}\t{each.used}\t{short_count(each.usable)}"
        f"\t{pods_in(report, each)}"
        for each in report.cidrs
    ]
    text = align(lines, width_min=0, padding=2) + "\n" + align(rows, width_min=0, padding=3)
    if verbose:
        rows = ["ADDRESS\tPOOL\tOWNER"]
        rows += [
            f"{each.ip}\t{each.pool}\t{each.owner}{' (kept)' if each.reserved else ''}"
            for each in report.allocations
        ]
        text += "\n" + align(rows, width_min=0, padding=3)
    return text


def pods_in(report: IpamReport, cidr: HeldCIDRModel) -> int:
    """Return how many pods have an address of a CIDR: its router, and what is kept, is none."""
    return sum(
        each.cidr == cidr.cidr and not each.reserved and "/" in each.owner
        for each in report.allocations
    )


def short_count(count: int) -> str:
    """Return a number for people; those of IPv6 as powers."""
    return f"{count:,}" if count < 10**7 else f"{count:.1e}"
