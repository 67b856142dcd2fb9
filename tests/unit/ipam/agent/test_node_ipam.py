"""`ipam/agent/node_ipam.py`: when this node's CiliumNode is published."""

from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any, cast

from tests.unit.identity.identity_api import publish, withdraw
from tests.unit.node.cluster_tables import NODE, all_listed, new_cluster

from ciliate.api.core import Node, NodeAddress, NodeStatus
from ciliate.api.metadata import ObjectMeta
from ciliate.ipam.agent.node_ipam import _publication
from ciliate.node.own_node import OwnNode, own_node


async def test_nothing_is_published_while_the_node_is_gone_and_all_when_it_is_back() -> None:
    """After `kubectl delete node`: what its Node would own is deleted as often as it is made."""

    def node(uid: str) -> Node:
        address = NodeAddress("InternalIP", "192.168.10.100")
        return Node(metadata=ObjectMeta(name=NODE, uid=uid), status=NodeStatus((address,)))

    cluster = new_cluster(own=own_node(node("u1")))
    all_listed(cluster)

    class Here:
        client = None
        settings = SimpleNamespace(ipam=SimpleNamespace(mode="kubernetes"))

        def __init__(self) -> None:
            self.cluster = cluster

        @property
        def own(self) -> OwnNode:
            return cluster.own.current

    context: Any = Here()
    router: Any = SimpleNamespace(current=(ip_address("10.244.0.93"),))
    own_cidrs: Any = SimpleNamespace(complete=lambda _name, published: published)
    sync = _publication(context, router, own_cidrs)

    publish(cluster.own_node, node("u1"))
    before = sync._desired()
    withdraw(cluster.own_node, NODE)
    meanwhile = sync._desired()
    publish(cluster.own_node, node("u2"))
    after = sync._desired()

    assert before is not None
    assert cast("Any", before[NODE]).owner_uid == "u1"
    assert meanwhile is None
    assert after is not None
    assert cast("Any", after[NODE]).owner_uid == "u2"
