"""`ciliate operator`: the command line of the operator's process."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ciliate.config.installation import OPERATOR_SOCKET
from ciliate.console.installation import installation, with_installation
from ciliate.operator.settings import operator_keys
from ciliate.system.bounded_end import end_within
from ciliate.system.descriptors import raise_limit
from ciliate.system.threads import use_for_to_thread


def _key_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give the command one flag for each key of the ConfigMap that the operator acts on."""
    for key in reversed(operator_keys()):
        option = click.option(
            f"--{key.name}", key.name.replace("-", "_"), metavar="VALUE", help=key.meaning
        )
        function = option(function)
    return function


@click.command("operator")
@click.option("--kubeconfig", default="", help="Else $KUBECONFIG, the pod's own, ~/.kube/config.")
@with_installation("namespace", "config_map", "agent_pod_selector", "operator_lease")
@click.option(
    "--health-socket",
    type=click.Path(path_type=Path),
    envvar="CILIUM_OPERATOR_SOCK",
    default=OPERATOR_SOCKET,
    show_default=True,
)
@_key_options
def command(
    *,
    kubeconfig: str,
    health_socket: Path,
    **keys: str | None,
) -> None:
    """Run the cluster's operator: definitions, clean-up, marks of readiness."""
    # The rest is loaded here, so that `ciliate --help` need not load the API client.
    from ciliate.operator.logs import log_to_stderr  # noqa: PLC0415 - see above
    from ciliate.operator.process import Invocation, run_operator  # noqa: PLC0415 - see above

    log_to_stderr(debug=False)
    raise_limit()
    flags = {name.replace("_", "-"): value for name, value in keys.items() if value is not None}
    invocation = Invocation(
        kubeconfig=kubeconfig,
        installation=installation(),
        health_socket=health_socket,
        flags=flags,
    )
    asyncio.run(_until_signalled(run_operator(invocation)))


async def _until_signalled(work: Any) -> None:
    """Run `work`; SIGTERM and SIGINT cancel it, which is an ordinary end."""
    use_for_to_thread()
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        end_within()
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        return
    finally:
        end_within()  # Of one that ends by an error, too.
