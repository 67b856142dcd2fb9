"""`ciliate dbg`, which is `cilium-dbg`: one node as its agent sees it.

Each command asks the agent over its Unix socket and prints the answer; `bpf …` reads the maps
themselves. The texts are made by pure functions in `node_status`, `endpoint_list` and
`daemon_config`.
"""

import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ciliate import CILIUM_API_VERSION, __version__
from ciliate.agent.status import StatusResponse
from ciliate.api.agent import (
    ClusterNodes,
    DaemonConfiguration,
    EndpointModel,
    IdentityModel,
    IpListEntry,
)
from ciliate.api.agent_status import FeatureMode
from ciliate.api.agent_version import ProgramVersion, VersionAnswer
from ciliate.cli import node_status
from ciliate.cli.daemon_config import render_configuration
from ciliate.cli.endpoint_list import (
    names_of,
    render_endpoints,
    render_identities,
    render_ips,
    render_nodes,
)
from ciliate.cli.lab_node import go_to_lab_node
from ciliate.cli.lazy_group import LazyGroup
from ciliate.cli.name_completion import complete_endpoints
from ciliate.console.output import echo_list, output_forms, output_option, render
from ciliate.console.short_names import split_kind
from ciliate.console.version_option import version_option
from ciliate.errors import CiliateError

if TYPE_CHECKING:
    from ciliate.cli.agent_client import AgentClient


class EndpointMissingError(CiliateError):
    """No endpoint of this node goes by that name."""

    def __init__(self, *, wanted: str, present: int) -> None:
        self.wanted = wanted
        self.present = present
        super().__init__(
            f"no endpoint {wanted!r} among the {present} of this node: `dbg endpoint list` shows "
            "them; give a number, NAMESPACE/POD, po/POD, pod-name:NAMESPACE/POD, container-id:ID, "
            "cni-attachment-id:ID:IFNAME, ipv4:ADDRESS or ipv6:ADDRESS"
        )


@click.group(
    "dbg",
    cls=LazyGroup,
    lazy={
        "bgp": "ciliate.cli.dbg_bgp:command",
        "bpf": "ciliate.cli.dbg_bpf:command",
        "completion": "ciliate.cli.app:completion",
        "explain": "ciliate.cli.dbg_explain:command",
        "ipam": "ciliate.cli.dbg_ipam:command",
        "masquerade": "ciliate.cli.dbg_masquerade:command",
        "metrics": "ciliate.cli.dbg_metrics:command",
        "monitor": "ciliate.cli.dbg_monitor:command",
        "operator": "ciliate.cli.dbg_operator:command",
        "probe-mtu": "ciliate.cli.dbg_probe_mtu:command",
        "service": "ciliate.cli.dbg_service:command",
        "statedb": "ciliate.cli.dbg_statedb:command",
    },
    context_settings={"help_option_names": ["-h", "--help"]},  # It is `cilium-dbg` too.
    params=[version_option()],
)
@click.pass_context
def command(context: click.Context) -> None:
    """Look into this node's agent and datapath (`cilium-dbg`).

    On a machine that is no node, that is the control plane of its lab.
    """
    if context.invoked_subcommand != "completion":
        go_to_lab_node()


def _agent() -> "AgentClient":
    from ciliate.cli.agent_client import AgentClient  # noqa: PLC0415 - http.client: 25 ms.

    return AgentClient.from_environment()


@command.command("status")
@click.option("--verbose", is_flag=True, help="Print all details.")
@click.option("--brief", is_flag=True, help='Print "OK" or what is wrong, in one line.')
@click.option("--all-addresses", is_flag=True, help="Print every allocated address.")
@click.option("--all-controllers", is_flag=True, help="Print every controller.")
@output_option
@click.pass_context
def status(
    context: click.Context,
    output: str | None,
    *,
    verbose: bool,
    brief: bool,
    all_addresses: bool,
    all_controllers: bool,
) -> None:
    """Show the agent's state. Exit code 1 when something is not well.

    With -o the answer itself says so, and the exit code is 0: Cilium's CLI takes another one for
    an agent that did not answer, and would show none of what is wrong.
    """
    answer = _agent().get("healthz", StatusResponse)
    if output is not None:
        click.echo(render(answer, output), nl=False)
        return
    if brief:
        click.echo(node_status.render_brief(answer), nl=False)
    else:
        details = node_status.Details(
            addresses=verbose or all_addresses,
            controllers=verbose or all_controllers,
            devices=verbose,
            own=verbose,
        )
        now = datetime.now(UTC)
        click.echo(node_status.render_status(answer, details, now=now), nl=False)
    if node_status.first_problem(answer) is not None:
        context.exit(1)


@command.group("endpoint")
def endpoint() -> None:
    """Endpoints of this node."""


