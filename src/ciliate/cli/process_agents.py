"""Agents without a pod: plain processes, known by what they say in their CiliumNode. Pure.

No command of a cluster can restart them, since only their machine knows what runs them, such as
systemd. A command that restarts agents names them, and says how it is done.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from ciliate.api.cilium_node import CiliumNode


@dataclass(frozen=True, slots=True)
class ProcessAgent:
    """One such agent; `started` tells its runs apart."""

    ready_until: datetime
    started: str


def process_agents(
    nodes: Iterable[CiliumNode], with_pod: Collection[str]
) -> dict[str, ProcessAgent]:
    """Return the agents, by node, that speak for themselves; `with_pod` are nodes of agents' pods.

    They run as plain processes, or their pods are labelled otherwise. One that has stopped is among
    them: its statement has ended.
    """
    return {
        node.metadata.name: ProcessAgent(until, node.agent_started)
        for node in nodes
        if (until := node.agent_ready_until) is not None and node.metadata.name not in with_pod
    }


def restart_by_hand(nodes: Iterable[str]) -> str:
    """Return who restarts agents that have no pod, and how."""
    return (
        f"the agent of {', '.join(nodes)} has no pod that could be replaced: on each of these nodes"
        " restart the unit that runs it (`systemctl restart UNIT`), or end `ciliate agent` and start"
        " it as it was started"
    )
