"""A map as a reconciler's target: what a plan says becomes what the kernel holds."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Generic, TypeVar

from ciliate.datapath.bpf_map import OpenMap

K = TypeVar("K")
V = TypeVar("V")


class MapTarget(Generic[K, V]):
    """Keeps entries of one map right; see `ciliate.reconcile`, Target.

    `owns` limits it to a part of the map, so that two features may share one: what it does not
    own is neither seen nor removed.
    """

    def __init__(
        self,
        name: str,
        opened: OpenMap[K, V],
        *,
        owns: Callable[[K, V], bool] | None = None,
    ) -> None:
        self.name: Final = name
        self._opened = opened
        self._owns = owns

    async def observe(self) -> Mapping[K, V]:
        """Return the entries the kernel holds; walks in a thread, the map may be large."""
        return await asyncio.to_thread(self._read)

    async def put(self, key: K, value: V) -> None:
        """Set one entry; a call of microseconds, not worth a thread."""
        self._opened.put(key, value)

    async def remove(self, key: K) -> None:
        """Remove one entry; an absent one is a success."""
        self._opened.remove(key)

    def _read(self) -> dict[K, V]:
        if self._owns is None:
            return dict(self._opened.items())
        owns = self._owns
        return {key: value for key, value in self._opened.items() if owns(key, value)}
