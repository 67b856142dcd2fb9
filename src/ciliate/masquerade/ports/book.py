"""What is known of the ports toward each remote: how many are used, by whom, and how that grows.

A remote is an address, a port and a protocol, as connections through one address of the node reach
it: a port of the node is unique toward it alone. Pure: counts and times come from the caller.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ciliate.datapath.layout import (
    ConnectionOwnerNumber,
    PortFailure,
    PortUser,
    Tuple,
)
from ciliate.net.address import address_text, socket_text
from ciliate.net.protocol import SCTP, protocol_name

#: Up to so many connections every remote is listed.
LISTED_PORTS_MAX: Final = 8192
#: Beyond, those that have at least one in so many of all ports that are in use.
LISTED_SHARE: Final = 2048

#: Rounds whose counts growth is measured by, and remotes remembered of each: the fullest.
_ROUNDS_MAX: Final = 4
_REMEMBERED_MAX: Final = 256
#: Over less time growth says nothing, in seconds.
_SPAN_MIN_S: Final = 1.0

#: Clients try again so long, by what TCP's first retries take.
_TRYING_NS: Final = 10_000_000_000


class Remote(NamedTuple):
    """Whom ports are taken toward; addresses as the maps have them."""

    address: bytes  # Of the node, as the remote sees it.
    remote: bytes
    port: int  # 0 of an echo.
    protocol: int

    @classmethod
    def of_user(cls, user: PortUser) -> "Remote":
        """Return the remote of a key of `port_users`."""
        return cls(user.address, user.remote, user.remote_port, user.protocol)

    @classmethod
    def of_failure(cls, key: Tuple) -> "Remote":
        """Return the remote of a key of `port_failures`, whose direction is IN."""
        return cls(key.destination, key.source, key.source_port, key.protocol)

    @property
    def protocol_name(self) -> str:
        """The protocol as people write it."""
        return protocol_name(self.protocol)

    def __str__(self) -> str:
        where = address_text(self.remote)
        return f"{socket_text(where, self.port) if self.port else where}/{self.protocol_name}"


class OwnerName(NamedTuple):
    """Who answers for connections: a pod, or what has no namespace."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


NODE: Final = OwnerName("", "the node")
OUTSIDE: Final = OwnerName("", "outsiders")


@dataclass(frozen=True, slots=True)
class Account:
    """What one owner has of the table of connections."""

    owner: OwnerName
    connections: int
    evicted: int  # Ended before their time, to make room or to give back a port.
    refused: int  # Not opened, for want of room or of a port.


def least_listed(held: int) -> int:
    """Return how many ports a remote must have to be listed, where `held` connections are there.

    So there are at most LISTED_SHARE such remotes in a table of any size.
    """
    return 1 if held <= LISTED_PORTS_MAX else -(-held // LISTED_SHARE)


@dataclass(frozen=True, slots=True)
class Counts:
    """What a walk over the table of connections found."""

    used: int = 0  # Ports, of all remotes.
    unlisted: int = 0  # Of them, those of remotes that are not in `by_remote`.
    least: int = 1
    by_remote: Mapping[Remote, int] = field(default_factory=dict)
    by_owner: Mapping[Remote, Mapping[int, int]] = field(default_factory=dict)


def read_counts(
    entries: Iterable[tuple[PortUser, int]], *, used: int, entered: int, least: int
) -> Counts:
    """Return what `port_users` says after a walk that met `used` ports and entered some."""
    by_remote: dict[Remote, int] = {}
    by_owner: dict[Remote, dict[int, int]] = {}
    for user, ports in entries:
        remote = Remote.of_user(user)
        if user.owner == ConnectionOwnerNumber.OWNER_ALL:
            by_remote[remote] = ports
        else:
            by_owner.setdefault(remote, {})[user.owner] = ports
    return Counts(used, used - entered, least, by_remote, by_owner)


@dataclass(frozen=True, slots=True)
class PortRange:
    """The ports that masqueraded connections get, both inclusive."""

    first: int
    last: int

    def ports(self, remote: Remote) -> int:
        """Return how many there are toward a remote; SCTP keeps whatever port a pod has."""
        return 65535 if remote.protocol == SCTP else self.last - self.first + 1


def is_recent(failure: PortFailure, *, now_ns: int) -> bool:
    """Whether a search for a port has failed so lately that its client may still be trying."""
    return now_ns - failure.last_ns < _TRYING_NS


@dataclass(frozen=True, slots=True)
class RemotePorts:
    """The page of one remote."""

    remote: Remote
    used: int
    ports: int
    holders: Mapping[int, int]  # Owner -> ports.
    growth_per_s: float | None = None  # None: not known yet.
    failures: PortFailure | None = None

    @property
    def fill(self) -> float:
        """Which part of the ports is used, from 0 to 1."""
        return self.used / self.ports

    @property
    def seconds_to_exhaustion(self) -> float | None:
        """When all are used at this growth; None: not at all, or not known."""
        free = self.ports - self.used
        if free <= 0:
            return 0.0
        growth = self.growth_per_s
        return free / growth if growth is not None and growth > 0 else None

    @property
    def failed(self) -> int:
        """How many searches for a port found none."""
        return 0 if self.failures is None else self.failures.failed


@dataclass(frozen=True, slots=True)
class PortBook:
    """All pages, the fullest first; `counts` is what they were made of."""

    counts: Counts = field(default_factory=Counts)
    pages: tuple[RemotePorts, ...] = ()


def write_book(
    counts: Counts,
    failures: Mapping[Remote, PortFailure],
    growth: Mapping[Remote, float],
    ports: PortRange,
) -> PortBook:
    """Return the book: a page of each remote that uses ports, or for which one was missing."""
    pages = [
        RemotePorts(
            remote,
            counts.by_remote.get(remote, 0),
            ports.ports(remote),
            counts.by_owner.get(remote, {}),
            growth.get(remote),
            failures.get(remote),
        )
        for remote in counts.by_remote.keys() | failures.keys()
    ]
    pages.sort(key=lambda page: (-page.fill, -page.failed, -page.used, page.remote))
    return PortBook(counts, tuple(pages))


class Growth:
    """The counts of the latest rounds. Ports come and go, so growth is what is more by now.

    Only the fullest remotes are remembered of a round. Of one that is not among them nothing is
    known, unless the round had room for more.
    """

    def __init__(self) -> None:
        self._rounds: deque[tuple[float, Counter[Remote]]] = deque(maxlen=_ROUNDS_MAX)

    def note(self, time_s: float, counts: Counts) -> None:
        """Remember a round."""
        fullest = Counter(counts.by_remote).most_common(_REMEMBERED_MAX)
        self._rounds.append((time_s, Counter(dict(fullest))))

    def since_then(self, time_s: float, counts: Counts) -> dict[Remote, float]:
        """Return by how many ports a second each remote has grown up to now, as far as known."""
        if not self._rounds or time_s - self._rounds[0][0] < _SPAN_MIN_S:
            return {}
        then_s, then = self._rounds[0]
        all_known = len(then) < _REMEMBERED_MAX  # What was not listed had next to nothing.
        return {
            remote: (used - then[remote]) / (time_s - then_s)
            for remote, used in counts.by_remote.items()
            if all_known or remote in then
        }


def largest(
    holders: Mapping[int, int], name: Callable[[int], OwnerName], count: int
) -> list[tuple[OwnerName, int]]:
    """Return those who hold most, with their ports; a pod's interfaces count together."""
    ports: Counter[OwnerName] = Counter()
    for number, held in holders.items():
        ports[name(number)] += held
    return sorted(ports.items(), key=lambda each: (-each[1], each[0]))[:count]
