"""The socket calls of the pod that no connection has yet. Pure: the caller has a clock.

A call has no port of its own. It belongs to the connection that goes to the backend it got, within a
second of it.
"""

from typing import Final

from ciliate.cli.trace.connection import Call, Connection, Side
from ciliate.cli.trace.event import ASKED, GIVEN, TOLD, Event

#: From a call to the first packet of its connection.
_CALL_NS: Final = 1_000_000_000
#: So long a packet may be on its way; without a backend there will be none.
_FOLLOWED_S: Final = 3.4
_REFUSED_S: Final = 0.5

_CALLS_MAX: Final = 1024


class Calls:
    """By the socket's cookie."""

    def __init__(self, pod: str) -> None:
        self._pod = pod
        self._waiting: dict[int, Call] = {}

    @property
    def waiting(self) -> list[Call]:
        """Those that no packet has followed."""
        return list(self._waiting.values())

    def add(self, event: Event, now_s: float, taken: Call | None) -> Call | None:
        """Take what a call tells; return the call that it is of. `taken`: it is a connection's."""
        if event.point == ASKED and event.source.pod == self._pod:
            if len(self._waiting) >= _CALLS_MAX:
                del self._waiting[next(iter(self._waiting))]
            self._waiting.pop(event.cookie, None)
            self._waiting[event.cookie] = Call(event, now_s)
        call = self._waiting.get(event.cookie) or taken
        if call is not None and event.point == GIVEN:
            call.given = event
        elif call is not None and event.point == TOLD:
            call.told.append(event)
        return call

    def take_for(self, connection: Connection) -> Call | None:
        """Return the call that a connection began with, and forget it."""
        requests = [event for side, event in connection.packets if side is Side.REQUEST]
        if not requests:
            return None
        first = min(requests, key=lambda each: each.time_ns)
        for cookie, call in self._waiting.items():
            given = call.given
            if (
                given is not None
                and given.protocol == first.protocol
                and given.destination.port == first.destination.port
                and given.destination.address == first.destination.address
                and 0 <= first.time_ns - given.time_ns <= _CALL_NS
            ):
                return self._waiting.pop(cookie)
        return None

    def take_lone(self, now_s: float) -> list[Call]:
        """Return the calls that no packet will follow any more, and forget them."""
        found = []
        for cookie, call in list(self._waiting.items()):
            quiet_s = _REFUSED_S if call.given is None else _FOLLOWED_S
            if now_s - call.heard_s >= quiet_s:
                found.append(self._waiting.pop(cookie))
        return found
