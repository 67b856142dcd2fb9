"""How a session goes, out of what its speaker says of it: one JSON object a line. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import msgspec

ESTABLISHED: Final = "established"

#: What Cilium calls the states of a session (RFC 4271, section 8). The speaker that is idle tries to
#: connect all the time, which is what others call active.
_STATES: Final[Mapping[str, str]] = {
    "IDLE": "active",
    "ACTIVE": "active",
    "CONNECT": "connect",
    "OPENSENT": "open_sent",
    "OPENCONFIRM": "open_confirm",
    "ESTABLISHED": ESTABLISHED,
}

#: Of a router's words; they go into a status.
_REASON_LENGTH_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class SessionState:
    """What is known of a session now; `reason` is why the last one ended or none comes about."""

    name: str = "idle"
    since_s: float = 0.0  # Of the state; wall clock.
    hold_s: int = 0  # As agreed upon.
    families: tuple[str, ...] = ()  # ipv4, ipv6, as agreed upon.
    reason: str = ""
    has_connected: bool = False  # Whether TCP has come about since the speaker's start.

    @property
    def is_established(self) -> bool:
        """Whether routes are announced."""
        return self.name == ESTABLISHED


class _Negotiated(msgspec.Struct, frozen=True):
    hold_time: int = 0
    families: tuple[str, ...] = ()


class _Neighbor(msgspec.Struct, frozen=True):
    state: str = ""
    reason: str = ""
    negotiated: _Negotiated | None = None


class _Event(msgspec.Struct, frozen=True):
    type: str
    time: float = 0.0
    neighbor: _Neighbor = _Neighbor()


_EVENTS: Final = msgspec.json.Decoder(_Event)


def told(state: SessionState, line: bytes) -> SessionState:
    """Return the state after an event; what is none changes nothing."""
    try:
        event = _EVENTS.decode(line)
    except msgspec.MsgspecError:
        return state
    neighbor = event.neighbor
    if event.type == "negotiated" and neighbor.negotiated is not None:
        agreed = neighbor.negotiated
        families = tuple(each.split(" ")[0] for each in agreed.families)
        return replace(state, hold_s=agreed.hold_time, families=families)
    if event.type == "fsm":
        name = _STATES.get(neighbor.state, state.name)
        if name == state.name:
            return state
        reason = "" if name == ESTABLISHED else state.reason
        return replace(state, name=name, since_s=event.time, reason=reason)
    if event.type == "state" and neighbor.state == "connected":
        return replace(state, has_connected=True)
    if event.type == "state" and neighbor.state == "down":
        name = "active" if state.is_established else state.name
        since_s = event.time if state.is_established else state.since_s
        return replace(state, name=name, since_s=since_s, reason=_plain(neighbor.reason))
    return state


def _plain(text: str) -> str:
    """Return a router's words without what a terminal would obey, and no more than some."""
    return "".join(c if c.isprintable() else " " for c in text)[:_REASON_LENGTH_MAX].strip()
