"""A route for each other node's pod CIDR (reference/routing-masquerading.md, 1.6 and 1.12). Pure.

Native routing with `auto-direct-node-routes`: packets to a pod go to its node's InternalIP, which
must be on the same layer-2 network.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ciliate.net.address import IPAddress, IPNetwork
from ciliate.net.link import Route, RouteAnswer, RouteKind, RouteProtocol


@dataclass(frozen=True, slots=True)
class RemoteNode:
    """Another node: where its pods are reached."""

    name: str
    internal_ips: tuple[IPAddress, ...]
    pod_cidrs: tuple[IPNetwork, ...]

    def node_ip(self, version: int) -> IPAddress | None:
        """Return the node's first InternalIP of IP `version`, or None."""
        return next((a for a in self.internal_ips if a.version == version), None)


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A node whose pods get no route, and why; `is_error` unless the settings skip it."""

    node: str
    reason: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """Routes by destination, and the nodes left out."""

    routes: Mapping[IPNetwork, Route]
    unreachable: tuple[Unreachable, ...]


def _is_on_link(answer: RouteAnswer, node_ip: IPAddress) -> bool:
    return answer.kind is RouteKind.UNICAST and answer.gateway in (None, node_ip)


def direct_node_routes(
    nodes: Iterable[RemoteNode],
    answers: Mapping[IPAddress, RouteAnswer],
    *,
    skip_unreachable: bool,
) -> RoutePlan:
    """Return the route of each pod CIDR via its node.

    `answers` hold what the kernel would do with a packet to each node's address; a node behind a
    gateway is not on our layer-2 network and gets no route. Two nodes that claim one CIDR: the
    first by name has it.
    """
    routes: dict[IPNetwork, Route] = {}
    left_out: list[Unreachable] = []
    for node in sorted(nodes, key=lambda node: node.name):
        for cidr in node.pod_cidrs:
            node_ip = node.node_ip(cidr.version)
            if node_ip is None or cidr in routes:
                continue
            answer = answers.get(node_ip)
            if answer is not None and _is_on_link(answer, node_ip):
                routes[cidr] = Route(
                    destination=cidr,
                    link_index=answer.link_index,
                    gateway=node_ip,
                    protocol=RouteProtocol.KERNEL,
                )
                continue
            where = f"contains gateway {answer.gateway}" if answer else "does not exist"
            left_out.append(
                Unreachable(
                    node.name,
                    f"route to destination {node_ip} {where}, must be directly reachable."
                    " Add `direct-routing-skip-unreachable` to skip unreachable routes",
                    is_error=not skip_unreachable,
                )
            )
    return RoutePlan(routes, tuple(left_out))
