"""A snapshot of what the API and the agents say about the whole cluster, for `audit.cluster`.

Pure: values, and the tables that several comparisons need.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ciliate.api.cilium_endpoint import CiliumEndpoint
from ciliate.api.cilium_node import CiliumNode
from ciliate.api.core import Node, Pod
from ciliate.api.ipam_audit import CheckReport
from ciliate.config.installation import Installation
from ciliate.ipam.audit.overlaps import NodeClaim
from ciliate.ipam.cidr_set import Cidr

_OWN_ADDRESSES = ("InternalIP", "ExternalIP")
_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class PoolRange:
    """A range that node CIDRs are cut out of."""

    pool: str
    cidr: Cidr


@dataclass(frozen=True, slots=True)
class ServiceRange:
    """Addresses of Services: a range, or what one Service has."""

    label: str
    cidr: Cidr


@dataclass(frozen=True, kw_only=True)
class ClusterSnapshot:
    """What the API says, and the reports of the agents that answered."""

    mode: str
    installation: Installation = field(default_factory=Installation)
    versions: tuple[int, ...] = (4,)
    plugins_addresses: bool = False  # Another CNI plugin may give pods addresses of any range.
    nodes: tuple[Node, ...] = ()
    cilium_nodes: tuple[CiliumNode, ...] = ()
    pods: tuple[Pod, ...] = ()
    endpoints: tuple[CiliumEndpoint, ...] = ()
    ranges: tuple[PoolRange, ...] = ()
    services: tuple[ServiceRange, ...] = ()
    reports: Mapping[str, CheckReport] = field(default_factory=dict)

    @cached_property
    def claims(self) -> list[NodeClaim]:
        """Every CIDR that a node has or drains."""
        return [
            NodeClaim(cidr, node.metadata.name, draining=str(cidr) in self.drained(node))
            for node in self.cilium_nodes
            for cidr in parsed((*node.current_cidrs, *node.draining_cidrs))
        ]

    def drained(self, node: CiliumNode) -> frozenset[str]:
        """The CIDRs of which nobody gets a new address: what is drained, and not listed as current.

        In multi-pool mode a CIDR outside its pool is listed until the agent gives it back.
        """
        cidrs = node.drained_cidrs if self.mode == "multi-pool" else node.draining_cidrs
        return frozenset(map(str, parsed(cidrs)))

    @cached_property
    def claims_of(self) -> dict[str, list[NodeClaim]]:
        """The claims by node."""
        found: dict[str, list[NodeClaim]] = defaultdict(list)
        for claim in self.claims:
            found[claim.node].append(claim)
        return found

    @cached_property
    def node_by_ip(self) -> dict[str, str]:
        """The name of the node that has an address as its own."""
        return {
            address.ip: node.metadata.name
            for node in self.cilium_nodes
            for address in node.spec.addresses
            if address.type in _OWN_ADDRESSES
        }

    @cached_property
    def live_pods(self) -> dict[str, Pod]:
        """Pods with addresses of their own that have not ended, by `namespace/name`."""
        return {
            f"{pod.metadata.namespace}/{pod.metadata.name}": pod
            for pod in self.pods
            if not pod.spec.host_network and pod.status.phase not in _ENDED
        }


def parsed(texts: Iterable[str]) -> list[Cidr]:
    """Return the CIDRs that can be read."""
    found = []
    for text in texts:
        try:
            found.append(Cidr.parse(text))
        except ValueError:
            continue
    return found


def published(endpoint: CiliumEndpoint) -> tuple[str, ...]:
    """Return the addresses of a CiliumEndpoint, as it writes them."""
    networking = endpoint.status.networking
    pairs = networking.addressing if networking is not None else ()
    return tuple(text for pair in pairs for text in (pair.ipv4, pair.ipv6) if text)


def node_ip(endpoint: CiliumEndpoint) -> str:
    """Return the address by which a CiliumEndpoint names its node, or nothing."""
    networking = endpoint.status.networking
    return networking.node if networking is not None else ""
