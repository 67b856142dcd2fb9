"""From what was seen to the report: findings, and the verdict in one line. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ciliate.cli.doctor.assumed_sizes import check_sizes
from ciliate.cli.doctor.model import (
    DoctorReport,
    Finding,
    FindingKind,
    PairReport,
    PathStatus,
    Verdict,
)
from ciliate.cli.doctor.notes import silent_pairs, smaller_paths
from ciliate.cli.doctor.pairs import WELL, Observations, pair_reports
from ciliate.cli.doctor.segments import Pair
from ciliate.cli.doctor.verdicts import black_holes
from ciliate.cli.doctor.words import counted, family_name, listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the rounds brought."""

    nodes: tuple[str, ...]
    observations: Observations
    planned: Mapping[int, frozenset[Pair]]
    pod_mtus: Mapping[str, int] = field(default_factory=dict)
    size: int = 0
    overhead_bytes: int = 0
    problems: Mapping[str, str] = field(default_factory=dict)
    out_of_reach: Mapping[str, str] = field(default_factory=dict)
    pairs_possible: int = 0
    seconds: float = 0.0


def conclude(seen: Seen) -> DoctorReport:
    """Return the report."""
    pairs = pair_reports(seen.observations)
    holes = black_holes(pairs, max(seen.pod_mtus.values(), default=0), seen.overhead_bytes)
    silent = silent_pairs(pairs)
    findings = (
        *holes,
        *check_sizes(
            seen.observations,
            seen.pod_mtus,
            size=seen.size,
            overhead_bytes=seen.overhead_bytes,
        ),
        *silent,
        *smaller_paths(pairs),
    )
    unexamined = _unexamined(seen, pairs)
    gaps = silent or seen.problems or unexamined
    verdict = Verdict.BLACK_HOLE if holes else Verdict.INCOMPLETE if gaps else Verdict.WELL
    return DoctorReport(
        verdict=verdict,
        says=_says(verdict, seen, pairs, holes, unexamined),
        nodes=seen.nodes,
        pairs=pairs,
        findings=findings,
        unanswered=dict(sorted({**seen.out_of_reach, **seen.problems}.items())),
        pairs_possible=seen.pairs_possible,
        seconds=round(seen.seconds, 2),
    )


def _unexamined(seen: Seen, pairs: tuple[PairReport, ...]) -> int:
    """Return how many pairs of the plan nobody has probed."""
    probed = {(pair.family, pair.nodes) for pair in pairs}
    return sum(
        (version, pair) not in probed for version, each in seen.planned.items() for pair in each
    )


def _says(
    verdict: Verdict,
    seen: Seen,
    pairs: tuple[PairReport, ...],
    holes: list[Finding],
    unexamined: int,
) -> str:
    families = " and ".join(family_name(each) for each in sorted({p.family for p in pairs}))
    well = sum(pair.status in WELL for pair in pairs)
    known = sum(pair.status in WELL or pair.status is PathStatus.BLACK_HOLE for pair in pairs)
    of = f"{known} of {counted(seen.pairs_possible, 'pair')}"
    if verdict is Verdict.BLACK_HOLE:
        return f"Black hole: {_holes(holes)} ({well} of {known} probed pairs are well)."
    if verdict is Verdict.INCOMPLETE:
        gaps = [
            *([f"{counted(len(seen.problems), 'agent')} unanswered"] if seen.problems else []),
            *(
                [f"{counted(len(pairs) - known, 'pair')} without echoes"]
                if known < len(pairs)
                else []
            ),
            *([f"{counted(unexamined, 'pair')} not probed"] if unexamined else []),
        ]
        return f"No black hole was found, but not all was seen: {', '.join(gaps)}; {of} are known."
    if not pairs:
        return f"There is nothing to probe: {counted(len(seen.nodes), 'node')}."
    told = any(pair.status is PathStatus.SMALLER for pair in pairs)
    nodes = counted(len({node for pair in pairs for node in pair.nodes}), "node")
    what = f"full size passes between {nodes}" + (", or a router says what does" if told else "")
    return f"No black hole: {what}; {of} probed, {families}."


def _holes(holes: list[Finding]) -> str:
    places = []
    for each in holes:
        match each.kind:
            case FindingKind.NODE_LINK:
                place = f"the link of {each.nodes[0]}"
            case FindingKind.EVERY_LINK:
                place = f"between {listed(each.nodes)}"
            case FindingKind.SEGMENT_LINK:
                place = f"between {listed(each.nodes)} and {listed(each.others)}"
            case _:
                place = f"between {' and '.join(each.nodes)}"
        size = (
            f"{each.passes} of {each.assumed} bytes pass" if each.passes else "full size is lost"
        )
        places.append(f"{place}, {family_name(each.family)}: {size}")
    shown = places[:3] + ([f"and {len(places) - 3} more"] if len(places) > 3 else [])
    return "; ".join(shown)
