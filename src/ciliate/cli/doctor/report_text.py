"""A report as text: a table of the pairs, the findings with their remedies, the verdict last. Pure."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

import click

from ciliate.cli.doctor.model import (
    DoctorReport,
    Finding,
    PairReport,
    PathStatus,
    Severity,
    Verdict,
)
from ciliate.cli.doctor.words import counted, family_name
from ciliate.console.table import align

#: Rows of pairs that are not well; `-o json` has all.
ROWS_MAX: Final = 50

_COLOURS: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_VERDICT_COLOURS: Final = {
    Verdict.WELL: "green",
    Verdict.BLACK_HOLE: "red",
    Verdict.INCOMPLETE: "yellow",
}


def report_text(report: DoctorReport) -> str:
    """Return all of it, the verdict in the last line."""
    parts = [_table(report.pairs)] if report.pairs else []
    parts += [_finding_text(finding) for finding in report.findings]
    if report.unanswered:
        lines = [f"{node}: {problem}\n" for node, problem in report.unanswered.items()]
        parts.append(click.style("not asked", fg="yellow") + "\n  " + "  ".join(lines))
    verdict = click.style(report.says, fg=_VERDICT_COLOURS[report.verdict])
    return "\n".join([*parts, f"{verdict}\n"])


def _table(pairs: Iterable[PairReport]) -> str:
    lines = ["NODE\tNODE\tFAMILY\tASSUMED\tPASSES\tRESULT"]
    shown = [pair for pair in pairs if pair.status is not PathStatus.PASSES]
    lines += ["\t".join(_row(pair)) for pair in shown[:ROWS_MAX]]
    well = Counter((p.family, p.assumed) for p in pairs if p.status is PathStatus.PASSES)
    lines += [
        f"{counted(count, 'pair')}\t\t{family_name(family)}\t{size}\t{size}\tfull size passes"
        for (family, size), count in sorted(well.items())
    ]
    table = align(lines, width_min=5, padding=3)
    more = len(shown) - ROWS_MAX
    return f"{table}{more} pairs more are not well: -o json shows them\n" if more > 0 else table


def _row(pair: PairReport) -> tuple[str, ...]:
    sizes = (str(pair.assumed or "-"), str(pair.passes or "-"))
    return (*pair.nodes, family_name(pair.family), *sizes, _result(pair))


def _result(pair: PairReport) -> str:
    match pair.status:
        case PathStatus.BLACK_HOLE if pair.refused_by:
            return f"refused by a packet filter of {' and '.join(pair.refused_by)}"
        case PathStatus.BLACK_HOLE:
            towards = " and to ".join(pair.lost_towards)
            return "black hole" + (f", to {towards}" if towards else "")
        case PathStatus.SMALLER:
            return f"smaller, as {pair.told_by} says"
        case PathStatus.SILENT:
            return pair.problem or "no echo is answered"
    return pair.problem or pair.status.value


def _finding_text(finding: Finding) -> str:
    word = click.style(finding.severity.value, fg=_COLOURS[finding.severity])
    remedy = f"  remedy: {finding.remedy}\n" if finding.remedy else ""
    return f"{word}: {finding.says}\n{remedy}"
