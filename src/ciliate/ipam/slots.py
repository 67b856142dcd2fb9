"""Who holds which of N numbered slots: exact under any order of operations, no I/O.

Slots that were never given come first, in order from a starting point; then freed ones, the
longest free first. Time and memory follow what is in use, not N. A block of pod addresses and a
range that node CIDRs are cut out of are the same thing seen through this: addresses and CIDRs are
arithmetic on the slot's number.
"""

from collections import deque
from collections.abc import ItemsView
from typing import Final

#: So many freed slots wait their turn at most: of a range that is never swept to its end (an IPv6
#: /64) not every slot that was ever used is remembered.
FREED_MAX: Final = 1 << 16


class Slots:
    """Slots 0 to `size` - 1 and their owners; `start` shifts where the first one comes from."""

    __slots__ = ("_freed", "_never", "_owners", "_start", "size")

    def __init__(self, size: int, *, start: int = 0) -> None:
        self.size = size
        self._owners: dict[int, str] = {}
        self._freed: deque[int] = deque()  # Longest free first.
        self._never = 0  # How many slots the first sweep has passed.
        self._start = start % size if size else 0

    @property
    def used(self) -> int:
        """How many slots have an owner."""
        return len(self._owners)

    def owner(self, slot: int) -> str | None:
        """Return who holds `slot`, or None."""
        return self._owners.get(slot)

    def items(self) -> ItemsView[int, str]:
        """Every slot in use with its owner; a live view."""
        return self._owners.items()

    def allocate(self, owner: str) -> int | None:
        """Give a free slot to `owner`; None: every slot has one."""
        owners, freed = self._owners, self._freed
        while self._never < self.size and len(freed) < FREED_MAX:
            slot = (self._start + self._never) % self.size
            self._never += 1
            if slot not in owners:  # It may have been taken by number before.
                owners[slot] = owner
                return slot
        if not freed:
            return None
        slot = freed.popleft()
        owners[slot] = owner
        return slot

    def take(self, slot: int, owner: str) -> str:
        """Give this very slot to `owner` unless somebody holds it; return who holds it now."""
        holder = self._owners.get(slot)
        if holder is not None:
            return holder
        self._owners[slot] = owner
        if (slot - self._start) % self.size < self._never:
            self._freed.remove(slot)  # A walk; asking for a certain slot is rare.
        return owner

    def release(self, slot: int) -> bool:
        """Free `slot`; False when nobody held it."""
        if self._owners.pop(slot, None) is None:
            return False
        if (slot - self._start) % self.size < self._never:  # Else the first sweep comes to it.
            self._freed.append(slot)
        return True
