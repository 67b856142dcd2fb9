"""A node of the cluster as its CiliumNode describes it. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from ciliate.api.cilium_node import CiliumNode
from ciliate.net.address import IPAddress, IPNetwork, ip_address, ip_network
from ciliate.net.pod_prefix import why_no_pods

T = TypeVar("T")


class Seniority(NamedTuple):
    """Sorts first the elder node, which counts where several claim one thing.

    By the creation of its CiliumNode: whoever writes an object today takes nothing from a node that
    stands, and every node decides alike. Names decide between objects of one second.
    """

    created: str
    name: str


@dataclass(frozen=True, slots=True)
class KnownNode:
    """What a CiliumNode says: the node's own addresses and its pod CIDRs."""

    name: str
    internal_ips: tuple[IPAddress, ...]
    other_addresses: tuple[IPAddress, ...]  # External ones and the router's.
    pod_cidrs: tuple[IPNetwork, ...]
    is_local: bool
    draining_cidrs: tuple[IPNetwork, ...] = ()  # Former ones, in which pods still live.
    refused_cidrs: tuple[IPNetwork, ...] = ()  # Claimed, and no node's: in no other field.
    external_ips: tuple[IPAddress, ...] = ()  # Among the other addresses.
    router_ips: tuple[IPAddress, ...] = ()  # Among the other addresses.
    tunnel_received: str = ""  # The tunnel out of which it takes packets, such as "vxlan:8472".
    tunnel_sent: str = ""  # The one by which it sends.
    created: str = ""  # When the CiliumNode was made, as the API server wrote it (RFC 3339, UTC).

    @property
    def all_cidrs(self) -> tuple[IPNetwork, ...]:
        """Current CIDRs, then draining ones."""
        return (*self.pod_cidrs, *self.draining_cidrs)

    @property
    def seniority(self) -> Seniority:
        """Whether this node goes before another that claims the same."""
        return Seniority(self.created, self.name)

    def node_ip(self, version: int) -> IPAddress | None:
        """Return the node's first InternalIP of IP `version`, or None."""
        return next((a for a in self.internal_ips if a.version == version), None)


def known_node(node: CiliumNode, *, local_name: str) -> tuple[KnownNode, tuple[str, ...]]:
    """Return the node that a CiliumNode describes, and what in it cannot be read."""
    unreadable: list[str] = []

    def read(texts: Iterable[str], parse: Callable[[str], T]) -> tuple[T, ...]:
        found = []
        for text in texts:
            try:
                found.append(parse(text))
            except ValueError as error:
                unreadable.append(str(error))
        return tuple(found)

    def addresses(kind: str) -> tuple[IPAddress, ...]:
        return read((a.ip for a in node.spec.addresses if a.type == kind), ip_address)

    external_ips, router_ips = addresses("ExternalIP"), addresses("CiliumInternalIP")
    current, draining = read(node.current_cidrs, ip_network), read(node.draining_cidrs, ip_network)
    refused = {cidr: why for cidr in (*current, *draining) if (why := why_no_pods(cidr))}
    unreadable += [f"{cidr} is not routed to pods: {why}" for cidr, why in refused.items()]
    known = KnownNode(
        name=node.metadata.name,
        internal_ips=addresses("InternalIP"),
        other_addresses=(*external_ips, *router_ips),
        external_ips=external_ips,
        router_ips=router_ips,
        pod_cidrs=tuple(cidr for cidr in current if cidr not in refused),
        draining_cidrs=tuple(cidr for cidr in draining if cidr not in refused),
        refused_cidrs=tuple(refused),
        is_local=node.metadata.name == local_name,
        tunnel_received=node.tunnel_received,
        tunnel_sent=node.tunnel_sent,
        created=node.metadata.creation_timestamp or "",
    )
    return known, tuple(unreadable)
