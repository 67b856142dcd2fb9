"""`ciliate ipam plan`: whether nodes and pods fit into pools, before the cluster exists.

The arithmetic is `ipam/sizing.py`; here options are parsed and the plan is rendered.
"""

import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_network
from typing import Final

import click

from ciliate.config.values import ValueTextError, read_cidr, read_words
from ciliate.console.output import output_option, render
from ciliate.console.table import align
from ciliate.errors import CiliateError, SettingError
from ciliate.ipam.sizing import (
    FamilyPlan,
    Growth,
    GrowthUnit,
    MaskSize,
    Mode,
    SizingPlan,
    SizingRequest,
    plan,
)
from ciliate.net.address import IPNetwork

#: Mask sizes where none is given: Helm's, and kube-controller-manager's for IPv6.
_MASK_SIZES: Final = {
    Mode.KUBERNETES: {4: 24, 6: 64},
    Mode.CLUSTER_POOL: {4: 24, 6: 120},
    Mode.MULTI_POOL: {4: 24, 6: 120},
}
_GROWTH: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(pods?|nodes?)(?:/day)?")
_BITS: Final = {4: 32, 6: 128}
#: Beyond this no date is shown: dates have an end.
_DAYS_MAX: Final = 36_500
_WIDE: Final = 10**9


class DoesNotFitError(CiliateError):
    """The plan's answer is no; the message is what to do."""


@click.command("plan")
@click.option(
    "--nodes", type=click.IntRange(1, 10**6), required=True, metavar="N", help="Nodes to hold."
)
@click.option(
    "--pods-per-node",
    type=click.IntRange(1, 10**6),
    required=True,
    metavar="P",
    help="Pods with an address of their own on each; those of the host network have none.",
)
@click.option(
    "--pool",
    "pools",
    multiple=True,
    required=True,
    metavar="CIDR...",
    help="Range that nodes' CIDRs are cut out of; several, of either family.",
)
@click.argument("more_pools", nargs=-1, metavar="")
@click.option(
    "--mask-size",
    "mask_sizes",
    multiple=True,
    metavar="BITS",
    help="Prefix length of a node's block; one per family. Default: 24, and for IPv6 120 (64 in"
    " mode kubernetes).",
)
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default=Mode.CLUSTER_POOL.value,
    show_default=True,
    help="Who gives nodes their CIDRs.",
)
@click.option(
    "--pre-allocation",
    type=click.IntRange(0, 10**6),
    default=8,
    show_default=True,
    help="Addresses a node keeps ready (multi-pool).",
)
@click.option("--growth", metavar="NUMBERpods|nodes", help="What is added each day.")
@click.option("--service-cidr", "services", multiple=True, metavar="CIDR", help="Of Services.")
@click.option("--node-cidr", "node_networks", multiple=True, metavar="CIDR", help="Of nodes.")
@output_option
def command(
    *,
    nodes: int,
    pods_per_node: int,
    pools: tuple[str, ...],
    more_pools: tuple[str, ...],
    mask_sizes: tuple[str, ...],
    mode: str,
    pre_allocation: int,
    growth: str | None,
    services: tuple[str, ...],
    node_networks: tuple[str, ...],
    output: str | None,
) -> None:
    """Tell whether nodes and pods fit into pools, and until when.

    A node's block loses its first and last address, and one to the node's router. Exits with 1
    when it does not fit, after a line that says what to do.

    \b
    Examples:
      ciliate ipam plan --nodes 100 --pods-per-node 110 --pool 10.0.0.0/16
      ciliate ipam plan --nodes 40 --pods-per-node 60 --pool 10.4.0.0/19 --growth 2nodes
      ciliate ipam plan --nodes 40 --pods-per-node 60 --pool 10.4.0.0/19 fd00:4::/112 \\
          --mask-size 25 --mask-size 120 --service-cidr 10.96.0.0/12 -o json
    """  # noqa: D301 - click's mark for lines that stay as they are.
    ranges = _cidrs("--pool", (*pools, *more_pools))
    chosen_mode = Mode(mode)
    if chosen_mode is Mode.KUBERNETES:
        _check_one_per_family(ranges)
    per_day, unit = _growth(growth)
    answer = plan(
        SizingRequest(chosen_mode, nodes, pods_per_node, pre_allocation, per_day, unit),
        ranges,
        _MASK_SIZES[chosen_mode] | _mask_sizes(mask_sizes, {each.version for each in ranges}),
        service_cidrs=_cidrs("--service-cidr", services),
        node_cidrs=_cidrs("--node-cidr", node_networks),
    )
    if output is not None:
        click.echo(render(answer, output), nl=False)
    else:
        click.echo(render_plan(answer, datetime.now(UTC).date()), nl=False)
    if not answer.fits:
        raise DoesNotFitError(answer.remedy)


def render_plan(answer: SizingPlan, today: date) -> str:
    """Return the plan as a text; growth ends in a date counted from `today`."""
    lines = [f"{answer.mode}: {answer.nodes:,} nodes, {answer.pods_per_node:,} pods on each"]
    for family in answer.families:
        lines += ["", *_family_lines(answer, family, today), "", *_table(family)]
    if answer.overlaps or answer.notes:
        lines.append("")
    lines += [
        click.style(f"Overlap: {each.first}, {each.second}", fg="red") for each in answer.overlaps
    ]
    lines += [click.style(f"Note: {note}", fg="yellow") for note in answer.notes]
    return "\n".join([*lines, "", _verdict(answer), ""])


