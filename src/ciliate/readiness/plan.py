"""How a node shows whether its agent is ready: a taint and a condition. Pure.

A new node carries the taint `node.cilium.io/agent-not-ready` so that no pod is placed before it
can be given a network; the operator removes it when the agent is ready: its pod is, or it says so. Cloud nodes also
wait for the condition NetworkUnavailable to become false; "CiliumIsUp" is Cilium's reason for it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final

from ciliate.api.cilium_node import CiliumNode
from ciliate.api.core import Node, Taint
from ciliate.api.metadata import format_time
from ciliate.cluster.views import AgentPod
from ciliate.readiness.settings import ReadinessSettings

_CONDITION: Final = "NetworkUnavailable"
_REASON: Final = "CiliumIsUp"


class AgentState(Enum):
    """What is known of the agent on a node."""

    ABSENT = "absent"
    NOT_READY = "not ready"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class NodeMarks:
    """What a node shows: the taint, and the condition of a network that is up."""

    tainted: bool
    up: bool


def agent_states(
    pods: Iterable[AgentPod], nodes: Iterable[CiliumNode], *, now: datetime
) -> dict[str, AgentState]:
    """Return the state of the agent by node; nodes without one are left out.

    While an agent is replaced a node has two pods of it: one that is ready is enough. So is the
    agent's own statement while it holds; one that ended without a ready pod is of an agent that
    has stopped, or was killed.
    """
    states = {
        node.metadata.name: AgentState.READY if until > now else AgentState.NOT_READY
        for node in nodes
        if (until := node.agent_ready_until) is not None
    }
    for pod in pods:
        node = pod.spec.node_name
        if node and states.get(node) is not AgentState.READY:
            states[node] = AgentState.READY if pod.ready else AgentState.NOT_READY
    return states


def marks_of(node: Node, taint_key: str) -> NodeMarks:
    """Return what `node` shows now."""
    return NodeMarks(
        tainted=any(taint.key == taint_key for taint in node.spec.taints),
        up=any(
            c.type == _CONDITION and c.status == "False" and c.reason == _REASON
            for c in node.status.conditions
        ),
    )


def desired_marks(
    shown: Mapping[str, NodeMarks],
    states: Mapping[str, AgentState],
    settings: ReadinessSettings,
) -> dict[str, NodeMarks]:
    """Return what each node should show; what the settings leave to others stays as it is.

    An agent that went away does not make the network unavailable: pods keep their traffic.
    """
    desired = {}
    for name, now in shown.items():
        state = states.get(name, AgentState.ABSENT)
        tainted, up = now.tainted, now.up
        if state is AgentState.READY:
            tainted = tainted and not settings.remove_taint
            up = up or settings.set_condition
        elif state is AgentState.NOT_READY:
            tainted = tainted or settings.set_taint
        desired[name] = NodeMarks(tainted=tainted, up=up)
    return desired


def taint_patch(node: Node, taint_key: str, *, tainted: bool) -> list[dict[str, Any]]:
    """Return the JSON patch (RFC 6902) that adds or removes the taint; empty: nothing to do.

    The tests in it make it fail when the list of taints has changed since `node` was read,
    instead of removing another's taint.
    """
    places = [i for i, taint in enumerate(node.spec.taints) if taint.key == taint_key]
    if not tainted:
        patch: list[dict[str, Any]] = []
        for place in reversed(places):  # From the end, so that places before it stay right.
            patch += [
                {"op": "test", "path": f"/spec/taints/{place}/key", "value": taint_key},
                {"op": "remove", "path": f"/spec/taints/{place}"},
            ]
        return patch
    if places:
        return []
    taint = Taint(key=taint_key, effect="NoSchedule")
    if node.spec.taints:
        return [{"op": "add", "path": "/spec/taints/-", "value": taint}]
    # Without a list yet, one is made, which would replace a list made meanwhile.
    version = node.metadata.resource_version
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version},
        {"op": "add", "path": "/spec/taints", "value": [taint]},
    ]


def up_patch(now: datetime) -> dict[str, Any]:
    """Return the strategic merge patch of a node's status that reports the network as up."""
    condition = {
        "type": _CONDITION,
        "status": "False",
        "reason": _REASON,
        "message": "Cilium is running on this node",
        "lastTransitionTime": format_time(now),
        "lastHeartbeatTime": format_time(now),
    }
    return {"status": {"conditions": [condition]}}
