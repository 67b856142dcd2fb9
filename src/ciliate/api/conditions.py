"""Conditions in an object's status: what an object says of itself, read and written. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from ciliate.api.metadata import Condition, format_time

#: Type, status, reason and message.
Words = tuple[str, str, str, str]

#: What the API wants in every condition, though it has the default.
_WANTED: Final = {"status": "Unknown", "message": ""}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The conditions that an object should have, and the generation that was looked at."""

    conditions: tuple[Words, ...]
    generation: int


def condition_of(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """Return the condition of a type; None: there is none."""
    return next((each for each in conditions if each.type == kind), None)


def shown_words(conditions: Sequence[Condition], kinds: Iterable[str]) -> tuple[Words, ...]:
    """Return what the conditions of these types say now, in the order of `kinds`."""
    found = (condition_of(conditions, kind) for kind in kinds)
    return tuple(
        (each.type, each.status, each.reason, each.message) for each in found if each is not None
    )


def shown_conditions(conditions: Sequence[Condition], kinds: Sequence[str]) -> Verdict | None:
    """Return what an object says now; None: nothing, or not all of it."""
    said = shown_words(conditions, kinds)
    generations = {each.observed_generation for each in conditions if each.type in kinds}
    if len(said) < len(kinds) or len(generations) != 1:
        return None
    return Verdict(said, generations.pop())


def written(
    before: Sequence[Condition], ours: Sequence[Words], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """Return all conditions as the API takes them: ours anew, others' as they were."""
    kept = without(before, [kind for kind, *_ in ours])
    return encoded([*kept, *(_renewed(before, each, generation, now) for each in ours)])


def without(conditions: Iterable[Condition], kinds: Sequence[str]) -> list[Condition]:
    """Return the conditions of other types."""
    return [each for each in conditions if each.type not in kinds]


def encoded(conditions: Iterable[Condition]) -> list[dict[str, Any]]:
    """Return conditions as the API takes them."""
    return [{**_WANTED, **msgspec.to_builtins(each)} for each in conditions]


def _renewed(
    before: Sequence[Condition], each: Words, generation: int, now: datetime
) -> Condition:
    """Return the condition; its time is that of the last change of its status."""
    kind, status, reason, message = each
    former = condition_of(before, kind)
    since = former.last_transition_time if former and former.status == status else None
    return Condition(
        type=kind,
        status=status,
        observed_generation=generation,
        reason=reason,
        message=message,
        last_transition_time=since or format_time(now),
    )
