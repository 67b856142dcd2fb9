"""A connection as what is shown of it: whom it joins, its packets in order, and remarks. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ciliate.cli.trace.connection import Call, Connection, Side
from ciliate.cli.trace.event import End, Event
from ciliate.cli.trace.packets import Packet, packets_of
from ciliate.cli.trace.sought import Sought


@dataclass(frozen=True, slots=True)
class Way:
    """One connection's way, as far as it was told."""

    sought: Sought
    protocol: str
    began_ns: int
    source: End
    #: Whom the pod asked for, and who answers where that is another: a Service and its backend.
    destination: End
    backend: End | None
    #: A Service that has no backend for the call.
    is_refused: bool
    packets: Sequence[Packet]

    @property
    def requests(self) -> Sequence[Packet]:
        """What the pod sent."""
        return [each for each in self.packets if each.side is Side.REQUEST and not each.is_call]

    @property
    def replies(self) -> Sequence[Packet]:
        """What came back."""
        return [each for each in self.packets if each.side is Side.REPLY and not each.is_call]

    @property
    def is_answered(self) -> bool:
        """Whether the other side answered, and no router in its place."""
        return any(not hop.is_icmp_error for packet in self.replies for hop in packet.hops)

    @property
    def drops(self) -> Sequence[Event]:
        """Where packets ended."""
        return [hop for packet in self.packets for hop in packet.hops if hop.drop is not None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known beside the flows."""

    #: The level of `monitor-aggregation`; empty: not known.
    aggregation: str = ""
    #: By node: why it tells nothing.
    silent: Mapping[str, str] = field(default_factory=dict)
    #: By node: how many events were lost.
    lost: Mapping[str, int] = field(default_factory=dict)


def way_of(connection: Connection, sought: Sought) -> Way:
    """Return what a connection shows."""
    call = connection.call
    packets = packets_of(connection.packets, sought.node)
    requests = [packet.hops[0] for packet in packets if packet.side is Side.REQUEST]
    source, destination, backend = _ends(connection, requests, sought)
    return Way(
        sought=sought,
        protocol=connection.events[0].protocol,
        began_ns=connection.began_ns,
        source=source,
        destination=destination,
        backend=backend,
        is_refused=call is not None and call.given is None,
        packets=_with_call(packets, call),
    )


def _ends(
    connection: Connection, requests: Sequence[Event], sought: Sought
) -> tuple[End, End, End | None]:
    call = connection.call
    if requests:
        source, reached = requests[0].source, requests[0].destination
    elif call is not None:
        given = call.given or call.asked
        source, reached = given.source, given.destination
    else:
        reply = connection.packets[0][1]
        source, reached = reply.destination, reply.source
    asked = call.asked.destination if call is not None else _service(connection, sought)
    if asked is None or asked.address == reached.address:
        return source, reached, None
    return source, asked, reached


def _service(connection: Connection, sought: Sought) -> End | None:
    """Return the Service that answers: the datapath itself put a backend in its place, and back."""
    return next(
        (
            event.source
            for side, event in connection.packets
            if side is Side.REPLY and sought.name_of(event.source.address, event.source.port)
        ),
        None,
    )


def _with_call(packets: Iterable[Packet], call: Call | None) -> list[Packet]:
    """Return packets and the call's parts as one list: who asks comes first."""
    if call is None:
        return list(packets)
    asked = Packet(Side.REQUEST, "", [each for each in (call.asked, call.given) if each])
    found = [asked, *packets]
    if call.told:
        told = min(call.told, key=lambda each: each.time_ns)
        place = next(
            (i for i, each in enumerate(found) if _own_time(each, told) > told.time_ns),
            len(found),
        )
        found.insert(max(1, place), Packet(Side.REPLY, "", [told]))
    return found


def _own_time(packet: Packet, like: Event) -> int:
    """Return when a packet was seen by the clock of an event's node; by another clock never later."""
    return min((each.time_ns for each in packet.hops if each.node == like.node), default=0)
