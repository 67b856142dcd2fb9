"""A full walk: everything a target holds, compared with everything it should hold.

A walk heals what changes alone cannot: a killed agent, a map edited by hand, an event that was
lost. It is long, so it yields to the event loop between pieces, and reads the desired state anew
for each: what was added in between is not taken for a leftover.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Generic, TypeVar

from ciliate.errors import CiliateError
from ciliate.reconcile.target import StreamedTarget, Target

K = TypeVar("K")
V = TypeVar("V")

#: Keys between two yields to the event loop: some 2 ms.
_PIECE: Final = 1024

#: What a target should hold, computed or a live view; None: not known yet.
Desired = Callable[[], Mapping[K, V] | None]


@dataclass(slots=True)
class Outcome(Generic[K]):
    """What a walk did; `tried` are the keys it changed or could not change."""

    put: int = 0
    removed: int = 0
    tried: set[K] = field(default_factory=set)
    failures: dict[K, CiliateError] = field(default_factory=dict)


async def walk(
    desired: Desired[K, V], target: Target[K, V], *, puts_first: bool = False
) -> Outcome[K] | None:
    """Bring `target` to what `desired` says; None when that is not known, and nothing is done.

    `desired` is asked after observing. A full map needs room for what is put, so removals come
    first; `puts_first` is for targets whose keys stand in for each other, as a route for a wider
    one.

    Raises:
        CiliateError: The target could not be observed; nothing was changed.
    """
    observed = await target.observe()
    wanted = desired()
    if wanted is None:
        return None
    keys, outcome = list(wanted), Outcome[K]()
    if puts_first:
        await _put(keys, observed, desired, target, outcome)
        await _remove(observed, desired, target, outcome)
    else:
        await _remove(observed, desired, target, outcome)
        await _put(keys, observed, desired, target, outcome)
    return outcome


async def walk_in_pieces(
    desired: Desired[K, V], target: StreamedTarget[K, V], *, puts_first: bool = False
) -> Outcome[K] | None:
    """Do the same where both sides are too large to be laid side by side.

    Raises:
        CiliateError: The target could not be observed; nothing was changed.
    """
    differing: set[K] = set()
    leftovers: dict[K, V] = {}
    right = 0
    async for piece in target.pieces():
        wanted = desired()
        if wanted is None:
            return None
        for key, value in piece.items():
            found = wanted.get(key)
            if found is None:
                leftovers[key] = value
            elif found == value:
                right += 1
            else:
                differing.add(key)
        await asyncio.sleep(0)
    wanted = desired()
    if wanted is None:
        return None
    outcome = Outcome[K]()
    if not puts_first:
        await _remove(leftovers, desired, target, outcome)
    held = right + len(differing)
    if differing or held != len(wanted):
        await _put_lacking(list(wanted), differing, desired, target, outcome, held=held)
    if puts_first:
        await _remove(leftovers, desired, target, outcome)
    return outcome


async def _put_lacking(
    keys: list[K],
    differing: set[K],
    desired: Desired[K, V],
    target: StreamedTarget[K, V],
    outcome: Outcome[K],
    *,
    held: int,
) -> None:
    """Put the keys that differ, and those that are absent unless all of them are `held`."""
    is_short = held != len(keys)
    for piece in _pieces(keys):
        absent = piece if not held else await target.absent(piece) if is_short else ()
        wanted = desired()
        if wanted is None:
            return
        lacking = {key: wanted.get(key) for key in piece if key in differing}
        lacking |= {key: wanted.get(key) for key in absent}
        await _put_piece(
            {key: value for key, value in lacking.items() if value is not None}, target, outcome
        )


async def _put_piece(lacking: Mapping[K, V], target: Target[K, V], outcome: Outcome[K]) -> None:
    if lacking:
        failures = await target.put(lacking)
        outcome.put += len(lacking) - len(failures)
        outcome.tried.update(lacking)
        outcome.failures.update(failures)
    await asyncio.sleep(0)


async def _remove(
    observed: Mapping[K, V], desired: Desired[K, V], target: Target[K, V], outcome: Outcome[K]
) -> None:
    for piece in _pieces(observed):
        wanted = desired()
        if wanted is None:
            return
        leftovers = [key for key in piece if key not in wanted]
        if leftovers:
            failures = await target.remove(leftovers)
            outcome.removed += len(leftovers) - len(failures)
            outcome.tried.update(leftovers)
            outcome.failures.update(failures)
        await asyncio.sleep(0)


async def _put(
    keys: list[K],
    observed: Mapping[K, V],
    desired: Desired[K, V],
    target: Target[K, V],
    outcome: Outcome[K],
) -> None:
    for piece in _pieces(keys):
        wanted = desired()
        if wanted is None:
            return
        lacking: dict[K, V] = {}
        for key in piece:
            value = wanted.get(key)
            if value is not None and observed.get(key) != value:
                lacking[key] = value
        await _put_piece(lacking, target, outcome)


def _pieces(keys: Iterable[K]) -> Iterator[list[K]]:
    rest = iter(keys)
    while piece := list(islice(rest, _PIECE)):
        yield piece
