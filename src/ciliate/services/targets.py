"""The maps of Services as one target, since the order across them matters.

What is referred to is written first and removed last: slots before the sets that count them, sets
before the frontends that lead there. So whoever finds a frontend finds everything behind it.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

from ciliate.datapath import layout, pins
from ciliate.datapath.bpf_map import BpfMap, OpenMap
from ciliate.datapath.codec import Fields, Octets
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.errors import DatapathError, MapMismatchError
from ciliate.errors import CiliateError
from ciliate.reconcile.target import Failures
from ciliate.services import maps
from ciliate.services.adoption import Held, read_held
from ciliate.services.map_keys import BACKEND_FORM, MapKey, ServiceMap, key_of, map_of, octets_of

K = TypeVar("K")
V = TypeVar("V")

_MAPS: Final[Mapping[ServiceMap, BpfMap[Any, Any]]] = {
    ServiceMap.SLOTS: maps.SERVICE_SLOTS,
    ServiceMap.AFFINITY_SLOTS: maps.AFFINITY_SLOTS,
    ServiceMap.MAGLEV_TABLES: maps.MAGLEV_TABLES,
    ServiceMap.SOURCE_RANGES: maps.SOURCE_RANGES,
    ServiceMap.SERVICES: maps.SERVICES,
    ServiceMap.FRONTENDS: maps.FRONTENDS,
}

#: The slots of all sets, for who reads them once and all.
_HELD_SLOTS: Final = BpfMap(
    maps.SERVICE_SLOTS.name, key=Fields(layout.ServiceSlotKey.FORMAT), value=Fields(BACKEND_FORM)
)

Opened = OpenMap[bytes, bytes]

#: Entries that a walk has in memory at once.
_PIECE: Final = 4096


def opened_maps(datapath: Datapath) -> Mapping[ServiceMap, Opened]:
    """Return the maps, in the order in which they are written, their entries as octets."""
    return {one: datapath.opened(_octets(_MAPS[one])) for one in ServiceMap}


def _octets(which: BpfMap[Any, Any]) -> BpfMap[bytes, bytes]:
    return BpfMap(which.name, key=Octets(which.key.SIZE), value=Octets(which.value.SIZE))


def held(bpf_root: Path) -> Held:
    """Return the ids and slots in the maps of a former agent; blocking."""
    frontends = _held(bpf_root, _octets(maps.FRONTENDS))
    return read_held(
        ((key_of(ServiceMap.FRONTENDS, key), value) for key, value in frontends),
        (number for number, _ in _held(bpf_root, maps.SERVICES)),
        _held(bpf_root, _HELD_SLOTS),
    )


def _held(bpf_root: Path, which: BpfMap[K, V]) -> Iterator[tuple[K, V]]:
    """Yield the entries of a pinned map; none, if it is absent or of another layout."""
    fd = pins.open_pin(pins.map_path(bpf_root, which.name), read_only=True)
    if fd is not None:
        with contextlib.suppress(MapMismatchError), OpenMap(which, fd) as opened:
            yield from opened.items()


class ServiceMapsTarget:
    """Keeps the entries of all maps of Services right."""

    name = "sync-services"

    def __init__(
        self, opened: Mapping[ServiceMap, Opened], *, written: Callable[[], None] = lambda: None
    ) -> None:
        """Keep these maps; `written` is called when all that was to be written at once is."""
        self._opened = opened
        self._written = written

    async def observe(self) -> Mapping[MapKey, bytes]:
        """Return the entries of all maps; walks in a thread, they may be large."""
        return await asyncio.to_thread(read_maps, self._opened)

    async def pieces(self) -> AsyncIterator[Mapping[MapKey, bytes]]:
        """Yield the entries of all maps."""
        for one, opened in self._opened.items():
            entries = opened.items()
            while piece := await asyncio.to_thread(_piece, one, entries):
                yield piece

    async def absent(self, keys: Collection[MapKey]) -> Collection[MapKey]:
        """Return which keys the maps lack."""
        return await asyncio.to_thread(self._absent, keys)

    def _absent(self, keys: Collection[MapKey]) -> list[MapKey]:
        return [key for key in keys if self._opened[map_of(key)].get(octets_of(key)) is None]

    async def put(self, entries: Mapping[MapKey, bytes]) -> Failures[MapKey]:
        """Set entries, map by map: what is referred to comes first."""
        by_map: defaultdict[ServiceMap, dict[bytes, bytes]] = defaultdict(dict)
        for key, value in entries.items():
            by_map[map_of(key)][octets_of(key)] = value
        failures: dict[MapKey, CiliateError] = {}
        for one, opened in self._opened.items():
            if one in by_map:
                failures.update(_put(one, opened, by_map[one]))
        if not failures:
            self._written()
        return failures

    async def remove(self, keys: Collection[MapKey]) -> Failures[MapKey]:
        """Remove entries, map by map: what refers to others goes first."""
        by_map: defaultdict[ServiceMap, list[bytes]] = defaultdict(list)
        for key in keys:
            by_map[map_of(key)].append(octets_of(key))
        failures: dict[MapKey, CiliateError] = {}
        for one, opened in reversed(list(self._opened.items())):
            if one in by_map:
                failures.update(_remove(one, opened, by_map[one]))
        if not failures:
            self._written()
        return failures


def read_maps(opened: Mapping[ServiceMap, Opened]) -> dict[MapKey, bytes]:
    """Return the entries of all maps; blocking."""
    return {key_of(one, key): value for one, each in opened.items() for key, value in each.items()}


def _piece(one: ServiceMap, entries: Iterator[tuple[bytes, bytes]]) -> dict[MapKey, bytes]:
    return {key_of(one, key): value for key, value in islice(entries, _PIECE)}


def _put(one: ServiceMap, opened: Opened, entries: Mapping[bytes, bytes]) -> Failures[MapKey]:
    try:
        opened.put_many(entries)
    except DatapathError:  # One of them; the others are tried by themselves.
        return _each(one, entries, lambda key: opened.put(key, entries[key]))
    return {}


def _remove(one: ServiceMap, opened: Opened, keys: Collection[bytes]) -> Failures[MapKey]:
    try:
        opened.remove_many(keys)
    except DatapathError:
        return _each(one, keys, opened.remove)
    return {}


def _each(one: ServiceMap, keys: Collection[bytes], act: Any) -> Failures[MapKey]:
    failures: dict[MapKey, CiliateError] = {}
    for key in keys:
        try:
            act(key)
        except DatapathError as error:
            failures[key_of(one, key)] = error
    return failures
