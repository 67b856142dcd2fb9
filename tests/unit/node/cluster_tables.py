"""A `Cluster` whose watches report what a test publishes; the tables are the real ones."""

from ipaddress import ip_address
from typing import cast

from tests.unit.identity.identity_api import IdentityApi

from ciliate.api.cilium_endpoint import (
    AddressPair,
    CiliumEndpoint,
    EndpointIdentity,
    EndpointNetworking,
    EndpointStatus,
)
from ciliate.api.cilium_node import CiliumNode, CiliumNodeAddress, CiliumNodeSpec, NodeIPAM
from ciliate.api.metadata import ObjectMeta
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError
from ciliate.node.cluster import Cluster

NODE, NODE_IP = "k8s-ctr", ip_address("192.168.10.100")


class Kubernetes:
    """The Nodes that Kubernetes knows."""

    def __init__(self, *nodes: str) -> None:
        self.nodes = set(nodes)

    async def get(self, _resource: object, name: str) -> None:
        if name not in self.nodes:
            raise NotFoundError(verb="get", target=f"node {name}", detail="not found", status=404)


def new_cluster(api: IdentityApi | Kubernetes | None = None) -> Cluster:
    """Return the tables of node k8s-ctr; nothing has listed yet."""
    client = cast("ApiClient", api)
    return Cluster(client, node_name=NODE, node_ip=NODE_IP, with_pools=False)


def all_listed(cluster: Cluster) -> None:
    """Let every watch have listed once."""
    for informer in cluster.informers:
        informer._synced.set()


def cilium_node(
    name: str, internal_ip: str, *pod_cidrs: str, router: str = "10.244.1.93"
) -> CiliumNode:
    return CiliumNode(
        metadata=ObjectMeta(name=name),
        spec=CiliumNodeSpec(
            addresses=(
                CiliumNodeAddress("InternalIP", internal_ip),
                CiliumNodeAddress("CiliumInternalIP", router),
            ),
            ipam=NodeIPAM(pod_cidrs=pod_cidrs),
        ),
    )


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
