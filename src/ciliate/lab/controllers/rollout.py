"""How a Deployment's old pods give way to new ones: numbers in, numbers out. Pure.

The arithmetic is the real controller's (k8s.io/kubernetes/pkg/controller/deployment/rolling.go).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ciliate.lab.objects import RollingUpdate, Strategy


@dataclass(frozen=True, slots=True)
class Revision:
    """A ReplicaSet of the deployment: how many pods it should have, and has available."""

    name: str
    wanted: int
    available: int
    existing: int = 0


def resolve(value: int | str, total: int, *, round_up: bool) -> int:
    """Return a number or a percentage ("25%") of `total` as a number."""
    if isinstance(value, int):
        return value
    share = total * int(value.rstrip("%")) / 100
    return math.ceil(share) if round_up else math.floor(share)


def limits(strategy: Strategy, desired: int) -> tuple[int, int]:
    """Return how many pods may be unavailable, and how many beyond `desired`, meanwhile."""
    rolling = strategy.rolling_update or RollingUpdate()
    unavailable = resolve(rolling.max_unavailable, desired, round_up=False)
    surge = resolve(rolling.max_surge, desired, round_up=True)
    # With both at 0 no pod could ever be replaced.
    return (unavailable or (0 if surge else 1)), surge


def next_replicas(
    strategy: Strategy, desired: int, new: Revision, old: Sequence[Revision]
) -> dict[str, int]:
    """Return the number of pods each ReplicaSet should have now, by its name.

    `old` is oldest first. Called again whenever something became available or went away.
    """
    if strategy.type == "Recreate":
        gone = all(each.existing == 0 for each in old)
        wanted = {each.name: 0 for each in old}
        return wanted | {new.name: desired if gone else new.wanted}
    max_unavailable, max_surge = limits(strategy, desired)
    total = new.wanted + sum(each.wanted for each in old)
    room = desired + max_surge - total
    new_wanted = desired if new.wanted > desired else min(desired, new.wanted + max(room, 0))
    return {new.name: new_wanted} | _shrunk(
        old, new, min_available=desired - max_unavailable, total=total
    )


def _shrunk(
    old: Sequence[Revision], new: Revision, *, min_available: int, total: int
) -> dict[str, int]:
    """Shrink old ReplicaSets, unavailable pods first, while enough pods stay available."""
    wanted = {each.name: each.wanted for each in old}
    unavailable_new = max(new.wanted - new.available, 0)
    removable = max(total - min_available - unavailable_new, 0)
    for each in old:
        cut = min(removable, max(each.wanted - each.available, 0))
        wanted[each.name] -= cut
        removable -= cut
    available = new.available + sum(each.available for each in old)
    spare = max(available - min_available, 0)
    for each in old:
        cut = min(spare, removable, wanted[each.name])
        wanted[each.name] -= cut
        spare -= cut
        removable -= cut
    return wanted
