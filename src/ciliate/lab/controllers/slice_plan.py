"""Which endpoints lie in which EndpointSlice, so that a change touches as few as can be. Pure.

As kube-controller-manager packs them: an endpoint stays where it lies; new ones first fill slices
that change anyway, then the one slice that gets fullest with all that is left, else new slices. No
two slices become one, and none is moved to save a slice: that would tell every node of endpoints
that are as they were.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from ciliate.api.endpoint_slice import Endpoint, EndpointPort, EndpointSlice

#: How many endpoints the controller puts into one slice; the API's own limit is 1,000.
SLICE_ENDPOINTS_MAX: Final = 100

Ports = tuple[EndpointPort, ...]
#: What a slice lists.
Content = tuple[Ports, tuple[Endpoint, ...]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An endpoint that should be in a slice, and the slice's ports."""

    ports: Ports
    endpoint: Endpoint


@dataclass(slots=True)
class Changes:
    """What is to be written: names of slices, and what of new ones."""

    updates: dict[str, Content] = field(default_factory=dict)
    creations: list[Content] = field(default_factory=list)
    deletions: list[str] = field(default_factory=list)


class SliceBook:
    """The slices of a Service of one family as they are, and where in them each pod is."""

    def __init__(self) -> None:
        self.slices: dict[str, EndpointSlice] = {}
        #: By the pod's uid: the slices that it is in, and as what. While it moves it is in two.
        self._places: dict[str, dict[str, Endpoint]] = {}

    def note(self, name: str, found: EndpointSlice | None) -> None:
        """Take in what a slice is now; None: it is gone."""
        old = self.slices.pop(name, None)
        for endpoint in old.endpoints if old is not None else ():
            uid = uid_of(endpoint)
            places = self._places.get(uid, {})
            places.pop(name, None)
            if not places:
                self._places.pop(uid, None)
        if found is None:
            return
        self.slices[name] = found
        for endpoint in found.endpoints:
            self._places.setdefault(uid_of(endpoint), {})[name] = endpoint

    def place_of(self, uid: str) -> tuple[str, Endpoint] | None:
        """Return the slice that a pod is in, and as what."""
        places = self._places.get(uid)
        return next(iter(places.items())) if places else None

    def strays(self, wanted: Mapping[str, Wanted | None]) -> dict[str, set[str]]:
        """Return by slice what in it is no pod that is wanted, or is in another slice too."""
        found: dict[str, set[str]] = defaultdict(set)
        for uid, places in self._places.items():
            kept = 0 if wanted.get(uid) is None else 1
            for name in list(places)[kept:]:
                found[name].add(uid)
        return found


def uid_of(endpoint: Endpoint) -> str:
    """Return the uid of an endpoint's pod; empty of one that no controller put there."""
    return endpoint.target_ref.uid if endpoint.target_ref is not None else ""


def plan_some(book: SliceBook, wanted: Mapping[str, Wanted | None]) -> Changes:
    """Return what brings these pods right, by uid; None: it is to be in no slice."""
    return _Packing(book).run(wanted)


def plan_all(book: SliceBook, wanted: Mapping[str, Wanted | None]) -> Changes:
    """Return what brings all slices to these pods and no others."""
    packing = _Packing(book)
    for name, uids in book.strays(wanted).items():
        packing.remove(name, uids)
    return packing.run(wanted)


class _Packing:
    """One round of changes; slices are opened when something in them changes."""

    def __init__(self, book: SliceBook) -> None:
        self._book = book
        self._opened: dict[str, dict[str, Endpoint]] = {}
        self._creations: list[Content] = []

    def run(self, wanted: Mapping[str, Wanted | None]) -> Changes:
        """Place each pod, then what has none yet."""
        new: dict[Ports, list[Endpoint]] = defaultdict(list)
        for uid, each in wanted.items():
            if not self._stays(uid, each) and each is not None:
                new[each.ports].append(each.endpoint)
        for ports, endpoints in new.items():
            self._add(ports, endpoints)
        return self._changes()

    def remove(self, name: str, uids: Iterable[str]) -> None:
        """Take endpoints out of a slice."""
        opened = self._open(name)
        for uid in uids:
            opened.pop(uid, None)

    def _open(self, name: str) -> dict[str, Endpoint]:
        if name not in self._opened:
            found = self._book.slices[name].endpoints
            self._opened[name] = {uid_of(endpoint): endpoint for endpoint in found}
        return self._opened[name]

    def _stays(self, uid: str, wanted: Wanted | None) -> bool:
        """Put an endpoint right where it is; False: it is in no slice now."""
        place = self._book.place_of(uid)
        if place is None:
            return False
        name, endpoint = place
        if wanted is None or wanted.ports != self._book.slices[name].ports:
            self.remove(name, (uid,))
            return False
        if wanted.endpoint != endpoint:
            self._open(name)[uid] = wanted.endpoint
        return True

    def _add(self, ports: Ports, endpoints: list[Endpoint]) -> None:
        rest = iter(endpoints)
        left = len(endpoints)
        opened = [name for name in self._opened if self._book.slices[name].ports == ports]
        for name in sorted(opened, key=lambda name: -len(self._opened[name])):
            left -= self._fill(name, rest)
        fitting = self._closest(ports, left) if left else None
        if fitting is not None:
            self._fill(fitting, rest)
            return
        while chunk := tuple(islice(rest, SLICE_ENDPOINTS_MAX)):
            self._creations.append((ports, chunk))

    def _fill(self, name: str, rest: Iterable[Endpoint]) -> int:
        opened = self._open(name)
        before = len(opened)
        room = max(SLICE_ENDPOINTS_MAX - before, 0)
        opened.update((uid_of(endpoint), endpoint) for endpoint in islice(rest, room))
        return len(opened) - before

    def _closest(self, ports: Ports, count: int) -> str | None:
        """The slice with these ports that has room for all, and the least of it."""
        rooms = {
            name: SLICE_ENDPOINTS_MAX - count - len(each.endpoints)
            for name, each in self._book.slices.items()
            if each.ports == ports and name not in self._opened
        }
        fitting = [name for name, room in rooms.items() if room >= 0]
        return min(fitting, key=lambda name: (rooms[name], name), default=None)

    def _changes(self) -> Changes:
        found = Changes(creations=self._creations)
        empty = []
        for name, each in self._book.slices.items():
            endpoints = self._opened.get(name)
            if not (each.endpoints if endpoints is None else endpoints):
                empty.append(name)
            elif endpoints is not None:
                found.updates[name] = (each.ports, tuple(endpoints.values()))
        if len(empty) == len(self._book.slices) and not found.creations:
            _say_that_there_are_none(self._book, empty, found)
        # A slice that empties becomes a new one: watchers hear of one change, not of two.
        while empty and found.creations:
            found.updates[empty.pop(0)] = found.creations.pop(0)
        found.deletions = empty
        return found


def _say_that_there_are_none(book: SliceBook, empty: list[str], found: Changes) -> None:
    """Have one slice without endpoints and ports: readers know then that there are none."""
    for name in empty:
        each = book.slices[name]
        if not each.endpoints and not each.ports:
            empty.remove(name)
            return
    found.creations.append(((), ()))
