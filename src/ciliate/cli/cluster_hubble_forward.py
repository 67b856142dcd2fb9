"""`cilium hubble port-forward` and `ui`: ports of this machine that lead to Hubble in the cluster.

They run until Ctrl-C. Who connects then goes to a pod that is ready at that moment, so a relay that is
restarted is back at the same port.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import click

from ciliate.cli.browser import open_browser_option, show_page
from ciliate.cli.cluster import cluster_client, kubeconfig_option, run
from ciliate.console.installation import installation

F = TypeVar("F", bound=Callable[..., Any])

_UI: Final = "hubble-ui"
_RELAY_PORT: Final = 4245
_UI_PORT: Final = 12000


def _options(port: int) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        context = click.option("--context", default="", metavar="NAME", help="Of the kubeconfig.")
        local = click.option(
            "--port-forward",
            "local_port",
            type=click.IntRange(0, 65535),
            default=port,
            show_default=True,
            metavar="PORT",
            help="The local port; 0 is any that is free.",
        )
        return local(context(kubeconfig_option(function)))

    return decorate


@click.command(
    "port-forward",
    epilog="\b\nExamples:\n  cilium hubble port-forward &\n"
    "  cilium hubble port-forward --port-forward 14245",
)
@_options(_RELAY_PORT)
def port_forward(local_port: int, context: str, kubeconfig: str) -> None:
    """Forward a local port to the relay until Ctrl-C: `hubble` asks it there.

    `hubble -P` does the same by itself for as long as it runs.
    """
    from ciliate.cli.hubble.forwarding import RELAY  # noqa: PLC0415 - the API's client: 100 ms.

    def ready(port: int) -> None:
        click.echo(f"ℹ️  Hubble Relay is available at 127.0.0.1:{port}")  # noqa: RUF001 - Cilium's.

    remedy = "`cilium hubble enable` deploys the relay, -n names another namespace"
    _until_interrupted(_forward(RELAY, local_port, (kubeconfig, context), remedy, ready))


@click.command(
    "ui", epilog="\b\nExamples:\n  cilium hubble ui\n  cilium hubble ui --open-browser=false"
)
@open_browser_option
@_options(_UI_PORT)
def ui(local_port: int, context: str, kubeconfig: str, *, open_browser: bool) -> None:
    """Forward a local port to the page of flows until Ctrl-C, and open it in a browser."""

    def ready(port: int) -> None:
        url = f"http://localhost:{port}"
        show_page(
            url,
            wanted=open_browser,
            opening=f'ℹ️  Opening "{url}" in your browser...',  # noqa: RUF001 - Cilium's.
            available=f"ℹ️  Hubble UI is available at {url}",  # noqa: RUF001 - Cilium's.
        )

    remedy = "`cilium hubble enable --ui` deploys the page, -n names another namespace"
    _until_interrupted(_forward(_UI, local_port, (kubeconfig, context), remedy, ready))


async def _forward(
    service: str,
    local_port: int,
    cluster: tuple[str, str],
    remedy: str,
    ready: Callable[[int], None],
) -> None:
    """Forward until cancelled; `cluster` is a kubeconfig and a context of it."""
    from ciliate.cli.hubble.forwarding import service_forwarded  # noqa: PLC0415 - as above.

    key = (installation().namespace, service)
    async with (
        cluster_client(*cluster) as client,
        service_forwarded(
            client, key, local_port, flag="--port-forward PORT", remedy=remedy
        ) as port,
    ):
        ready(port)
        await asyncio.Event().wait()


def _until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end that its user makes, which is no failure."""
    with contextlib.suppress(KeyboardInterrupt):
        run(work)
