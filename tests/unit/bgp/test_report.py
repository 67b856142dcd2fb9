"""What the agent answers: sessions as they go, and the routes that peers were told."""

from dataclasses import replace

from tests.unit.bgp.objects import CIDR_V4, NODE_V4, SESSION, session

from ciliate.bgp.model import Route
from ciliate.bgp.report import SessionView, announced, peer_model, routes_model, why_down
from ciliate.bgp.session_state import SessionState

UP = SessionState(name="established", since_s=100.0, hold_s=9, families=("ipv4",))


def test_an_established_session_counts_the_routes_of_families_that_both_have() -> None:
    found = peer_model(SessionView(SESSION, SESSION, UP), now_s=161.5)

    assert (found.session_state, found.uptime_nanoseconds) == ("established", 61_500_000_000)
    assert [(each.afi, each.advertised) for each in found.families] == [("ipv4", 1), ("ipv6", 0)]
    assert (found.applied_hold_time_seconds, found.applied_keep_alive_time_seconds) == (9, 3)
    assert found.problem == ""


def test_what_the_speaker_was_not_told_yet_is_not_announced() -> None:
    more = session(routes=(*SESSION.routes, Route(CIDR_V4.supernet(), NODE_V4)))

    assert len(list(announced(SessionView(more, SESSION, UP), "ipv4"))) == 1
    assert list(announced(SessionView(more, None, UP), "ipv4")) == []
    assert list(announced(SessionView(more, more, SessionState()), "ipv4")) == []


def test_a_session_that_is_not_there_says_why() -> None:
    idle = SessionState(name="active")
    signed = session(password=b"x")

    assert why_down(SessionView(SESSION, SESSION, UP)) == ""
    assert "no TCP connection to 192.0.2.1 port 179" in why_down(
        SessionView(SESSION, SESSION, idle)
    )
    assert "password" not in why_down(SessionView(SESSION, SESSION, idle))
    assert "a wrong password looks alike" in why_down(SessionView(signed, signed, idle))
    assert why_down(SessionView(SESSION, SESSION, replace(idle, reason="because"))) == "because"
    assert "no speaker: gone" in why_down(SessionView(SESSION, None, idle, "gone"))


def test_routes_are_once_available_and_to_each_peer_advertised() -> None:
    other = session(peer="second", peer_address=NODE_V4)
    views = [SessionView(each, each, UP) for each in (SESSION, other)]

    found = routes_model(views, {(SESSION.key, SESSION.routes[0]): 100.0}, now_s=130.0)

    assert [each.prefix for each in found.available] == ["10.1.0.0/24", "2001:db8:1::/64"]
    assert found.available[0].paths[0].attributes == ("{Origin: i}", "{Nexthop: 0.0.0.0}")
    assert found.available[0].paths[0].age_nanoseconds == 30_000_000_000
    assert [each.neighbor for each in found.advertised] == ["192.0.2.1", "192.0.2.10"]
    assert found.advertised[0].paths[0].attributes == (
        "{Origin: i}",
        "{AsPath: 65001}",
        "{Nexthop: 192.0.2.10}",
    )


def test_marks_are_shown_as_gobgp_does() -> None:
    route = Route(CIDR_V4, NODE_V4, ("65000:1",), ("1:2:3",), 200)
    inner = session(peer_asn=65001, routes=(route,))

    (found,) = routes_model([SessionView(inner, inner, UP)], {}, now_s=0.0).advertised

    assert found.paths[0].attributes[1:] == (
        "{AsPath: }",
        "{Nexthop: 192.0.2.10}",
        "{LocalPref: 200}",
        "{Communities: 65000:1}",
        "{LargeCommunity: [ 1:2:3]}",
    )
