"""The ipcache as it should be, kept up to date by what the watches tell.

A cluster has many pods and each tells of itself often: entries are computed once per object, when
it changes, and a pass only puts them together.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import Final

from ciliate.api.cilium_endpoint import CiliumEndpoint, EndpointState
from ciliate.api.resource import ObjectKey
from ciliate.datapath import layout
from ciliate.endpoint.plan import connected
from ciliate.identity.address_owners import (
    AddressOwner,
    KnownNode,
    KnownPod,
    node_owners,
    own_owners,
    pod_owners,
)
from ciliate.net.address import IPAddress, IPNetwork, prefix_bits, to_octets
from ciliate.node.endpoint import Endpoint
from ciliate.node.watches import Cluster, known_pod

_NO_ADDRESS: Final = bytes(16)

Entries = Mapping[layout.IpcacheKey, layout.IpcacheEntry]
Owners = Mapping[IPNetwork, AddressOwner]

#: Entries of one object; a tuple, because a dictionary of one entry weighs more than the entry.
Part = tuple[tuple[layout.IpcacheKey, layout.IpcacheEntry], ...]


def ipcache_entries(owners: Owners) -> dict[layout.IpcacheKey, layout.IpcacheEntry]:
    """Return entries of the map `ipcache`."""
    return {
        layout.IpcacheKey(
            prefix_length=prefix_bits(prefix), address=to_octets(prefix.network_address)
        ): _entry(owner)
        for prefix, owner in owners.items()
    }


@lru_cache(maxsize=4096)
def _entry(owner: AddressOwner) -> layout.IpcacheEntry:
    """Return the owner's entry: the same object for all pods of one identity on one node."""
    return layout.IpcacheEntry(
        identity=owner.identity,
        flags=layout.IpcacheFlag.IPCACHE_CLUSTER if owner.is_pod else layout.IpcacheFlag(0),
        node=_NO_ADDRESS if owner.node is None else to_octets(owner.node),
    )


class Ipcache:
    """Whose each address of the cluster is; the last of nodes, pods, own pods, own addresses."""

    def __init__(self, cluster: Cluster, *, node_ip: IPAddress) -> None:
        self._cluster = cluster
        self._node_ip = node_ip
        self._of_nodes: dict[str, Part] = {}
        self._of_pods: dict[ObjectKey, Part] = {}
        cluster.known_nodes.add_listener(self._node_changed)
        cluster.endpoints.add_listener(self._pod_changed)

    def entries(
        self, own_pods: Iterable[Endpoint], own_addresses: Iterable[IPAddress]
    ) -> Entries | None:
        """Return the map, or None while the watches have not listed."""
        if not (self._cluster.nodes.has_synced and self._cluster.endpoints.has_synced):
            return None
        merged: dict[layout.IpcacheKey, layout.IpcacheEntry] = {}
        for part in chain(self._of_nodes.values(), self._of_pods.values()):
            merged.update(part)
        for owners in self._own(own_pods, own_addresses):
            merged.update(ipcache_entries(owners))
        return merged

    def pods(self) -> Iterator[tuple[ObjectKey, Part]]:
        """Yield the entries of every pod that a CiliumEndpoint tells of."""
        return iter(self._of_pods.items())

    def pod(self, key: ObjectKey) -> Part:
        """Return the entries of one pod; none when nothing is told of it."""
        return self._of_pods.get(key, ())

    def owners(
        self, own_pods: Iterable[Endpoint], own_addresses: Iterable[IPAddress]
    ) -> dict[IPNetwork, AddressOwner]:
        """Return the same as values that people read: for `dbg ip list`."""
        owners: dict[IPNetwork, AddressOwner] = {}
        for node in self._cluster.known_nodes:
            owners.update(node_owners(node))
        for endpoint in self._cluster.endpoints.objects.values():
            known = known_pod(endpoint)
            if known is not None:
                owners.update(pod_owners(known))
        for part in self._own(own_pods, own_addresses):
            owners.update(part)
        return owners

    def _own(
        self, own_pods: Iterable[Endpoint], own_addresses: Iterable[IPAddress]
    ) -> Iterable[Owners]:
        """What this node knows itself, before it is published."""
        for endpoint in connected(own_pods):
            if endpoint.state is EndpointState.READY:
                yield pod_owners(KnownPod(endpoint.addresses, endpoint.identity, self._node_ip))
        yield own_owners(own_addresses)

    def _node_changed(self, old: KnownNode | None, new: KnownNode | None) -> None:
        if old is not None:
            self._of_nodes.pop(old.name, None)
        if new is not None:
            self._of_nodes[new.name] = tuple(ipcache_entries(node_owners(new)).items())

    def _pod_changed(self, old: CiliumEndpoint | None, new: CiliumEndpoint | None) -> None:
        if old is not None:
            self._of_pods.pop((old.metadata.namespace, old.metadata.name), None)
        known = known_pod(new) if new is not None else None
        if new is not None and known is not None:
            key = (new.metadata.namespace, new.metadata.name)
            self._of_pods[key] = tuple(ipcache_entries(pod_owners(known)).items())
