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

import click

from ciliate.agent.daemon import Agent, Options
from ciliate.config.installation import STATE_DIR
from ciliate.config.keys import check
from ciliate.console.installation import installation, with_installation
from ciliate.errors import CiliateError, SettingError
from ciliate.kube.client import ApiClient
from ciliate.node.context import Paths
from ciliate.system.bounded_end import end_within
from ciliate.system.descriptors import raise_limit
from ciliate.system.fork_server import ForkServer
from ciliate.system.threads import use_for_to_thread


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
@with_installation("namespace", "config_map", "agent_daemonset_name", "agent_pod_selector")
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
        installation=installation(),
        overrides=parse_overrides(tuple(context.args)),
        paths=Paths(state_dir.absolute(), socket_path),
        forks=ForkServer.start(),  # Now: the agent has no thread yet.
    )
    try:
        asyncio.run(_run(options, kubeconfig))
    except BaseExceptionGroup as group:
        causes = list(_causes(group))
        if all(isinstance(cause, CiliateError) for cause in causes):
            raise causes[0] from None
        raise
