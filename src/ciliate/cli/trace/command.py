"""`ciliate trace`: one packet's whole way, as the nodes tell of it."""

import contextlib
import os
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from ciliate.cli.cluster import cluster_client, kubeconfig_option, run
from ciliate.cli.duration import DURATION
from ciliate.cli.explanation import pod_key
from ciliate.cli.name_completion import complete_pods, complete_services
from ciliate.cli.trace.server_flows import read_target, server_options
from ciliate.console.output import output_option

if TYPE_CHECKING:
    from ciliate.cli.trace.destination import Destination
    from ciliate.cli.trace.sought import Sought
    from ciliate.cli.trace.tracing import FlowSource, Tracing
    from ciliate.cli.trace.way import Surroundings, Way
    from ciliate.kube.client import ApiClient

_PROTOCOLS: Final = ("tcp", "udp", "sctp", "icmp")

#: How a settings map says where a node's flow server listens, and what is told; as they come.
_SOCKET: Final = ("hubble-socket-path", "/var/run/cilium/hubble.sock")
_AGGREGATION: Final = ("monitor-aggregation", "medium")

#: A connection that came in the last moment of the patience is still watched to its end.
_REST_S: Final = 30
_DAY_S: Final = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the command was asked for."""

    pod: str
    destination: "Destination"
    protocol: str
    timeout_s: float
    count: int
    follows: bool
    last: bool
    server: str
    server_options: dict[str, Any]

    @property
    def patience_s(self) -> float | None:
        """How long nothing may come."""
        return None if self.follows or self.last else self.timeout_s


def _complete_destination(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    found = complete_pods(context, parameter, incomplete)
    return found + complete_services(context, parameter, incomplete)


@click.command("trace")
@click.argument("pod", metavar="POD", shell_complete=complete_pods)
@click.argument("destination", metavar="DEST[:PORT]", shell_complete=_complete_destination)
@click.option("--protocol", type=click.Choice(_PROTOCOLS), help="Only packets of this protocol.")
@click.option(
    "--timeout",
    "timeout_s",
    type=DURATION,
    default="30s",
    show_default=True,
    help="How long to wait for the first packet.",
)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    show_default=True,
    help="End after so many connections.",
)
@click.option("-f", "--follow", "follows", is_flag=True, help="Go on until Ctrl-C.")
@click.option(
    "--last",
    is_flag=True,
    help="Show the newest connections of those that the nodes still know, and do not wait.",
)
@click.option(
    "-a", "--all-packets", "is_whole", is_flag=True, help="Show every packet hop by hop."
)
@server_options
@kubeconfig_option
@output_option
def command(
    *,
    pod: str,
    destination: str,
    protocol: str | None,
    timeout_s: float,
    count: int,
    follows: bool,
    last: bool,
    is_whole: bool,
    server: str,
    kubeconfig: str,
    output: str | None,
    **options: Any,
) -> None:
    """Show the whole way of a packet from POD to DEST, and of its reply.

    POD is NAMESPACE/NAME, or NAME in namespace default. DEST is the name of a pod or a Service, in
    the pod's namespace or with another one before it, or an address. While `ping` or `curl` runs in
    another shell, what each node tells of the connection is put in order: the call of the socket, each
    hop, its device, what was translated, and the time since the first. At a drop it says why, what is
    behind that, and what would change it.

    Each node is asked in its agent's pod, so nothing has to be reachable but the API server.

    \b
    Examples:
      ciliate trace default/curl-pod webpod:80
      ciliate trace curl-pod 203.0.113.10 --protocol icmp
      ciliate trace curl-pod shop/cart --last --count 5
      ciliate trace curl-pod [2001:db8::10]:443 -f -o json
    """  # noqa: D301 - click's mark for lines that stay as they are.
    from ciliate.cli.trace.destination import read_destination  # noqa: PLC0415 - for who asks.

    namespace, name = pod_key(pod)
    asked = _Asked(
        pod=f"{namespace}/{name}",
        destination=read_destination(destination),
        protocol=protocol or "",
        timeout_s=timeout_s,
        count=count,
        follows=follows,
        last=last,
        server=server,
        server_options=options,
    )
    with contextlib.suppress(KeyboardInterrupt):
        run(_trace(kubeconfig, asked, output, is_whole=is_whole))


async def _trace(kubeconfig: str, asked: _Asked, output: str | None, *, is_whole: bool) -> None:
    import asyncio  # noqa: PLC0415 - for who asks.

    from ciliate.cli.trace.errors import NothingSeenError  # noqa: PLC0415
    from ciliate.cli.trace.search import seek  # noqa: PLC0415
    from ciliate.cli.trace.tracing import Tracing  # noqa: PLC0415

    async with cluster_client(kubeconfig) as client:
        namespace, _, name = asked.pod.partition("/")
        sought, settings = await asyncio.gather(
            seek(
                client,
                namespace=namespace,
                name=name,
                destination=asked.destination,
                protocol=asked.protocol,
            ),
            _settings(client),
        )
        source = _source(client, asked, sought, settings.get(*_SOCKET))
        who = f"from {sought.pod} to {sought.destination}"

        def ready() -> None:
            hint = "start ping or curl in another shell; Ctrl-C ends this"
            if not asked.last:
                click.echo(f"waiting for packets {who} ({hint})", err=True)

        aggregation = settings.get(*_AGGREGATION)
        tracing = Tracing(sought, source, aggregation, asked.patience_s, ready)
        shown = 0
        async with contextlib.aclosing(_wanted(tracing, asked)) as ways:
            async for way in ways:
                _print(way, tracing.around, output, asked, is_whole=is_whole, is_first=not shown)
                shown += 1
        if not shown:
            for node, problem in tracing.around.silent.items():
                click.echo(f"{node} tells nothing: {problem}", err=True)
            raise NothingSeenError(who, _remedy(asked))


async def _wanted(tracing: "Tracing", asked: _Asked) -> AsyncGenerator["Way"]:
    """Yield as many as were asked for: the newest that are known, or the first that come."""
    if asked.last:
        for way in (await tracing.kept())[-asked.count :]:
            yield way
        return
    left = asked.count
    async with contextlib.aclosing(tracing.ways()) as ways:
        async for way in ways:
            yield way
            left -= 1
            if not left and not asked.follows:
                return


def _source(client: "ApiClient", asked: _Asked, sought: "Sought", socket: str) -> "FlowSource":
    from ciliate.cli.trace.agent_flows import AgentFlows  # noqa: PLC0415
    from ciliate.cli.trace.server_flows import ServerFlows  # noqa: PLC0415

    if asked.server:
        target = read_target(asked.server, asked.server_options)
        return ServerFlows(target, sought, follows=not asked.last)
    ends_s = _DAY_S if asked.follows or asked.count > 1 else round(asked.timeout_s) + _REST_S
    return AgentFlows(client, socket, sought, follows=not asked.last, ends_after_s=ends_s)


async def _settings(client: "ApiClient") -> dict[str, str]:
    """Return cilium-config; who may not read it gets none."""
    from ciliate.cli.cluster_addresses import read_config  # noqa: PLC0415
    from ciliate.kube.errors import ForbiddenError, NotFoundError  # noqa: PLC0415

    try:
        return dict(await read_config(client))
    except (NotFoundError, ForbiddenError):
        return {}


def _print(
    way: "Way",
    around: "Surroundings",
    output: str | None,
    asked: _Asked,
    *,
    is_whole: bool,
    is_first: bool,
) -> None:
    if output is None:
        from ciliate.cli.trace.text import Look, way_text  # noqa: PLC0415

        colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        look = Look(colours=colours, is_whole=is_whole)
        click.echo(("" if is_first else "\n") + way_text(way, around, look), nl=False)
        return
    from ciliate.cli.trace.document import way_object  # noqa: PLC0415
    from ciliate.console.output import render  # noqa: PLC0415
    from ciliate.flows.harmless import harmless_json  # noqa: PLC0415

    found = way_object(way, around)
    if output == "json" and (asked.follows or asked.count > 1):
        import msgspec  # noqa: PLC0415

        click.echo(harmless_json(msgspec.json.encode(found).decode()))
        return
    click.echo(harmless_json(render(found, output)), nl=False)


def _remedy(asked: _Asked) -> str:
    if asked.last:
        return "no node has kept one: leave out --last, and start ping or curl in another shell"
    return (
        f"none came within {asked.timeout_s:g} s: start ping or curl meanwhile, and let ping go on,"
        " since of one flow not each packet is told; --last looks for what was before"
    )
