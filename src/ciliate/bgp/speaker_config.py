"""A session as ExaBGP's configuration, and its changes as commands. Pure.

Every text is made of values that were parsed before (addresses, numbers), never copied from an object;
the password goes in base64, so that no character of it means anything. The routes that a session begins
with stand in the configuration: they come before its End-of-RIB (RFC 4724), by which a router that kept
the routes of the former session drops what is not announced anew. Those that change later are commands.
(ExaBGP reads a changed configuration too, and then acts on it with the peer's next message: that may be
half a minute, and a route of which only the marks changed it does not announce.)
"""

import base64
from collections.abc import Iterator
from dataclasses import replace

from ciliate.bgp.model import Route, Session, family_name

#: ExaBGP starts a program that it takes commands from, and tells events to. This one is a pipe each way
#: between that and ExaBGP's own standard input and output, which are the agent's.
_PIPES = 'run /bin/sh -c "exec 2>/dev/null; cat </proc/$PPID/fd/0 & exec cat >/proc/$PPID/fd/1"'


def render(session: Session) -> str:
    """Return the configuration."""
    return "\n".join((*_process(), *_neighbor(session), ""))


def without_routes(session: Session) -> Session:
    """Return what differs between sessions that cannot become each other while they last."""
    return replace(session, routes=())


def commands(told: Session, wanted: Session) -> tuple[str, ...]:
    """Return what makes of the routes of a session others, withdrawals first."""
    before = {route.prefix: route for route in told.routes}
    after = {route.prefix: route for route in wanted.routes}
    gone = [route for prefix, route in before.items() if prefix not in after]
    new = [route for prefix, route in after.items() if before.get(prefix) != route]
    return (
        *(f"withdraw {_route(route)}" for route in gone),
        *(f"announce {_route(route)}" for route in new),
    )


def _process() -> Iterator[str]:
    yield from ("process events {", f"    {_PIPES};", "    encoder json;", "}")


def _neighbor(session: Session) -> Iterator[str]:
    yield f"neighbor {session.peer_address} {{"
    yield f"    local-address {session.local_address};"
    yield f"    router-id {session.router_id};"
    yield f"    local-as {session.local_asn};"
    yield f"    peer-as {session.peer_asn or 'auto'};"
    yield f"    connect {session.peer_port};"
    yield f"    hold-time {session.hold_s};"
    yield "    passive false;"
    yield "    adj-rib-in false;"  # What the peer announces is not even read.
    if session.ttl:
        yield f"    outgoing-ttl {session.ttl};"
    if session.password:
        encoded = base64.b64encode(session.password).decode()
        yield "    md5-base64 true;"
        yield f'    md5-password "{encoded}";'
    restart = f"graceful-restart {session.restart_s}; " if session.restart_s else ""
    yield f"    capability {{ {restart}asn4 enable; route-refresh enable; }}"
    families = " ".join(f"{family_name(version)} unicast;" for version in session.versions)
    yield f"    family {{ {families} }}"
    yield "    api { processes [ events ]; neighbor-changes; negotiated; fsm; }"
    yield "    static {"
    for route in session.routes:
        yield f"        {_route(route)};"
    yield "    }"
    yield "}"


def _route(route: Route) -> str:
    words = [f"route {route.prefix} next-hop {route.next_hop}"]
    if route.local_preference is not None:
        words.append(f"local-preference {route.local_preference}")
    if route.communities:
        words.append(f"community [ {' '.join(route.communities)} ]")
    if route.large_communities:
        words.append(f"large-community [ {' '.join(route.large_communities)} ]")
    return " ".join(words)
