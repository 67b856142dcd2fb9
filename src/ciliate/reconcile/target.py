"""What a reconciler keeps right: a BPF map, a route table, objects of the API."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from typing import Protocol, TypeVar, runtime_checkable

from ciliate.errors import CiliateError

K = TypeVar("K")
V = TypeVar("V")

#: The keys that could not be changed, each with its reason.
Failures = Mapping[K, CiliateError]


class Target(Protocol[K, V]):
    """Three duties. `observe` reads the kernel or the API, never our memory of what we wrote.

    Puts and removals come in batches. A key that fails is returned and does not stop the others.
    """

    @property
    def name(self) -> str:
        """What the target is called in logs and in `dbg status --verbose`."""
        ...

    async def observe(self) -> Mapping[K, V]:
        """Return everything the target holds that is ours to keep."""
        ...

    async def put(self, entries: Mapping[K, V]) -> Failures[K]:
        """Create or change these keys; idempotent."""
        ...

    async def remove(self, keys: Collection[K]) -> Failures[K]:
        """Remove these keys; an absent one is a success."""
        ...


@runtime_checkable
class StreamedTarget(Target[K, V], Protocol):
    """A target that holds so much that a walk never has all of it in memory."""

    def pieces(self) -> AsyncIterator[Mapping[K, V]]:
        """Yield what the target holds, as `observe` would return it, in pieces."""
        ...

    async def absent(self, keys: Collection[K]) -> Collection[K]:
        """Return those of `keys` that the target does not hold."""
        ...


async def one_by_one(keys: Iterable[K], act: Callable[[K], Awaitable[object]]) -> Failures[K]:
    """Call `act` for each key; for targets that know no batches."""
    failures: dict[K, CiliateError] = {}
    for key in keys:
        try:
            await act(key)
        except CiliateError as error:
            failures[key] = error
    return failures
