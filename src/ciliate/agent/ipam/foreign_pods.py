"""Addresses of this node's blocks that pods of other nodes bear: nobody here may have them too.

It happens when Kubernetes or the operator gives a node the CIDR in which another node's pods still
live. They are told apart by the CiliumEndpoints; when such a pod is gone its address is free here.
"""

import logging

from ciliate.agent.cluster import Cluster, known_pod
from ciliate.api.cilium_endpoint import CiliumEndpoint
from ciliate.ipam.node import NodeAddresses
from ciliate.net.address import IPAddress

_log = logging.getLogger(__name__)


class ForeignPods:
    """Keeps addresses of pods elsewhere reserved in `addresses`, while they fall in its blocks."""

    def __init__(self, cluster: Cluster, addresses: NodeAddresses, *, node_ip: IPAddress) -> None:
        self._cluster = cluster
        self._addresses = addresses
        self._node_ip = node_ip
        self._reserved: dict[
            IPAddress, tuple[str, str]
        ] = {}  # By the CiliumEndpoint that says so.

    def follow(self) -> None:
        """Look at every pod now, and at each that comes, goes or finds itself in a new block."""
        self._addresses.listen(self._look_at_all)
        self._cluster.endpoints.add_listener(self._changed)

    def _look_at_all(self) -> None:
        for endpoint in self._cluster.endpoints.objects.values():
            self._look_at(endpoint)

    def _changed(self, old: CiliumEndpoint | None, new: CiliumEndpoint | None) -> None:
        if old is not None:
            self._forget(old)
        if new is not None:
            self._look_at(new)

    def _forget(self, endpoint: CiliumEndpoint) -> None:
        pod = known_pod(endpoint)
        key = (endpoint.metadata.namespace, endpoint.metadata.name)
        for address in pod.addresses if pod is not None else ():
            if self._reserved.get(address) == key:
                del self._reserved[address]
                self._addresses.unreserve(address)

    def _look_at(self, endpoint: CiliumEndpoint) -> None:
        pod = known_pod(endpoint)
        if pod is None or pod.node in (None, self._node_ip):
            return
        key = (endpoint.metadata.namespace, endpoint.metadata.name)
        for address in pod.addresses:
            if address in self._reserved or self._addresses.find(address) is None:
                continue
            owner = f"{'/'.join(key)} (on {pod.node})"
            self._reserved[address] = key
            holder = self._addresses.reserve(address, owner)
            if holder is not None:
                _log.error(
                    "address %s is used twice: by %s here and by %s", address, holder, owner
                )
