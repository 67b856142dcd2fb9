"""This node as Kubernetes knows it: the facts of its Node that the agent stands on.

They change while the agent runs: a kubelet reports another InternalIP after a DHCP lease or a move
to another network, a family comes or goes. What publishes, routes or marks by them asks
`OwnNodeWatch` each time, and is told of changes.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from ciliate.api.core import Node
from ciliate.api.node_cidrs import NodeCIDRError, node_cidrs
from ciliate.errors import CiliateError
from ciliate.kube.informer import Informer
from ciliate.net.address import IPAddress, IPNetwork, ip_address, to_octets
from ciliate.reconcile.listeners import Listeners

#: Former InternalIPs by which CiliumEndpoints of this node may still name it; the oldest goes.
FORMER_ADDRESSES_MAX: Final = 16

_log = logging.getLogger(__name__)


class NodeAddressError(CiliateError):
    """The Node object carries something that is no address or no CIDR."""


@dataclass(frozen=True, slots=True)
class OwnNode:
    """This node as Kubernetes knows it."""

    name: str
    uid: str
    labels: Mapping[str, str]
    internal_ips: tuple[IPAddress, ...]  # In the Node's order, at least one.
    external_ips: tuple[IPAddress, ...]
    pod_cidrs: tuple[IPNetwork, ...]  # At most one per family, IPv4 first.

    @property
    def node_ip(self) -> IPAddress:
        """The address by which the node is known: its first InternalIP."""
        return self.internal_ips[0]

    def internal_ip(self, version: int) -> IPAddress | None:
        """Return the first InternalIP of IP `version`, or None."""
        return next((a for a in self.internal_ips if a.version == version), None)


def own_node(node: Node) -> OwnNode:
    """Return the parts of a Node the agent needs.

    Raises:
        NodeAddressError: An address or a CIDR in it cannot be read.
    """
    metadata = node.metadata
    try:
        return OwnNode(
            name=metadata.name,
            uid=metadata.uid,
            labels=metadata.labels,
            internal_ips=_addresses(node, "InternalIP"),
            external_ips=_addresses(node, "ExternalIP"),
            pod_cidrs=tuple(found.cidr for found in node_cidrs(node)),
        )
    except NodeCIDRError as error:
        raise NodeAddressError(str(error)) from error
    except ValueError as error:
        raise NodeAddressError(f"Node {metadata.name}: {error}: correct the object") from error


class OwnNodeWatch:
    """Keeps `current` as the Node says; listeners get the value before and after a change.

    What was known holds while the Node is gone or cannot be read, and its InternalIPs while it
    names none: without any, other nodes would lose the routes to the pods here.
    """

    def __init__(self, first: OwnNode, informer: Informer[Node]) -> None:
        self.current = first
        self._former: dict[IPAddress, None] = {}
        self._octets: frozenset[bytes] = frozenset()
        self._texts: frozenset[str] = frozenset()
        self._listeners: Listeners[OwnNode, OwnNode] = Listeners()
        self._index()
        informer.add_listener(lambda _old, new: self._changed(new))

    def listen(self, changed: Callable[[OwnNode, OwnNode], object]) -> None:
        """Call `changed` after every change."""
        self._listeners.add(changed)

    def has(self, address: bytes) -> bool:
        """Whether an InternalIP, given as 16 octets, is or was this node's."""
        return address in self._octets

    def is_named(self, text: str) -> bool:
        """Whether a text is an InternalIP that is or was this node's; cheap."""
        return text in self._texts

    def note_former(self, addresses: Iterable[IPAddress]) -> None:
        """Note InternalIPs that an earlier agent of this node published."""
        for address in addresses:
            if address not in self.current.internal_ips:
                self._former.pop(address, None)
                self._former[address] = None
        while len(self._former) > FORMER_ADDRESSES_MAX:
            del self._former[next(iter(self._former))]
        self._index()

    def forget_former(self, addresses: Iterable[IPAddress]) -> None:
        """Forget former InternalIPs that another node has now."""
        for address in addresses:
            self._former.pop(address, None)
        self._index()

    def _changed(self, node: Node | None) -> None:
        if node is None:
            return
        try:
            found = own_node(node)
        except NodeAddressError as error:
            _log.warning("%s", error)
            return
        before = self.current
        if not found.internal_ips:
            found = replace(found, internal_ips=before.internal_ips)
        if found == before:
            return
        self.current = found
        if found.internal_ips != before.internal_ips:
            shown = [", ".join(map(str, each.internal_ips)) for each in (before, found)]
            _log.info("node %s: InternalIPs %s became %s", found.name, *shown)
            for address in found.internal_ips:
                self._former.pop(address, None)
            self.note_former(before.internal_ips)
        self._listeners(before, found)

    def _index(self) -> None:
        known = (*self.current.internal_ips, *self._former)
        self._octets = frozenset(map(to_octets, known))
        self._texts = frozenset(map(str, known))


def _addresses(node: Node, kind: str) -> tuple[IPAddress, ...]:
    return tuple(ip_address(a.address) for a in node.status.addresses if a.type == kind)
