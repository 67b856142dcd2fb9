"""`ciliate dbg bpf …`: the datapath's maps as the kernel holds them now.

These commands read the pinned maps themselves and work without an agent; they need root. What a
row looks like is decided by the map's feature, in its `show` module.
"""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import click

from ciliate.cli.bpf_root import bpf_root_option
from ciliate.cli.dbg_bpf_lb import command as lb
from ciliate.cli.packet_counts import metric_rows
from ciliate.console.output import echo_list, echo_pairs, output_forms, output_option, render
from ciliate.console.table import align
from ciliate.datapath.bpf_map import BpfMap, open_pinned
from ciliate.datapath.layout import Connection
from ciliate.datapath.metrics import METRICS, counters
from ciliate.datapath.sweep import pinned_sweeper
from ciliate.endpoint.show import endpoint_rows, interface_rows
from ciliate.identity.maps import IPCACHE
from ciliate.identity.show import ipcache_rows, tunnel_rows
from ciliate.masquerade.connections import LIVE
from ciliate.masquerade.maps import CONNECTIONS, FRAGMENTS, MASQUERADE_ADDRESSES
from ciliate.masquerade.rule_list import pinned_tables
from ciliate.masquerade.show import (
    AgentOffError,
    TrackedConnection,
    agent_rows,
    fragment_rows,
    masquerade_rows,
    translations,
)
from ciliate.net.address import IPAddress, ip_address
from ciliate.node.maps import ENDPOINTS, INTERFACES
from ciliate.routing.maps import ROUTE_MTUS
from ciliate.routing.show import route_mtu_rows

K = TypeVar("K")
V = TypeVar("V")


@click.group("bpf")
@bpf_root_option
@click.pass_context
def command(context: click.Context, bpf_root: Path) -> None:
    """Show the datapath's maps."""
    context.obj = bpf_root


command.add_command(lb)


def _connections(bpf_root: Path) -> list[Connection]:
    """Return the connections that are tracked."""
    with open_pinned(bpf_root, CONNECTIONS) as opened:
        return [element for _, element in opened.items(LIVE)]


def _entries(bpf_root: Path, which: BpfMap[K, V]) -> list[tuple[K, V]]:
    """Return all entries of a pinned map."""
    with open_pinned(bpf_root, which) as opened:
        return list(opened.items())


def _echo_lines(rows: Sequence[object], lines: Iterable[str], output: str | None) -> None:
    if output is not None:
        click.echo(render(rows, output), nl=False)
        return
    echo_list("\n".join(lines), count=len(rows), what="entries")


def _address(
    context: click.Context, option: click.Parameter, text: str | None
) -> IPAddress | None:
    """Read an option's address."""
    del context, option  # Click gives them, and names the option in the error.
    if text is None:
        return None
    try:
        return ip_address(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{error}; write an address such as 10.244.0.17 or fd00::17"
        ) from error


@command.group("nat")
def nat() -> None:
    """Masqueraded flows."""


@nat.command("list")
@output_option
@click.pass_obj
def nat_list(bpf_root: Path, output: str | None) -> None:
    """List translations: two for each masqueraded connection."""
    now_ns = time.monotonic_ns()
    rows = translations(_connections(bpf_root), now_ns=now_ns)
    _echo_lines(rows, map(str, rows), output)


@nat.command(
    "flush",
    epilog="\b\nExamples:\n  cilium-dbg bpf nat flush --pod 10.244.0.17\n"
    "  cilium-dbg bpf nat flush --destination 203.0.113.10",
)
@click.option("--pod", "local", metavar="ADDRESS", callback=_address, help="Only this pod's.")
@click.option(
    "--destination", "remote", metavar="ADDRESS", callback=_address, help="Only those to it."
)
@click.pass_obj
def nat_flush(bpf_root: Path, local: IPAddress | None, remote: IPAddress | None) -> None:
    """End connections: all of this node's pods, or those that the options name.

    A pod's next packet opens a new one, perhaps with another port: TCP connections break.
    """
    with open_pinned(bpf_root, CONNECTIONS) as connections:
        capacity = connections.capacity
    with pinned_sweeper(bpf_root, capacity) as sweeper:
        ended = sweeper.matching(local=local, remote=remote)
    click.echo(f"{ended} connections ended")


@command.group("ct")
def ct() -> None:
    """Tracked connections."""


@ct.command("list")
@click.argument("which", default="global", type=click.Choice(["global"]))
@click.option("--time-diff", "-d", is_flag=True, help="Add how long each entry has left.")
@output_option
@click.pass_obj
def ct_list(bpf_root: Path, which: str, output: str | None, *, time_diff: bool) -> None:
    """List the connections of pods with what is not of this cluster."""
    del which  # "global" is the only table; Cilium's command line names it.
    now_ns = time.monotonic_ns()
    rows = [
        TrackedConnection.read(connection, now_ns=now_ns) for connection in _connections(bpf_root)
    ]
    _echo_lines(rows, (row.text(time_diff=time_diff) for row in rows), output)


