"""Which events are of one packet, and in which order it met the nodes. Pure.

No event numbers its packet. Two events of the same kind of packet, in the same direction, are of one
packet where no node tells of it twice at the same point. Within a node times say what came first;
between nodes the way does, since their clocks may differ.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ciliate.cli.trace.connection import Side
from ciliate.cli.trace.event import Event

#: One node does not hold a packet longer.
_STAY_NS: Final = 1_000_000_000


@dataclass(slots=True)
class Packet:
    """A packet, or a socket's call, and where it was seen."""

    side: Side
    #: "SYN, ACK", "EchoRequest"; of a socket's call empty.
    kind: str
    hops: list[Event] = field(default_factory=list)

    @property
    def is_call(self) -> bool:
        """Whether it is a socket's call."""
        return not self.kind

    @property
    def is_dropped(self) -> bool:
        """Whether it went no further somewhere."""
        return any(each.drop is not None for each in self.hops)

    @property
    def way(self) -> tuple[tuple[str, str, str], ...]:
        """Where it was seen: what packets that go the same way have in common."""
        return tuple((each.node, each.point, each.device) for each in self.hops)

    def takes(self, event: Event) -> bool:
        """Whether an event may be of this packet too."""
        for each in self.hops:
            if each.node == event.node and (
                each.point == event.point or abs(each.time_ns - event.time_ns) > _STAY_NS
            ):
                return False
        return True


def packets_of(events: Iterable[tuple[Side, Event]], node: str) -> list[Packet]:
    """Return the packets, the first first; `node` is where the pod runs that began."""
    found: list[Packet] = []
    for side, event in sorted(events, key=lambda each: each[1].time_ns):
        for packet in found:
            if (packet.side, packet.kind) == (side, event.packet) and packet.takes(event):
                packet.hops.append(event)
                break
        else:
            found.append(Packet(side, event.packet, [event]))
    for packet in found:
        is_last = packet.side is Side.REPLY
        packet.hops.sort(key=lambda each: ((each.node == node) is is_last, each.time_ns))
    return sorted(found, key=lambda packet: _moment(packet, node))


def _moment(packet: Packet, node: str) -> int:
    """Return when a packet was seen by the clock that all have been seen by, if one has."""
    own = [each.time_ns for each in packet.hops if each.node == node]
    return min(own or [each.time_ns for each in packet.hops])


def clock_differences(packets: Iterable[Packet]) -> Mapping[tuple[str, str], int]:
    """Return by how many nanoseconds a node's clock is behind another's, at least, by (node, other).

    It told of a packet before the other had sent it on.
    """
    found: dict[tuple[str, str], int] = {}
    for packet in packets:
        for before, after in zip(packet.hops, packet.hops[1:], strict=False):
            behind_ns = before.time_ns - after.time_ns
            pair = (after.node, before.node)
            if before.node != after.node and behind_ns > found.get(pair, 0):
                found[pair] = behind_ns
    return found
