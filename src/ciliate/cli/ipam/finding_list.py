"""Findings and repairs as text: one block each, with evidence and remedy. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import click

from ciliate.api.ipam_audit import Finding, RepairRecord, RepairReport, Severity
from ciliate.cli.duration import render_duration
from ciliate.console.table import align

_COLOURS: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


def render_findings(findings: Sequence[Finding], *, now: datetime) -> str:
    """Return a line each, with the evidence and the remedy below it."""
    if not findings:
        return ""
    rows = [
        f"{each.severity.value}\t{each.node or '-'}\t{each.kind}\t{each.object}\t{_age(each, now)}"
        for each in findings
    ]
    lines = align(["SEVERITY\tNODE\tKIND\tOBJECT\tFOR", *rows], width_min=0, padding=3).split("\n")
    shown = [lines[0]]
    for each, line in zip(findings, lines[1:], strict=False):
        word = each.severity.value
        shown.append(click.style(word, fg=_COLOURS[each.severity]) + line[len(word) :])
        shown += [f"    {said.source}: {said.says}" for said in each.evidence]
        shown.append(f"    remedy: {each.remedy}")
    return "\n".join(shown) + "\n\n"


def _age(finding: Finding, now: datetime) -> str:
    if finding.since is None:
        return "-"
    return render_duration(max(0.0, (now - finding.since).total_seconds()))


def render_repair(reports: Iterable[RepairReport]) -> str:
    """Return what was freed or taken on each node, and what was left alone and why."""
    return "".join(line + "\n" for report in reports for line in _repair_lines(report))


def _repair_lines(report: RepairReport) -> Iterator[str]:
    verb = "would be" if report.dry_run else "was"
    for record in report.freed:
        yield f"{report.node}: {record.address} of {record.owner} (pool {record.pool}) {verb} freed"
    for record in report.taken:
        yield f"{report.node}: {record.address} {verb} given to {record.owner} again"
    for kept in report.kept:
        yield f"{report.node}: {kept.address} of {kept.owner} is left alone: {kept.reason}"
    if report.id and report.freed:
        yield f"{report.node}: `ciliate ipam repair --undo {report.id}` takes this back"
    if not (report.freed or report.taken or report.kept):
        yield f"{report.node}: nothing to repair"


def render_repairs(by_node: Mapping[str, Iterable[RepairRecord]]) -> str:
    """Return the record of the nodes as a table, oldest first."""
    rows = [
        f"{record.id}\t{record.time:%Y-%m-%d %H:%M:%S}\t{node or '-'}\t{record.address}"
        f"\t{record.pool}\t{record.owner}"
        f"\t{f'{record.undone:%Y-%m-%d %H:%M:%S}' if record.undone else '-'}"
        for record, node in sorted(
            ((record, node) for node, records in by_node.items() for record in records),
            key=lambda pair: (pair[0].time, pair[0].address),
        )
    ]
    head = "ID\tTIME (UTC)\tNODE\tADDRESS\tPOOL\tOWNER\tUNDONE"
    return align([head, *rows], width_min=0, padding=3)


def counted(number: int, noun: str) -> str:
    """Return "1 error", "2 errors", "2 addresses"."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}{'es' if noun.endswith('s') else 's'}"
