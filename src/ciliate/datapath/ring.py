"""The ring of events, read without a system call (linux/bpf.h, BPF_MAP_TYPE_RINGBUF).

The kernel shows a page with the reader's position, one with the writers', and the records, twice one
behind the other, so that what wraps around can be read in one piece. All our records have one size,
so their places are those of an array. There is one reader, and
no program gives a record up that it has reserved.
"""

import mmap
from itertools import chain
from struct import Struct
from typing import Final, Self

from ciliate.datapath.bpf_map import BpfMap
from ciliate.datapath.codec import Octets
from ciliate.datapath.errors import refused
from ciliate.datapath.layout import Event

#: What programs tell, in its order; there are no keys. Written by programs.
EVENTS: Final = BpfMap("events", key=Octets(0), value=Octets(0))

#: What the kernel puts before a record: its length with these flags, and where its page is.
_HEAD_BYTES: Final = 8
_BUSY: Final = 1 << 31  # A program is writing it still.
_SLOT_BYTES: Final = _HEAD_BYTES + Event.SIZE
assert _SLOT_BYTES % 8 == 0, "the kernel rounds up to 8"
_SLOT_WORDS: Final = _SLOT_BYTES // 4

#: Takes records out of their slots, many in one call: half of what reading costs is calls.
_MANY: Final = 64
_MANY_SLOTS: Final = Struct(f"{_HEAD_BYTES}x{Event.SIZE}s" * _MANY)
_ONE_SLOT: Final = Struct(f"{_HEAD_BYTES}x{Event.SIZE}s")


class EventRing:
    """Reads records in the order in which programs reserved them."""

    def __init__(self, fd: int) -> None:
        """Map the ring; `fd` may be closed afterwards.

        Raises:
            DatapathError: The kernel does not let it be mapped.
        """
        size, page = EVENTS.shape.capacity, mmap.PAGESIZE
        try:
            self._reader = mmap.mmap(fd, page, mmap.MAP_SHARED)
            self._writer = mmap.mmap(
                fd, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page
            )
        except OSError as error:
            raise refused(
                function="mmap", subject=f"map {EVENTS.name}", code=error.errno or 0
            ) from error
        self._slots = size // _SLOT_BYTES
        self._read = memoryview(self._reader).cast("Q")
        self._written = memoryview(self._writer)[:page].cast("Q")
        self._records = memoryview(self._writer)[page:]
        self._words = self._records.cast("I")

    @property
    def capacity(self) -> int:
        """How many records it has room for."""
        return self._slots

    @property
    def waiting(self) -> int:
        """How many records are there, those included that are being written."""
        return (self._written[0] - self._read[0]) // _SLOT_BYTES

    def skip(self) -> int:
        """Pass over all that is there; return how many records."""
        passed = self.waiting
        self._read[0] += passed * _SLOT_BYTES
        return passed

    def read(self, most: int) -> bytes:
        """Return the octets of up to `most` records; none behind one that is being written."""
        at = self._read[0] // _SLOT_BYTES % self._slots
        count = min(self.waiting, most)
        # Once: the kernel writes on.
        heads = self._words[at * _SLOT_WORDS : (at + count) * _SLOT_WORDS : _SLOT_WORDS].tolist()
        if heads.count(Event.SIZE) < count:  # A head without flags is the record's length.
            count = next(place for place, head in enumerate(heads) if head & _BUSY)
        with self._records[at * _SLOT_BYTES : (at + count) * _SLOT_BYTES] as slots:
            many = count // _MANY * _MANY
            with slots[: many * _SLOT_BYTES] as first, slots[many * _SLOT_BYTES :] as rest:
                groups = (*_MANY_SLOTS.iter_unpack(first), *_ONE_SLOT.iter_unpack(rest))
        self._read[0] += count * _SLOT_BYTES
        return b"".join(chain.from_iterable(groups))

    def close(self) -> None:
        """Unmap it."""
        for view in (self._read, self._written, self._words, self._records):
            view.release()
        self._reader.close()
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
