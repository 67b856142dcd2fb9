"""`ciliate version`, which is `cilium version`: this command's version and the cluster's."""

import platform

import click

from ciliate import CILIUM_API_VERSION, __version__
from ciliate.cli.cluster import cluster_client, kubeconfig_option, run
from ciliate.console.installation import installation
from ciliate.console.output import output_option, render
from ciliate.errors import CiliateError


@click.command("version")
@click.option("--client", "client_only", is_flag=True, help="Do not ask the cluster.")
@kubeconfig_option
@output_option
def command(output: str | None, kubeconfig: str, *, client_only: bool) -> None:
    """Show the versions of this command and of the running agents."""
    running, without_pod = ("", ()) if client_only else run(_running(kubeconfig))
    if output is not None:
        found = {"client": __version__, "running": running, "withoutPod": without_pod}
        click.echo(render(found, output), nl=False)
        return
    system = f"{platform.system().lower()}/{platform.machine()}"
    click.echo(
        f"ciliate: v{__version__} (API of Cilium {CILIUM_API_VERSION}) "
        f"on python {platform.python_version()} {system}"
    )
    if not client_only:
        click.echo(f"cilium image (running): {running}")
    if without_pod:
        click.echo(
            f"cilium agents without a pod: {', '.join(without_pod)}"
            " (`cilium-dbg version` on the node shows theirs)"
        )


async def _running(kubeconfig: str) -> tuple[str, tuple[str, ...]]:
    """Return the images of the running agents, or why they are not known, and who has none.

    A command that only wants its own version should not fail for want of a cluster.
    """
    from ciliate.api.core import PODS  # noqa: PLC0415 - start-up cost.
    from ciliate.cli.cluster_agents import ready_process_agents  # noqa: PLC0415 - as above.

    names = installation()
    try:
        async with cluster_client(kubeconfig) as client:
            pods = await client.list(
                PODS,
                namespace=names.namespace,
                label_selector=names.agent_pod_selector,
            )
            with_pod = {pod.spec.node_name for pod in pods.items}
            without_pod = await ready_process_agents(client, with_pod)
    except CiliateError as error:
        return f"unknown. Unable to obtain cilium version. Reason: {error}", ()
    images = sorted({container.image for pod in pods.items for container in pod.spec.containers})
    return ", ".join(images) or "unknown. No cilium pods found", without_pod
