"""The text of `masquerade ports`: destinations by fill, then who has connections. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ciliate.cli.duration import render_duration
from ciliate.console.table import align
from ciliate.masquerade.ports.report import (
    ConnectionHolder,
    PortHolder,
    PortRow,
    PortsReport,
)

#: Holders that a line shows; the answer has more.
_HOLDERS_SHOWN: Final = 3

_PORTS: Final = "SOURCE\tDESTINATION\tUSED\tPORTS\tFILL\tGROWTH\tEXHAUSTED IN\tFAILED\tMOST BY"
_OWNERS: Final = "OWNER\tCONNECTIONS\tEVICTED\tREFUSED"


def render_node_ports(report: PortsReport) -> str:
    """Return the tables of one node, as it shows itself."""
    return _render({"": report}, named=False)


def render_cluster_ports(reports: Mapping[str, PortsReport]) -> str:
    """Return the tables of several nodes: their destinations together, the fullest first."""
    return _render(reports, named=True)


def _render(reports: Mapping[str, PortsReport], *, named: bool) -> str:
    rows = [(node, row) for node, each in reports.items() for row in each.destinations]
    rows.sort(key=lambda each: (-each[1].fill_percent, -each[1].failed, -each[1].used))
    owners = [(node, owner) for node, each in reports.items() for owner in each.owners]
    owners.sort(key=lambda each: -each[1].connections)
    text = ""
    if rows:
        text += _table(_PORTS, [(node, _port_row(row)) for node, row in rows], named=named)
    elif reports:
        text += "No ports are in use: no pod has a masqueraded connection now.\n"
    if owners:
        cells = [(node, _owner_row(owner)) for node, owner in owners]
        text += "\n" + _table(_OWNERS, cells, named=named)
    notes = [f"{note}\n" for node, each in reports.items() for note in _notes(node, each)]
    return text + ("\n" + "".join(notes) if notes else "")


def _table(head: str, rows: Sequence[tuple[str, str]], *, named: bool) -> str:
    lines = [f"NODE\t{head}", *(f"{node}\t{row}" for node, row in rows)]
    if not named:
        lines = [line.partition("\t")[2] for line in lines]
    text = align(lines, width_min=0, padding=3)
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def _port_row(row: PortRow) -> str:
    failed = str(row.failed)
    if row.last_failed_seconds_ago is not None:
        failed += f" ({render_duration(row.last_failed_seconds_ago)} ago)"
    cells = (
        row.source_address,
        row.destination,
        str(row.used),
        str(row.ports),
        f"{row.fill_percent:.1f}%",
        "-" if row.growth_per_second is None else f"{row.growth_per_second:+.1f}/s",
        _end(row.seconds_to_exhaustion),
        failed,
        _most(row.holders),
    )
    return "\t".join(cells)


def _end(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return render_duration(seconds) if seconds else "now"


def _most(holders: Sequence[PortHolder]) -> str:
    shown = [f"{_name(each)} {each.ports}" for each in holders[:_HOLDERS_SHOWN]]
    return ", ".join(shown) or "-"


def _owner_row(owner: ConnectionHolder) -> str:
    return f"{_name(owner)}\t{owner.connections}\t{owner.evicted}\t{owner.refused}"


def _name(holder: PortHolder | ConnectionHolder) -> str:
    return f"{holder.namespace}/{holder.name}" if holder.namespace else holder.name


def _notes(node: str, report: PortsReport) -> Iterator[str]:
    where = f"{node}: " if node else ""
    if report.back_end != "BPF":
        why = (
            "the host's stack masquerades here (`conntrack -L` shows its connections)"
            if report.back_end == "iptables"
            else "masquerading is off"
        )
        yield f"{where}{why}: only what the programs translate is counted"
    if report.left_out:
        yield f"{where}destinations with a lower fill, left out: {report.left_out} (--all)"
    if report.unlisted:
        yield (
            f"{where}ports of destinations that have fewer than {report.least_listed}, not"
            f" listed while there are so many connections: {report.unlisted}"
        )
