"""Sets of backends: whom the frontends of a Service's port may choose, numbered and in slots. Pure.

All frontends with the same choice share a set, so that an endpoint that changes is written once.
Backends of a port that its Service names are counted in `BackendNumbers`, chosen or not: one that
ends keeps its id while connections drain.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from ciliate.datapath import layout
from ciliate.datapath.codec import U32
from ciliate.services.capacity import Usage
from ciliate.services.maglev import Maglev, Table
from ciliate.services.map_keys import (
    MapKey,
    ServiceMap,
    affinity_key,
    backend_value,
    maglev_key,
    map_of,
    read_numbers,
    read_service,
    read_source_range,
    service_key,
    slot_key,
    source_range_key,
)
from ciliate.services.model import EndpointState, Place, ServicePort, SourceRange, Variant
from ciliate.services.numbers import BackendNumbers, Numbers
from ciliate.services.slots import Ids, arrange, changed
from ciliate.services.verdicts import Candidates

_VARIANTS: Final = tuple(Variant)
_NONE: Final = array("I")
_LISTED: Final = b"\x01"
_BY_MAGLEV: Final = int(layout.ServiceFlag.SERVICE_MAGLEV)
_CHUNK: Final = int(layout.MaglevBound.MAGLEV_CHUNK_SLOTS)
_SLOT_MAX: Final = 0xFFFF  # What a cell of a table can name.

#: Returns the places, of all that a port has, whose endpoints a variant may choose.
Judging = Callable[[AbstractSet[Place], Variant], AbstractSet[Place]]


class BackendSet:
    """One set: its number, and the ids of its backends by slot."""

    __slots__ = (
        "affinity_s",
        "by_maglev",
        "lacks_table",
        "missing",
        "number",
        "ranges",
        "slots",
        "table",
    )

    def __init__(self, number: int, slots: Ids) -> None:
        self.number = number
        self.slots = slots
        self.affinity_s = 0
        self.ranges: tuple[SourceRange, ...] = ()
        self.missing = 0  # Backends for which the map has no room.
        self.by_maglev = False
        self.lacks_table = False  # There was no room for it.
        self.table: Table | None = None  # None: to be made when it is asked for.

    @property
    def has_table(self) -> bool:
        """Whether a flow's hash picks its backend."""
        return self.by_maglev and 0 < len(self.slots) <= _SLOT_MAX


class PortBackends:
    """The backends of a Service's port in one family: all that it names, and the sets of them."""

    __slots__ = ("named", "port", "sets", "version")

    def __init__(self, port: ServicePort, version: int) -> None:
        self.port = port
        self.version = version
        self.named: Ids = _NONE
        #: By variant; None: no frontend needs it.
        self.sets: list[BackendSet | None] = [None, None]

    def set_of(self, variant: Variant) -> BackendSet:
        """Return a set that some frontend needs."""
        found = self.sets[variant]
        assert found is not None
        return found

    @property
    def variants(self) -> list[tuple[Variant, BackendSet]]:
        """The sets there are."""
        both = zip(_VARIANTS, self.sets, strict=True)
        return [(variant, one) for variant, one in both if one is not None]

    @property
    def is_empty(self) -> bool:
        """Whether no endpoint anywhere could take a connection."""
        return not self.named


