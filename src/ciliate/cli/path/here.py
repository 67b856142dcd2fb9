"""`cilium-dbg explain path`: the way of packets from a pod of this node, and of what comes back."""

from pathlib import Path

import click

from ciliate.cli.bpf_root import bpf_root_option
from ciliate.cli.cluster import run
from ciliate.cli.name_completion import complete_endpoints
from ciliate.console.output import output_option, render


@click.command("path")
@click.argument("pod", metavar="[POD", required=False, shell_complete=complete_endpoints)
@click.argument("destination", metavar="DESTINATION]", required=False)
@click.option("--all", "to_all", is_flag=True, help="The way to each pod CIDR of other nodes.")
@bpf_root_option
@output_option
def path_here(
    pod: str | None,
    destination: str | None,
    bpf_root: Path,
    output: str | None,
    *,
    to_all: bool,
) -> None:
    """Say which way a packet of POD to DESTINATION takes on this node, and what comes back.

    Devices, table entries, redirects, encapsulation and MTU are read out of the kernel; what becomes
    of the source the datapath says. POD is of this node: NAMESPACE/NAME, or NAME in namespace
    default. DESTINATION is ADDRESS[:PORT][/PROTOCOL]. Nothing is sent.

    `ciliate explain path` asks the other end as well.

    \b
    Examples:
      cilium-dbg explain path default/curl-pod 10.244.1.17
      cilium-dbg explain path curl-pod 203.0.113.10:443/tcp -o json
      cilium-dbg explain path --all
    """  # noqa: D301 - click's mark for lines that stay as they are.
    # Here, so that `--help` does not wait for them.
    from ciliate.cli.path.node_inquiry import path_of, ways_of_node  # noqa: PLC0415
    from ciliate.cli.path.text import node_path_text, node_ways_text  # noqa: PLC0415

    if to_all:
        if pod or destination:
            raise click.UsageError("give POD and DESTINATION, or --all")
        ways = run(ways_of_node(bpf_root))
        click.echo(render(ways, output) if output else node_ways_text(ways), nl=False)
        return
    if not pod or not destination:
        raise click.UsageError(
            "give POD and DESTINATION, as default/curl-pod 10.244.1.17, or --all"
        )
    found = run(path_of(pod, destination, bpf_root))
    click.echo(render(found, output) if output else node_path_text(found), nl=False)
