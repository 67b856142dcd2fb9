"""How a session goes, out of what its speaker says of it: one JSON object a line. Pure."""

import re
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

#: What stands for an end without a word.
_CLOSED: Final = "the peer closed the connection"

_NOTIFICATION: Final = re.compile(r"notification (received|sent) \((\d+),(\d+)\)")

#: By code and subcode of a NOTIFICATION (RFC 4271, section 4.5; RFC 4486).
_ERRORS: Final[Mapping[int, str]] = {
    1: "a message's header is wrong",
    2: "an OPEN is not accepted",
    3: "an UPDATE is wrong",
    4: "the hold time has passed without a word",
    5: "a message came out of order",
    6: "cease",
}
_DETAILS: Final[Mapping[tuple[int, int], str]] = {
    (2, 1): "another version of BGP",
    (2, 2): "another AS number than expected: compare localASN and peerASN with the router's",
    (2, 3): "a router ID that cannot be, or is taken",
    (2, 6): "a hold time that is not accepted",
    (2, 7): "a capability that is not supported",
    (6, 1): "more prefixes than it takes",
    (6, 2): "it was shut down",
    (6, 3): "the peer is not configured there",
    (6, 4): "it was reset",
    (6, 5): "the connection was refused",
    (6, 6): "its configuration changed",
    (6, 7): "two connections at once",
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
        return _down(state, event)
    return state


def _down(state: SessionState, event: _Event) -> SessionState:
    """Return the state after an end. A mere close tells less than what was said before it."""
    reason = _why(event.neighbor.reason)
    if state.is_established:
        return replace(state, name="active", since_s=event.time, reason=reason)
    if reason == _CLOSED and (state.reason or not state.has_connected):
        return state
    return replace(state, reason=reason)


def _why(text: str) -> str:
    """Return ExaBGP's reason in words of people; one that is not known is as it says."""
    if text == "closing connection":
        return _CLOSED
    found = _NOTIFICATION.fullmatch(text)
    if found is None:
        return _plain(text)
    code, subcode = int(found[2]), int(found[3])
    known = _ERRORS.get(code, f"code {code}")
    detail = _DETAILS.get((code, subcode), f"subcode {subcode}" if subcode else "")
    said = f"{known}, {detail}" if detail else known
    who = "the peer ends the session" if found[1] == "received" else "the node ends the session"
    return f"{who}: {said}"


def _plain(text: str) -> str:
    """Return a router's words without what a terminal would obey, and no more than some."""
    return "".join(c if c.isprintable() else " " for c in text)[:_REASON_LENGTH_MAX].strip()
