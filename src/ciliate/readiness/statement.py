"""When an agent says itself, in its CiliumNode, that it is ready. Pure.

The kubelet asks an agent that runs in a pod, and the pod's condition says the answer: that costs no
write of ours. An agent that runs as a plain process (a unit of systemd, a test) has no such pod,
nor has one whose pods are labelled otherwise; and a probe that times out makes a pod unready whose
agent works. In these cases the agent states until when it is ready, and renews that as a node
renews its Lease. What it needs is the patch of its own CiliumNode, which it may do anyway.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ciliate.api.core import Pod

#: How long a statement holds: the longest that a killed agent's node looks ready. Clocks of nodes
#: may differ by what is left when it is renewed.
VALID_S: Final = 60.0

#: How often it is renewed: each time every agent and the operator are told of a CiliumNode.
RENEW_S: Final = 20.0

#: How long a pod of the agent may take to become ready before its agent speaks itself.
POD_GRACE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Statement:
    """What the CiliumNode should say from now on, and when to look again at the latest."""

    until: datetime | None
    again_s: float = RENEW_S


def is_ready(pod: Pod) -> bool:
    """Whether the pod's readiness probe succeeds."""
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)


def next_statement(
    published: datetime | None, pods: Iterable[Pod], *, now: datetime, waited_s: float
) -> Statement:
    """Return what a ready agent should state.

    `published` is what its CiliumNode says, `pods` are those of agents on the node, `waited_s` is
    how long none of them has been ready.
    """
    known = tuple(pods)
    if any(map(is_ready, known)):
        return Statement(None)
    if known and waited_s < POD_GRACE_S:
        return Statement(published, again_s=min(RENEW_S, POD_GRACE_S - waited_s))
    if published is not None and published - now > timedelta(seconds=VALID_S - RENEW_S / 2):
        return Statement(published, again_s=RENEW_S / 2)  # Renewed a moment ago.
    return Statement(now + timedelta(seconds=VALID_S))
