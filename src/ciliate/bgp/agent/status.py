"""What the status of a node's CiliumBGPNodeConfig should say. Pure.

Steps on the way to a session are not told: a router that refuses makes some of them every second.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ciliate.api.bgp import (
    CiliumBGPNodeConfig,
    InstanceStatus,
    PeerStatus,
    PeerTimers,
    RouteCount,
)
from ciliate.api.conditions import Words, shown_conditions
from ciliate.api.metadata import format_time
from ciliate.bgp.conditions import ESTABLISHED, RECONCILE_ERROR, words
from ciliate.bgp.model import family_name
from ciliate.bgp.report import SessionView, announced, why_down

_KINDS: Final = (RECONCILE_ERROR, ESTABLISHED)


@dataclass(frozen=True, slots=True)
class NodeVerdict:
    """The sessions, the conditions, and the generation that was looked at."""

    instances: tuple[InstanceStatus, ...]
    conditions: tuple[Words, ...]
    generation: int


def node_verdict(
    config: CiliumBGPNodeConfig, views: Iterable[SessionView], problems: Sequence[str]
) -> NodeVerdict:
    """Return what it should say."""
    by_instance: dict[str, list[SessionView]] = {}
    for view in views:
        by_instance.setdefault(view.wanted.instance, []).append(view)
    down = [
        f"instance {view.wanted.instance}, peer {view.wanted.peer}: {why}"
        for found in by_instance.values()
        for view in found
        if (why := why_down(view))
    ]
    return NodeVerdict(
        instances=tuple(
            InstanceStatus(
                name=each.name,
                local_asn=each.local_asn,
                peers=tuple(map(_peer_status, by_instance.get(each.name, ()))),
            )
            for each in config.spec.bgp_instances
        ),
        conditions=(
            words(
                RECONCILE_ERROR,
                holds=bool(problems),
                reason="BGPReconcileError",
                message="; ".join(problems),
            ),
            words(
                ESTABLISHED,
                holds=not down,
                reason="NotEstablished" if down else "Established",
                message="; ".join(down),
            ),
        ),
        generation=config.metadata.generation,
    )


def shown_verdict(config: CiliumBGPNodeConfig) -> NodeVerdict | None:
    """Return what it says now; None: nothing, or not all."""
    said = shown_conditions(config.status.conditions, _KINDS)
    if said is None:
        return None
    return NodeVerdict(config.status.bgp_instances, said.conditions, said.generation)


def _peer_status(view: SessionView) -> PeerStatus:
    session, state = view.wanted, view.state
    is_up = state.is_established
    since = format_time(datetime.fromtimestamp(state.since_s, UTC))
    return PeerStatus(
        name=session.peer,
        peer_address=str(session.peer_address),
        peer_asn=session.peer_asn,
        peering_state=state.name if is_up else "idle" if view.problem else "active",
        established_time=since if is_up else "",
        route_count=tuple(
            RouteCount(
                afi=family_name(version),
                safi="unicast",
                advertised=sum(1 for _ in announced(view, family_name(version))),
            )
            for version in session.versions
        ),
        timers=PeerTimers(state.hold_s, state.hold_s // 3) if is_up else None,
    )
