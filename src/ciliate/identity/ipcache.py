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
    addresses: tuple[IPAddress, ...]  # InternalIP first, then router addresses.
    pod_cidrs: tuple[IPNetwork, ...]
    is_local: bool

    def node_ip(self, version: int) -> IPAddress | None:
        """Return the node's first address of IP `version`, or None."""
        return next((a for a in self.addresses if a.version == version), None)


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


def address_owners(
    nodes: Iterable[KnownNode], pods: Iterable[KnownPod], *, own: Iterable[IPAddress]
) -> dict[IPNetwork, AddressOwner]:
    """Return the ipcache: the longest prefix decides.

    `own` are all addresses of this node, also those that no CiliumNode names. A pod whose
    identity is not known yet is in no entry of its own; its node's pod CIDR speaks for it.
    """
    owners: dict[IPNetwork, AddressOwner] = {}
    for node in nodes:
        identity = Reserved.HOST if node.is_local else Reserved.REMOTE_NODE
        for cidr in node.pod_cidrs:
            owners[cidr] = AddressOwner(Reserved.WORLD, node.node_ip(cidr.version), is_pod=True)
        for address in node.addresses:
            owner = AddressOwner(identity, node.node_ip(address.version), is_pod=False)
            owners[host_network(address)] = owner
    for pod in pods:
        for address in pod.addresses:
            owners[host_network(address)] = AddressOwner(pod.identity, pod.node, is_pod=True)
    for address in own:
        owners[host_network(address)] = AddressOwner(Reserved.HOST, None, is_pod=False)
    return owners
