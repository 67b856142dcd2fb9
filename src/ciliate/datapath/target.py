"""A map as a reconciler's target: what a plan says becomes what the kernel holds."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, Generic, TypeVar

from ciliate.datapath.bpf_map import OpenMap
from ciliate.datapath.errors import DatapathError
from ciliate.errors import CiliateError
from ciliate.reconcile.target import Failures

K = TypeVar("K")
V = TypeVar("V")


class MapTarget(Generic[K, V]):
    """Keeps the entries of one map right; see `ciliate.reconcile`, Target."""

    def __init__(self, name: str, opened: OpenMap[K, V]) -> None:
        self.name: Final = name
        self._opened = opened

    async def observe(self) -> Mapping[K, V]:
        """Return the entries the kernel holds; walks in a thread, the map may be large."""
        return await asyncio.to_thread(self._read)

    async def put(self, entries: Mapping[K, V]) -> Failures[K]:
        """Set entries, without a pause: nothing is decided anew in between."""
        try:
            self._opened.put_many(entries)
        except DatapathError:  # One of them; the others are tried by themselves.
            return _each(entries, lambda key: self._opened.put(key, entries[key]))
        return {}

    async def remove(self, keys: Collection[K]) -> Failures[K]:
        """Remove entries; an absent one is a success."""
        try:
            self._opened.remove_many(keys)
        except DatapathError:
            return _each(keys, self._opened.remove)
        return {}

    def _read(self) -> dict[K, V]:
        return dict(self._opened.items())


def _each(keys: Iterable[K], act: Callable[[K], object]) -> Failures[K]:
    failures: dict[K, CiliateError] = {}
    for key in keys:
        try:
            act(key)
        except DatapathError as error:
            failures[key] = error
    return failures
