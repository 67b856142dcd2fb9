"""Pools with addresses that something in the cluster has say so."""

import asyncio

from tests.unit.load_balancer_ipam.operator.test_feature import POOLS, create_pool, leading

from ciliate.api.cilium_node import (
    CILIUM_NODES,
    AllocatedPool,
    CiliumNode,
    CiliumNodeSpec,
    IPAMPools,
    NodeIPAM,
)
from ciliate.api.core import NODES, Node, NodeAddress, NodeStatus
from ciliate.api.metadata import ObjectMeta
from ciliate.kube.client import ApiClient


async def overlap(client: ApiClient, name: str, *, status: str) -> str:
    """Return what the condition says, once it has this status."""
    async with asyncio.timeout(10):
        while True:
            found = await client.get(POOLS, name)
            for each in found.status.conditions:
                if each.type == "ciliate.io/OverlapsCluster" and each.status == status:
                    return each.message
            await asyncio.sleep(0.01)


async def test_pool_with_addresses_of_nodes_pods_or_services_says_whose(client: ApiClient) -> None:
    address = NodeStatus(
        addresses=(NodeAddress("Hostname", "n1"), NodeAddress("InternalIP", "192.0.2.10"))
    )
    await client.create(NODES, Node(metadata=ObjectMeta(name="n1"), status=address))
    pods = CiliumNodeSpec(
        ipam=NodeIPAM(
            pod_cidrs=("10.244.1.0/24",),
            pools=IPAMPools(allocated=(AllocatedPool("mars", ("10.7.0.0/27",)),)),
        )
    )
    await client.create(CILIUM_NODES, CiliumNode(metadata=ObjectMeta(name="n1"), spec=pods))
    async with leading(client):
        for name, block in (
            ("apart", "198.51.100.0/24"),
            ("nodes", "192.0.2.0/24"),
            ("pods", "10.244.1.200 - 10.244.1.210"),
            ("mars", "10.7.0.0/16"),
            ("services", "10.96.5.0/24"),
        ):
            await create_pool(client, block, name=name)

        assert await overlap(client, "apart", status="False") == ""
        for name, told in (
            ("nodes", "192.0.2.10, an address of node n1"),
            ("pods", "10.244.1.0/24, a pod CIDR of node n1"),
            ("mars", "10.7.0.0/27, a pod CIDR of node n1"),
            ("services", "the range of Services (ServiceCIDR kubernetes)"),
        ):
            assert told in await overlap(client, name, status="True")

        await client.delete(CILIUM_NODES, "n1")
        assert await overlap(client, "pods", status="False") == ""
