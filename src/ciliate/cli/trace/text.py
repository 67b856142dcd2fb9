"""A way as text: a title, each packet with its hops, causes of drops, remarks. Pure.

The first packet of each direction is shown hop by hop. Later ones that met the same places are named
in one line; those that did not are shown too.
"""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import click

from ciliate.cli.trace.connection import Side
from ciliate.cli.trace.drop_reasons import DropCause, drop_cause
from ciliate.cli.trace.event import End, Event
from ciliate.cli.trace.hop_text import hop_text, name_text, place_text
from ciliate.cli.trace.packets import Packet
from ciliate.cli.trace.remarks import remarks
from ciliate.cli.trace.sought import Sought
from ciliate.cli.trace.way import Surroundings, Way
from ciliate.flows.harmless import harmless

_WIDTH: Final = 100
_ARROWS: Final = {Side.REQUEST: "->", Side.REPLY: "<-"}

#: A Service without a backend: the socket's call itself fails.
REFUSED: Final = DropCause(
    "the Service has no endpoint that may be chosen, or no such port: the call fails at once, with"
    " ECONNREFUSED, and nothing is sent",
    "the Service, its EndpointSlices, and internalTrafficPolicy",
    "make a pod of its selector ready, or ask for a port that it has: `ciliate explain service"
    " {service} --from {pod}` says of each endpoint why it is not chosen",
)


@dataclass(frozen=True, slots=True)
class Look:
    """How a way is to look."""

    colours: bool = False
    #: Every packet hop by hop.
    is_whole: bool = False

    def paint(self, text: str, colour: str) -> str:
        """Return `text` in a colour, where colours are wanted; "dim" and "bold" are colours too."""
        if not self.colours or not text:
            return text
        if colour in ("dim", "bold"):
            return click.style(text, dim=colour == "dim", bold=colour == "bold")
        return click.style(text, fg=colour)


def way_text(way: Way, around: Surroundings, look: Look) -> str:
    """Return the whole text, with the end of its last line."""
    lines = [_title(way, look), *_packets(way, look)]
    lines += [look.paint(line, "dim") for each in remarks(way, around) for line in _wrapped(each)]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def cause_of(event: Event, way: Way) -> DropCause:
    """Return why a packet was dropped, with names in place of braces."""
    assert event.drop is not None
    return _named(drop_cause(event.drop), way, event.destination)


def refusal_of(way: Way) -> DropCause:
    """Return why a call was refused."""
    return _named(REFUSED, way, way.destination)


def _named(cause: DropCause, way: Way, destination: End) -> DropCause:
    service = way.sought.name_of(destination.address, destination.port)
    names = {
        "pod": way.sought.pod,
        "destination": destination.address,
        "service": service.removeprefix("Service ") or "NAMESPACE/NAME",
    }
    return DropCause(
        cause.why.format(**names), cause.behind.format(**names), cause.remedy.format(**names)
    )


def _title(way: Way, look: Look) -> str:
    sought, source = way.sought, way.source
    sender = _end(source, sought)
    if source.address not in sought.addresses:
        sender = f"{harmless(sought.pod)} (as {place_text(source)})"
    ends = (look.paint(text, "cyan") for text in (sender, _end(way.destination, sought)))
    protocol = look.paint(harmless(way.protocol.upper()), "bold")
    return f"{' -> '.join(ends)}, {protocol}, at {_clock(way.began_ns)}"


def _end(end: End, sought: Sought) -> str:
    name = name_text(end, sought)
    return f"{name} ({place_text(end)})" if name else place_text(end)


def _packets(way: Way, look: Look) -> Iterator[str]:
    shown = _shown(way, look)
    hops = [hop for packet in shown for hop in packet.hops]
    widths = [
        max((len(harmless(value(hop))) for hop in hops), default=0)
        for value in (_node, _point, _device)
    ]
    for packet in shown:
        yield f" {look.paint(_ARROWS[packet.side], 'bold')} {_packet_name(packet, way)}"
        for hop in packet.hops:
            yield _hop_line(hop, packet, way, widths, look)
            if hop.drop is not None:
                yield from _cause_lines(cause_of(hop, way), look, place=_program(hop))
    if way.is_refused:
        yield from _cause_lines(refusal_of(way), look, place="")
    yield from _later(way, shown)


