"""`ciliate agent`: flags, logging, signals, exit code."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from ciliate.agent.daemon import Agent, Options
from ciliate.config.installation import STATE_DIR, Installation, parse_selector
from ciliate.config.keys import check
from ciliate.errors import CiliateError, SettingError
from ciliate.kube.client import ApiClient
from ciliate.node.context import Paths
from ciliate.system.bounded_end import end_within
from ciliate.system.descriptors import raise_limit
from ciliate.system.threads import use_for_to_thread

_NAMES: Final = Installation()


class FlagError(SettingError):
    """A flag that is no setting."""


def parse_overrides(words: tuple[str, ...]) -> dict[str, str]:
    """Return the settings that `--key=value`, `--key value` and `--switch` give.

    Raises:
        SettingError: A word is no flag, or the key or the value is wrong.
    """
    overrides: dict[str, str] = {}
    pending = list(words)
    while pending:
        word = pending.pop(0)
        key, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not key:
            raise FlagError(key=word, value="", problem="is no flag", remedy="write --key=value")
        if not equals:
            value = pending.pop(0) if pending and not pending[0].startswith("--") else "true"
        check(key, value)
        overrides[key] = value
    return overrides


def _check_selector(context: click.Context, parameter: click.Parameter, text: str) -> str:
    """Refuse a selector that `Installation.has_agent` could not read."""
    try:
        parse_selector(text)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from error
    return text


async def _run(options: Options, kubeconfig: str) -> None:
    use_for_to_thread()
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None, "a coroutine that runs has a task"

    def stop() -> None:
        end_within()
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        async with ApiClient.detect(kubeconfig, user_agent="cilium-agent") as client:
            agent = Agent(client, options)
            with contextlib.suppress(asyncio.CancelledError):
                await agent.run()
            await agent.leave()
    finally:
        end_within()  # Of one that ends by an error, too.


def _causes(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    else:
        yield error


@click.command(
    "agent",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    epilog="Every key of cilium-config is a flag too and wins over it:"
    " ciliate agent --node k8s-w1 --devices=eth0,eth1 --mtu 1400",
)
@click.option(
    "--kubeconfig", default="", help="Access to the API; else KUBECONFIG, else in-cluster."
)
@click.option(
    "--node",
    "node_name",
    envvar="K8S_NODE_NAME",
    default=socket.gethostname,
    help="This node's name in Kubernetes.  [default: the host name]",
)
@click.option(
    "--namespace",
    "--k8s-namespace",
    "namespace",
    envvar="CILIUM_K8S_NAMESPACE",
    default=_NAMES.namespace,
    show_default=True,
    help="Where the ConfigMap and the agents' DaemonSet are.",
)
@click.option(
    "--config-map",
    envvar="CILIUM_CONFIG_MAP",
    default=_NAMES.config_map,
    show_default=True,
    help="The ConfigMap with the settings.",
)
@click.option(
    "--agent-daemonset-name",
    envvar="CILIUM_AGENT_DAEMONSET_NAME",
    default=_NAMES.agent_daemonset_name,
    show_default=True,
    help="The DaemonSet that runs the agents, if one does.",
)
@click.option(
    "--agent-pod-selector",
    envvar="CILIUM_AGENT_POD_SELECTOR",
    default=_NAMES.agent_pod_selector,
    show_default=True,
    callback=_check_selector,
    help="The agents' pods: while this node's is ready, its agent states nothing itself.",
)
@click.option(
    "--state-dir",
    envvar="CILIUM_STATE_DIR",
    default=STATE_DIR,
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where sockets, state and the queue of DELs are: each agent's own.",
)
@click.option(
    "--socket-path",
    envvar="CILIUM_SOCK",
    default=None,
    type=click.Path(path_type=Path),
    help="Where `cilium-dbg` asks.  [default: cilium.sock in --state-dir]",
)
@click.pass_context
def command(
    context: click.Context,
    *,
    kubeconfig: str,
    node_name: str,
    namespace: str,
    config_map: str,
    agent_daemonset_name: str,
    agent_pod_selector: str,
    state_dir: Path,
    socket_path: Path | None,
) -> None:
    """Run the agent of one node: pods' interfaces, addresses, routes and the datapath."""
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    if os.geteuid() != 0:
        raise CiliateError("the agent needs root: it loads BPF programs and changes routes")
    raise_limit()
    options = Options(
        node_name=node_name,
        installation=Installation(
            namespace=namespace,
            config_map=config_map,
            agent_daemonset_name=agent_daemonset_name,
            agent_pod_selector=agent_pod_selector,
        ),
        overrides=parse_overrides(tuple(context.args)),
        paths=Paths(state_dir.absolute(), socket_path),
    )
    try:
        asyncio.run(_run(options, kubeconfig))
    except BaseExceptionGroup as group:
        causes = list(_causes(group))
        if all(isinstance(cause, CiliateError) for cause in causes):
            raise causes[0] from None
        raise
