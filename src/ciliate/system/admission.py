"""Who may be connected to a server, and who goes when there is no room: decisions alone.

A connection is a *newcomer* until its first request is whole, *busy* while a request is answered
and until its client has taken the answer, and *idle* between two. A busy one is never ended to make room; of the others the longest waiting
goes, newcomers first. So whoever asks at once is served, also beside somebody who opens thousands
of connections and says nothing, even from the same address.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

C = TypeVar("C", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many connections a server has, and how long, in seconds, one may keep it waiting."""

    #: In all, and of one peer. Peers that cannot be told apart are one: then both are the same.
    connections: int
    peer_connections: int
    #: Of these those whose first request is not there yet: what they cost is for nothing.
    newcomers: int
    peer_newcomers: int
    #: From the connection, a TLS handshake included, to the end of the first request's head; and
    #: from there to the end of its body.
    request_s: float = 10.0
    #: Between two requests. Clients of Go's library close after 90 s themselves.
    idle_s: float = 90.0
    #: For how long a client may take nothing of what was written to it.
    untaken_s: float = 60.0

    @classmethod
    def of_one_peer(cls, connections: int) -> Self:
        """Return bounds for clients that all count as one: any of them may take every place."""
        return cls(connections, connections, connections, connections)

    @classmethod
    def of_peers(cls, connections: int) -> Self:
        """Return bounds by which a peer has a quarter, and newcomers have a quarter of either."""
        quarter, sixteenth = max(1, connections // 4), max(1, connections // 16)
        return cls(connections, quarter, quarter, sixteenth)


class NoRoomError(Exception):
    """Every connection that could make room is busy; `of_peer`: the peer's share is used up."""

    def __init__(self, *, of_peer: bool) -> None:
        self.of_peer = of_peer
        super().__init__("every connection is busy")


@dataclass(slots=True)
class _Group(Generic[C]):
    """Connections of one peer, or all; the longest waiting is first."""

    newcomers: dict[C, None] = field(default_factory=dict)
    idle: dict[C, None] = field(default_factory=dict)
    busy: dict[C, None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.newcomers) + len(self.idle) + len(self.busy)

    def expendable(self) -> C | None:
        """Return the one that goes first, None when all are busy."""
        return next(iter(self.newcomers), None) or next(iter(self.idle), None)

    def forget(self, connection: C) -> None:
        for kind in (self.newcomers, self.idle, self.busy):
            kind.pop(connection, None)


class Admission(Generic[C]):
    """The connections of one server by what they do."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._all: _Group[C] = _Group()
        self._peers: dict[Hashable, _Group[C]] = {}  # Only peers that are connected.
        self._peer_of: dict[C, Hashable] = {}

    def __len__(self) -> int:
        return len(self._all)

    def displaced_by(self, peer: Hashable) -> C | None:
        """Return the connection that must go before another of `peer` enters; None: there is room.

        Raises:
            NoRoomError: It cannot enter.
        """
        bounds, own = self._bounds, self._peers.get(peer) or _Group()
        if len(own.newcomers) >= bounds.peer_newcomers:
            return next(iter(own.newcomers))
        if len(own) >= bounds.peer_connections:
            return _found(own.expendable(), of_peer=True)
        if len(self._all.newcomers) >= bounds.newcomers:
            return next(iter(self._all.newcomers))
        if len(self._all) >= bounds.connections:
            return _found(self._all.expendable(), of_peer=False)
        return None

    def enter(self, connection: C, peer: Hashable) -> None:
        """Note a newcomer; `displaced_by` was asked, and what it returned has left."""
        self._peer_of[connection] = peer
        for group in (self._all, self._peers.setdefault(peer, _Group())):
            group.newcomers[connection] = None

    def busy(self, connection: C) -> None:
        """Note that a request is there."""
        for group in self._groups(connection):
            group.forget(connection)
            group.busy[connection] = None

    def idle(self, connection: C) -> None:
        """Note that the request is answered."""
        for group in self._groups(connection):
            group.forget(connection)
            group.idle[connection] = None

    def leave(self, connection: C) -> None:
        """Forget a connection that is gone; again, nothing happens."""
        for group in self._groups(connection):
            group.forget(connection)
        if connection in self._peer_of:
            peer = self._peer_of.pop(connection)
            if not self._peers[peer]:
                del self._peers[peer]

    def longest_waiting(self) -> tuple[C | None, C | None]:
        """Return the newcomer and the idle connection that have waited longest."""
        return next(iter(self._all.newcomers), None), next(iter(self._all.idle), None)

    def expendable(self) -> C | None:
        """Return the connection that goes first when the process has no descriptor left."""
        return self._all.expendable()

    def everyone(self) -> tuple[C, ...]:
        """Return all connections."""
        return tuple(self._peer_of)

    def _groups(self, connection: C) -> tuple[_Group[C], ...]:
        if connection not in self._peer_of:  # It left while its request was answered.
            return ()
        return self._all, self._peers[self._peer_of[connection]]


def _found(connection: C | None, *, of_peer: bool) -> C:
    if connection is None:
        raise NoRoomError(of_peer=of_peer)
    return connection
