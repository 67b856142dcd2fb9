"""Flows that are over: entries of `nat` and `conntrack` whose time has passed. Pure.

The maps are LRU and would make room by themselves; the conntrack GC keeps `bpf nat list` and `bpf
ct list` to live flows, and spares these from eviction while expired ones stay.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

K = TypeVar("K")


class Expiring(Protocol):
    """A map value that says when it expires."""

    @property
    def expires_ns(self) -> int:
        """CLOCK_MONOTONIC, nanoseconds."""
        ...


def expired(entries: Iterable[tuple[K, Expiring]], *, now_ns: int) -> Iterator[K]:
    """Yield the keys whose entries were over before `now_ns` (CLOCK_MONOTONIC)."""
    return (key for key, entry in entries if entry.expires_ns < now_ns)
