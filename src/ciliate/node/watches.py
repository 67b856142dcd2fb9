"""What the watches tell of the cluster, as the features' values.

Informers keep plain tables; nothing here decides. Objects that cannot be understood (a CIDR typed
by hand) are left out with a warning, so that one bad object does not take the others along.
"""

import logging
import sys
from functools import lru_cache, partial
from typing import Any

from ciliate.api.cilium_endpoint import (
    CILIUM_ENDPOINTS,
    CiliumEndpoint,
    EndpointEncryption,
    EndpointIdentity,
    EndpointNetworking,
    EndpointStatus,
)
from ciliate.api.cilium_identity import CILIUM_IDENTITIES, CiliumIdentity
from ciliate.api.cilium_node import CILIUM_NODES, CiliumNode
from ciliate.api.core import NAMESPACES, NODES, PODS, Namespace, Node, Pod
from ciliate.api.metadata import ObjectMeta
from ciliate.api.pod_ip_pool import CILIUM_POD_IP_POOLS, CiliumPodIPPool
from ciliate.identity.address_owners import KnownPod
from ciliate.kube.client import ApiClient
from ciliate.kube.informer import Informer
from ciliate.net.address import IPAddress, ip_address
from ciliate.node.known_nodes import KnownNodes

_log = logging.getLogger(__name__)


def known_pod(endpoint: CiliumEndpoint) -> KnownPod | None:
    """Return what a CiliumEndpoint tells, or None while it has no identity or address."""
    networking, identity = endpoint.status.networking, endpoint.status.identity
    if networking is None or identity is None:
        return None
    try:
        addresses = tuple(
            ip_address(text)
            for pair in networking.addressing
            for text in (pair.ipv4, pair.ipv6)
            if text
        )
        node = ip_address(networking.node) if networking.node else None
    except ValueError as error:
        meta = endpoint.metadata
        _log.warning("CiliumEndpoint %s/%s is left out: %s", meta.namespace, meta.name, error)
        return None
    return KnownPod(addresses, identity.id, node)


_UNENCRYPTED = EndpointEncryption()


@lru_cache(maxsize=4096)
def _identity(number: int) -> EndpointIdentity:
    """Return an identity without its labels: the same object for all of its pods."""
    return EndpointIdentity(id=number)


def slim(endpoint: CiliumEndpoint, *, node_ip: str) -> CiliumEndpoint:
    """Return what is kept of an endpoint: of other nodes' only address and identity.

    A cluster has many; labels and identifiers of pods elsewhere serve nobody here.
    """
    status, meta = endpoint.status, endpoint.metadata
    if status.networking is not None and status.networking.node == node_ip:
        return endpoint
    number = status.identity.id if status.identity else 0
    networking = status.networking
    return CiliumEndpoint(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=sys.intern(meta.namespace),
            uid=meta.uid,
            resource_version=meta.resource_version,
        ),
        status=EndpointStatus(
            identity=_identity(number) if number else None,
            networking=networking
            and EndpointNetworking(
                addressing=networking.addressing, node=sys.intern(networking.node)
            ),
            encryption=_UNENCRYPTED,
        ),
    )


class Cluster:
    """The informers of one agent."""

    def __init__(
        self, client: ApiClient, *, node_name: str, node_ip: IPAddress, with_pools: bool
    ) -> None:
        self.own_node: Informer[Node] = Informer(
            client, NODES, field_selector=f"metadata.name={node_name}"
        )
        self.nodes: Informer[CiliumNode] = Informer(client, CILIUM_NODES)
        self.endpoints: Informer[CiliumEndpoint] = Informer(
            client, CILIUM_ENDPOINTS, transform=partial(slim, node_ip=str(node_ip))
        )
        self.identities: Informer[CiliumIdentity] = Informer(client, CILIUM_IDENTITIES)
        self.namespaces: Informer[Namespace] = Informer(client, NAMESPACES)
        self.pods: Informer[Pod] = Informer(
            client, PODS, field_selector=f"spec.nodeName={node_name}"
        )
        #: None in the modes that know no pools.
        self.pools: Informer[CiliumPodIPPool] | None = (
            Informer(client, CILIUM_POD_IP_POOLS) if with_pools else None
        )
        self.known_nodes = KnownNodes(client, self.nodes, local_name=node_name)

    @property
    def informers(self) -> tuple[Informer[Any], ...]:
        """All of them, for whoever runs them or asks for their health."""
        return (
            self.own_node,
            self.nodes,
            self.endpoints,
            self.identities,
            self.namespaces,
            self.pods,
            *((self.pools,) if self.pools is not None else ()),
        )

    @property
    def has_synced(self) -> bool:
        """Whether every table has been complete once: before, absence means nothing."""
        return all(informer.has_synced for informer in self.informers)

    def pool_edges(self, name: str) -> tuple[bool, bool]:
        """Whether blocks of a pool give out their first and their last address."""
        pool = self.pools.get(name) if self.pools is not None else None
        return (pool.spec.allow_first_ip, pool.spec.allow_last_ip) if pool else (False, False)
