"""This node as Kubernetes knows it: the facts of its Node that the agent stands on."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from ciliate.api.core import Node
from ciliate.api.node_cidrs import NodeCIDRError, node_cidrs
from ciliate.errors import CiliateError
from ciliate.net.address import IPAddress, IPNetwork, ip_address

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


def latest_own_node(node: Node | None, known: OwnNode) -> OwnNode:
    """Return what the Node says now; what was known holds where it cannot be read."""
    if node is None:
        return known
    try:
        return own_node(node)
    except NodeAddressError as error:
        _log.warning("%s", error)
        return known


def _addresses(node: Node, kind: str) -> tuple[IPAddress, ...]:
    return tuple(ip_address(a.address) for a in node.status.addresses if a.type == kind)
