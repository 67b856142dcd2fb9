"""Which events belong to one connection of the pod, and when that is whole. Pure: the caller has a clock.

A connection is known by its protocol and the pod's port: its other end changes its name on the way.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from ciliate.cli.trace.calls import Calls
from ciliate.cli.trace.connection import Call, Connection, Side
from ciliate.cli.trace.event import GIVEN, Event
from ciliate.cli.trace.sought import Place, Sought

_NS: Final = 1_000_000_000

#: From a packet to an ICMP error about it: three failed questions for a neighbour take 3 s.
_ERROR_NS: Final = 5 * _NS
#: Without an event a connection is over: one that has its answer, and one that may still get it, such as
#: a router's word that nobody answers for an address, after 3 s.
_ANSWERED_S: Final = 0.5
_UNANSWERED_S: Final = 3.4
#: A connection that goes on is shown after so long.
_WATCHED_S: Final = 5.0
#: A datagram so long after the last one shown begins another exchange.
_PAUSE_NS: Final = _NS

#: Later than anything.
_FOREVER_S: Final = float("inf")

_OPEN_MAX: Final = 256
_SHOWN_MAX: Final = 4096
_UNPLACED_MAX: Final = 1024

_Key = tuple[str, Place]


class Collector:
    """Takes events as they come, and gives connections when they are whole."""

    def __init__(self, sought: Sought) -> None:
        self._sought = sought
        self._open: dict[_Key, Connection] = {}
        self._calls = Calls(sought.pod)
        #: When the last event was of what is shown already.
        self._shown: dict[_Key, int] = {}
        self._backends: set[Place] = set()
        #: Of the pod, and of nobody who is a peer so far.
        self._unplaced: deque[Event] = deque(maxlen=_UNPLACED_MAX)

    @property
    def has_begun(self) -> bool:
        """Whether anything is collected that will be shown."""
        return bool(self._open or any(map(self._is_lone, self._calls.waiting)))

    def add(self, event: Event, now_s: float) -> None:
        """Take an event."""
        if self._sought.protocol and event.protocol != self._sought.protocol:
            return
        if event.is_call:
            self._add_call(event, now_s)
        elif event.is_icmp_error and event.destination.address in self._sought.addresses:
            self._add_error(event, now_s)
        elif (side := self._side(event)) is not None:
            self._add_packet(side, event, now_s)
        elif event.source.address in self._sought.addresses:
            self._unplaced.append(event)

    def ripe(self, now_s: float) -> list[Connection]:
        """Return the connections that are whole, the first first, and forget them."""
        found = []
        for key, each in list(self._open.items()):
            quiet_s = _ANSWERED_S if each.is_answered else _UNANSWERED_S
            if now_s - each.last_heard_s >= quiet_s or now_s - each.first_heard_s >= _WATCHED_S:
                found.append(self._close(key))
        found += self._lone_calls(now_s)
        return self._own(found)

    def rest(self) -> list[Connection]:
        """Return what there is, whole or not."""
        found = [self._close(key) for key in list(self._open)]
        return self._own([*found, *self._lone_calls(_FOREVER_S)])

    def _own(self, found: Iterable[Connection]) -> list[Connection]:
        own = [each for each in found if self._is_own(each)]
        return sorted(own, key=lambda each: each.began_ns)

    def _is_own(self, connection: Connection) -> bool:
        """Whether the pod began it, and with the destination: not with a Service's backend itself."""
        sought = self._sought
        if not connection.is_opened_by_pod(sought.node):
            return False
        return not (sought.is_service and connection.is_direct(sought.node)) or any(
            sought.name_of(event.source.address, event.source.port)
            for _, event in connection.packets
        )

    def _add_call(self, event: Event, now_s: float) -> None:
        call = self._calls.add(event, now_s, self._taken_call(event.cookie))
        if call is not None and event.point == GIVEN:
            self._learn(call, now_s)

    def _taken_call(self, cookie: int) -> Call | None:
        calls = (each.call for each in self._open.values())
        return next((call for call in calls if call and call.asked.cookie == cookie), None)

    def _learn(self, call: Call, now_s: float) -> None:
        """Count the backend of a call to the destination as a face of it."""
        if call.given is None or not self._is_wanted(call):
            return
        place = (call.given.destination.address, call.given.destination.port)
        if place in self._backends or self._sought.is_peer(*place):
            return
        self._backends.add(place)
        waiting, self._unplaced = self._unplaced, deque(maxlen=_UNPLACED_MAX)
        for event in waiting:
            self.add(event, now_s)

    def _is_wanted(self, call: Call) -> bool:
        ends = [each.destination for each in (call.asked, call.given) if each is not None]
        return any(self._is_peer(end.address, end.port) for end in ends)

    def _is_peer(self, address: str, port: int) -> bool:
        return (address, port) in self._backends or self._sought.is_peer(address, port)

    def _side(self, event: Event) -> Side | None:
        """Return which way a packet goes; None: it is not between the two."""
        source, destination = event.source, event.destination
        if source.address in self._sought.addresses:
            is_own = self._is_peer(destination.address, destination.port)
            return Side.REQUEST if is_own and event.packet != "EchoReply" else None
        if destination.address in self._sought.addresses:
            is_own = self._is_peer(source.address, source.port)
            return Side.REPLY if is_own and event.packet != "EchoRequest" else None
        is_forged = event.drop is not None and self._is_of_device(event)
        if is_forged and self._is_peer(destination.address, destination.port):
            return Side.REQUEST
        is_answer = self._is_peer(source.address, source.port) and self._is_seen_as(event)
        return Side.REPLY if is_answer else None

    def _is_seen_as(self, event: Event) -> bool:
        """Whether a packet goes to the address that one of the pod's left with."""
        end = event.destination
        return any(
            each.seen == end.address
            and (each.protocol, each.source.port) == (event.protocol, end.port)
            for connection in self._open.values()
            for _, each in connection.packets
        )

    def _is_of_device(self, event: Event) -> bool:
        sought = self._sought
        return bool(sought.device) and (event.node, event.device) == (sought.node, sought.device)

    def _add_packet(self, side: Side, event: Event, now_s: float) -> None:
        own, other = event.source, event.destination
        if side is Side.REPLY:
            own, other = other, own
        key = (event.protocol, ("", own.port) if own.port else (other.address, 0))
        if key not in self._open:
            if not self._begins(key, side, event) or len(self._open) >= _OPEN_MAX:
                return
            self._open[key] = Connection(now_s, now_s)
        connection = self._open[key]
        connection.packets.append((side, event))
        connection.last_heard_s = now_s
        if side is Side.REQUEST and connection.call is None:
            connection.call = self._calls.take_for(connection)

    def _begins(self, key: _Key, side: Side, event: Event) -> bool:
        """Whether an event begins another connection than one that was shown by this name."""
        shown_ns = self._shown.get(key)
        if shown_ns is None:
            return True
        if side is Side.REPLY or event.time_ns <= shown_ns:
            return False
        return event.is_opening or (
            event.protocol != "tcp" and event.time_ns - shown_ns >= _PAUSE_NS
        )

    def _add_error(self, event: Event, now_s: float) -> None:
        """Give an ICMP error to the latest connection without an answer: it quotes what we do not see."""
        fitting = [
            each
            for each in self._open.values()
            if 0 <= event.time_ns - each.began_ns <= _ERROR_NS
            and not any(side is Side.REPLY and not e.is_icmp_error for side, e in each.packets)
        ]
        if fitting:
            latest = max(fitting, key=lambda each: each.began_ns)
            latest.packets.append((Side.REPLY, event))
            latest.last_heard_s = now_s

    def _close(self, key: _Key) -> Connection:
        connection = self._open.pop(key)
        if len(self._shown) >= _SHOWN_MAX:
            del self._shown[next(iter(self._shown))]
        self._shown[key] = max(event.time_ns for event in connection.events)
        return connection

    def _lone_calls(self, now_s: float) -> list[Connection]:
        """Return calls that no packet followed, as connections of their own."""
        lone = filter(self._is_lone, self._calls.take_lone(now_s))
        return [Connection(call.heard_s, call.heard_s, call=call) for call in lone]

    def _is_lone(self, call: Call) -> bool:
        """Whether a call is worth showing alone: of UDP it sends nothing, and only asks for a way."""
        is_idle = call.given is not None and call.asked.protocol != "tcp"
        return not is_idle and self._is_wanted(call)


def connections_of(events: Iterable[Event], sought: Sought) -> list[Connection]:
    """Return the connections that kept events make, the first first: heard anew, as they happened."""
    collector, found = Collector(sought), list[Connection]()
    for event in sorted(events, key=lambda each: each.time_ns):
        now_s = event.time_ns / _NS
        found += collector.ripe(now_s)
        collector.add(event, now_s)
    return [*found, *collector.rest()]
