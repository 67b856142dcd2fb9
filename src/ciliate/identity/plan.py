"""What the map `ipcache` should hold for a node, a pod, an address of this node. Pure."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from ciliate.config.tunnel_settings import TunnelSettings
from ciliate.datapath import layout
from ciliate.net.address import IPAddress, IPNetwork, host_network, prefix_bits, to_octets
from ciliate.net.identity import ReservedIdentity
from ciliate.node.known_node import KnownNode
from ciliate.node.known_pod import NO_NODE, KnownPod

Entries = Mapping[layout.PrefixKey, layout.IpcacheEntry]

_HOST_BITS: Final = 128

_NO_FLAGS: Final = layout.IpcacheFlag(0)

#: This node's addresses, also those that no CiliumNode names.
OWN_ADDRESS: Final = layout.IpcacheEntry(
    identity=ReservedIdentity.HOST, flags=_NO_FLAGS, node=NO_NODE
)


def host_key(octets: bytes) -> layout.PrefixKey:
    """Return the key of a single address."""
    return layout.PrefixKey(prefix_length=_HOST_BITS, address=octets)


def is_host_key(key: layout.PrefixKey) -> bool:
    """Whether the key is of a single address."""
    return key.prefix_length == _HOST_BITS


def node_entries(node: KnownNode, tunnel: TunnelSettings | None = None) -> Entries:
    """Return the entries of a node's addresses and of its pod CIDRs.

    A pod whose identity is not known yet has no entry of its own; that of its node's CIDR applies.
    `tunnel` is the one that this node sends by; None: routing is native.
    """

    def at(version: int) -> bytes:
        if tunnel is not None:
            return _octets(node.node_ip(tunnel.underlay_version))
        # What still comes in a tunnel is judged by it: one address for the node, whatever the family.
        return _octets(
            node.internal_ips[0]
            if node.tunnel_sent and node.internal_ips
            else node.node_ip(version)
        )

    way = _way(node, tunnel)
    entries = {
        prefix_key(cidr): pod_entry(ReservedIdentity.WORLD, at(cidr.version), way)
        for cidr in (*node.draining_cidrs, *node.pod_cidrs)
    }
    identity = ReservedIdentity.HOST if node.is_local else ReservedIdentity.REMOTE_NODE
    for address in (*node.internal_ips, *node.other_addresses):
        entries[prefix_key(host_network(address))] = layout.IpcacheEntry(
            identity=identity,
            flags=way if address in node.router_ips else _NO_FLAGS,
            node=at(address.version),
        )
    return entries


def _way(node: KnownNode, tunnel: TunnelSettings | None) -> layout.IpcacheFlag:
    """Return the flag of what is reached through the tunnel, where a node's pods are.

    The node must take packets out of this very tunnel. With native routing the flag says that it
    takes them out of any, and programs do not ask: those of another mode, which are replaced last,
    go on by it.
    """
    if node.is_local or not node.tunnel_received:
        return _NO_FLAGS
    if tunnel is not None and (
        node.tunnel_received != tunnel.name or node.node_ip(tunnel.underlay_version) is None
    ):
        return _NO_FLAGS
    return layout.IpcacheFlag.IPCACHE_TUNNEL


def known_pod_entry(
    pod: KnownPod, node: KnownNode | None = None, tunnel: TunnelSettings | None = None
) -> layout.IpcacheEntry:
    """Return the entry of the addresses of another node's pod; `node` is that node, if it is known."""
    if node is None:
        return pod_entry(pod.identity, pod.node if tunnel is None else NO_NODE)
    end = pod.node if tunnel is None else _octets(node.node_ip(tunnel.underlay_version))
    return pod_entry(pod.identity, end, _way(node, tunnel))


@lru_cache(maxsize=4096)
def pod_entry(
    identity: int, node: bytes, way: layout.IpcacheFlag = _NO_FLAGS
) -> layout.IpcacheEntry:
    """Return the entry of a pod's address: the same object for all of one identity and node.

    It is never masqueraded to.
    """
    return layout.IpcacheEntry(
        identity=identity, flags=layout.IpcacheFlag.IPCACHE_CLUSTER | way, node=node
    )


def prefix_key(prefix: IPNetwork) -> layout.PrefixKey:
    """Return the key of a prefix."""
    return layout.PrefixKey(
        prefix_length=prefix_bits(prefix), address=to_octets(prefix.network_address)
    )


def _octets(address: IPAddress | None) -> bytes:
    return NO_NODE if address is None else to_octets(address)
