"""A `Cluster` whose watches report what a test publishes; the tables are the real ones."""

import itertools
from ipaddress import ip_address
from typing import cast

from msgspec import structs
from tests.unit.identity.identity_api import IdentityApi

from ciliate.api.cilium_endpoint import (
    AddressPair,
    CiliumEndpoint,
    EndpointIdentity,
    EndpointNetworking,
    EndpointStatus,
)
from ciliate.api.cilium_node import (
    TUNNEL_RECEIVED_ANNOTATION,
    CiliumNode,
    CiliumNodeAddress,
    CiliumNodeSpec,
    NodeIPAM,
)
from ciliate.api.core import Node, NodeAddress, NodeStatus
from ciliate.api.metadata import ObjectMeta
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError
from ciliate.net.address import IPAddress, IPNetwork
from ciliate.node.cluster import Cluster
from ciliate.node.own_node import OwnNode

NODE, NODE_IP = "k8s-ctr", ip_address("192.168.10.100")

_VERSIONS = itertools.count(1)


class Kubernetes:
    """The Nodes that Kubernetes knows."""

    def __init__(self, *nodes: str) -> None:
        self.nodes = set(nodes)

    async def get(self, _resource: object, name: str) -> None:
        if name not in self.nodes:
            raise NotFoundError(verb="get", target=f"node {name}", detail="not found", status=404)


def new_cluster(
    api: IdentityApi | Kubernetes | None = None, own: OwnNode | None = None
) -> Cluster:
    """Return the tables of `own`, else of node k8s-ctr; nothing has listed yet."""
    return Cluster(cast("ApiClient", api), own or own_node(), with_pools=False)


def own_node(
    name: str = NODE, *internal_ips: IPAddress, pod_cidrs: tuple[IPNetwork, ...] = ()
) -> OwnNode:
    """Return what a Node says that has these addresses, or that of k8s-ctr."""
    return OwnNode(name, name, {}, internal_ips or (NODE_IP,), (), pod_cidrs)


def kube_node(*internal_ips: str, uid: str = NODE) -> Node:
    """Return the Node of k8s-ctr, as its kubelet reports it with these addresses."""
    addresses = tuple(NodeAddress(type="InternalIP", address=each) for each in internal_ips)
    return Node(
        metadata=ObjectMeta(name=NODE, uid=uid, resource_version=str(next(_VERSIONS))),
        status=NodeStatus(addresses=addresses),
    )


def all_listed(cluster: Cluster) -> None:
    """Let every watch have listed once."""
    for informer in cluster.informers:
        informer._synced.set()


def cilium_node(
    name: str, internal_ip: str, *pod_cidrs: str, router: str = "10.244.1.93", tunnel: str = ""
) -> CiliumNode:
    """Return a CiliumNode; `tunnel` is the one out of which the node takes packets."""
    return CiliumNode(
        metadata=ObjectMeta(
            name=name, annotations={TUNNEL_RECEIVED_ANNOTATION: tunnel} if tunnel else {}
        ),
        spec=CiliumNodeSpec(
            addresses=(
                CiliumNodeAddress("InternalIP", internal_ip),
                CiliumNodeAddress("CiliumInternalIP", router),
            ),
            ipam=NodeIPAM(pod_cidrs=pod_cidrs),
        ),
    )


def since(year: int, name: str, internal_ip: str, *pod_cidrs: str) -> CiliumNode:
    """Return a CiliumNode that was made in that year."""
    node = cilium_node(name, internal_ip, *pod_cidrs)
    made = ObjectMeta(name=name, creation_timestamp=f"{year}-01-01T00:00:00Z")
    return structs.replace(node, metadata=made)


def cilium_endpoint(
    name: str, address: str, *, ipv6: str = "", number: int = 8066, node: str = "192.168.10.101"
) -> CiliumEndpoint:
    return CiliumEndpoint(
        metadata=ObjectMeta(name=name, namespace="default"),
        status=EndpointStatus(
            identity=EndpointIdentity(number) if number else None,
            networking=EndpointNetworking((AddressPair(address, ipv6),), node),
        ),
    )
