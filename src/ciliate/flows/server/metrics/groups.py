"""Records that differ in nothing that a metric looks at, as one. Pure.

Metrics look at a few columns, and most records of a second agree in those: a record costs about a
microsecond here, whatever is counted of it later.
"""

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from socket import htons
from sys import byteorder
from typing import Any, Final, NamedTuple

from ciliate.datapath.layout import Event

#: What stands for the family of an address: all octets but an IPv4 address's own.
FAMILY: Final = "destination-family"
_FAMILY_BYTES: Final = 12

Key = tuple[Any, ...]

_TIME: Final = struct.Struct("=Q")
_CODES: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_IS_LITTLE: Final = byteorder == "little"


class Columns:
    """Some fields of a record: `names` are those of `struct event`, or FAMILY."""

    def __init__(self, names: Iterable[str]) -> None:
        wanted = set(names)
        if "destination" in wanted:
            wanted.discard(FAMILY)
        parts, self.names, self._blank = ["="], list[str](), list[Any]()
        for name, kind in Event.DTYPE:
            size = int(kind.lstrip("=><uV"))
            is_octets = kind.startswith("V")
            self._blank.append(bytes(size) if is_octets else 0)
            if name in wanted:
                self.names.append(name)
                parts.append(f"{size}s" if is_octets else _CODES[size])
            elif name == "destination" and FAMILY in wanted:
                self.names.append(FAMILY)
                parts.append(f"{_FAMILY_BYTES}s{size - _FAMILY_BYTES}x")
            else:
                parts.append(f"{size}x")
        self._layout = struct.Struct("".join(parts))
        assert self._layout.size == Event.SIZE, "a column has a record's size"
        self._fields = [(name, _place(name), _is_swapped(name)) for name in self.names]

    def read(self, records: bytes) -> Iterator[Key]:
        """Yield the fields of each of the records, as they stand there."""
        return self._layout.iter_unpack(records)

    def event(self, key: Key, time_ns: int = 0) -> Event:
        """Return a record that has these fields, and nothing else."""
        fields = list(self._blank)
        fields[0] = time_ns
        for (name, place, is_swapped), value in zip(self._fields, key, strict=True):
            if is_swapped:
                fields[place] = htons(value)
            elif name == FAMILY:
                fields[place] = value + bytes(16 - _FAMILY_BYTES)
            else:
                fields[place] = value
        return Event._make(fields)

    def projection(self, fewer: "Columns") -> Callable[[Key], Key]:
        """Return what makes of a key of these columns one of fewer, which these hold."""
        names = ["destination" if name not in self.names else name for name in fewer.names]
        places = [self.names.index(name) for name in names]
        get = itemgetter(*places) if len(places) > 1 else lambda key: (key[places[0]],)
        if names == fewer.names:
            return get
        at = fewer.names.index(FAMILY)

        def project(key: Key) -> Key:
            found = get(key)
            return (*found[:at], found[at][:_FAMILY_BYTES], *found[at + 1 :])

        return project


def _place(name: str) -> int:
    names = [each for each, _kind in Event.DTYPE]
    return names.index("destination" if name == FAMILY else name)


def _is_swapped(name: str) -> bool:
    """Whether a field is a number of the network's order, where ours is another."""
    return _IS_LITTLE and dict(Event.DTYPE).get(name, "").startswith(">")


class Only(NamedTuple):
    """Records that have one of some values in a column."""

    column: str
    values: frozenset[int]


class Groups:
    """Records since the last `take_all`, counted by their columns."""

    def __init__(self, columns: Columns, only: Only | None = None) -> None:
        """Count all records, or `only` these."""
        self.columns = columns
        self._only = only
        self._place = columns.names.index(only.column) if only is not None else 0
        self._counts: Counter[Key] = Counter()
        self._beginnings: list[tuple[int, int]] = []  # From which group on, since when.

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, records: bytes) -> None:
        """Count records, whose octets follow each other."""
        before = len(self._counts)
        keys = self.columns.read(records)
        if self._only is None:
            self._counts.update(keys)
        else:
            place, values = self._place, self._only.values
            self._counts.update([key for key in keys if key[place] in values])
        if len(self._counts) > before:
            self._beginnings.append((before, _TIME.unpack_from(records)[0]))

    def take_all(self) -> list[tuple[Key, int, int]]:
        """Return (columns, records, time of the first, or little before) of each group; begin anew."""
        counts, beginnings = self._counts, self._beginnings
        self._counts, self._beginnings = Counter(), []
        times: list[int] = []
        for place, (first, time_ns) in enumerate(beginnings, start=1):
            last = beginnings[place][0] if place < len(beginnings) else len(counts)
            times.extend([time_ns] * (last - first))
        return [
            (key, count, time_ns)
            for (key, count), time_ns in zip(counts.items(), times, strict=True)
        ]
