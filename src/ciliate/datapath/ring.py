"""The ring of events, read without a system call (linux/bpf.h, BPF_MAP_TYPE_RINGBUF).

The kernel shows a page with the reader's position, one with the writers', and the records, twice one
behind the other, so that what wraps around can be read in one piece. All our records have one size,
so their places are those of an array. There is one reader.
"""

import mmap
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
_DISCARDED: Final = 1 << 30  # A program gave it up.
_SLOT_BYTES: Final = _HEAD_BYTES + Event.SIZE
assert _SLOT_BYTES % 8 == 0, "the kernel rounds up to 8"
_SLOT_WORDS: Final = _SLOT_BYTES // 4


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
        count = next((place for place, head in enumerate(heads) if head & _BUSY), count)
        octets = bytes(self._records[at * _SLOT_BYTES : (at + count) * _SLOT_BYTES])
        self._read[0] += count * _SLOT_BYTES
        return b"".join(
            [
                octets[place * _SLOT_BYTES + _HEAD_BYTES : (place + 1) * _SLOT_BYTES]
                for place, head in enumerate(heads[:count])
                if not head & _DISCARDED
            ]
        )

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