def _verdict(answer: SizingPlan) -> str:
    if answer.fits:
        return click.style("It fits.", fg="green")
    fitting = all(family.fits for family in answer.families)
    return click.style(
        "It fits, but must not overlap." if fitting else "It does not fit.", fg="red"
    )


def _family_lines(answer: SizingPlan, family: FamilyPlan, today: date) -> Iterator[str]:
    chosen = family.chosen
    yield (
        f"{family.family.replace('ip', 'IP')}  {' '.join(family.pools)}"
        f" ({_number(family.addresses)} addresses), mask size {chosen.mask_size}"
    )
    if answer.mode == Mode.MULTI_POOL:
        yield (
            f"  {_number(chosen.nodes_max)} nodes at most with {answer.pods_per_node:,} pods on"
            f" each, or {_number(chosen.pods_per_node_max)} pods on each of {answer.nodes:,}"
        )
    else:
        yield (
            f"  {_number(chosen.nodes_max)} nodes at most,"
            f" {_number(chosen.pods_per_node_max)} pods on each"
        )
    yield (
        f"  a block has {_number(chosen.usable_per_block)} addresses to give; one of each node is"
        " its router's"
    )
    if family.growth is not None:
        yield f"  {_growth_line(family.growth, today)}"


def _growth_line(growth: Growth, today: date) -> str:
    rate = f"{growth.per_day:g} {growth.unit} a day"
    if growth.days_with_more_nodes is None:
        return f"full {_when(growth.days, today)} at {rate}"
    return (
        f"these nodes are full {_when(growth.days, today)} at {rate}; with nodes added in time,"
        f" the pools {_when(growth.days_with_more_nodes, today)}"
    )


def _when(days: float, today: date) -> str:
    if days > _DAYS_MAX:
        return "in more than 100 years"
    return f"in {days:.0f} days ({today + timedelta(days=days)})" if days else "now"


def _table(family: FamilyPlan) -> list[str]:
    rows = ["  MASK SIZE\tNODES\tPODS/NODE\tCIDRS/NODE\t"]
    rows += [
        f"  {row.mask_size}\t{_number(row.nodes_max)}\t{_number(row.pods_per_node_max)}"
        f"\t{row.blocks_per_node}\t{_remark(row, family)}"
        for row in family.alternatives
    ]
    return [line.rstrip() for line in align(rows, width_min=0, padding=3).splitlines()]


def _remark(row: MaskSize, family: FamilyPlan) -> str:
    words = []
    if row.mask_size == family.chosen.mask_size:
        words.append("chosen")
    if row.mask_size == family.best:
        words.append("best")
    if not row.fits:
        words.append("too small")
    colour = "green" if row.mask_size == family.best else None if row.fits else "red"
    return click.style(", ".join(words), fg=colour) if words and colour else ", ".join(words)


def _number(value: int) -> str:
    return f"{value:,}" if value < _WIDE else f"{value:.1e}"


def _cidrs(option: str, texts: Sequence[str]) -> tuple[IPNetwork, ...]:
    return tuple(_cidr(option, word) for text in texts for word in read_words(text))


def _cidr(option: str, text: str) -> IPNetwork:
    try:
        return read_cidr(text)
    except ValueTextError as error:
        problem, remedy = error.problem, error.remedy
    try:
        without = ip_network(text, strict=False)
    except ValueError:
        pass
    else:
        if "/" in text:
            problem, remedy = "has host bits set", f"write {without}"
    raise SettingError(key=option, value=text, problem=problem, remedy=remedy)


def _check_one_per_family(ranges: Sequence[IPNetwork]) -> None:
    for version in (4, 6):
        same = [str(each) for each in ranges if each.version == version]
        if len(same) > 1:
            raise SettingError(
                key="--pool",
                value=" ".join(same),
                problem=f"are {len(same)} IPv{version} ranges, and Kubernetes has one cluster CIDR"
                " a family",
                remedy="give one, or plan for --mode cluster-pool",
            )


def _mask_sizes(texts: Sequence[str], versions: set[int]) -> dict[int, int]:
    """Return the mask sizes by IP version: beyond 32 is IPv6, as is any where all pools are."""
    found: dict[int, int] = {}
    for word in (word for text in texts for word in read_words(text)):
        digits = word.removeprefix("/")
        bits = int(digits) if digits.isdecimal() and len(digits) < 4 else 0
        version = 6 if bits > _BITS[4] or versions == {6} else 4
        if not 0 < bits <= _BITS[version] or version not in versions or version in found:
            raise SettingError(
                key="--mask-size",
                value=word,
                problem="is no mask size of these pools",
                remedy="give one number per family: 1 to 32 for IPv4, 33 to 128 for IPv6",
            )
        found[version] = bits
    return found


def _growth(text: str | None) -> tuple[float, GrowthUnit]:
    if text is None:
        return 0.0, GrowthUnit.NODES
    found = _GROWTH.fullmatch(text.strip())
    per_day = float(found[1]) if found else math.inf
    if found is None or math.isinf(per_day):  # Of too many digits.
        raise SettingError(
            key="--growth",
            value=text,
            problem="is no number of pods or nodes a day",
            remedy="write such as 200pods or 0.5nodes",
        )
    return per_day, GrowthUnit.PODS if found[2].startswith("pod") else GrowthUnit.NODES
