"""One target: does full size pass, does a router say why not, and what passes?

Small first: where nothing answers, nothing is known of sizes. Then what the node assumes. Only where
that is lost, again and again, while small ones still come back, is the size searched.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from ciliate.cli.doctor.model import SIZE_MIN, PathReport, PathStatus, ReplyStatus
from ciliate.cli.doctor.outcome import Outcome, OutcomeKind
from ciliate.cli.doctor.size_search import SizeSearch

#: Routers behind each other that each tell a smaller MTU.
_TOLD_MAX: Final = 6

#: How long an answer is waited for: at first, then by the first one's time.
FIRST_PATIENCE_S: Final = 1.0
_PATIENCE_MIN_S: Final = 0.25
_ROUND_TRIPS: Final = 4


class Asker(Protocol):
    """Asks one target."""

    async def ask(self, size: int, *, patience_s: float) -> Outcome:
        """Send an echo of `size`, up to three times, that no router may cut."""

    async def ask_in_pieces(self, size: int, *, passes: int, patience_s: float) -> Outcome:
        """Send one in pieces of `passes` at most, so that only its reply has full size."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What routers said; `size` 0 where one did not say how much."""

    size: int = 0
    by: str = ""


async def examine(
    asker: Asker, start: PathReport, *, version: int, searches: bool = True
) -> PathReport:
    """Return `start`, which names target and assumed size, with what was found out.

    Without `searches` a size that is lost is not searched, and the direction not either.
    """
    least = SIZE_MIN[version]
    first = await asker.ask(least, patience_s=FIRST_PATIENCE_S)
    if first.kind is not OutcomeKind.REPLIED:
        return replace_report(start, _unanswered(first), problem=first.problem)
    patience_s = min(FIRST_PATIENCE_S, max(_PATIENCE_MIN_S, _ROUND_TRIPS * first.seconds))
    full, limit, told = await _ask_as_told(asker, start.assumed, least, patience_s)
    match full.kind:
        case OutcomeKind.REPLIED:
            return _found(start, limit, told)
        case OutcomeKind.UNSENDABLE:
            return replace_report(start, PathStatus.FAILED, problem=full.problem)
        case OutcomeKind.UNSTEADY:
            return replace_report(start, PathStatus.UNSTEADY, problem=full.problem)
    refused = full.kind is OutcomeKind.REFUSED
    passes = 0
    if searches:
        passes, told = await _search(asker, SizeSearch(least, limit), told, patience_s)
        if told.by and passes >= told.size:
            return _found(start, passes, told)
    replies = ReplyStatus.UNKNOWN
    if searches and not refused:
        replies = await _replies(asker, limit, passes, patience_s)
    return replace_report(
        start,
        PathStatus.BLACK_HOLE,
        passes=passes,
        told=told.size,
        told_by=told.by,
        replies=replies,
        refused_here=refused,
        problem=full.problem,
    )


async def _ask_as_told(
    asker: Asker, assumed: int, least: int, patience_s: float
) -> tuple[Outcome, int, _Told]:
    """Return what becomes of the assumed size, or of the one that routers tell instead.

    With it that size, and what the last router told.
    """
    told, limit = _Told(), assumed
    for _ in range(_TOLD_MAX):
        full = await _ask_twice(asker, limit, least, patience_s)
        if full.kind is not OutcomeKind.TOLD:
            break
        told = _Told(full.mtu, full.by)
        if not least <= full.mtu < limit:  # No size that can be tried next.
            break
        limit = full.mtu
    return full, limit, told


def replace_report(report: PathReport, status: PathStatus, **changes: object) -> PathReport:
    """Return a report with this status, and what else is given."""
    return msgspec.structs.replace(report, status=status, **changes)


def _found(start: PathReport, passes: int, told: _Told) -> PathReport:
    status = PathStatus.SMALLER if passes < start.assumed else PathStatus.PASSES
    return replace_report(start, status, passes=passes, told=told.size, told_by=told.by)


def _unanswered(first: Outcome) -> PathStatus:
    sent = first.kind is not OutcomeKind.UNSENDABLE
    return PathStatus.SILENT if sent else PathStatus.FAILED


async def _ask_twice(asker: Asker, size: int, least: int, patience_s: float) -> Outcome:
    """Return what becomes of `size`, asked again where it is lost while small ones are not."""
    full = await asker.ask(size, patience_s=patience_s)
    if full.kind is not OutcomeKind.LOST or size == least:
        return full
    small = await asker.ask(least, patience_s=patience_s)
    if small.kind is not OutcomeKind.REPLIED:
        problem = f"packets of {least} bytes are lost as well, now and then"
        return Outcome(OutcomeKind.UNSTEADY, problem=problem)
    return await asker.ask(size, patience_s=patience_s)


async def _search(
    asker: Asker, search: SizeSearch, told: _Told, patience_s: float
) -> tuple[int, _Told]:
    while not search.is_done:
        size = search.next_size
        outcome = await asker.ask(size, patience_s=patience_s)
        search = search.after(size, passed=outcome.kind is OutcomeKind.REPLIED)
        if outcome.kind is OutcomeKind.TOLD:
            told = _Told(outcome.mtu, outcome.by)
            search = search.limited_to(outcome.mtu)
    return search.passes, told


async def _replies(asker: Asker, size: int, passes: int, patience_s: float) -> ReplyStatus:
    """Return whether replies of `size` come back; unknown where pieces get nowhere."""
    whole = await asker.ask_in_pieces(size, passes=passes, patience_s=patience_s)
    if whole.kind is OutcomeKind.REPLIED:
        return ReplyStatus.COME
    small = await asker.ask_in_pieces(passes, passes=passes, patience_s=patience_s)
    return ReplyStatus.LOST if small.kind is OutcomeKind.REPLIED else ReplyStatus.UNKNOWN


__all__ = ["FIRST_PATIENCE_S", "Asker", "examine", "replace_report"]
