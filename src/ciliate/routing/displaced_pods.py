"""Pods that live on another node than the CIDR of their address says, or in no CIDR at all.

It happens while a cluster changes its ranges or its IPAM mode: Kubernetes gave a node the CIDR in
which another node's pods still live; a CiliumNode was deleted while its agent was away. Their
CiliumEndpoints say where they are, so each gets a route of its own.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from ciliate.api.resource import ObjectKey
from ciliate.net.address import IPAddress, from_octets, to_octets
from ciliate.net.owner_index import OwnerIndex
from ciliate.node.cluster import Cluster
from ciliate.node.known_pod import NO_NODE, KnownPod
from ciliate.routing.claims import CIDRClaims


class DisplacedPods:
    """The displaced pods of other nodes, and where they are; asked pod by pod.

    A pod is *unresolved* while its node's CiliumNode is missing: a CiliumEndpoint names the node
    by one address, so the next hop of the other family is unknown.
    """

    def __init__(
        self, cluster: Cluster, claims: CIDRClaims, *, underlay: int | None = None
    ) -> None:
        """`underlay`: the IP version by which nodes are reached; None: that of the pod's address."""
        self._underlay = underlay
        self._cluster = cluster
        self._claims = claims
        self._by_pod: dict[ObjectKey, dict[bytes, IPAddress]] = {}
        self._owners: OwnerIndex[bytes, ObjectKey] = OwnerIndex()
        self._routes: dict[bytes, IPAddress] = {}
        self._unresolved: dict[ObjectKey, tuple[bytes, ...]] = {}

    @property
    def routes(self) -> Mapping[bytes, IPAddress]:
        """Where each displaced pod is: its address -> its node's address of that family."""
        return MappingProxyType(self._routes)

    @property
    def unresolved(self) -> Iterable[bytes]:
        """Addresses of unresolved pods: the node's address of their family is unknown."""
        return (address for found in self._unresolved.values() for address in found)

    def inspect_nodes(self, node_ips: Iterable[IPAddress]) -> set[bytes]:
        """Inspect every pod of these nodes; return the addresses whose route may have changed."""
        touched: set[bytes] = set()
        for node_ip in node_ips:
            for key in self._cluster.known_pods.on_node(to_octets(node_ip)):
                touched |= self.inspect(key, self._cluster.known_pods.pods[key])
        return touched

    def inspect(self, key: ObjectKey, pod: KnownPod | None) -> set[bytes]:
        """Inspect a pod (None: it is gone); return the addresses whose route may have changed."""
        displaced, unresolved = self._judge(pod) if pod is not None else ({}, ())
        before, unresolved_before = self._by_pod.pop(key, {}), self._unresolved.pop(key, ())
        if displaced:
            self._by_pod[key] = displaced
        for address in before.keys() - displaced.keys():
            self._owners.remove(address, key)
        for address in displaced:
            self._owners.add(address, key)
        for address in before.keys() | displaced.keys():
            owner = self._owners.get(address)
            if owner is None:
                self._routes.pop(address, None)
            else:
                self._routes[address] = self._by_pod[owner][address]
        if unresolved:
            self._unresolved[key] = unresolved
        if (before, unresolved_before) == (displaced, unresolved):
            return set()
        return {*before, *displaced, *unresolved_before, *unresolved}

    def _judge(self, pod: KnownPod) -> tuple[dict[bytes, IPAddress], tuple[bytes, ...]]:
        """Return the node of each displaced address of a pod, and the unresolved addresses."""
        if pod.node == NO_NODE or self._cluster.own.has(pod.node):
            return {}, ()
        node = self._cluster.known_nodes.named(pod.node)
        displaced: dict[bytes, IPAddress] = {}
        unresolved: list[bytes] = []
        for octets in pod.addresses:
            owner = self._claims.owner_of(octets)
            if owner is not None and self._cluster.known_nodes.is_named(owner, pod.node):
                continue
            version = self._underlay or from_octets(octets).version
            node_ip = node.node_ip(version) if node is not None else from_octets(pod.node)
            if node_ip is not None and node_ip.version == version:
                displaced[octets] = node_ip
            elif node is None:
                unresolved.append(octets)
        return displaced, tuple(unresolved)
