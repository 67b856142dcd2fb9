"""Pods that live on another node than the CIDR of their address says, or in no CIDR at all.

It happens while a cluster changes its ranges or its IPAM mode: Kubernetes gave a node the CIDR in
which another node's pods still live; a CiliumNode was deleted while its agent was away. Their
CiliumEndpoints say where they are, so each gets a route of its own.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Generic, TypeVar

from ciliate.api.cilium_endpoint import CiliumEndpoint
from ciliate.api.resource import ObjectKey
from ciliate.identity.address_owners import KnownNode
from ciliate.identity.ipcache import Ipcache, Part
from ciliate.net.address import IPAddress, IPNetwork, from_octets, prefix_bits, to_octets
from ciliate.node.watches import Cluster

_WIDTH: Final = 128

V = TypeVar("V")


class CIDRIndex(Generic[V]):
    """What the longest CIDR around an address stands for; addresses as 128-bit numbers.

    IPv4 is mapped, as in the datapath.
    """

    def __init__(self) -> None:
        #: By how many low bits a prefix leaves out, fewest first: network number -> value.
        self._tables: dict[int, dict[int, V]] = {}

    def put(self, cidr: IPNetwork, value: V) -> None:
        """Enter a CIDR; a later one wins."""
        shift = _WIDTH - prefix_bits(cidr)
        if shift not in self._tables:
            self._tables = dict(sorted({**self._tables, shift: {}}.items()))
        self._tables[shift][_number(to_octets(cidr.network_address)) >> shift] = value

    def find(self, number: int) -> V | None:
        """Return what the longest CIDR that holds an address stands for, or None."""
        for shift, table in self._tables.items():
            value = table.get(number >> shift)
            if value is not None:
                return value
        return None


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "big")


class Strays:
    """The stray pods of other nodes, up to date with the watches: address -> its node's address.

    Pods are read from the ipcache, which has parsed them: a cluster has many, and all are looked at
    when a node's CIDRs change.
    """

    def __init__(self, cluster: Cluster, ipcache: Ipcache, *, node_ip: IPAddress) -> None:
        self._cluster = cluster
        self._ipcache = ipcache
        self._not_theirs = frozenset({to_octets(node_ip), bytes(16)})  # Ours, or nobody's.
        self._index: CIDRIndex[str] = CIDRIndex()  # Of node names.
        self._nodes_by_ip: dict[bytes, KnownNode] = {}
        self._by_pod: dict[ObjectKey, dict[IPAddress, IPAddress]] = {}
        self._homeless: dict[ObjectKey, tuple[IPAddress, ...]] = {}
        self._stale = True
        #: Grows when pods made the routes others; what nodes change is known by their listeners.
        self.changes_by_pods = 0
        cluster.known_nodes.add_listener(self._node_changed)
        cluster.endpoints.add_listener(self._pod_changed)  # After the ipcache's own.

    @property
    def routes(self) -> Mapping[IPAddress, IPAddress]:
        """Where each stray pod of another node is: address -> its node's address."""
        if self._stale:
            self._rebuild()
        return {
            address: node_ip
            for strays in self._by_pod.values()
            for address, node_ip in strays.items()
        }

    def homeless(self, cidrs: Iterable[IPNetwork]) -> set[IPNetwork]:
        """Return those of `cidrs` in which pods live whose way nobody tells at the moment.

        A CiliumEndpoint names its node by one address: while there is no CiliumNode, that of the
        other family is unknown.
        """
        if self._stale:
            self._rebuild()
        if not self._homeless:
            return set()
        index: CIDRIndex[IPNetwork] = CIDRIndex()
        for cidr in cidrs:
            index.put(cidr, cidr)
        numbers = (_number(to_octets(one)) for found in self._homeless.values() for one in found)
        return {cidr for cidr in map(index.find, numbers) if cidr is not None}

    def _node_changed(self, _old: KnownNode | None, _new: KnownNode | None) -> None:
        self._stale = True

    def _pod_changed(self, old: CiliumEndpoint | None, new: CiliumEndpoint | None) -> None:
        endpoint = new or old
        if self._stale or endpoint is None:
            return
        key = (endpoint.metadata.namespace, endpoint.metadata.name)
        self._look_at(key, self._ipcache.pod(key))

    def _rebuild(self) -> None:
        self._index = CIDRIndex()
        self._nodes_by_ip = {}
        nodes = sorted(self._cluster.known_nodes, key=lambda node: node.name, reverse=True)
        nodes.sort(key=lambda node: node.is_local)  # What is ours is nobody else's.
        for node in nodes:
            self._nodes_by_ip.update(dict.fromkeys(map(to_octets, node.internal_ips), node))
            for cidr in node.draining_cidrs:
                self._index.put(cidr, node.name)
        for node in nodes:  # The same order of claims as routing.plan.direct_node_routes.
            for cidr in node.pod_cidrs:
                self._index.put(cidr, node.name)
        self._by_pod, self._homeless = {}, {}
        self._stale = False
        for key, part in self._ipcache.pods():
            self._look_at(key, part)

    def _look_at(self, key: ObjectKey, part: Part) -> None:
        strays: dict[IPAddress, IPAddress] = {}
        homeless: list[IPAddress] = []
        for at, entry in part:
            if entry.node in self._not_theirs:
                continue
            node = self._nodes_by_ip.get(entry.node)
            if node is not None and self._index.find(_number(at.address)) == node.name:
                continue
            address = from_octets(at.address)
            node_ip = node.node_ip(address.version) if node else from_octets(entry.node)
            if node_ip is not None and node_ip.version == address.version:
                strays[address] = node_ip
            elif node is None:
                homeless.append(address)
        before = self._by_pod.pop(key, {}), self._homeless.pop(key, ())
        if before != (strays, tuple(homeless)):
            self.changes_by_pods += 1
        if strays:
            self._by_pod[key] = strays
        if homeless:
            self._homeless[key] = tuple(homeless)
