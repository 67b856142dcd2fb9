"""What a reconciler keeps right: a BPF map, a route table, objects of the API."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Target(Protocol[K, V]):
    """Three duties. `observe` reads the kernel or the API, never our memory of what we wrote."""

    @property
    def name(self) -> str:
        """What the target is called in logs and in `dbg status --verbose`."""
        ...

    async def observe(self) -> Mapping[K, V]:
        """Return everything the target holds that is ours to keep."""
        ...

    async def put(self, key: K, value: V) -> None:
        """Create or change `key`; idempotent."""
        ...

    async def remove(self, key: K) -> None:
        """Remove `key`; an absent one is a success."""
        ...
