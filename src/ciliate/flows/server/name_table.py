"""Who had which address, and when; what identities stand for. Pure.

A name holds for what happened while it did: an address that was given again names the pod that had it
at the moment of the event. Events come quicker than the watches that tell names: one that nobody had a
name for gets the name that came soon after, if its identity agrees; else its identity is all that is
said.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from typing import Final

from ciliate.flows.feed import (
    IdentityLabels,
    Line,
    NodeAddresses,
    PodGone,
    PodName,
    ServiceNamed,
)
from ciliate.flows.server.service_table import ServiceTable
from ciliate.net.identity import ReservedIdentity

#: How long a name may come behind the first packet that it is for.
LATE_NS: Final = 10 * 10**9

#: Names of the past that are kept, for flows of the past; the oldest goes.
FORMER_MAX: Final = 16384

#: Identities of which labels are known; no cluster has more (16 bits of numbers).
_IDENTITIES_MAX: Final = 1 << 17

_FOREVER: Final = 1 << 63


class Holding:
    """A pod's time with an address."""

    __slots__ = ("identities", "name", "since_ns", "until_ns")

    def __init__(self, name: PodName) -> None:
        self.name = name
        self.identities = {name.identity}  # All that it had meanwhile.
        self.since_ns = name.since_ns
        self.until_ns = _FOREVER

    def agrees(self, identity: int) -> bool:
        """Whether the datapath can have meant this pod by an identity; of our own pods we know."""
        if self.name.endpoint or identity in (0, ReservedIdentity.INIT):
            return True
        return identity in self.identities or ReservedIdentity.INIT in self.identities

    def was_meant(self, identity: int) -> bool:
        """Whether the datapath meant this pod by an identity before we knew of it."""
        return identity in (0, ReservedIdentity.INIT) or identity in self.identities


class NameTable:
    """Names by address and time, and labels by identity; Services have a table of their own."""

    def __init__(self) -> None:
        self.services = ServiceTable()
        #: In the order of their beginnings; of two at once the later one counts.
        self._holdings: dict[bytes, list[Holding]] = {}
        self._now: dict[str, tuple[PodName, tuple[Holding, ...]]] = {}
        self._former: deque[tuple[bytes, Holding]] = deque()
        self._labels: dict[int, tuple[str, ...]] = {}
        self._by_uid: dict[str, PodName] = {}

    def take(self, line: Line) -> None:
        """Take in what the agent tells."""
        match line:
            case PodName():
                self._name(line)
            case PodGone():
                self._end(line.key, line.at_ns)
            case ServiceNamed() | NodeAddresses():
                self.services.take(line)
            case IdentityLabels() if len(self._labels) < _IDENTITIES_MAX:
                self._labels[line.number] = line.labels

    def at(self, address: bytes, time_ns: int, identity: int) -> PodName | None:
        """Return who had an address (16 octets) at a moment.

        `identity` is what the datapath knew the address by; 0: nothing.
        """
        holdings = self._holdings.get(address)
        if holdings is None:
            return None
        place = bisect_right(holdings, time_ns, key=lambda each: each.since_ns)
        for holding in reversed(holdings[:place]):
            if holding.until_ns > time_ns and holding.agrees(identity):
                return holding.name
        for holding in holdings[place:]:
            if holding.since_ns - time_ns <= LATE_NS and holding.was_meant(identity):
                return holding.name
        return None

    def known(self, key: str) -> PodName | None:
        """Return what was told last under a key, unless that is gone."""
        found = self._now.get(key)
        return found[0] if found is not None else None

    def labels(self, identity: int) -> tuple[str, ...]:
        """Return the labels that an identity stands for; none where they are not known."""
        known = self._labels.get(identity)
        if known is not None:
            return known
        try:
            return (ReservedIdentity(identity).label,)
        except ValueError:
            return ()

    def of_uid(self, uid: str) -> PodName | None:
        """Return the pod of this node that has a UID, or had it last."""
        return self._by_uid.get(uid)

    def addresses_of(self, names: Iterable[PodName]) -> frozenset[bytes]:
        """Return every address that pods have."""
        return frozenset(address for name in names for address in name.addresses)

    def pods(self) -> tuple[PodName, ...]:
        """Return all pods, those of the past that are still known among them."""
        former = (holding.name for _address, holding in self._former)
        return (*(name for name, _holdings in self._now.values()), *former)

    def _name(self, name: PodName) -> None:
        known = self._now.get(name.key)
        if known is not None:
            before, holdings = known
            if _is_same_pod(before, name):  # Its labels changed, and the pod did not.
                for holding in holdings:
                    holding.name = name
                    holding.identities.add(name.identity)
                self._enter(name, holdings)
                return
            self._end(name.key, name.since_ns)
        holdings = tuple(Holding(name) for _address in name.addresses)
        for address, holding in zip(name.addresses, holdings, strict=True):
            at = self._holdings.setdefault(address, [])
            at.insert(bisect_right(at, holding.since_ns, key=lambda each: each.since_ns), holding)
        self._enter(name, holdings)

    def _enter(self, name: PodName, holdings: tuple[Holding, ...]) -> None:
        self._now[name.key] = (name, holdings)
        if name.endpoint:
            self._by_uid[name.uid] = name

    def _end(self, key: str, at_ns: int) -> None:
        known = self._now.pop(key, None)
        if known is None:
            return
        name, holdings = known
        for address, holding in zip(name.addresses, holdings, strict=True):
            holding.until_ns = at_ns
            self._former.append((address, holding))
        while len(self._former) > FORMER_MAX:
            self._forget(*self._former.popleft())

    def _forget(self, address: bytes, holding: Holding) -> None:
        holdings = self._holdings[address]
        holdings.remove(holding)
        if not holdings:
            del self._holdings[address]
        name = holding.name
        if self._by_uid.get(name.uid) is name:
            del self._by_uid[name.uid]


def _is_same_pod(before: PodName, after: PodName) -> bool:
    ends = (before.namespace, before.pod, before.uid, before.addresses)
    return ends == (after.namespace, after.pod, after.uid, after.addresses)