@command.group("endpoint")
def endpoint() -> None:
    """Addresses that are on this node."""


@endpoint.command("list")
@output_forms("name")
@click.pass_obj
def endpoint_list(bpf_root: Path, output: str | None) -> None:
    """List the addresses of local endpoints and of the host."""
    rows = endpoint_rows(_entries(bpf_root, ENDPOINTS))
    echo_pairs(rows, ("IP ADDRESS", "LOCAL ENDPOINT INFO"), output)


@command.group("ipcache")
def ipcache() -> None:
    """Identity and node of every address."""


@ipcache.command("list")
@output_forms("name")
@click.pass_obj
def ipcache_list(bpf_root: Path, output: str | None) -> None:
    """List prefixes with the identity and the node they belong to."""
    rows = ipcache_rows(_entries(bpf_root, IPCACHE))
    echo_pairs(rows, ("IP PREFIX/ADDRESS", "IDENTITY"), output)


@command.group("interface")
def interface() -> None:
    """Pod interfaces on the host's side."""


@interface.command("list")
@output_forms("name")
@click.pass_obj
def interface_list(bpf_root: Path, output: str | None) -> None:
    """List the endpoint behind each pod interface."""
    rows = interface_rows(_entries(bpf_root, INTERFACES))
    echo_pairs(rows, ("IFINDEX", "ENDPOINT"), output)


@command.group("masquerade")
def masquerade() -> None:
    """Addresses that pods get behind node devices."""


@masquerade.command("list")
@output_forms("name")
@click.pass_obj
def masquerade_list(bpf_root: Path, output: str | None) -> None:
    """List the masquerade addresses of each node device."""
    rows = masquerade_rows(_entries(bpf_root, MASQUERADE_ADDRESSES))
    echo_pairs(rows, ("IFINDEX", "ADDRESSES"), output)


@command.group("ipmasq")
def ipmasq() -> None:
    """Ranges that are reached with the pod's own address."""


@ipmasq.command("list")
@output_option
@click.pass_obj
def ipmasq_list(bpf_root: Path, output: str | None) -> None:
    """List the ranges that ip-masq-agent excludes from masquerading."""
    tables = pinned_tables(bpf_root)
    if tables is None or not tables.has_agent:
        raise AgentOffError
    rows = agent_rows(tables)
    if not rows and output is None:
        click.echo("No entries found.", err=True)
        return
    echo_pairs(rows, ("IP PREFIX/ADDRESS", ""), output)


@command.group("route-mtu")
def route_mtu() -> None:
    """Routes with an MTU of their own."""


@route_mtu.command("list")
@output_forms("name")
@click.pass_obj
def route_mtu_list(bpf_root: Path, output: str | None) -> None:
    """List the destinations that longer packets reach by the stack, which judges them."""
    rows = route_mtu_rows(_entries(bpf_root, ROUTE_MTUS))
    echo_pairs(rows, ("DESTINATION", "MTU"), output)


@command.group("tunnel")
def tunnel() -> None:
    """Where the tunnels to other nodes end."""


@tunnel.command("list")
@output_forms("name")
@click.pass_obj
def tunnel_list(bpf_root: Path, output: str | None) -> None:
    """List the pod CIDRs that are reached through the tunnel; pods are in `bpf ipcache list`."""
    rows = tunnel_rows(_entries(bpf_root, IPCACHE))
    echo_pairs(rows, ("TUNNEL", "VALUE"), output)


@command.group("frag")
def frag() -> None:
    """Datagrams in pieces."""


@frag.command("list")
@output_forms("name")
@click.pass_obj
def frag_list(bpf_root: Path, output: str | None) -> None:
    """List the ports of datagrams whose first piece has been seen."""
    echo_pairs(fragment_rows(_entries(bpf_root, FRAGMENTS)), ("FRAGMENT", "PORTS"), output)


@command.group("metrics")
def metrics() -> None:
    """Packets forwarded and dropped."""


@metrics.command("list")
@output_option
@click.pass_obj
def metrics_list(bpf_root: Path, output: str | None) -> None:
    """List packets and bytes by reason; every reason but Success is a drop."""
    with open_pinned(bpf_root, METRICS) as opened:
        rows = metric_rows(counters(opened))
    if output is not None:
        click.echo(render(rows, output), nl=False)
        return
    lines = ["REASON\tDIRECTION\tPACKETS\tBYTES\tFILE"]
    lines += [
        f"{row.reason}\t{row.direction}\t{row.packets}\t{row.bytes}\t{row.file}" for row in rows
    ]
    echo_list(align(lines, width_min=5, padding=3), count=len(rows), what="entries")
