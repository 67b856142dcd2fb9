"""Sessions and routes as metrics."""

from tests.unit.bgp.objects import SESSION

from ciliate.bgp.families import families
from ciliate.bgp.report import SessionView
from ciliate.bgp.session_state import SessionState


def test_a_session_is_one_or_none_and_its_routes_are_counted() -> None:
    up = SessionView(SESSION, SESSION, SessionState(name="established", families=("ipv4", "ipv6")))
    down = SessionView(SESSION, SESSION, SessionState(name="active"))

    for view, state, routes in ((up, 1, 1), (down, 0, 0)):
        sessions, advertised = families([view])
        assert sessions.samples == [(("65001", "192.0.2.1", "65000"), state)]
        assert [value for _labels, value in advertised.samples] == [routes, routes]
