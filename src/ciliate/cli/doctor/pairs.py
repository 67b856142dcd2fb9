"""What both ends of each pair found out, put together. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ciliate.cli.doctor.model import PairReport, PathReport, PathStatus, ReplyStatus
from ciliate.cli.doctor.segments import Pair, pair_of

#: By one end, the other, and IP version.
Observations = Mapping[tuple[str, str, int], PathReport]

#: Of two ends the first of these counts: one that saw a loss knows more than one that saw nothing.
_WEIGHT: Final = (
    PathStatus.BLACK_HOLE,
    PathStatus.SMALLER,
    PathStatus.PASSES,
    PathStatus.UNSTEADY,
    PathStatus.SILENT,
    PathStatus.FAILED,
)

#: Full size passes, or senders are told what does.
WELL: Final = frozenset({PathStatus.PASSES, PathStatus.SMALLER})


@dataclass(frozen=True, slots=True)
class _End:
    near: str
    far: str
    report: PathReport

    @property
    def lost_towards(self) -> str:
        """Which end does not get full size, as this one saw it; empty: it cannot tell."""
        if self.report.status is not PathStatus.BLACK_HOLE:
            return ""
        # The question came in pieces, so a reply shows the way back, and the lack of one too.
        seen = {ReplyStatus.COME: self.far, ReplyStatus.LOST: self.near}
        return seen.get(self.report.replies, "")


def pair_reports(observations: Observations) -> tuple[PairReport, ...]:
    """Return a report for each pair and family, by name."""
    ends: dict[tuple[Pair, int], list[_End]] = {}
    for (near, far, version), report in observations.items():
        ends.setdefault((pair_of(near, far), version), []).append(_End(near, far, report))
    return tuple(_merged(pair, version, seen) for (pair, version), seen in sorted(ends.items()))


def pairs_by_status(
    reports: Iterable[PairReport], version: int, statuses: Iterable[PathStatus]
) -> frozenset[Pair]:
    """Return the pairs of a family that ended so."""
    wanted = frozenset(statuses)
    return frozenset(
        each.nodes for each in reports if each.family == version and each.status in wanted
    )


def _merged(pair: Pair, version: int, ends: list[_End]) -> PairReport:
    status = min((end.report.status for end in ends), key=_WEIGHT.index)
    telling = [end.report for end in ends if end.report.status is status]
    sizes = [each.passes for each in telling if each.passes]
    told = min(telling, key=lambda each: each.told or each.assumed)
    towards = {end.lost_towards for end in ends} - {""}
    return PairReport(
        nodes=pair,
        family=version,
        status=status,
        assumed=max(each.assumed for each in telling),
        passes=min(sizes, default=0),
        lost_towards=tuple(node for node in pair if node in towards),
        told=told.told,
        told_by=told.told_by,
        refused_by=tuple(sorted({end.near for end in ends if end.report.refused_here})),
        problem=next((each.problem for each in telling if each.problem), ""),
    )
