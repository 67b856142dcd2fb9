"""N numbered slots and their owners: exact under any order of operations, no I/O.

Slots that were never given come first, in order from a starting point; then freed ones, the
longest free first. Time and memory follow the slots in use, not N. Both a block of pod addresses
and a range that node CIDRs are cut out of are slots: the address or CIDR is computed from the
slot's number.
"""

from collections import deque
from collections.abc import ItemsView
from typing import Final

#: At most so many freed slots are kept for reuse: of a range that is never given out to its end
#: (an IPv6 /64) not every slot that was ever used is remembered.
FREED_MAX: Final = 1 << 16


class Slots:
    """Slots 0 to `size` - 1 and their owners; `start` shifts where the first one comes from."""

    __slots__ = ("_end", "_freed", "_next", "_owners", "_start", "size")

    def __init__(self, size: int, *, start: int = 0) -> None:
        self.size = size
        self._owners: dict[int, str] = {}
        self._freed: deque[int] = deque()  # Longest free first.
        self._start = start % size if size else 0
        self._next = self._start  # Of the first sweep; from `size` on it goes around to slot 0.
        self._end = self._start + size

    @property
    def used(self) -> int:
        """How many slots have an owner."""
        return len(self._owners)

    def owner(self, slot: int) -> str | None:
        """Return the owner of `slot`, or None."""
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
        """Give this very slot to `owner` unless it has another; return its owner now."""
        present = self._owners.get(slot)
        if present is not None:
            return present
        self._owners[slot] = owner
        if (slot if slot >= self._start else slot + self.size) < self._next:
            self._freed.remove(slot)  # A linear search; taking a certain slot is rare.
        return owner

    def release(self, slot: int) -> bool:
        """Free `slot`; False when it had no owner."""
        if self._owners.pop(slot, None) is None:
            return False
        if (slot if slot >= self._start else slot + self.size) < self._next:
            self._freed.append(slot)  # Otherwise the first sweep will reach it.
        return True
