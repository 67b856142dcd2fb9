"""`ciliate dbg probe-mtu`: which sizes pass between this node and others."""

import contextlib
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

import click

from ciliate.cli.doctor.model import SIZE_MAX, SIZE_MIN, PathReport, PathStatus, ProbeReport
from ciliate.console.output import output_option, render
from ciliate.console.table import align
from ciliate.errors import CiliateError

if TYPE_CHECKING:
    from ciliate.net.address import IPAddress

#: Targets of one call.
TARGETS_MAX: Final = 256

_DEADLINE_MAX_S: Final = 120.0

#: An agent that stands still keeps no probe back.
_AGENT_S: Final = 2.0


class _Target(click.ParamType["IPAddress"]):
    """An address that one machine has, and that is not this one's loopback."""

    name = "address"

    def convert(self, value: Any, param: object, ctx: object) -> "IPAddress":
        """Return the address."""
        del param, ctx
        try:
            address = ip_address(str(value))
        except ValueError:
            raise click.BadParameter(
                f"{value!r} is no address: give a node's, as 192.0.2.1"
            ) from None
        if address.is_multicast or address.is_unspecified or address.is_loopback:
            raise click.BadParameter(f"{address} is no address of another node")
        if str(address) == "255.255.255.255" or (address.version == 6 and address.is_link_local):
            raise click.BadParameter(f"{address} is no address of another node")
        return address


@click.command("probe-mtu")
@click.argument("targets", metavar="ADDRESS...", nargs=-1, required=True, type=_Target())
@click.option(
    "--other",
    "others",
    multiple=True,
    type=_Target(),
    metavar="ADDRESS",
    help="Also one of these for each device, gateway and MTU that no ADDRESS is reached by.",
)
@click.option(
    "--size",
    type=click.IntRange(SIZE_MIN[6], SIZE_MAX),
    metavar="BYTES",
    help="Assume this size of packets, and not the MTU of the route.",
)
@click.option(
    "--no-search",
    is_flag=True,
    help="Do not look for the size that passes where full size is lost.",
)
@click.option(
    "--deadline",
    "deadline_s",
    type=click.FloatRange(1.0, _DEADLINE_MAX_S),
    default=15.0,
    show_default=True,
    metavar="SECONDS",
    help="What is not examined by then is left.",
)
@output_option
def command(
    *,
    targets: "tuple[IPAddress, ...]",
    others: "tuple[IPAddress, ...]",
    size: int | None,
    no_search: bool,
    deadline_s: float,
    output: str | None,
) -> None:
    """Find which sizes of packets pass between this node and each ADDRESS.

    Sends ICMP echoes that no router may cut: a small one, then one of the route's MTU. Where that
    is lost three times, twice over, and no router says why, the greatest size that passes is searched.
    `ciliate doctor mtu` does this for all nodes, and says what it means.

    \b
    Examples:
      cilium-dbg probe-mtu 192.168.10.101 192.168.10.102
      cilium-dbg probe-mtu fd00:192:168:10::101 --size 1400 -o json
    """  # noqa: D301 - click's mark for lines that stay as they are.
    from ciliate.cli.cluster import run  # noqa: PLC0415 - asyncio.
    from ciliate.cli.doctor.probe import ProbeOrder, probe  # noqa: PLC0415

    if len(targets) + len(others) > TARGETS_MAX:
        raise click.UsageError(
            f"{len(targets) + len(others)} addresses: give {TARGETS_MAX} at most"
        )
    order = ProbeOrder(
        targets=tuple(dict.fromkeys(targets)),
        others=tuple(dict.fromkeys(others)),
        size=size or 0,
        searches=not no_search,
        deadline_s=deadline_s,
    )
    pod_mtu, tunnel_bytes = _pod_mtu()
    report = ProbeReport(paths=run(probe(order)), pod_mtu=pod_mtu, tunnel_bytes=tunnel_bytes)
    click.echo(render(report, output) if output is not None else _table(report), nl=False)


def _pod_mtu() -> tuple[int, int]:
    """Return what pods send to others at most, and what a tunnel adds to that.

    Both 0 where the agent does not answer, which probes do without.
    """
    from ciliate.api.agent import DaemonConfiguration  # noqa: PLC0415
    from ciliate.cli.agent_client import AgentClient  # noqa: PLC0415 - http.client: 25 ms.

    client = AgentClient.from_environment()
    with contextlib.suppress(CiliateError):
        status = client.get("config", DaemonConfiguration, timeout_s=_AGENT_S).status
        return status.route_mtu, status.device_mtu - status.route_mtu
    return 0, 0


def _table(report: ProbeReport) -> str:
    lines = ["TARGET\tDEVICE\tGATEWAY\tASSUMED\tPASSES\tRESULT"]
    lines += ["\t".join(_cells(path)) for path in report.paths]
    return align(lines, width_min=5, padding=3)


def _cells(path: PathReport) -> tuple[str, ...]:
    result = path.status.value
    if path.status is PathStatus.SMALLER:
        result += f": {path.told_by} says so"
    if path.problem:
        result += f": {path.problem}"
    numbers = (str(path.assumed or "-"), str(path.passes or "-"))
    return (path.target, path.device or "-", path.gateway or "-", *numbers, result)
