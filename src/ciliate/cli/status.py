"""`ciliate status`, which is `cilium status`: is Ciliate well in this cluster?

Everything is read from the Kubernetes API, so it works from anywhere with a kubeconfig; what one
node's agent sees is `ciliate dbg status`.
"""

import click

from ciliate.cli.cluster import cluster_client, kubeconfig_option, run
from ciliate.cli.cluster_picture import render_cluster
from ciliate.config.values import ValueTextError, read_duration_s
from ciliate.console.installation import installation
from ciliate.console.output import output_option, render
from ciliate.errors import CiliateError


class ClusterUnwellError(CiliateError):
    """The status shows errors: what they are has been printed."""

    def __init__(self, *, errors: int, waited_s: float) -> None:
        self.errors = errors
        self.waited_s = waited_s
        waited = f" after {waited_s:.0f} s of waiting" if waited_s else ""
        super().__init__(
            f"{errors} errors{waited}: see the list above, and `kubectl -n {installation().namespace}"
            " describe pods` for the pods it names"
        )


def _read_wait(context: click.Context, parameter: click.Parameter, text: str) -> float:
    try:
        return read_duration_s(text)
    except ValueTextError as error:
        raise click.BadParameter(str(error), context, parameter) from error


@click.command("status")
@click.option("--wait", is_flag=True, help="Wait until everything is well.")
@click.option(
    "--wait-duration",
    "wait_s",
    default="5m0s",
    show_default=True,
    callback=_read_wait,
    help="The longest --wait waits.",
)
@kubeconfig_option
@output_option
def command(output: str | None, kubeconfig: str, wait_s: float, *, wait: bool) -> None:
    """Show whether Ciliate is well in the cluster. Exit code 1 when it is not."""
    # After the options are parsed: `--help` does not wait for the API client's imports.
    from ciliate.cli.cluster_inventory import observe  # noqa: PLC0415

    found = run(observe(cluster_client(kubeconfig), wait_s=wait_s if wait else 0.0))
    if output is not None:
        click.echo(render(found, output), nl=False)
    else:
        click.echo(render_cluster(found, installation()), nl=False)
    if found.errors:
        raise ClusterUnwellError(errors=found.errors, waited_s=wait_s if wait else 0.0)
