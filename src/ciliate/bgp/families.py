"""Metrics of sessions and routes, by Cilium's names. Pure."""

from collections.abc import Iterable, Iterator

from ciliate.bgp.model import family_name
from ciliate.bgp.report import SessionView, announced
from ciliate.metrics.family import Family

_SESSION = ("vrouter", "neighbor", "neighbor_asn")
_ROUTES = ("vrouter", "neighbor", "neighbor_asn", "afi", "safi")


def families(views: Iterable[SessionView]) -> Iterator[Family]:
    """Yield the metrics as they are now."""
    sessions, routes = [], []
    for view in views:
        session = view.wanted
        labels = (str(session.local_asn), str(session.peer_address), str(session.peer_asn))
        sessions.append((labels, int(view.state.is_established)))
        for version in session.versions:
            name = family_name(version)
            routes.append(((*labels, name, "unicast"), sum(1 for _ in announced(view, name))))
    yield Family(
        "cilium_bgp_control_plane_session_state",
        "Whether the session with a peer is established.",
        _SESSION,
        sessions,
    )
    yield Family(
        "cilium_bgp_control_plane_advertised_routes",
        "Routes that a peer was told.",
        _ROUTES,
        routes,
    )
