"""A connection of the pod, as it was told of: packets, and the socket's call that it began with. Pure."""

from dataclasses import dataclass, field
from enum import Enum

from ciliate.cli.trace.event import Event


class Side(Enum):
    """Which way a packet goes."""

    REQUEST = "request"
    REPLY = "reply"


@dataclass(slots=True)
class Call:
    """A socket's call that names a Service."""

    asked: Event
    heard_s: float
    given: Event | None = None
    told: list[Event] = field(default_factory=list)


@dataclass(slots=True)
class Connection:
    """What was told of one connection, in the order in which it was heard."""

    first_heard_s: float
    last_heard_s: float
    packets: list[tuple[Side, Event]] = field(default_factory=list)
    call: Call | None = None

    @property
    def began_ns(self) -> int:
        """When the first event was."""
        return min(event.time_ns for event in self.events)

    @property
    def events(self) -> list[Event]:
        """All events."""
        call = self.call
        calls = [each for each in (call.asked, call.given, *call.told) if each] if call else []
        return [*calls, *(event for _, event in self.packets)]

    @property
    def is_answered(self) -> bool:
        """Whether nothing more is to come, or nothing that matters."""
        packets = self.packets
        if not packets or any(event.drop for _, event in packets):
            return True
        if packets[0][1].protocol != "tcp":
            return any(side is Side.REPLY for side, _ in packets)
        ended = {side for side, event in packets if "FIN" in event.packet}
        return len(ended) == 2 or any("RST" in event.packet for _, event in packets)

    def is_opened_by_pod(self, node: str) -> bool:
        """Whether the pod that is asked about began it; `node` is where it runs."""
        if self.call is not None:
            return True
        for side, event in self.packets:
            if event.is_opening:
                return side is Side.REQUEST
        own = [each for each in self.packets if each[1].node == node] or self.packets
        side, first = min(own, key=lambda each: each[1].time_ns)
        return side is Side.REQUEST or first.is_reply is not False

    def is_direct(self, node: str) -> bool:
        """Whether the pod asked for no Service: nothing was translated from its opening to its answer."""
        opened = any(event.is_opening for _, event in self.packets)
        answered = any(
            side is Side.REPLY and (event.node, event.point) == (node, "to-endpoint")
            for side, event in self.packets
            if not event.is_icmp_error
        )
        return self.call is None and opened and answered
