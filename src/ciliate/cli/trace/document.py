"""A way as an object, for `-o json`: facts first, words where people need them. Pure."""

from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from ciliate.cli.trace.connection import Side
from ciliate.cli.trace.drop_reasons import DropCause
from ciliate.cli.trace.event import End, Event
from ciliate.cli.trace.hop_text import hop_text
from ciliate.cli.trace.remarks import remarks
from ciliate.cli.trace.text import cause_of, refusal_of
from ciliate.cli.trace.way import Surroundings, Way

_NS: Final = 1_000_000_000


class EndObject(Struct, frozen=True, omit_defaults=True):
    """One end of a packet; `name` is a pod's or a Service's."""

    address: str
    port: int = 0
    name: str = ""


class CauseObject(Struct, frozen=True, omit_defaults=True):
    """Why a packet, or a call, went no further."""

    why: str
    behind: str
    remedy: str
    reason: int = 0
    file: str = ""
    line: int = 0


class HopObject(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One place of a packet's way; `time_ms` counts from the first event of the connection."""

    time: str
    time_ms: float
    node: str
    point: str
    verdict: str
    source: EndObject
    destination: EndObject
    text: str
    device: str = ""
    source_translated: str = ""
    drop: CauseObject | None = None


class PacketObject(Struct, frozen=True):
    """A packet; a socket's call is "call"."""

    direction: str
    packet: str
    hops: tuple[HopObject, ...]


class WayObject(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One connection."""

    pod: str
    protocol: str
    began: str
    source: EndObject
    destination: EndObject
    backend: EndObject | None = None
    packets: tuple[PacketObject, ...]
    refused: CauseObject | None = None
    remarks: tuple[str, ...] = ()


def way_object(way: Way, around: Surroundings) -> WayObject:
    """Return the object."""
    return WayObject(
        pod=way.sought.pod,
        protocol=way.protocol,
        began=_time(way.began_ns),
        source=_end(way.source, way),
        destination=_end(way.destination, way),
        backend=_end(way.backend, way) if way.backend else None,
        packets=tuple(
            PacketObject(
                "reply" if packet.side is Side.REPLY else "request",
                packet.kind or "call",
                tuple(_hop(hop, way) for hop in packet.hops),
            )
            for packet in way.packets
        ),
        refused=_cause(refusal_of(way)) if way.is_refused else None,
        remarks=tuple(remarks(way, around)),
    )


def _end(end: End, way: Way) -> EndObject:
    name = end.pod or way.sought.name_of(end.address, end.port) or end.identity
    return EndObject(end.address, end.port, name)


def _hop(hop: Event, way: Way) -> HopObject:
    return HopObject(
        time=_time(hop.time_ns),
        time_ms=round((hop.time_ns - way.began_ns) / 1e6, 6),
        node=hop.node,
        point=hop.point,
        verdict=hop.verdict,
        source=_end(hop.source, way),
        destination=_end(hop.destination, way),
        text=hop_text(hop, way.sought),
        device=hop.device,
        source_translated=hop.seen,
        drop=_cause(cause_of(hop, way), hop) if hop.drop else None,
    )


def _cause(cause: DropCause, hop: Event | None = None) -> CauseObject:
    drop = hop.drop if hop is not None else None
    if drop is None:
        return CauseObject(cause.why, cause.behind, cause.remedy)
    return CauseObject(cause.why, cause.behind, cause.remedy, drop.reason, drop.file, drop.line)


def _time(time_ns: int) -> str:
    """Return a moment as RFC 3339 has it, with nanoseconds."""
    seconds, rest = divmod(time_ns, _NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
