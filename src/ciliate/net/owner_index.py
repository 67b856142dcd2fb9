"""Owners of addresses, or of CIDRs, where several may claim the same one."""

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)
O = TypeVar("O", bound=Hashable)  # noqa: E741 - the owner.


class OwnerIndex(Generic[T, O]):
    """Owners by what they own; of several, the one who came last counts.

    Two owners of one thing are rare and temporary: the end of one is not known yet.
    """

    def __init__(self) -> None:
        self._owners: dict[T, O] = {}
        #: The others, in the order in which they came.
        self._former: dict[T, list[O]] = {}

    def __iter__(self) -> Iterator[T]:
        return iter(self._owners)

    def __len__(self) -> int:
        return len(self._owners)

    def get(self, thing: T) -> O | None:
        """Return who owns it, or None."""
        return self._owners.get(thing)

    def owners(self, thing: T) -> tuple[O, ...]:
        """Return all owners, the one who counts last; empty: it has none."""
        known = self._owners.get(thing)
        return (*self._former.get(thing, ()), known) if known is not None else ()

    def add(self, thing: T, owner: O) -> None:
        """Enter an owner, before all others of the same thing."""
        known = self._owners.get(thing)
        if known is not None and known != owner:
            self._former.setdefault(thing, []).append(known)
        self._drop_former(thing, owner)
        self._owners[thing] = owner

    def remove(self, thing: T, owner: O) -> None:
        """Take an owner out; one that is not entered is a success."""
        if self._owners.get(thing) != owner:
            self._drop_former(thing, owner)
            return
        former = self._former.get(thing)
        if not former:
            del self._owners[thing]
            return
        self._owners[thing] = former.pop()
        if not former:
            del self._former[thing]

    def _drop_former(self, thing: T, owner: O) -> None:
        former = self._former.get(thing)
        if former and owner in former:
            former.remove(owner)
            if not former:
                del self._former[thing]
