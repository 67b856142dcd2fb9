"""`ipam/agent/foreign_pods.py`: addresses that pods of other nodes have go to no pod here."""

from ipaddress import ip_address, ip_network

from tests.unit.identity.identity_api import publish, withdraw
from tests.unit.node.cluster_tables import (
    NODE_IP,
    all_listed,
    cilium_endpoint,
    kube_node,
    new_cluster,
)

from ciliate.ipam.agent.foreign_pods import ForeignPods
from ciliate.ipam.node import NodeAddresses

ADDRESS = ip_address("10.0.0.3")


async def test_address_is_free_when_the_last_of_several_endpoints_of_it_is_gone() -> None:
    """The endpoint of a pod that died with its node stays a while; its address has a new pod."""
    cluster = new_cluster()
    all_listed(cluster)
    addresses = NodeAddresses((4,))
    ForeignPods(cluster.known_pods, addresses, cluster.own).follow()
    addresses.set_current({"default": [ip_network("10.0.0.0/29")]})
    publish(cluster.endpoints, cilium_endpoint("stale", str(ADDRESS), node="192.168.10.101"))
    publish(cluster.endpoints, cilium_endpoint("alive", str(ADDRESS), node="192.168.10.102"))

    withdraw(cluster.endpoints, "stale", "default")

    owners = {address: owner for address, owner, _held in addresses.allocations()}
    assert owners == {ADDRESS: "default/alive (on 192.168.10.102)"}
    withdraw(cluster.endpoints, "alive", "default")
    assert list(addresses.allocations()) == []


async def test_pods_by_a_former_address_of_this_node_are_pods_here() -> None:
    cluster = new_cluster()
    all_listed(cluster)
    addresses = NodeAddresses((4,))
    ForeignPods(cluster.known_pods, addresses, cluster.own).follow()
    addresses.set_current({"default": [ip_network("10.0.0.0/29")]})
    later = "192.168.10.150"
    publish(cluster.endpoints, cilium_endpoint("here", str(ADDRESS), node=later))
    assert list(addresses.allocations()), "another node's, as far as is known"

    publish(cluster.own_node, kube_node(later))
    publish(cluster.endpoints, cilium_endpoint("also", "10.0.0.4", node=str(NODE_IP)))

    assert list(addresses.allocations()) == []
