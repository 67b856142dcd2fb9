"""Whose an address is, cluster-wide: nodes, their pod CIDRs, and every pod. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from ciliate.net.address import IPAddress, IPNetwork, host_network


class Reserved(IntEnum):
    """Identities that every cluster knows (Cilium's numbers; bpf/abi.h)."""

    HOST = 1
    WORLD = 2
    INIT = 5
    REMOTE_NODE = 6


@dataclass(frozen=True, slots=True)
class KnownNode:
    """What a CiliumNode tells: the node's own addresses and its pods' CIDRs."""

    name: str
    internal_ips: tuple[IPAddress, ...]
    other_addresses: tuple[IPAddress, ...]  # External ones and the router's.
    pod_cidrs: tuple[IPNetwork, ...]
    is_local: bool
    draining_cidrs: tuple[IPNetwork, ...] = ()  # Former ones, in which pods still live.

    def node_ip(self, version: int) -> IPAddress | None:
        """Return the node's first InternalIP of IP `version`, or None."""
        return next((a for a in self.internal_ips if a.version == version), None)


@dataclass(frozen=True, slots=True)
class KnownPod:
    """What a CiliumEndpoint tells."""

    addresses: tuple[IPAddress, ...]
    identity: int
    node: IPAddress | None


@dataclass(frozen=True, slots=True)
class AddressOwner:
    """Value of the ipcache: identity, node, and whether it is a pod's (never masqueraded to)."""

    identity: int
    node: IPAddress | None
    is_pod: bool


def node_owners(node: KnownNode) -> dict[IPNetwork, AddressOwner]:
    """Return whose a node's addresses and its pods' CIDRs are.

    A pod whose identity is not known yet has no entry of its own; its node's CIDR speaks for it.
    """
    identity = Reserved.HOST if node.is_local else Reserved.REMOTE_NODE
    owners = {
        cidr: AddressOwner(Reserved.WORLD, node.node_ip(cidr.version), is_pod=True)
        for cidr in (*node.draining_cidrs, *node.pod_cidrs)
    }
    for address in (*node.internal_ips, *node.other_addresses):
        owner = AddressOwner(identity, node.node_ip(address.version), is_pod=False)
        owners[host_network(address)] = owner
    return owners


def pod_owners(pod: KnownPod) -> dict[IPNetwork, AddressOwner]:
    """Return whose a pod's addresses are."""
    owner = AddressOwner(pod.identity, pod.node, is_pod=True)
    return {host_network(address): owner for address in pod.addresses}


def own_owners(addresses: Iterable[IPAddress]) -> dict[IPNetwork, AddressOwner]:
    """Return whose this node's addresses are, also those that no CiliumNode names."""
    owner = AddressOwner(Reserved.HOST, None, is_pod=False)
    return {host_network(address): owner for address in addresses}
