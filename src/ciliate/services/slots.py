"""The places of backends in a set, from 1 on without a gap. Pure.

The datapath picks a slot by chance, so slots have to be filled from the first to the last, and a
backend that stays keeps its slot: a change costs as many writes as there are backends that come, or
that fill the place of one that went.
"""

from array import array
from collections.abc import Collection, Sequence
from typing import TypeAlias

#: Ids of backends by slot; four octets each, since there are many.
Ids: TypeAlias = "array[int]"


def arrange(current: Sequence[int], wanted: Collection[int]) -> Ids:
    """Return the backends by slot, out of those now in the slots and those that should be.

    New ones fill the slots of those that went, then come at the end; slots that are still free are
    filled from the end. A backend that `current` has twice keeps its first slot.
    """
    standing, staying = set(current), set(wanted)
    fresh = list(dict.fromkeys([each for each in wanted if each not in standing]))
    if standing <= staying and len(current) == len(standing):
        return array("I", [*current, *fresh])
    count = len(staying)
    slots = [number if number in staying else None for number in current]
    if len(current) != len(standing):
        slots = _each_once(slots)
    # Those beyond the last slot move, new ones are placed: both into what is free.
    homeless = [number for number in slots[count:] if number is not None]
    homeless += fresh
    del slots[count:]
    rest = iter(homeless)
    filled = [next(rest) if number is None else number for number in slots]
    filled.extend(rest)
    return array("I", filled)


def _each_once(slots: Sequence[int | None]) -> list[int | None]:
    seen: set[int | None] = set()
    found: list[int | None] = []
    for number in slots:
        found.append(None if number in seen else number)
        seen.add(number)
    return found


def changed(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """Return the slots that differ, counted from 1; those that only one of the two has do."""
    both = zip(before, after, strict=False)
    differing = [slot for slot, (old, new) in enumerate(both, 1) if old != new]
    shorter, longer = sorted((len(before), len(after)))
    differing.extend(range(shorter + 1, longer + 1))
    return differing
