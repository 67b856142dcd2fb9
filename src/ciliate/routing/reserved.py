"""What no route to pods may cover: addresses of nodes, what this node is connected to. Pure.

A CiliumNode or a CiliumEndpoint is written by somebody else: what it says becomes a route of every
node. One wrong prefix in it must cost that node its pods and nobody else anything.
"""

from collections.abc import Iterable
from typing import Final

from ciliate.net.address import IPAddress, IPNetwork, host_network
from ciliate.net.cidr_index import CIDRIndex
from ciliate.net.link import Route, RouteKind
from ciliate.net.owner_index import OwnerIndex
from ciliate.net.pod_prefix import why_no_pods
from ciliate.node.known_node import KnownNode

#: Answers that are kept until something changes: one for each destination that is asked about.
_ANSWERS_MAX: Final = 65536

#: Devices of ours: what leads to them is ours too, or a user's way by a pod.
_OWN_DEVICES: Final = ("lxc", "cilium_")


class Reserved:
    """Prefixes that are in use by others than pods, kept up to date by what reads them."""

    def __init__(self) -> None:
        self._nodes: OwnerIndex[IPNetwork, str] = OwnerIndex()
        self._of_nodes: CIDRIndex[IPNetwork] = CIDRIndex()
        self._kernel: dict[IPNetwork, str] = {}
        self._of_kernel: CIDRIndex[IPNetwork] = CIDRIndex()
        self._services: CIDRIndex[IPNetwork] = CIDRIndex()
        self._answers: dict[IPNetwork, str] = {}

    def update(self, old: KnownNode | None, new: KnownNode | None) -> set[IPNetwork]:
        """Take in a node as it is after a change; return the addresses that it lost or gained."""
        before, after = _own_addresses(old), _own_addresses(new)
        name = next((node.name for node in (old, new) if node is not None), "")
        for address in before - after:
            self._nodes.remove(address, name)
            if self._nodes.get(address) is None:
                self._of_nodes.remove(address)
        for address in after - before:
            self._nodes.add(address, name)
            self._of_nodes.put(address, address)
        if before != after:
            self._answers.clear()
        return before ^ after

    def note_kernel(self, others: Iterable[Route], local: Iterable[Route]) -> None:
        """Take in the routes of the main table that are not ours, and those of the local one."""
        found: dict[IPNetwork, str] = {}
        for route in local:
            if route.kind is RouteKind.LOCAL and not _is_by_own_device(route):
                found.setdefault(route.destination, f"the address {_bare(route)} of this node")
        for route in others:
            if route.kind is not RouteKind.UNICAST or _is_by_own_device(route):
                continue
            if route.gateway is not None:
                gateway = host_network(route.gateway)
                found.setdefault(gateway, f"the gateway {route.gateway} of {_named(route)}")
            elif route.destination.prefixlen != route.destination.max_prefixlen:
                found.setdefault(
                    route.destination, f"the network {route} that this node is connected to"
                )
        if found == self._kernel:
            return
        self._kernel = found
        self._of_kernel = CIDRIndex()
        for prefix in found:
            self._of_kernel.put(prefix, prefix)
        self._answers.clear()

    def note_services(self, ranges: Iterable[IPNetwork]) -> None:
        """Take in the ranges that Services have their addresses of."""
        self._services = CIDRIndex()
        for each in ranges:
            self._services.put(each, each)
        self._answers.clear()

    def why_not_pods(self, address: IPAddress) -> str:
        """Return why one address gets no route to a pod of this node; empty when it may."""
        prefix = host_network(address)
        node = self._nodes.get(prefix)
        if node is not None:
            return f"it is the address of node {node}"
        held = self._kernel.get(prefix, "")
        return f"it is {held}" if "address" in held else ""

    def why_not(self, destination: IPNetwork) -> str:
        """Return why a destination is routed to no pods; empty when it may be."""
        answer = self._answers.get(destination)
        if answer is None:
            if len(self._answers) >= _ANSWERS_MAX:
                self._answers.clear()
            answer = self._answers[destination] = self._judge(destination)
        return answer

    def _judge(self, destination: IPNetwork) -> str:
        reason = why_no_pods(destination)
        if reason:
            return reason
        service = next(self._services.overlapping(destination), None)
        if service is not None:
            return f"it shares addresses with the Services' range {service}"
        for index in (self._of_nodes, self._of_kernel):
            # The longest comes first: where that is wider than the destination, none is inside.
            inside = next(index.overlapping(destination), None)
            if inside is not None and inside.prefixlen >= destination.prefixlen:
                node = self._nodes.get(inside)
                held = f"the address {inside.network_address} of node {node}" if node else ""
                return f"it covers {held or self._kernel[inside]}"
        return ""


def _own_addresses(node: KnownNode | None) -> set[IPNetwork]:
    if node is None:
        return set()
    return set(map(host_network, (*node.internal_ips, *node.external_ips)))


def _is_by_own_device(route: Route) -> bool:
    return route.link_name.startswith(_OWN_DEVICES)


def _bare(route: Route) -> str:
    return str(route.destination.network_address)


def _named(route: Route) -> str:
    return "the default route" if route.is_default else str(route)
