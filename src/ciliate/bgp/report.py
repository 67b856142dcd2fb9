"""What the agent answers about BGP, with the names of Cilium's API. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from msgspec import Struct, field

from ciliate.bgp.model import Route, Session, SessionKey, family_name
from ciliate.bgp.session_state import SessionState

_NS = 10**9


class PeerFamilyModel(Struct, frozen=True, gc=False, rename="kebab"):
    """Routes of one family; what a peer sends is not taken."""

    afi: str
    safi: str
    received: int
    accepted: int
    advertised: int


class PeerModel(Struct, frozen=True, gc=False, kw_only=True, rename="kebab"):
    """A session."""

    name: str
    local_asn: int
    peer_asn: int
    peer_address: str
    peer_port: int
    session_state: str
    uptime_nanoseconds: int
    families: tuple[PeerFamilyModel, ...]
    configured_hold_time_seconds: int
    applied_hold_time_seconds: int
    applied_keep_alive_time_seconds: int
    tcp_password_enabled: bool
    graceful_restart: "GracefulRestartModel"
    problem: str = ""  # Of our own: why there is no session.


class GracefulRestartModel(Struct, frozen=True, gc=False, rename="kebab"):
    """Whether the peer is asked to keep routes, and for how many seconds."""

    enabled: bool
    restart_time_seconds: int = 0


class PathModel(Struct, frozen=True, gc=False, kw_only=True, rename="kebab"):
    """One way to a prefix, in words."""

    prefix: str
    next_hop: str
    attributes: tuple[str, ...]
    age_nanoseconds: int
    best: bool = True


class RouteModel(Struct, frozen=True, gc=False, kw_only=True, rename="kebab"):
    """A prefix with its paths; `neighbor` is empty where no peer is meant."""

    router_asn: int
    prefix: str
    neighbor: str = ""
    paths: tuple[PathModel, ...] = ()


class RoutesModel(Struct, frozen=True, gc=False, rename="kebab"):
    """All routes: those that the node has, and those that a peer was told."""

    available: tuple[RouteModel, ...] = field(default_factory=tuple)
    advertised: tuple[RouteModel, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as wanted and as it goes; `told` is what its speaker has."""

    wanted: Session
    told: Session | None
    state: SessionState
    problem: str = ""


def peer_model(view: SessionView, *, now_s: float) -> PeerModel:
    """Return a session as Cilium's API has it."""
    session, state = view.wanted, view.state
    families = (family_name(version) for version in session.versions)
    up_s = max(now_s - state.since_s, 0.0) if state.is_established else 0.0
    return PeerModel(
        name=session.peer,
        local_asn=session.local_asn,
        peer_asn=session.peer_asn,
        peer_address=str(session.peer_address),
        peer_port=session.peer_port,
        session_state=state.name,
        uptime_nanoseconds=int(up_s * _NS),
        families=tuple(
            PeerFamilyModel(
                afi=name,
                safi="unicast",
                received=0,
                accepted=0,
                advertised=len(tuple(announced(view, name))),
            )
            for name in families
        ),
        configured_hold_time_seconds=session.hold_s,
        applied_hold_time_seconds=state.hold_s if state.is_established else 0,
        applied_keep_alive_time_seconds=state.hold_s // 3 if state.is_established else 0,
        tcp_password_enabled=bool(session.password),
        graceful_restart=GracefulRestartModel(bool(session.restart_s), session.restart_s),
        problem=why_down(view),
    )


def announced(view: SessionView, family: str) -> Iterator[Route]:
    """Yield the routes of a family that the peer was told."""
    if not view.state.is_established or view.told is None:
        return
    if family in view.state.families:
        yield from (
            each for each in view.told.routes if family_name(each.prefix.version) == family
        )


def why_down(view: SessionView) -> str:
    """Return why a session is not established; empty where it is."""
    session, state = view.wanted, view.state
    if state.is_established:
        return ""
    if view.problem:
        return f"there is no speaker: {view.problem}"
    if state.reason:
        return state.reason
    if state.has_connected:
        return "the peer has accepted the connection, and no session has come about yet"
    alike = "; a wrong password looks alike: compare it with the router's"
    return (
        f"no TCP connection to {session.peer_address} port {session.peer_port}: it does not answer,"
        f" or refuses{alike if session.password else ''}"
    )


def routes_model(
    views: Iterable[SessionView],
    first_seen_s: Mapping[tuple[SessionKey, Route], float],
    now_s: float,
) -> RoutesModel:
    """Return the routes of all sessions; `first_seen_s` is since when each is wanted."""
    available: dict[tuple[int, str], RouteModel] = {}
    advertised = []
    for view in views:
        session = view.wanted

        def age_ns(route: Route, key: SessionKey = session.key) -> int:
            return int(max(now_s - first_seen_s.get((key, route), now_s), 0.0) * _NS)

        for route in session.routes:
            own = (session.local_asn, str(route.prefix))
            available.setdefault(
                own,
                RouteModel(
                    router_asn=session.local_asn,
                    prefix=str(route.prefix),
                    paths=(_available_path(route, age_ns(route)),),
                ),
            )
        for name in (family_name(version) for version in session.versions):
            advertised += [
                RouteModel(
                    router_asn=session.local_asn,
                    prefix=str(route.prefix),
                    neighbor=str(session.peer_address),
                    paths=(_advertised_path(route, session, age_ns(route)),),
                )
                for route in announced(view, name)
            ]
    return RoutesModel(tuple(available.values()), tuple(advertised))


def _available_path(route: Route, age_ns: int) -> PathModel:
    """Return a route as the node itself has it: it leads to no other."""
    own = "0.0.0.0" if route.prefix.version == 4 else "::"  # noqa: S104 - what Cilium prints.
    return PathModel(
        prefix=str(route.prefix),
        next_hop=own,
        attributes=("{Origin: i}", _next_hop(route, own)),
        age_nanoseconds=age_ns,
    )


def _advertised_path(route: Route, session: Session, age_ns: int) -> PathModel:
    hop = str(route.next_hop)
    words = ["{Origin: i}"]
    is_internal = session.local_asn == session.peer_asn
    words.append("{AsPath: }" if is_internal else f"{{AsPath: {session.local_asn}}}")
    words.append(_next_hop(route, hop))
    if is_internal:
        words.append(f"{{LocalPref: {route.local_preference or 100}}}")
    if route.communities:
        words.append(f"{{Communities: {', '.join(route.communities)}}}")
    if route.large_communities:
        words.append(f"{{LargeCommunity: [ {', '.join(route.large_communities)}]}}")
    return PathModel(
        prefix=str(route.prefix), next_hop=hop, attributes=tuple(words), age_nanoseconds=age_ns
    )


def _next_hop(route: Route, hop: str) -> str:
    if route.prefix.version == 4:
        return f"{{Nexthop: {hop}}}"
    return f"{{MpReach(ipv6-unicast): {{Nexthop: {hop}, NLRIs: [{route.prefix}]}}}}"
