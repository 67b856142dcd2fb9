"""The tables are Cilium's, column by column."""

import re

import pytest
from tests.unit.bgp.objects import SESSION

from ciliate.bgp.report import SessionView, peer_model, routes_model
from ciliate.bgp.session_state import SessionState
from ciliate.bgp.show import go_duration, own_peer_lines, peer_lines, route_lines
from ciliate.console.table import align

VIEW = SessionView(
    SESSION,
    SESSION,
    SessionState(name="established", since_s=0.0, hold_s=90, families=("ipv4", "ipv6")),
)


def table(lines: object) -> list[str]:
    return align(lines, width_min=5, padding=3).splitlines()  # type: ignore[arg-type]


def test_peers_have_a_row_for_each_family_and_the_node_stands_once() -> None:
    found = {"worker": [peer_model(VIEW, now_s=2005.0)]}

    head, first, further = (line.rstrip() for line in table(peer_lines(found)))
    columns = ("Node", "Local AS", "Peer AS", "Peer Address", "Session State", "Uptime", "Family")
    assert re.split(r"\s{2,}", head) == [*columns, "Received", "Advertised"]
    assert re.split(r"\s{2,}", first) == [
        *("worker", "65001", "65000", "192.0.2.1", "established", "33m25s"),
        *("ipv4/unicast", "0", "1"),
    ]
    assert further.lstrip() == "ipv6/unicast   0          1"
    assert further.index("ipv6") == first.index("ipv4") == head.index("Family")


def test_a_node_of_its_own_is_not_named() -> None:
    head, row, _more = table(own_peer_lines([peer_model(VIEW, now_s=5.0)]))

    assert head.startswith("Local AS   Peer AS")
    assert row.startswith("65001      65000")


def test_routes_have_a_peer_where_they_were_told_to_one() -> None:
    found = routes_model([VIEW], {}, now_s=0.0)

    available = table(route_lines({"worker": found.available}, with_peer=False))
    advertised = table(route_lines({"worker": found.advertised}, with_peer=True))

    assert available[1].rstrip().split(maxsplit=5) == [
        *("worker", "65001", "10.1.0.0/24", "0.0.0.0", "0s"),
        "[{Origin: i} {Nexthop: 0.0.0.0}]",
    ]
    assert advertised[0].split() == [
        "Node",
        "VRouter",
        "Peer",
        "Prefix",
        "NextHop",
        "Age",
        "Attrs",
    ]
    assert advertised[1].split()[:4] == ["worker", "65001", "192.0.2.1", "10.1.0.0/24"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59, "59s"), (2005, "33m25s"), (3600, "1h0m0s"), (90061, "25h1m1s")],
)
def test_durations_are_gos(seconds: int, text: str) -> None:
    assert go_duration(seconds) == text
