"""Pods that live on another node than the CIDR of their address says, or in no CIDR at all.

It happens while a cluster changes its ranges or its IPAM mode: Kubernetes gave a node the CIDR in
which another node's pods still live; a CiliumNode was deleted while its agent was away. Their
CiliumEndpoints say where they are, so each gets a route of its own.
"""

from collections.abc import Mapping
from typing import Final

from ciliate.agent.cluster import Cluster, known_pod
from ciliate.api.cilium_endpoint import CiliumEndpoint
from ciliate.api.resource import ObjectKey
from ciliate.identity.ipcache import KnownNode, KnownPod
from ciliate.net.address import IPAddress, IPNetwork

_WIDTH: Final = {4: 32, 6: 128}


class CIDRIndex:
    """Which node's CIDR an address is in, the longest prefix first."""

    def __init__(self) -> None:
        #: By version, then by how many low bits a prefix leaves out: network number -> node.
        self._tables: dict[int, dict[int, dict[int, str]]] = {4: {}, 6: {}}

    def put(self, cidr: IPNetwork, node: str) -> None:
        """Enter a CIDR; a later one wins."""
        shift = _WIDTH[cidr.version] - cidr.prefixlen
        tables = self._tables[cidr.version]
        if shift not in tables:
            self._tables[cidr.version] = dict(sorted({**tables, shift: {}}.items()))
        self._tables[cidr.version][shift][int(cidr.network_address) >> shift] = node

    def find(self, address: IPAddress) -> str | None:
        """Return the node whose CIDR holds `address`, or None."""
        number = int(address)
        for shift, table in self._tables[address.version].items():
            node = table.get(number >> shift)
            if node is not None:
                return node
        return None


class Strays:
    """The stray pods of other nodes, up to date with the watches: address -> its node's address."""

    def __init__(self, cluster: Cluster, *, node_ip: IPAddress) -> None:
        self._cluster = cluster
        self._node_ip = node_ip
        self._index = CIDRIndex()
        self._nodes_by_ip: dict[IPAddress, KnownNode] = {}
        self._by_pod: dict[ObjectKey, dict[IPAddress, IPAddress]] = {}
        self._stale = True
        cluster.known_nodes.add_listener(self._node_changed)
        cluster.endpoints.add_listener(self._pod_changed)

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

    def _node_changed(self, _old: KnownNode | None, _new: KnownNode | None) -> None:
        self._stale = True

    def _pod_changed(self, old: CiliumEndpoint | None, new: CiliumEndpoint | None) -> None:
        if self._stale:
            return
        if old is not None:
            self._by_pod.pop((old.metadata.namespace, old.metadata.name), None)
        if new is not None:
            self._look_at(new)

    def _rebuild(self) -> None:
        self._index = CIDRIndex()
        self._nodes_by_ip = {}
        nodes = sorted(self._cluster.known_nodes, key=lambda node: node.name, reverse=True)
        nodes.sort(key=lambda node: node.is_local)  # What is ours is nobody else's.
        for node in nodes:
            self._nodes_by_ip.update(dict.fromkeys(node.internal_ips, node))
            for cidr in node.draining_cidrs:
                self._index.put(cidr, node.name)
        for node in nodes:  # The same order of claims as routing.plan.direct_node_routes.
            for cidr in node.pod_cidrs:
                self._index.put(cidr, node.name)
        self._by_pod = {}
        self._stale = False
        for endpoint in self._cluster.endpoints.objects.values():
            self._look_at(endpoint)

    def _look_at(self, endpoint: CiliumEndpoint) -> None:
        pod = known_pod(endpoint)
        if pod is None or pod.node in (None, self._node_ip):
            return
        strays = self._strays_of(pod)
        if strays:
            self._by_pod[endpoint.metadata.namespace, endpoint.metadata.name] = strays

    def _strays_of(self, pod: KnownPod) -> dict[IPAddress, IPAddress]:
        assert pod.node is not None, "asked for pods of other nodes alone"
        node = self._nodes_by_ip.get(pod.node)
        found = {}
        for address in pod.addresses:
            home = self._index.find(address)
            if node is not None and home == node.name:
                continue
            node_ip = node.node_ip(address.version) if node is not None else pod.node
            if node_ip is not None and node_ip.version == address.version:
                found[address] = node_ip
        return found
