"""What the map `ipcache` should hold for a node, a pod, an address of this node. Pure."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from ciliate.datapath import layout
from ciliate.net.address import IPAddress, IPNetwork, host_network, prefix_bits, to_octets
from ciliate.net.identity import ReservedIdentity
from ciliate.node.known_node import KnownNode
from ciliate.node.known_pod import NO_NODE, KnownPod

Entries = Mapping[layout.PrefixKey, layout.IpcacheEntry]

_HOST_BITS: Final = 128

#: This node's addresses, also those that no CiliumNode names.
OWN_ADDRESS: Final = layout.IpcacheEntry(
    identity=ReservedIdentity.HOST, flags=layout.IpcacheFlag(0), node=NO_NODE
)


def host_key(octets: bytes) -> layout.PrefixKey:
    """Return the key of a single address."""
    return layout.PrefixKey(prefix_length=_HOST_BITS, address=octets)


def is_host_key(key: layout.PrefixKey) -> bool:
    """Whether the key is of a single address."""
    return key.prefix_length == _HOST_BITS


def node_entries(node: KnownNode) -> Entries:
    """Return the entries of a node's addresses and of its pod CIDRs.

    A pod whose identity is not known yet has no entry of its own; that of its node's CIDR applies.
    """
    entries = {
        prefix_key(cidr): pod_entry(ReservedIdentity.WORLD, _octets(node.node_ip(cidr.version)))
        for cidr in (*node.draining_cidrs, *node.pod_cidrs)
    }
    identity = ReservedIdentity.HOST if node.is_local else ReservedIdentity.REMOTE_NODE
    for address in (*node.internal_ips, *node.other_addresses):
        entries[prefix_key(host_network(address))] = layout.IpcacheEntry(
            identity=identity,
            flags=layout.IpcacheFlag(0),
            node=_octets(node.node_ip(address.version)),
        )
    return entries


def known_pod_entry(pod: KnownPod) -> layout.IpcacheEntry:
    """Return the entries of the addresses of another node's pod."""
    return pod_entry(pod.identity, pod.node)


@lru_cache(maxsize=4096)
def pod_entry(identity: int, node: bytes) -> layout.IpcacheEntry:
    """Return the entry of a pod's address: the same object for all of one identity and node.

    It is never masqueraded to.
    """
    return layout.IpcacheEntry(
        identity=identity, flags=layout.IpcacheFlag.IPCACHE_CLUSTER, node=node
    )


def prefix_key(prefix: IPNetwork) -> layout.PrefixKey:
    """Return the key of a prefix."""
    return layout.PrefixKey(
        prefix_length=prefix_bits(prefix), address=to_octets(prefix.network_address)
    )


def _octets(address: IPAddress | None) -> bytes:
    return NO_NODE if address is None else to_octets(address)
