"""What Kubernetes gives a node: Node.spec.podCIDRs, or annotations. Pure.

The one reading of it: agents publish it in mode kubernetes, a migration to that mode waits for it,
the audit compares with it (docs/CILIUM.md, "Objects": the annotations).
"""

from dataclasses import dataclass
from typing import Final

from ciliate.api.core import Node
from ciliate.errors import CiliateError
from ciliate.net.address import IPNetwork, ip_network

#: Serve for a family of which there is no podCIDR.
_ANNOTATIONS: Final = {
    4: "network.cilium.io/ipv4-pod-cidr",
    6: "network.cilium.io/ipv6-pod-cidr",
}


class NodeCIDRError(CiliateError):
    """A Node carries something that is no CIDR where one should be."""

    def __init__(self, node: str, field: str, text: str) -> None:
        self.node = node
        self.field = field
        self.text = text
        super().__init__(
            f"Node {node}: {field}: {text!r} is no CIDR of that family without host bits:"
            f" correct it: kubectl edit node {node}"
        )


@dataclass(frozen=True, slots=True)
class NodeCIDR:
    """A CIDR, and where the Node says it."""

    cidr: IPNetwork
    field: str


def node_cidrs(node: Node) -> tuple[NodeCIDR, ...]:
    """Return what Kubernetes gives the node: at most one CIDR of each family, IPv4 first.

    Whether a family is on is the caller's to know.

    Raises:
        NodeCIDRError: One cannot be read.
    """
    spec = node.spec
    found: dict[int, NodeCIDR] = {}
    for text in spec.pod_cidrs or filter(None, (spec.pod_cidr,)):
        found_cidr = _read(node, "Node.spec.podCIDRs", text)
        found[found_cidr.cidr.version] = found_cidr
    for version, name in _ANNOTATIONS.items():
        text = node.metadata.annotations.get(name, "")
        if version not in found and text:
            found[version] = _read(node, name, text, version=version)
    return tuple(found[version] for version in sorted(found))


def _read(node: Node, field: str, text: str, *, version: int | None = None) -> NodeCIDR:
    try:
        cidr: IPNetwork = ip_network(text)
    except ValueError as error:
        raise NodeCIDRError(node.metadata.name, field, text) from error
    if version not in (None, cidr.version):
        raise NodeCIDRError(node.metadata.name, field, text)
    return NodeCIDR(cidr, field)
