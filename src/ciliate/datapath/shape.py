"""What a map looks like to the kernel: kind, sizes, capacity and flags.

`layout.py` repeats the shapes that bpf/maps.h states; opening a map compares the kernel's answer
with them, so that a map of another version is refused instead of misread.
"""

from enum import IntEnum
from typing import NamedTuple


class MapKind(IntEnum):
    """The kinds of maps we use, by their numbers in `enum bpf_map_type`."""

    HASH = 1
    ARRAY = 2
    PROG_ARRAY = 3
    PERCPU_HASH = 5
    PERCPU_ARRAY = 6
    LRU_HASH = 9
    LRU_PERCPU_HASH = 10
    LPM_TRIE = 11
    SK_STORAGE = 24
    RINGBUF = 27


PER_CPU = frozenset({MapKind.PERCPU_HASH, MapKind.PERCPU_ARRAY, MapKind.LRU_PERCPU_HASH})

#: Maps whose keys are indexes from zero: nothing can be added or removed.
ARRAYS = frozenset({MapKind.ARRAY, MapKind.PERCPU_ARRAY})


class MapShape(NamedTuple):
    """A map's kind and sizes in bytes; `capacity` in entries."""

    kind: MapKind
    key_bytes: int
    value_bytes: int
    capacity: int
    flags: int

    def holds_same_entries(self, other: "MapShape") -> bool:
        """Whether entries of a map of shape `other` can be read as this shape's."""
        return self[:3] == other[:3]

    def __str__(self) -> str:
        return (
            f"{self.kind.name.lower()} of {self.capacity} entries, "
            f"key {self.key_bytes} bytes, value {self.value_bytes} bytes, flags {self.flags:#x}"
        )
