"""A route for each other node's pod CIDR (reference/routing-masquerading.md, 1.6 and 1.12). Pure.

Native routing with `auto-direct-node-routes`: packets to a pod go to its node's InternalIP, which
must be on the same layer-2 network. A node's former CIDRs are routed to it as well, until the last
pod in them is gone; a pod that lives elsewhere than its CIDR has a route of its own (`strays`).
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from ciliate.net.address import IPAddress, IPNetwork, host_network
from ciliate.net.link import Route, RouteAnswer, RouteKind, RouteProtocol


@dataclass(frozen=True, slots=True)
class RemoteNode:
    """Another node: where its pods are reached."""

    name: str
    internal_ips: tuple[IPAddress, ...]
    pod_cidrs: tuple[IPNetwork, ...]
    draining_cidrs: tuple[IPNetwork, ...] = ()

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
    own_cidrs: Container[IPNetwork] = (),
) -> RoutePlan:
    """Return the route of each pod CIDR via its node.

    `answers` hold what the kernel would do with a packet to each node's address; a node behind a
    gateway is not on our layer-2 network and gets no route. Two nodes that claim one CIDR: who has
    it now goes before who had it, then the first by name; `own_cidrs` are nobody else's.
    """
    routes: dict[IPNetwork, Route] = {}
    left_out: dict[str, Unreachable] = {}
    ordered = sorted(nodes, key=lambda node: node.name)
    claims = [(node, cidr) for node in ordered for cidr in node.pod_cidrs]
    claims += [(node, cidr) for node in ordered for cidr in node.draining_cidrs]
    for node, cidr in claims:
        node_ip = node.node_ip(cidr.version)
        if node_ip is None or cidr in routes or cidr in own_cidrs:
            continue
        answer = answers.get(node_ip)
        if answer is not None and _is_on_link(answer, node_ip):
            routes[cidr] = _route(cidr, node_ip, answer)
            continue
        where = f"contains gateway {answer.gateway}" if answer else "does not exist"
        left_out.setdefault(
            node.name,
            Unreachable(
                node.name,
                f"route to destination {node_ip} {where}, must be directly reachable."
                " Add `direct-routing-skip-unreachable` to skip unreachable routes",
                is_error=not skip_unreachable,
            ),
        )
    return RoutePlan(routes, tuple(left_out.values()))


def stray_routes(
    strays: Mapping[IPAddress, IPAddress], answers: Mapping[IPAddress, RouteAnswer]
) -> dict[IPNetwork, Route]:
    """Return a route for each pod that no CIDR of its node covers: address -> its node's address.

    Nodes that are not on our layer-2 network are left to the network, as for their CIDRs.
    """
    routes: dict[IPNetwork, Route] = {}
    for address, node_ip in strays.items():
        answer = answers.get(node_ip)
        if answer is not None and _is_on_link(answer, node_ip):
            destination = host_network(address)
            routes[destination] = _route(destination, node_ip, answer)
    return routes


def _route(destination: IPNetwork, node_ip: IPAddress, answer: RouteAnswer) -> Route:
    return Route(
        destination=destination,
        link_index=answer.link_index,
        gateway=node_ip,
        protocol=RouteProtocol.KERNEL,
    )