def _packet_name(packet: Packet, way: Way) -> str:
    if packet.is_call:
        return "the socket's call" if packet.side is Side.REQUEST else "the socket's peer"
    name = harmless(packet.kind).replace(", ", "+")
    is_datagram = way.protocol == "udp" and packet.kind == "UDP"
    return "datagram" if is_datagram else name


def _shown(way: Way, look: Look) -> Sequence[Packet]:
    """Return the packets whose hops are shown."""
    if look.is_whole:
        return way.packets
    found: list[Packet] = []
    for packet in way.packets:
        is_known = any(
            not each.is_call and each.side is packet.side and each.way == packet.way
            for each in found
        )
        if packet.is_call or packet.is_dropped or not is_known:
            found.append(packet)
    return found


def _later(way: Way, shown: Sequence[Packet]) -> Iterator[str]:
    """Name the packets that went a way that is shown."""
    later = [each for each in way.packets if each not in shown]
    if not later:
        return
    names = ", ".join(f"{_ARROWS[each.side]} {_packet_name(each, way)}" for each in later)
    last_ns = max(hop.time_ns for each in later for hop in each.hops)
    text = f"the same ways, until {_millis(last_ns - way.began_ns)} ms: {names}"
    yield from _wrapped(text, start=" .. ")


def _hop_line(hop: Event, packet: Packet, way: Way, widths: list[int], look: Look) -> str:
    node, point, device = (harmless(value(hop)) for value in (_node, _point, _device))
    is_end = hop.drop is not None
    cells = [
        f"{_millis(hop.time_ns - way.began_ns):>10} ms",
        look.paint(node, "green") + " " * (widths[0] - len(node)),
        look.paint(point, "red" if is_end else "yellow") + " " * (widths[1] - len(point)),
        device.ljust(widths[2]),
        look.paint(f"{hop.verdict.lower():<10}", "red")
        if is_end
        else f"{hop.verdict.lower():<10}",
        hop_text(hop, way.sought) + _given_back(hop, packet, way),
    ]
    return "  ".join(cells)


def _given_back(hop: Event, packet: Packet, way: Way) -> str:
    """Say that an answer to a masqueraded packet has the pod's address again, where it has."""
    is_here = packet.side is Side.REPLY and hop.node == way.sought.node
    seen = next((each.seen for p in way.requests for each in p.hops if each.seen), "")
    if not seen or not is_here or hop.point != "to-endpoint" or hop.is_icmp_error:
        return ""
    return f", {harmless(seen)} is {harmless(hop.destination.address)} again"


def _cause_lines(cause: DropCause, look: Look, *, place: str) -> Iterator[str]:
    told = (("why", cause.why + place), ("behind it", cause.behind), ("change", cause.remedy))
    for title, text in told:
        first, *rest = _wrapped(text, start=f"{title:>12}: ", indent=14)
        yield look.paint(first[:13], "red") + first[13:]
        yield from rest


def _program(hop: Event) -> str:
    drop = hop.drop
    return f" ({harmless(drop.file)}:{drop.line})" if drop is not None and drop.file else ""


def _wrapped(text: str, *, start: str = " ! ", indent: int | None = None) -> list[str]:
    hanging = " " * (len(start) if indent is None else indent)
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _clock(time_ns: int) -> str:
    """Return a moment of the day in UTC, as `hubble observe` has it."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S}.{rest // 1_000_000:03d}"


def _millis(difference_ns: int) -> str:
    return f"{difference_ns / 1e6:.3f}"


def _node(hop: Event) -> str:
    return hop.node


def _point(hop: Event) -> str:
    return hop.point


def _device(hop: Event) -> str:
    return hop.device
