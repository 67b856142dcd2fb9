"""CiliumNodes without a Node are deleted, against the embedded API server."""

from tests.unit.cluster.watched_cluster import WatchedCluster, until_seen

from ciliate.api.cilium_node import CILIUM_NODES, CiliumNode
from ciliate.api.core import NODES, Node
from ciliate.api.metadata import ObjectMeta
from ciliate.ipam.operator.node_gc import NodeGC
from ciliate.ipam.operator.settings import NodeGCSettings
from ciliate.kube.client import ApiClient


async def test_the_cilium_node_of_a_vanished_node_is_deleted_after_an_interval(
    client: ApiClient,
) -> None:
    cluster = WatchedCluster(client)
    gc = NodeGC(cluster.context, NodeGCSettings(interval_s=300), clock=cluster.clock)
    async with cluster.watching():
        node = await client.create(NODES, Node(metadata=ObjectMeta(name="w1")))
        await until_seen(cluster.tables.nodes, node)
        for name in ("w1", "gone"):
            made = await client.create(CILIUM_NODES, CiliumNode(metadata=ObjectMeta(name=name)))
            await until_seen(cluster.tables.cilium_nodes, made)

        await gc.collect()
        assert len((await client.list(CILIUM_NODES)).items) == 2
        cluster.now_s = 300
        await gc.collect()

    left = await client.list(CILIUM_NODES)
    assert [item.metadata.name for item in left.items] == ["w1"]
