"""A node of the cluster as its CiliumNode describes it. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from ciliate.api.cilium_node import CiliumNode
from ciliate.net.address import IPAddress, IPNetwork, ip_address, ip_network

T = TypeVar("T")

_OTHER_ADDRESS_TYPES: Final = frozenset({"ExternalIP", "CiliumInternalIP"})


@dataclass(frozen=True, slots=True)
class KnownNode:
    """What a CiliumNode says: the node's own addresses and its pod CIDRs."""

    name: str
    internal_ips: tuple[IPAddress, ...]
    other_addresses: tuple[IPAddress, ...]  # External ones and the router's.
    pod_cidrs: tuple[IPNetwork, ...]
    is_local: bool
    draining_cidrs: tuple[IPNetwork, ...] = ()  # Former ones, in which pods still live.
    created: str = ""  # When the CiliumNode was made, as the API server wrote it (RFC 3339, UTC).

    @property
    def all_cidrs(self) -> tuple[IPNetwork, ...]:
        """Current CIDRs, then draining ones."""
        return (*self.pod_cidrs, *self.draining_cidrs)

    def node_ip(self, version: int) -> IPAddress | None:
        """Return the node's first InternalIP of IP `version`, or None."""
        return next((a for a in self.internal_ips if a.version == version), None)


def known_node(node: CiliumNode, *, local_name: str) -> tuple[KnownNode, tuple[str, ...]]:
    """Return the node that a CiliumNode describes, and what in it cannot be read."""
    unreadable: list[str] = []

    def network(text: str) -> IPNetwork:
        cidr = ip_network(text)
        if not cidr.prefixlen:
            raise ValueError(f"{cidr} is the whole world, not a node's")
        return cidr

    def read(texts: Iterable[str], parse: Callable[[str], T]) -> tuple[T, ...]:
        found = []
        for text in texts:
            try:
                found.append(parse(text))
            except ValueError as error:
                unreadable.append(str(error))
        return tuple(found)

    addresses = node.spec.addresses
    others = (a.ip for a in addresses if a.type in _OTHER_ADDRESS_TYPES)
    known = KnownNode(
        name=node.metadata.name,
        internal_ips=read((a.ip for a in addresses if a.type == "InternalIP"), ip_address),
        other_addresses=read(others, ip_address),
        pod_cidrs=read(node.current_cidrs, network),
        draining_cidrs=read(node.draining_cidrs, network),
        is_local=node.metadata.name == local_name,
        created=node.metadata.creation_timestamp or "",
    )
    return known, tuple(unreadable)
