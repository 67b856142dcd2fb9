"""How many addresses a node asks a pool for, and which CIDRs it may give back (multi-pool).

`needed` is what the agent writes into `pools.requested`; `Pending` are the owners that wait for
an address the node does not have yet; `releasable` names the CIDRs that are more than needed.
The three agree: what `releasable` leaves always covers `needed`, so that no CIDR is asked for
again because it was given back (docs/CILIUM.md, "Pools"). When it is written
is decided in `ipam.agent`; addresses themselves are given by the allocator.
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ciliate.net.address import IPNetwork

#: How long an owner counts after it last asked: a deleted pod asks no more, and the kubelet
#: retries the ADD of a living one in less time. Cilium's number.
PENDING_LIFE_S: Final = 300.0
#: Owners that may wait at once; a kubelet's limit of pods is far below. Beyond it
#: the one whose last attempt is oldest is dropped.
PENDING_MAX: Final = 8192


def needed(in_use_and_pending: int, pre_allocation: int) -> int:
    """Return the addresses to ask a pool for: those held or waited for, and a reserve.

    The sum is rounded up to a multiple of the reserve, so that not every pod changes it.
    """
    if pre_allocation <= 0:
        return in_use_and_pending
    rounds = (in_use_and_pending + 2 * pre_allocation - 1) // pre_allocation
    return rounds * pre_allocation


class Pending:
    """Owners that wait for an address, per pool and IP version, until they got it or gave up.

    Times are seconds of the caller's clock, a monotonic one. Should it go backwards all the same,
    an entry with a later time counts from the new time on.
    """

    __slots__ = ("_counts", "_last_attempts")

    def __init__(self) -> None:
        # Ordered by last attempt: expired ones come first.
        self._last_attempts: OrderedDict[tuple[str, int, str], float] = OrderedDict()
        self._counts: Counter[tuple[str, int]] = Counter()

    def __len__(self) -> int:
        return len(self._last_attempts)

    def add(self, pool: str, version: int, owner: str, now_s: float) -> bool:
        """Note an attempt that found no address; True when this changes the demand."""
        key = (pool, version, owner)
        new = key not in self._last_attempts
        self._last_attempts[key] = now_s
        self._last_attempts.move_to_end(key)
        if new:
            self._counts[pool, version] += 1
            if len(self._last_attempts) > PENDING_MAX:
                self._remove(next(iter(self._last_attempts)))
        return new

    def clear(self, pool: str, version: int, owner: str) -> bool:
        """Forget `owner`: it got its address; False when it did not wait."""
        key = (pool, version, owner)
        if key not in self._last_attempts:
            return False
        self._remove(key)
        return True

    def clear_owner(self, owner: str) -> bool:
        """Forget `owner` in every pool: its pod is gone; False when it waited nowhere."""
        keys = [key for key in self._last_attempts if key[2] == owner]
        for key in keys:
            self._remove(key)
        return bool(keys)

    def expire(self, now_s: float) -> bool:
        """Forget owners that did not ask for PENDING_LIFE_S; True when there were any."""
        expired = False
        for key, last_s in tuple(self._last_attempts.items()):
            if last_s > now_s:  # The clock went back; the order is still that of attempts.
                self._last_attempts[key] = now_s
            elif now_s - last_s >= PENDING_LIFE_S:
                self._remove(key)
                expired = True
        return expired

    def count(self, pool: str, version: int) -> int:
        """Return how many owners wait for an address of `pool`."""
        return self._counts[pool, version]

    def counts(self) -> dict[tuple[str, int], int]:
        """Return how many owners wait, by pool and IP version, where any do."""
        return dict(self._counts)

    def _remove(self, key: tuple[str, int, str]) -> None:
        del self._last_attempts[key]
        pool, version, _ = key
        self._counts[pool, version] -= 1
        if not self._counts[pool, version]:
            del self._counts[pool, version]


@dataclass(frozen=True, slots=True)
class CIDRUse:
    """A CIDR of a pool on this node: how many of its usable addresses are in use."""

    cidr: IPNetwork
    used: int
    usable: int


def releasable(held: Sequence[CIDRUse], needed_addresses: int) -> tuple[IPNetwork, ...]:
    """Return the unused CIDRs of one pool and family to give back, last to first.

    A CIDR goes when the others have as many free addresses as are needed beyond those in use.
    CIDRs that drain are not passed in: nothing new comes out of them.
    """
    spare_wanted = max(needed_addresses - sum(each.used for each in held), 0)
    free = sum(each.usable - each.used for each in held)
    released = []
    for each in reversed(held):
        if each.used == 0 and free - each.usable >= spare_wanted:
            free -= each.usable
            released.append(each.cidr)
    return tuple(released)
