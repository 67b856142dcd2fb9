"""Which way packets to a pod on another node go (native routing with direct routes). Pure.

With `auto-direct-node-routes` they go to the pod's node, which must be on the same layer-2
network; what the kernel answers about a node's InternalIP decides.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ciliate.net.address import IPAddress, IPNetwork
from ciliate.net.link import RouteAnswer, RouteKind


@dataclass(frozen=True, slots=True)
class NextHop:
    """Where packets go: a device, and a gateway behind it unless the destination is on it."""

    link_index: int
    gateway: IPAddress | None = None


def is_on_link(answer: RouteAnswer, node_ip: IPAddress) -> bool:
    """Whether the kernel reaches a node without a gateway between."""
    return answer.kind is RouteKind.UNICAST and answer.gateway in (None, node_ip)


def next_hop(node_ip: IPAddress, answer: RouteAnswer | None) -> NextHop | None:
    """Return the way to the pods of the node that has `node_ip`; None when there is none.

    A node behind a gateway is not on our layer-2 network: its pods are left to the network.
    """
    if answer is None or not is_on_link(answer, node_ip):
        return None
    return NextHop(answer.link_index or 0, node_ip)


def node_address_in(
    destination: IPNetwork, node_ip: IPAddress, own: Iterable[IPAddress]
) -> IPAddress | None:
    """Return the address within a destination that no route to pods may be put over; or None.

    A route to the next hop's own network by way of the next hop, or over a network that this node
    is connected to, would take the kernel's route to that network away, and with it all nodes.
    """
    return next((each for each in (node_ip, *own) if each in destination), None)


def why_unreachable(node_ip: IPAddress, answer: RouteAnswer | None) -> str:
    """Return why the pods of a node get no route; empty when they do."""
    if next_hop(node_ip, answer) is not None:
        return ""
    where = f"contains gateway {answer.gateway}" if answer else "does not exist"
    return (
        f"route to destination {node_ip} {where}, must be directly reachable."
        " Add `direct-routing-skip-unreachable` to skip unreachable routes"
    )