@endpoint.command("list")
@click.option("--no-headers", is_flag=True, help="Leave the two rows of headings out.")
@output_forms("name")
def endpoint_list(output: str | None, *, no_headers: bool) -> None:
    """List the endpoints of this node, the host among them."""
    endpoints = _endpoints()
    if output is not None:
        names = (str(each.id) for each in endpoints)
        click.echo(render(endpoints, output, names=names), nl=False)
    else:
        text = render_endpoints(endpoints, headers=not no_headers)
        echo_list(text, count=len(endpoints), what="endpoints")


@endpoint.command("get")
@click.argument("name", shell_complete=complete_endpoints)
@output_option
def endpoint_get(name: str, output: str | None) -> None:
    """Show everything about the endpoint NAME: a number, po/POD, or pod-name:NAMESPACE/POD."""
    endpoints = _endpoints()
    kind, bare = split_kind(name)
    found = [e for e in endpoints if (f"po/{bare}" if kind == "po" else name) in names_of(e)]
    if not found:
        raise EndpointMissingError(wanted=name, present=len(endpoints))
    click.echo(render(found, output or "json"), nl=False)


def _endpoints() -> list[EndpointModel]:
    return _agent().get("endpoint", list[EndpointModel])


@command.command("config")
@click.option("-a", "--all", "show_all", is_flag=True, help="Also the read-only settings.")
@output_option
def config(output: str | None, *, show_all: bool) -> None:
    """Show the settings the agent runs with."""
    answer = _agent().get("config", DaemonConfiguration)
    if output is not None:
        click.echo(render(answer, output), nl=False)
    else:
        click.echo(render_configuration(answer, read_only=show_all), nl=False)


@command.group("ip")
def ip() -> None:
    """Addresses of the cluster."""


@ip.command("list")
@click.option("-n", "--numeric", is_flag=True, help="Print identities as numbers.")
@click.option("-v", "--verbose", is_flag=True, help="Print all fields, as -o wide.")
@output_forms("wide", "name")
def ip_list(output: str | None, *, numeric: bool, verbose: bool) -> None:
    """List the addresses the agent knows, with identity and source."""
    client = _agent()
    entries = client.get("ip", list[IpListEntry])
    if output not in (None, "wide"):
        names = (each.cidr for each in entries)
        click.echo(render(entries, output, names=names), nl=False)
        return
    identities = [] if numeric else client.get("identity", list[IdentityModel])
    labels = {identity.id: identity.labels for identity in identities}
    wide = verbose or output == "wide"
    text = render_ips(entries, labels, numeric=numeric, verbose=wide)
    echo_list(text, count=len(entries), what="addresses")


@command.group("identity")
def identity() -> None:
    """Identities of the cluster."""


@identity.command("list")
@output_forms("name")
def identity_list(output: str | None) -> None:
    """List the identities the agent knows, with their labels."""
    identities = _agent().get("identity", list[IdentityModel])
    if output is not None:
        names = (str(each.id) for each in identities)
        click.echo(render(identities, output, names=names), nl=False)
    else:
        echo_list(render_identities(identities), count=len(identities), what="identities")


@command.group("node")
def node() -> None:
    """Nodes of the cluster."""


@node.command("list")
@output_forms("name")
def node_list(output: str | None) -> None:
    """List the nodes the agent knows."""
    nodes = _agent().get("cluster/nodes", ClusterNodes)
    if output is not None:
        names = (each.name for each in nodes.nodes_added)
        click.echo(render(nodes.nodes_added, output, names=names), nl=False)
    else:
        echo_list(render_nodes(nodes), count=len(nodes.nodes_added), what="nodes")


@command.group("encrypt")
def encrypt() -> None:
    """Encryption between nodes."""


@encrypt.command("status")
@output_option
def encrypt_status(output: str | None) -> None:
    """Show whether packets between nodes are encrypted."""
    answer = _agent().get("healthz", StatusResponse)
    mode = answer.encryption or FeatureMode(mode="Disabled")
    if output is not None:
        click.echo(render(mode, output), nl=False)
    else:
        click.echo(f"Encryption: {mode.mode}")


@command.command("version")
@output_option
def version(output: str | None) -> None:
    """Show the versions of this command and of the agent."""
    answer = _agent().get("healthz", StatusResponse)
    daemon = answer.version or answer.cilium.msg
    arch = f"{platform.system().lower()}/{platform.machine()}"
    if output is not None:
        versions = VersionAnswer(
            client=ProgramVersion(
                version=CILIUM_API_VERSION, revision=f"ciliate-v{__version__}", arch=arch
            ),
            daemon=ProgramVersion(
                version=answer.api_version or CILIUM_API_VERSION,
                revision=f"ciliate-v{daemon}",
                arch=arch,
            ),
        )
        click.echo(render(versions, output), nl=False)
        return
    click.echo(f"Client: {__version__} {arch}")
    click.echo(f"Daemon: {daemon}")
