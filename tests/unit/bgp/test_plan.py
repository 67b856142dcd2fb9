"""Objects in, sessions out: each peer by itself, and a sentence for what is left out."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from tests.unit.bgp.objects import (
    ALL,
    NODE,
    NODE_V4,
    NODE_V6,
    WEB,
    advertisement,
    discovered,
    node_config,
    peer,
    peer_config,
    pod_cidr,
    services,
)

from ciliate.api.bgp import (
    Communities,
    GracefulRestart,
    NodePeer,
    PeerFamily,
    RouteAttributes,
    Timers,
    Transport,
)
from ciliate.bgp.announcements import Announceable
from ciliate.bgp.model import Session
from ciliate.bgp.plan import ROUTES_MAX, SESSIONS_MAX, NodeFacts, plan

PODS = [advertisement(pod_cidr())]


def planned(*peers: NodePeer, node: NodeFacts = NODE, **spec: Any) -> Session:
    """The one session of a node, of which nothing is left out."""
    found = plan(node_config(*(peers or (peer(),))), peer_config(**spec), PODS, node)
    assert found.problems == ()
    (session,) = found.sessions.values()
    return session


def problem_of(*peers: NodePeer, node: NodeFacts = NODE, **spec: Any) -> str:
    """Why there is no session."""
    found = plan(node_config(*(peers or (peer(),))), peer_config(**spec), PODS, node)
    assert found.sessions == {}
    (problem,) = found.problems
    return problem


def test_without_a_configuration_there_is_nothing() -> None:
    assert plan(None, {}, PODS, NODE).sessions == {}


def test_a_session_has_what_its_peer_configuration_says() -> None:
    session = planned(
        timers=Timers(hold_time_seconds=9),
        graceful_restart=GracefulRestart(enabled=True, restart_time_seconds=30),
        transport=Transport(peer_port=1179),
        ebgp_multihop=5,
    )

    assert (session.hold_s, session.restart_s, session.peer_port, session.ttl) == (9, 30, 1179, 5)
    assert (session.local_address, session.router_id) == (NODE_V4, str(NODE_V4))
    assert session.key == ("main", "router")


def test_routes_lead_to_the_node_by_an_address_of_their_family() -> None:
    routes = planned().routes

    assert [(each.prefix.version, each.next_hop) for each in routes] == [
        (4, NODE_V4),
        (6, NODE_V6),
    ]


def test_a_family_in_which_the_node_has_no_address_is_left_out_and_named() -> None:
    node = replace(NODE, addresses={4: NODE_V4})

    found = plan(node_config(peer()), peer_config(), PODS, node)

    (session,) = found.sessions.values()
    assert [route.prefix.version for route in session.routes] == [4]
    assert "no IPv6 address" in found.problems[0]


def test_a_family_without_a_selector_announces_nothing() -> None:
    assert planned(families=(PeerFamily("ipv4", "unicast"),)).routes == ()
    assert planned(peer(peer_config_ref=None)).routes == ()


def test_preference_is_for_peers_of_the_same_as_alone_which_have_no_ttl() -> None:
    liked = [advertisement(pod_cidr(RouteAttributes(Communities(), 200)))]

    inner, outer = (
        next(
            iter(
                plan(node_config(peer(peer_asn=asn)), peer_config(), liked, NODE).sessions.values()
            )
        )
        for asn in (65001, 65000)
    )

    assert [route.local_preference for route in inner.routes] == [200, 200]
    assert [route.local_preference for route in outer.routes] == [None, None]
    assert (inner.ttl, outer.ttl) == (0, 1)


def test_the_password_is_the_secrets_and_in_no_text() -> None:
    node = replace(NODE, password_of={"router-password": b"hidden"}.get)

    session = planned(auth_secret_ref="router-password", node=node)

    assert session.password == b"hidden"
    assert "hidden" not in repr(session)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"peer_address": "192.0.2.300"}, 'peerAddress "192.0.2.300" is no address'),
        ({"peer_address": ""}, "give peerAddress"),
        ({"local_address": "x"}, 'localAddress "x" is no address'),
        ({"local_address": "2001:db8::10"}, "another family"),
    ],
)
def test_a_wrong_peer_is_named_with_the_field(changes: dict[str, str], words: str) -> None:
    problem = problem_of(peer(**changes))

    assert problem.startswith("instance main, peer router: ")
    assert words in problem


def test_what_is_missing_is_named() -> None:
    missing = plan(node_config(peer()), {}, PODS, NODE)
    assert "CiliumBGPPeerConfig router does not exist" in missing.problems[0]
    assert "Secret gone is not there" in problem_of(auth_secret_ref="gone")
    assert "no route of the node leads" in problem_of(node=replace(NODE, source_of=lambda _: None))
    assert "router ID" in problem_of(node=replace(NODE, addresses={6: NODE_V6}))


def test_a_password_that_tcp_does_not_take_is_refused() -> None:
    node = replace(NODE, password_of=lambda _: bytes(81))

    assert "81 octets" in problem_of(auth_secret_ref="long", node=node)


def test_one_wrong_peer_harms_no_other() -> None:
    config = node_config(peer("a", peer_address="no"), peer("b"), peer("c"))

    found = plan(config, peer_config(), PODS, NODE)

    assert list(found.sessions) == [("main", "b")]
    assert [problem.split(":")[0] for problem in found.problems] == [
        "instance main, peer a",
        "instance main, peer c",
    ]
    assert "is that of peer b" in found.problems[1]


def test_the_default_gateway_is_found() -> None:
    node = replace(NODE, gateway_of={4: ip_address("192.0.2.254")}.get)

    assert str(planned(discovered(), node=node).peer_address) == "192.0.2.254"
    assert "no default route" in problem_of(discovered())
    assert "Unnumbered is not supported" in problem_of(discovered("Unnumbered"))


def test_other_families_are_left_out_and_named() -> None:
    families = (PeerFamily("l2vpn", "evpn"), PeerFamily("ipv4", "unicast", ALL))

    found = plan(node_config(peer()), peer_config(families=families), PODS, NODE)

    assert found.sessions[("main", "router")].versions == (4,)
    assert "l2vpn/evpn is not supported" in found.problems[0]


def test_a_port_to_listen_on_is_not_acted_on_and_named() -> None:
    found = plan(node_config(peer(), local_port=179), peer_config(), PODS, NODE)

    assert len(found.sessions) == 1
    assert "localPort 179" in found.problems[0]


@pytest.mark.parametrize(
    ("given", "works"), [("192.0.2.99", True), ("2001:db8::1", False), ("x", False)]
)
def test_a_router_id_is_an_ipv4_address(given: str, *, works: bool) -> None:
    found = plan(node_config(peer(), router_id=given), peer_config(), PODS, NODE)

    assert bool(found.sessions) is works
    assert bool(found.problems) is not works


def test_routes_have_a_bound() -> None:
    many = replace(
        WEB, external_ips=tuple(ip_address((10 << 24) + i) for i in range(ROUTES_MAX + 5))
    )
    node = replace(NODE, here=Announceable(services=(many,)))

    found = plan(node_config(peer()), peer_config(), [advertisement(services("ExternalIP"))], node)

    assert [len(session.routes) for session in found.sessions.values()] == [ROUTES_MAX]
    assert f"more than the {ROUTES_MAX}" in found.problems[0]


def test_sessions_have_a_bound() -> None:
    peers = [peer(f"p{i}", peer_address=f"192.0.2.{i + 1}") for i in range(SESSIONS_MAX + 1)]

    found = plan(node_config(*peers), peer_config(), PODS, NODE)

    assert len(found.sessions) == SESSIONS_MAX
    assert "sessions already" in found.problems[0]
