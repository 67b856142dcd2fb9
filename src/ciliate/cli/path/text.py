"""How people read what `explain path` answers. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final

from ciliate.cli.path.model import (
    Finding,
    Journey,
    Manner,
    NodePath,
    NodeStep,
    NodeWays,
    PairsReport,
    PairVerdict,
    PathReport,
    Receipt,
    Step,
    Way,
)
from ciliate.console.table import align

_GOES: Final = {
    Manner.POD: "to a pod of this node",
    Manner.NODE: "to this node",
    Manner.TUNNEL: "in the tunnel",
    Manner.DIRECT: "to the network",
    Manner.NOWHERE: "nowhere",
}

_ON_THE_NODE: Final = {Manner.POD.value: "on one node", Manner.NODE.value: "to its own node"}


def report_text(report: PathReport) -> str:
    """Return the whole way of packets, there and back."""
    lines = [f"{report.pod} to {report.destination}: {_outcome(report.there)}", ""]
    lines += _journey_lines(report.there)
    if report.back is not None:
        lines += ["", f"and back, {report.back.sender} to {report.back.receiver}: "]
        lines[-1] += _outcome(report.back)
        lines += ["", *_journey_lines(report.back)]
    lines += ["", *_closing(report)]
    return "\n".join(lines).rstrip("\n") + "\n"


def _outcome(journey: Journey) -> str:
    if journey.problem:
        return "does not arrive"
    return "leaves the cluster" if journey.leaves else "arrives"


def _journey_lines(journey: Journey) -> Iterator[str]:
    rows, last = [], None
    for step in journey.steps:
        node = step.node if step.node != last else ""
        last = step.node
        rows.append(f"  {node}\t{step.at}\t{step.says}")
    return iter(align(rows, width_min=4, padding=2).splitlines())


def _closing(report: PathReport) -> Iterator[str]:
    if not report.findings:
        yield _agreement(report)
    yield from report.notes
    yield from _finding_lines(report.findings)


def _agreement(report: PathReport) -> str:
    size = f"packets of up to {report.there.mtu} bytes" if report.there.mtu else "any size"
    way = _ON_THE_NODE.get(report.there.kind, f"by {report.there.kind}")
    return f"Both ways {way}: {size}." if report.back else f"The way is {way}: {size}."


def _finding_lines(findings: Iterable[Finding]) -> Iterator[str]:
    for each in findings:
        yield f"! {each.problem}"
        if each.remedy:
            yield f"  {each.remedy}"


def pairs_text(report: PairsReport) -> str:
    """Return each pair of nodes that is not well, then a table of all."""
    rows = ["NODES\tFAMILY\tWAY\tMTU\tRESULT"]
    rows += [_pair_row(each) for each in report.pairs]
    lines = [align(rows, width_min=5, padding=3).rstrip("\n")]
    for each in report.pairs:
        lines += _finding_lines(each.findings)
    for node, problem in sorted(report.problems.items()):
        lines.append(f"! agent of {node}: {problem}")
    return "\n".join(lines) + "\n"


def _pair_row(pair: PairVerdict) -> str:
    result = "symmetric" if not pair.findings else pair.findings[0].problem
    mtu = str(pair.mtu) if pair.mtu else "-"
    return f"{' - '.join(pair.nodes)}\tIPv{pair.family}\t{pair.kind or '-'}\t{mtu}\t{result}"


def node_path_text(found: NodePath) -> str:
    """Return one node's part of a way: out, and what comes back."""
    way, receipt = found.departure, found.receipt
    head = (
        f"{found.pod} ({found.address}) on {found.node} to {way.destination}: {_way_outcome(way)}"
    )
    lines = [head, "", *_step_lines(way.steps)]
    lines += ["", f"and what comes back from {receipt.sender}:", ""]
    lines += _step_lines((*_entries(receipt), *receipt.steps))
    lines += [f"! {each}" for each in (way.problem, receipt.problem) if each]
    return "\n".join(lines) + "\n"


def node_ways_text(found: NodeWays) -> str:
    """Return one node's ways to all others, a line each."""
    rows = ["POD CIDR\tNODE\tWAY\tDEVICE\tNEXT HOP\tMTU\tPROBLEM"]
    for each in found.ways:
        way = each.way
        mtu = str(way.mtu) if way.mtu else "-"
        cells = (
            each.cidr,
            each.node_address,
            way.kind,
            way.device or "-",
            way.next_hop or "-",
            mtu,
        )
        rows.append("\t".join((*cells, way.problem)).rstrip("\t"))
    return align(rows, width_min=5, padding=3)


def _way_outcome(way: Way) -> str:
    said = _GOES[way.manner]
    return f"{said}, {way.device}" if way.device and way.manner is not Manner.NOWHERE else said


def _step_lines(steps: Iterable[Step | NodeStep]) -> list[str]:
    rows = [f"  {step.at}\t{step.says}" for step in steps]
    return align(rows, width_min=4, padding=2).splitlines() if rows else []


def _entries(receipt: Receipt) -> Iterator[Step]:
    """Yield where packets of others may come in."""
    for device in receipt.devices:
        yield Step(at=device, says="from_uplink")
    if receipt.tunnel:
        ends = " and ".join(receipt.tunnel_ends) or "no address"
        says = f"from_tunnel, what is sent in {receipt.tunnel} to {ends}"
        yield Step(at=receipt.tunnel_device, says=says)
