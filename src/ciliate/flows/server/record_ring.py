"""The newest records, as the programs wrote them: a ring of octets. Pure.

Every record has a number, counted from 0 as they come. Readers keep the number of the next one that
they want, and are told by `oldest` what was overwritten before they came. Fields are read as columns:
all ports of the ring are one slice, so what a filter asks of numbers costs some nanoseconds a record.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ciliate.datapath.layout import Event

_SIZE: Final = Event.SIZE


@dataclass(frozen=True, slots=True)
class Column:
    """A field of a record that is a number, or 8 octets of one that is more."""

    code: Literal["B", "H", "I", "Q"]  # Its format (struct), in the byte order of this machine.
    offset: int  # A multiple of its size.


def column_of(field: str, *, within: int = 0) -> Column:
    """Return where a field of `struct event` stands; `within` it, where it is an address."""
    offset = 0
    for name, kind in Event.DTYPE:
        size = int(kind.lstrip("=><uV"))
        if name == field:
            return Column(_CODES[min(size, 8)], offset + within)
        offset += size
    raise KeyError(field)


_CODES: Final[Mapping[int, Literal["B", "H", "I", "Q"]]] = {1: "B", 2: "H", 4: "I", 8: "Q"}

KIND: Final = column_of("kind")


def kinds(records: bytes) -> bytes:
    """Return the kind of each of the records, whose octets follow each other."""
    return records[KIND.offset :: _SIZE]


class RecordRing:
    """Keeps `capacity` records, which is 2**i - 1: one place more is for what is being written."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._slots = capacity + 1
        self._octets = bytearray(self._slots * _SIZE)
        #: Of the next record: as many have come.
        self.end = 0

    def __len__(self) -> int:
        return self.end - self.oldest

    @property
    def oldest(self) -> int:
        """The number of the oldest record that is there; `end` when there is none."""
        return max(0, self.end - self.capacity)

    def append(self, records: bytes) -> None:
        """Add records, whose octets follow each other."""
        count = len(records) // _SIZE
        if count > self._slots:  # The last of them are the newest.
            records = records[(count - self._slots) * _SIZE :]
            self.end += count - self._slots
            count = self._slots
        at = self.end % self._slots
        head = min(count, self._slots - at)
        self._octets[at * _SIZE : (at + head) * _SIZE] = records[: head * _SIZE]
        self._octets[: (count - head) * _SIZE] = records[head * _SIZE :]
        self.end += count

    def octets(self, number: int) -> bytes:
        """Return a record that is there."""
        at = number % self._slots * _SIZE
        return bytes(self._octets[at : at + _SIZE])

    def column(self, column: Column, first: int, last: int) -> list[int]:
        """Return one field of the records `first` to `last` - 1, all of which are there."""
        at, count = first % self._slots, last - first
        head = min(count, self._slots - at)
        with memoryview(self._octets) as octets, octets.cast(column.code) as fields:
            step, place = _SIZE // fields.itemsize, column.offset // fields.itemsize
            found: list[int] = fields[at * step + place : (at + head) * step : step].tolist()
            found += fields[place : (count - head) * step : step].tolist()
            return found
