"""`ciliate doctor mtu`: is there a link that silently drops large packets?"""

import sys
from typing import TYPE_CHECKING, Final

import click

from ciliate.cli.cluster import cluster_client, kubeconfig_option, run
from ciliate.cli.doctor.model import SIZE_MAX, SIZE_MIN, Verdict
from ciliate.cli.doctor.trouble import EXIT_TROUBLE, TroubleCommand
from ciliate.cli.name_completion import NODE
from ciliate.console.output import output_option, render

if TYPE_CHECKING:
    from ciliate.cli.doctor.model import DoctorReport

_EXIT_CODES: Final = {Verdict.WELL: 0, Verdict.BLACK_HOLE: 1, Verdict.INCOMPLETE: EXIT_TROUBLE}


@click.command("mtu", cls=TroubleCommand)
@click.argument("nodes", metavar="[NODE]...", nargs=-1, type=NODE)
@click.option("--all-pairs", is_flag=True, help="Probe each pair of nodes: of 50 nodes 1,225.")
@click.option(
    "--size",
    type=click.IntRange(SIZE_MIN[6], SIZE_MAX),
    metavar="BYTES",
    help="See whether IP packets of this size pass, not of what each node's route assumes.",
)
@kubeconfig_option
@output_option
@click.pass_context
def command(
    context: click.Context,
    *,
    nodes: tuple[str, ...],
    all_pairs: bool,
    size: int | None,
    kubeconfig: str,
    output: str | None,
) -> None:
    """Find a link between nodes that silently drops packets shorter than the MTU.

    Connections open and then stand still: small packets pass, full ones get lost, and no router says
    so. Each node's agent sends ICMP echoes that must not be cut to some other nodes, of the size that
    the route assumes; where these get lost, the greatest size that passes is searched, and whether the
    node's own link is at fault, a link between two groups of nodes, or the way of one pair.

    Not every pair is probed unless --all-pairs says so: a ring of all nodes, and a few more by chance.
    With one NODE its pairs with all others are, with several the pairs among them.

    Exits with 1 when there is such a link, with 2 when something could not be seen, else with 0.

    \b
    Examples:
      ciliate doctor mtu
      ciliate doctor mtu worker-1 worker-2
      ciliate doctor mtu --all-pairs --size 1450
      ciliate doctor mtu -o jsonpath='{.findings[*].remedy}'
    """  # noqa: D301 - click's mark for lines that stay as they are.
    # Here, so that `--help` does not wait for the API client's imports.
    from ciliate.cli.doctor.examination import examine_cluster  # noqa: PLC0415
    from ciliate.cli.doctor.first_round import Question  # noqa: PLC0415

    question = Question(tuple(dict.fromkeys(nodes)), all_pairs=all_pairs, size=size or 0)
    on_terminal = sys.stderr.isatty()

    def tell(what: str) -> None:
        if on_terminal:
            click.echo(f"\r\x1b[K{what} …", nl=False, err=True)

    try:
        report: DoctorReport = run(examine_cluster(cluster_client(kubeconfig), question, tell))
    finally:
        if on_terminal:
            click.echo("\r\x1b[K", nl=False, err=True)
    if output is None:
        from ciliate.cli.doctor.report_text import report_text  # noqa: PLC0415

        click.echo(report_text(report), nl=False)
    else:
        click.echo(render(report, output), nl=False)
    context.exit(_EXIT_CODES[report.verdict])
