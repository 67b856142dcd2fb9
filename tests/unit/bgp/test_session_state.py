"""What ExaBGP says becomes what people are told; the lines are those of ExaBGP 5.0.15."""

import json
from functools import reduce

import pytest

from ciliate.bgp.session_state import SessionState, told


def event(kind: str, **neighbor: object) -> bytes:
    peers = {"address": {"local": "10.99.0.2", "peer": "10.99.0.1"}}
    body = {
        "exabgp": "5.0.0",
        "time": 12.5,
        "counter": 1,
        "type": kind,
        "neighbor": {**peers, **neighbor},
    }
    return json.dumps(body).encode() + b"\n"


def fsm(state: str) -> bytes:
    return event("fsm", state=state)


def down(reason: str) -> bytes:
    return event("state", state="down", reason=reason)


UP = (
    fsm("ACTIVE"),
    fsm("IDLE"),
    event("state", state="connected"),
    fsm("CONNECT"),
    fsm("OPENSENT"),
    event("negotiated", negotiated={"hold_time": 9, "families": ["ipv4 unicast", "ipv6 unicast"]}),
    fsm("OPENCONFIRM"),
    fsm("ESTABLISHED"),
    event("state", state="up"),
)


def after(*lines: bytes) -> SessionState:
    return reduce(told, lines, SessionState())


def test_a_session_comes_about() -> None:
    state = after(*UP)

    assert state.is_established
    assert (state.since_s, state.hold_s, state.families) == (12.5, 9, ("ipv4", "ipv6"))
    assert state.has_connected
    assert state.reason == ""


@pytest.mark.parametrize(
    ("count", "name"),
    [(0, "idle"), (2, "active"), (4, "connect"), (5, "open_sent"), (7, "open_confirm")],
)
def test_steps_have_ciliums_names(count: int, name: str) -> None:
    assert after(*UP[:count]).name == name


def test_an_end_says_why_and_a_mere_close_after_it_does_not_hide_it() -> None:
    state = after(
        *UP,
        down("notification received (6,2)"),
        fsm("IDLE"),
        fsm("CONNECT"),
        down("closing connection"),
    )

    assert not state.is_established
    assert state.reason == "the peer ends the session: cease, it was shut down"


def test_a_close_alone_is_said_too() -> None:
    assert after(*UP, down("closing connection")).reason == "the peer closed the connection"


def test_a_connection_that_never_came_about_was_not_closed() -> None:
    assert after(fsm("ACTIVE"), fsm("IDLE"), down("closing connection")).reason == ""


def test_another_as_number_is_told_with_the_remedy() -> None:
    assert "compare localASN" in after(down("notification sent (2,2)")).reason


def test_codes_that_nobody_knows_are_shown() -> None:
    assert after(down("notification received (9,8)")).reason.endswith("code 9, subcode 8")


def test_a_session_that_is_back_has_no_reason() -> None:
    assert after(*UP, down("closing connection"), *UP).reason == ""


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]\n", b'{"type": 3}', b'{"type": "update"}', b"\xff\n"]
)
def test_what_is_no_event_changes_nothing(line: bytes) -> None:
    before = after(*UP)

    assert told(before, line) == before


def test_a_routers_words_are_cut_and_cannot_steer_a_terminal() -> None:
    reason = after(down("\x1b[31m" + "x" * 1000)).reason

    assert reason.isprintable()
    assert len(reason) <= 300