class BackendSets:
    """Every set, and what the maps hold of them."""

    def __init__(self, usage: Usage, maglev: Maglev) -> None:
        self.backends = BackendNumbers()
        self._usage = usage
        self._maglev = maglev
        self._sets: dict[int, BackendSet] = {}
        self._numbers = Numbers()
        #: Slots of sets that the maps hold, until who has the set asks for it.
        self._adopted: dict[int, Ids] = {}
        #: The set whose slots were last asked for by backend, and the slots.
        self._by_backend: tuple[Ids, Mapping[int, int]] = (_NONE, {})

    def adopt(self, slots: dict[int, Ids]) -> None:
        """Take over the sets that the maps hold: their backends' ids by slot, 0 for a gap."""
        self._adopted = slots
        self._numbers.adopt(slots)

    def settle(self) -> None:
        """Forget what nobody has taken over."""
        self._adopted = {}
        self._numbers.settle()
        self.backends.settle()

    def make(self, preferred: int) -> BackendSet:
        """Return a new set; `preferred` is the number that its frontends had in the maps."""
        number = self._numbers.take(preferred)
        found = BackendSet(number, self._adopted.pop(number, _NONE))
        self._sets[number] = found
        self._usage.sets += 1
        self._usage.slots += len(found.slots)
        return found

    def drop(self, found: BackendSet) -> set[MapKey]:
        """Remove a set that no frontend leads to; return the keys that go."""
        touched = self.fill(found, ())
        touched |= self.configure(found, affinity_s=0, ranges=(), by_maglev=False)
        touched.add(service_key(found.number))
        self._usage.sets -= 1
        del self._sets[found.number]
        self._numbers.free(found.number)
        return touched

    def configure(
        self,
        found: BackendSet,
        *,
        affinity_s: int,
        ranges: tuple[SourceRange, ...],
        by_maglev: bool,
    ) -> set[MapKey]:
        """Set how one of a set's backends is chosen; return the keys that change."""
        touched: set[MapKey] = set()
        if found.ranges != ranges:
            for bits, address in {*found.ranges} ^ {*ranges}:
                touched.add(source_range_key(found.number, bits, address))
            self._usage.source_ranges += len({*ranges}) - len({*found.ranges})
            found.ranges = ranges
        if found.affinity_s != affinity_s:
            touched.add(service_key(found.number))
            if bool(found.affinity_s) != bool(affinity_s):
                touched.update(affinity_key(found.number, each) for each in found.slots)
            found.affinity_s = affinity_s
        chunks = self._maglev.chunks
        found.lacks_table = by_maglev and not (
            found.by_maglev or self._usage.has_table_room(chunks)
        )
        by_maglev = by_maglev and not found.lacks_table
        if found.by_maglev != by_maglev:
            touched.add(service_key(found.number))
            touched |= self._table_keys(found)
            found.by_maglev, found.table = by_maglev, None
            self._usage.maglev_chunks += chunks if by_maglev else -chunks
            touched |= self._table_keys(found)
        return touched

    def fill(self, found: BackendSet, wanted: Sequence[int]) -> set[MapKey]:
        """Have these backends in a set; return the keys that change."""
        before = found.slots
        after = arrange(before, self._fitting(found, wanted))
        if before == after:
            return set()
        touched = self._table_keys(found)
        found.slots, found.table = after, None
        touched |= self._table_keys(found)
        self._usage.slots += len(after) - len(before)
        touched |= {slot_key(found.number, slot) for slot in changed(before, after)}
        if len(before) != len(after):
            touched.add(service_key(found.number))
        if found.affinity_s:
            moved = {*enumerate(before)} ^ {*enumerate(after)}
            touched.update(affinity_key(found.number, backend) for _, backend in moved)
        return touched

    def _fitting(self, found: BackendSet, wanted: Sequence[int]) -> Sequence[int]:
        """Return as many backends as there is room for, those that have slots first."""
        room = self._usage.room
        if room is None or len(wanted) <= room + len(found.slots):
            found.missing = 0
            return wanted
        standing = set(found.slots)
        ordered = sorted(wanted, key=lambda each: each not in standing)
        fitting = ordered[: max(0, room + len(found.slots))]
        found.missing = len(wanted) - len(fitting)
        return fitting

    def _table_keys(self, found: BackendSet) -> set[MapKey]:
        if not found.has_table:
            return set()
        return {maglev_key(found.number, each) for each in range(self._maglev.chunks)}

    def refresh(self, port: PortBackends, found: Candidates, judging: Judging) -> set[MapKey]:
        """Name the backends that a port has, and fill its sets; return the keys that change."""
        before = set(port.named)
        usable = {place for place in found.places if place.state is not EndpointState.NOT_READY}
        keys = found.at(usable)
        numbers = self.backends.name(keys, before)
        named = None
        touched: set[MapKey] = set()
        for variant, one in port.variants:
            chosen = judging(found.places, variant)
            if chosen == usable:
                touched |= self.fill(one, numbers)
                named = one.slots
            else:
                by_key = dict(zip(keys, numbers, strict=True))
                touched |= self.fill(one, [by_key[key] for key in found.at(chosen)])
        # Where all are chosen, one array is enough; it is replaced and never changed.
        port.named = array("I", numbers) if named is None else named
        # At last, so that no slot leads to a freed id.
        self.backends.unname(before.difference(numbers))
        return touched

    def forget(self, port: PortBackends) -> None:
        """Name the backends of a port no more."""
        self.backends.unname(port.named)
        port.named = _NONE

    def __len__(self) -> int:
        """Return how many keys there are, without making them: a walk asks, and there are many."""
        return sum(
            1
            + len(one.slots) * (2 if one.affinity_s else 1)
            + len(set(one.ranges))
            + (self._maglev.chunks if one.has_table else 0)
            for one in self._sets.values()
        )

    def __iter__(self) -> Iterator[MapKey]:
        """Yield every key that the maps should hold of sets."""
        for number, one in self._sets.items():
            yield service_key(number)
            for slot in range(1, len(one.slots) + 1):
                yield slot_key(number, slot)
            if one.affinity_s:
                for backend in one.slots:
                    yield affinity_key(number, backend)
            for bits, address in dict.fromkeys(one.ranges):
                yield source_range_key(number, bits, address)
            if one.has_table:
                for chunk in range(self._maglev.chunks):
                    yield maglev_key(number, chunk)

    def get(self, key: MapKey) -> bytes | None:
        """Return what a map should hold under a key of its own, or None."""
        match map_of(key):
            case ServiceMap.SLOTS:
                return self._slot(*read_numbers(key))
            case ServiceMap.SERVICES:
                found = self._sets.get(read_service(key))
                if found is None:
                    return None
                flags = _BY_MAGLEV if found.has_table else 0
                return layout.Service(len(found.slots), found.affinity_s, flags).pack()
            case ServiceMap.AFFINITY_SLOTS:
                return self._place(*read_numbers(key))
            case ServiceMap.SOURCE_RANGES:
                service, bits, address = read_source_range(key)
                found = self._sets.get(service)
                is_listed = found is not None and SourceRange(bits, address) in found.ranges
                return _LISTED if is_listed else None
            case ServiceMap.MAGLEV_TABLES:
                return self._chunk(*read_numbers(key))
        return None

    def _slot(self, service: int, slot: int) -> bytes | None:
        found = self._sets.get(service)
        if found is None or not 0 < slot <= len(found.slots):
            return None
        number = found.slots[slot - 1]
        return backend_value(self.backends.key(number)[:18], number)

    def _chunk(self, service: int, chunk: int) -> bytes | None:
        found = self._sets.get(service)
        if found is None or not found.has_table or not 0 <= chunk < self._maglev.chunks:
            return None
        if found.table is None:
            found.table = self._maglev.table([self.backends.key(each) for each in found.slots])
        cells = found.table[chunk * _CHUNK : (chunk + 1) * _CHUNK]
        return cells.tobytes().ljust(2 * _CHUNK, b"\0")

    def _place(self, service: int, backend: int) -> bytes | None:
        """Return the slot of a backend; a walk asks for those of one set in turn."""
        found = self._sets.get(service)
        if found is None or not found.affinity_s:
            return None
        if self._by_backend[0] is not found.slots:
            self._by_backend = found.slots, {each: at for at, each in enumerate(found.slots, 1)}
        slot = self._by_backend[1].get(backend)
        return U32.pack(slot) if slot else None
