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

    __slots__ = ("_end", "_freed", "_next", "_owners", "_start", "size")

    def __init__(self, size: int, *, start: int = 0) -> None:
        self.size = size
        self._owners: dict[int, str] = {}
        self._freed: deque[int] = deque()  # Longest free first.
        self._start = start % size if size else 0
        self._next = self._start  # Where the first sweep is; past the last slot, `size` too far.
        self._end = self._start + size

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
        while self._next < self._end and len(freed) < FREED_MAX:
            slot = self._next if self._next < self.size else self._next - self.size
            self._next += 1
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
        present = self._owners.get(slot)
        if present is not None:
            return present
        self._owners[slot] = owner
        if (slot if slot >= self._start else slot + self.size) < self._next:
            self._freed.remove(slot)  # A walk; asking for a certain slot is rare.
        return owner

    def release(self, slot: int) -> bool:
        """Free `slot`; False when nobody held it."""
        if self._owners.pop(slot, None) is None:
            return False
        if (slot if slot >= self._start else slot + self.size) < self._next:
            self._freed.append(slot)  # Else the first sweep comes to it.
        return True
