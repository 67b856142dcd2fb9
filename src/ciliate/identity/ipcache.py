"""The desired map `ipcache`: identity and node of each address of the cluster.

A live view, asked for one prefix or for all. Where several have a prefix, the first of these
counts: this node's addresses, its own pods, the cluster's pods, the cluster's nodes. Of two nodes
this one counts, else the elder; one that only drains a CIDR after both.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.config.tunnel_settings import TunnelSettings
from ciliate.datapath import layout
from ciliate.identity.plan import (
    OWN_ADDRESS,
    Entries,
    host_key,
    is_host_key,
    known_pod_entry,
    node_entries,
    pod_entry,
    prefix_key,
)
from ciliate.net.address import IPAddress, to_octets
from ciliate.net.owner_index import OwnerIndex
from ciliate.node.cluster import Cluster
from ciliate.node.devices import DeviceWatch, NodeDevices
from ciliate.node.endpoint import Endpoint
from ciliate.node.endpoint_table import EndpointTable
from ciliate.node.known_node import KnownNode, Seniority
from ciliate.node.known_pod import KnownPod
from ciliate.node.own_node import OwnNode
from ciliate.reconcile.listeners import Listeners

Key = layout.PrefixKey
Entry = layout.IpcacheEntry

#: Sorts first the node whose entry of a key counts, as of its route (routing/claims.py): whether it
#: drains that CIDR, whether it is another node than this one, and how old it is.
_Rank = tuple[bool, bool, Seniority]


class Ipcache(Mapping[Key, Entry]):
    """Every prefix with an owner; `changed` gets the keys whose owner may have changed."""

    def __init__(
        self,
        cluster: Cluster,
        table: EndpointTable,
        devices: DeviceWatch,
        *,
        tunnel: TunnelSettings | None = None,
    ) -> None:
        """`tunnel` is the one that this node sends by; None: routing is native."""
        self.changed: Listeners[frozenset[Key]] = Listeners()
        self._cluster = cluster
        self._table = table
        self._devices = devices
        self._tunnel = tunnel
        self._own_ip = to_octets(cluster.own.current.node_ip)
        self._of_nodes: dict[str, Entries] = {}
        self._node_owners: OwnerIndex[Key, _Rank] = OwnerIndex()
        cluster.known_nodes.add_listener(self._node_changed)
        cluster.known_pods.add_listener(lambda _key, old, new: self._pod_changed(old, new))
        table.listen(self._endpoint_changed)
        devices.listen(self._devices_changed)
        cluster.own.listen(lambda _old, new: self._own_node_changed(new))

    @property
    def desired(self) -> "Ipcache | None":
        """This view, once what it is made of is known."""
        return self if self._cluster.has_listed else None

    def __getitem__(self, key: Key) -> Entry:
        found = self._host_entry(key.address) if is_host_key(key) else None
        if found is not None:
            return found
        owner = min(self._node_owners.owners(key), default=None)
        if owner is None:
            raise KeyError(key)
        return self._of_nodes[owner[2].name][key]

    def _host_entry(self, address: bytes) -> Entry | None:
        """Return the entry of a single address, unless it is a node's alone."""
        if address in self._devices.current.octets:
            return OWN_ADDRESS
        endpoint = self._table.at(address)
        if endpoint is not None and endpoint.state is EndpointState.READY:
            return pod_entry(endpoint.identity, self._own_ip)
        pod = self._cluster.known_pods.at(address)
        if pod is None:
            return None
        return known_pod_entry(pod, self._cluster.known_nodes.named(pod.node), self._tunnel)

    def __iter__(self) -> Iterator[Key]:
        """Yield each key once; what changes meanwhile is missed or shown."""
        yield from tuple(self._node_owners)
        nearer = self._devices.current.octets.union(
            *(each.octets for each in self._table if each.state is EndpointState.READY)
        )
        pods = tuple(self._cluster.known_pods.addresses())
        for octets in chain(nearer, (each for each in pods if each not in nearer)):
            key = host_key(octets)
            if self._node_owners.get(key) is None:
                yield key

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _node_changed(self, old: KnownNode | None, new: KnownNode | None) -> None:
        touched = set()
        if old is not None:
            for key, rank in _ranks(old, self._of_nodes.pop(old.name)):
                self._node_owners.remove(key, rank)
                touched.add(key)
        if new is not None:
            entries = self._of_nodes[new.name] = node_entries(new, self._tunnel)
            for key, rank in _ranks(new, entries):
                self._node_owners.add(key, rank)
                touched.add(key)
        touched.update(self._pods_of(old, new))
        self.changed(frozenset(touched))

    def _pods_of(self, old: KnownNode | None, new: KnownNode | None) -> Iterator[Key]:
        """Yield the keys of a node's pods where another tunnel leads to it than before."""
        ends = {_tunnel_end(node) if node is not None else None for node in (old, new)}
        if len(ends) == 1:
            return
        known = self._cluster.known_pods
        ips = {ip for node in (old, new) if node is not None for ip in node.internal_ips}
        for pod in {key for ip in ips for key in known.on_node(to_octets(ip))}:
            yield from map(host_key, known.pods[pod].addresses)

    def _pod_changed(self, old: KnownPod | None, new: KnownPod | None) -> None:
        pods = (pod for pod in (old, new) if pod is not None)
        self.changed(frozenset(host_key(address) for pod in pods for address in pod.addresses))

    def _endpoint_changed(self, old: Endpoint | None, new: Endpoint | None) -> None:
        known = (endpoint for endpoint in (old, new) if endpoint is not None)
        self.changed(frozenset(host_key(octets) for each in known for octets in each.octets))

    def _own_node_changed(self, own: OwnNode) -> None:
        """The entries of pods here name the node by its address."""
        if self._own_ip == to_octets(own.node_ip):
            return
        self._own_ip = to_octets(own.node_ip)
        self.changed(frozenset(host_key(octets) for each in self._table for octets in each.octets))

    def _devices_changed(self, old: NodeDevices, new: NodeDevices) -> None:
        self.changed(frozenset(map(host_key, old.octets ^ new.octets)))


def _tunnel_end(node: KnownNode) -> tuple[str, IPAddress | None, IPAddress | None]:
    return node.tunnel_received, node.node_ip(4), node.node_ip(6)


def _ranks(node: KnownNode, keys: Iterable[Key]) -> Iterator[tuple[Key, _Rank]]:
    """Yield each key of a node's entries, with what decides whether that entry counts."""
    draining = set(map(prefix_key, node.draining_cidrs))
    for key in keys:
        yield key, (key in draining, not node.is_local, node.seniority)
