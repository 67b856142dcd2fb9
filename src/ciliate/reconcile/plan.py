"""The difference between what should be and what is: pure, immutable, leaves no choice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Plan(Generic[K, V]):
    """Keys to put with their values, and keys to remove. A second plan after it is empty."""

    put: Mapping[K, V]
    remove: frozenset[K]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.put and not self.remove


def plan(desired: Mapping[K, V], observed: Mapping[K, V]) -> Plan[K, V]:
    """Return what turns `observed` into `desired`."""
    return Plan(
        put={
            key: value
            for key, value in desired.items()
            if key not in observed or observed[key] != value
        },
        remove=frozenset(key for key in observed if key not in desired),
    )
