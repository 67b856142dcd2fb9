"""Addresses of this node's blocks that pods of other nodes bear: nobody here may have them too.

It happens when Kubernetes or the operator gives a node the CIDR in which another node's pods still
live. They are told apart by the CiliumEndpoints; when such a pod is gone its address is free here.
"""

import logging

from ciliate.agent.cluster import Cluster
from ciliate.agent.ipcache import Ipcache, Part
from ciliate.api.cilium_endpoint import CiliumEndpoint
from ciliate.api.resource import ObjectKey
from ciliate.ipam.node import NodeAddresses
from ciliate.net.address import IPAddress, from_octets, to_octets

_log = logging.getLogger(__name__)


class ForeignPods:
    """Keeps addresses of pods elsewhere reserved in `addresses`, while they fall in its blocks.

    Pods are read from the ipcache, which has parsed them; all are looked at when a block comes.
    """

    def __init__(
        self, cluster: Cluster, ipcache: Ipcache, addresses: NodeAddresses, *, node_ip: IPAddress
    ) -> None:
        self._cluster = cluster
        self._ipcache = ipcache
        self._addresses = addresses
        self._not_theirs = frozenset({to_octets(node_ip), bytes(16)})  # Ours, or nobody's.
        self._reserved: dict[ObjectKey, tuple[IPAddress, ...]] = {}
        #: Several bear one address while an endpoint of a pod that is gone has not gone yet.
        self._bearers: dict[IPAddress, dict[ObjectKey, IPAddress]] = {}
        self._ranges: tuple[tuple[int, int], ...] = ()  # Of our blocks, as 128-bit numbers.

    def follow(self) -> None:
        """Look at every pod now, and at each that comes, goes or finds itself in a new block."""
        self._addresses.listen(self._look_at_all)
        self._cluster.endpoints.add_listener(self._changed)  # After the ipcache's own.

    def _look_at_all(self) -> None:
        self._ranges = tuple(
            (_number(held.cidr.network_address), _number(held.cidr.broadcast_address))
            for held in self._addresses.held
        )
        for key, part in self._ipcache.pods():
            self._look_at(key, part)

    def _changed(self, old: CiliumEndpoint | None, new: CiliumEndpoint | None) -> None:
        endpoint = new or old
        if endpoint is not None:
            key = (endpoint.metadata.namespace, endpoint.metadata.name)
            self._look_at(key, self._ipcache.pod(key))

    def _look_at(self, key: ObjectKey, part: Part) -> None:
        theirs = {
            from_octets(at.address): entry.node
            for at, entry in part
            if entry.node not in self._not_theirs and self._is_ours(at.address)
        }
        for address in self._reserved.pop(key, ()):
            if address not in theirs:
                self._forget(key, address)
        for address, node in theirs.items():
            bearers = self._bearers.setdefault(address, {})
            is_first, bearers[key] = not bearers, from_octets(node)
            if is_first:
                self._reserve(address)
        if theirs:
            self._reserved[key] = tuple(theirs)

    def _forget(self, key: ObjectKey, address: IPAddress) -> None:
        del self._bearers[address][key]
        if self._bearers[address]:
            self._reserve(address)  # In another's name.
        else:
            del self._bearers[address]
            self._addresses.unreserve(address)

    def _is_ours(self, octets: bytes) -> bool:
        number = int.from_bytes(octets, "big")
        return any(first <= number <= last for first, last in self._ranges)

    def _reserve(self, address: IPAddress) -> None:
        key, node = next(iter(self._bearers[address].items()))
        owner = f"{'/'.join(key)} (on {node})"
        holder = self._addresses.reserve(address, owner)
        if holder is not None:
            _log.error("address %s is used twice: by %s here and by %s", address, holder, owner)


def _number(address: IPAddress) -> int:
    return int.from_bytes(to_octets(address), "big")
