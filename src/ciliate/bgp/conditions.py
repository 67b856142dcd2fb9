"""Conditions of the BGP objects: their names, and how they are written. Pure.

Names and reasons are those of Cilium, whose users look for them.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from ciliate.api.metadata import Condition, format_time

#: Of a CiliumBGPClusterConfig.
NO_MATCHING_NODE: Final = "cilium.io/NoMatchingNode"
MISSING_PEER_CONFIGS: Final = "cilium.io/MissingPeerConfigs"
CONFLICTING: Final = "cilium.io/ConflictingClusterConfig"
#: Of a CiliumBGPPeerConfig.
MISSING_SECRET: Final = "cilium.io/MissingAuthSecret"  # noqa: S105 - a condition's name.
#: Of a CiliumBGPNodeConfig.
RECONCILE_ERROR: Final = "cilium.io/BGPReconcileError"
#: Ours, of the same: whether every session is established.
ESTABLISHED: Final = "ciliate.io/SessionsEstablished"

#: What a status takes.
MESSAGE_LENGTH_MAX: Final = 4096


#: Type, status, reason and message.
Words = tuple[str, str, str, str]


def words(kind: str, *, holds: bool, reason: str, message: str = "") -> Words:
    """Return a condition's words."""
    return (kind, "True" if holds else "False", reason, message[:MESSAGE_LENGTH_MAX])


def shown_words(conditions: Iterable[Condition], kinds: Sequence[str]) -> tuple[Words, ...]:
    """Return what the conditions of these types say now."""
    by_kind = {each.type: each for each in conditions}
    return tuple(
        (each.type, each.status, each.reason, each.message)
        for each in (by_kind[kind] for kind in kinds if kind in by_kind)
    )


def written(
    before: Sequence[Condition], ours: Sequence[Words], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """Return all conditions as the API takes them: ours anew, others' as they were."""
    kinds = {kind for kind, *_ in ours}
    kept = [each for each in before if each.type not in kinds]
    wanted = {"status": "Unknown", "message": ""}
    everything = [*kept, *(_renewed(before, each, generation, now) for each in ours)]
    return [{**wanted, **msgspec.to_builtins(each)} for each in everything]


def _renewed(
    before: Sequence[Condition], each: Words, generation: int, now: datetime
) -> Condition:
    """Return the condition; its time is that of the last change of its status."""
    kind, status, reason, message = each
    former = next((c for c in before if c.type == kind), None)
    since = former.last_transition_time if former and former.status == status else None
    return Condition(
        type=kind,
        status=status,
        observed_generation=generation,
        reason=reason,
        message=message,
        last_transition_time=since or format_time(now),
    )
