"""`ciliate explain path`: the way of a packet through the cluster, and back."""

from typing import TYPE_CHECKING, Final

import click

from ciliate.cli.cluster import cluster_client, kubeconfig_option, run
from ciliate.cli.explanation import pod_key
from ciliate.cli.name_completion import complete_pods
from ciliate.console.output import output_option, render

if TYPE_CHECKING:
    from ciliate.cli.path.model import PairsReport, PathReport

#: So many endpoints of a Service are followed.
ENDPOINTS_MAX: Final = 8

_USAGE: Final = "give POD and DESTINATION, as curl-pod svc/webpod, or --all"


@click.command("path")
@click.argument("pod", metavar="[POD", required=False, shell_complete=complete_pods)
@click.argument(
    "destination", metavar="DESTINATION]", required=False, shell_complete=complete_pods
)
@click.option("--all", "every_pair", is_flag=True, help="Each pair of nodes, both ways.")
@kubeconfig_option
@output_option
@click.pass_context
def path_in_cluster(
    context: click.Context,
    pod: str | None,
    destination: str | None,
    kubeconfig: str,
    output: str | None,
    *,
    every_pair: bool,
) -> None:
    """Say which way a packet of POD to DESTINATION takes, at both ends, and back.

    POD is NAMESPACE/NAME, or NAME in namespace default. DESTINATION is such a pod, svc/NAMESPACE/NAME[:PORT],
    or ADDRESS[:PORT][/PROTOCOL]. The agents read devices, routes and map entries out of their kernels,
    and ask the datapath about the source; nothing is sent. Of a Service the ways to its endpoints are
    shown.

    With --all each pair of nodes is looked at, both ways: do pods reach each other's by the same kind
    of way, with the same MTU?

    Exits with 1 when something is wrong.

    \b
    Examples:
      ciliate explain path curl-pod default/webpod-654d555dbc-k65lx
      ciliate explain path curl-pod svc/webpod
      ciliate explain path default/curl-pod 203.0.113.10:443/tcp -o json
      ciliate explain path --all
    """  # noqa: D301 - click's mark for lines that stay as they are.
    # Here, so that `--help` does not wait for them.
    from ciliate.cli.path.text import pairs_text, report_text  # noqa: PLC0415

    if every_pair:
        if pod or destination:
            raise click.UsageError(_USAGE)
        pairs = run(_pairs(kubeconfig))
        click.echo(render(pairs, output) if output else pairs_text(pairs), nl=False)
        wrong = bool(pairs.problems) or any(each.findings for each in pairs.pairs)
    else:
        if not pod or not destination:
            raise click.UsageError(_USAGE)
        reports, title = run(_reports(kubeconfig, pod, destination))
        if output is not None:
            click.echo(render(reports if title else reports[0], output), nl=False)
        else:
            click.echo(
                "\n".join([*([title] if title else ()), *map(report_text, reports)]), nl=False
            )
        wrong = any(each.findings for each in reports)
    context.exit(1 if wrong else 0)


async def _pairs(kubeconfig: str) -> "PairsReport":
    from ciliate.cli.path.every_pair import look_at_every_pair  # noqa: PLC0415

    async with cluster_client(kubeconfig) as client:
        return await look_at_every_pair(client)


async def _reports(kubeconfig: str, pod: str, to: str) -> "tuple[list[PathReport], str]":
    """Return a report, or one for each endpoint of a Service with a title above them."""
    from ciliate.cli.asked_pod import asked_pod  # noqa: PLC0415
    from ciliate.cli.path.destinations import find_destinations  # noqa: PLC0415
    from ciliate.cli.path.inquiry import Inquiry  # noqa: PLC0415

    async with cluster_client(kubeconfig) as client:
        inquiry = Inquiry(client)
        sender = await asked_pod(client, *pod_key(pod))
        await inquiry.read()
        found = await find_destinations(inquiry, sender, to)
        followed = found.addresses[:ENDPOINTS_MAX]
        reports = [await inquiry.report(sender, each) for each in followed]
    if not found.service:
        return reports, ""
    title = f"{found.service} is answered by {', '.join(found.addresses)}\n"
    if len(found.addresses) > len(followed):
        title += f"The ways to the first {len(followed)} of these {len(found.addresses)}:\n"
    return reports, title
