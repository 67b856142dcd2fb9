"""The text of `ciliate ipam status`: the pools, then the nodes. Pure."""

from collections.abc import Iterator

import click

from ciliate.cli.dbg_ipam import short_count
from ciliate.cli.duration import render_duration
from ciliate.cli.ipam.summary import CIDRStatus, IpamSummary, NodeSummary, PoolStatus
from ciliate.console.table import align

_DAY_S = 86_400


def render_ipam(found: IpamSummary) -> str:
    """Return the tables."""
    text = f"Mode: {found.mode}; {_asked(found)}\n"
    if found.pools:
        head = "POOL\tFAMILY\tCIDRS\tBLOCKS\tLEFT\tDRAINING\tUSED\tFREE\tEXHAUSTED IN"
        rows = [_pool_row(pool) for pool in found.pools]
        text += "\n" + _table(head, rows)
    if found.nodes:
        head = "NODE\tCIDR\tPOOL\tSTATE\tUSED\tUSABLE\tPODS"
        rows = [row for node in found.nodes for row in _node_rows(node)]
        text += "\n" + _table(head, rows).replace(
            " draining ",
            click.style(
                " draining ", fg="yellow"
            ),  # After aligning: colour codes would count as width.
        )
    notes = [note for node in found.nodes for note in _notes(node, found.mode)]
    return text + ("\n" + "".join(f"{note}\n" for note in notes) if notes else "")


def _asked(found: IpamSummary) -> str:
    if not found.agents_asked:
        agents = "agents not asked: addresses by CiliumEndpoints"
    else:
        agents = f"{found.agents_answered} of {found.agents_asked} agents answer"
    operator = "operator answers" if found.operator == "answers" else "blocks by CiliumNodes"
    return f"{agents}, {operator}"


def _table(head: str, rows: list[str]) -> str:
    text = align([head, *rows], width_min=0, padding=3)
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def _pool_row(pool: PoolStatus) -> str:
    blocks, left = "-", "-"
    if pool.blocks is not None and pool.blocks_left is not None:
        blocks = f"{short_count(pool.blocks)} /{pool.block_length}"
        left = short_count(pool.blocks_left)
    cells = (
        pool.pool,
        pool.family,
        _ranges(pool.cidrs),
        blocks,
        left,
        str(pool.blocks_draining),
        f"{short_count(pool.used)} of {short_count(pool.usable)}",
        short_count(pool.free),
        _end(pool),
    )
    return "\t".join(cells)


def _ranges(cidrs: tuple[str, ...]) -> str:
    shown = ",".join(cidrs[:2]) or "-"
    return f"{shown} (+{len(cidrs) - 2})" if len(cidrs) > 2 else shown


def _end(pool: PoolStatus) -> str:
    if pool.exhausted:
        return click.style("now: no block is left", fg="red")
    if pool.seconds_to_exhaustion is None:
        return "-"
    if pool.seconds_to_exhaustion > 2 * _DAY_S:
        return f"{pool.seconds_to_exhaustion / _DAY_S:.0f} days"
    return click.style(render_duration(pool.seconds_to_exhaustion), fg="yellow")


def _node_rows(node: NodeSummary) -> Iterator[str]:
    if not node.cidrs:
        yield f"{node.node}\t-\t-\t-\t-\t-\t-"
    for place, each in enumerate(node.cidrs):
        yield _cidr_row(node.node if not place else "", each)


def _cidr_row(node: str, each: CIDRStatus) -> str:
    used = str(each.used) if each.state == "current" else "-"
    usable = short_count(each.usable) if each.state == "current" else "-"
    return f"{node}\t{each.cidr}\t{each.pool}\t{each.state}\t{used}\t{usable}\t{each.pods}"


def _notes(node: NodeSummary, mode: str) -> Iterator[str]:
    if node.unanswered:
        yield click.style(f"{node.node}: its agent does not answer: {node.unanswered}", fg="red")
    if node.out_of_reach:
        yield f"{node.node}: its agent was not asked: {node.out_of_reach}"
    if node.mode and node.mode != mode:
        yield click.style(
            f"{node.node}: its agent runs in mode {node.mode}: restart it for {mode}", fg="yellow"
        )
    if node.waiting:
        yield click.style(f"{node.node}: {node.waiting}", fg="yellow")
    if node.pending_pods:
        yield click.style(
            f"{node.node}: pods that wait for addresses: {node.pending_pods}", fg="yellow"
        )
    if node.operator_error:
        yield click.style(f"{node.node}: operator: {node.operator_error}", fg="red")
