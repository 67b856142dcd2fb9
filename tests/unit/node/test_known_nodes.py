"""`agent/known_nodes.py` and `agent/strays.py`: packets find their way while objects change."""

from ipaddress import ip_address, ip_network

import pytest
from tests.unit.identity.identity_api import tell, withdraw
from tests.unit.node.cluster_tables import (
    NODE_IP,
    Kubernetes,
    all_listed,
    cilium_endpoint,
    cilium_node,
    new_cluster,
)

from ciliate.api.cilium_node import DRAINING_ANNOTATION, CiliumNode
from ciliate.identity.ipcache import Ipcache
from ciliate.routing.displaced_pods import Strays

W1, W2 = ip_address("192.168.10.101"), ip_address("192.168.10.102")


def draining(node: CiliumNode, cidrs: str) -> CiliumNode:
    node.metadata.annotations[DRAINING_ANNOTATION] = cidrs
    return node


async def test_deleted_cilium_node_holds_while_its_node_lives() -> None:
    cluster = new_cluster(Kubernetes("k8s-w1"))
    tell(cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))

    withdraw(cluster.nodes, "k8s-w1")
    await cluster.known_nodes._forget_deleted()

    assert [node.name for node in cluster.known_nodes] == ["k8s-w1"]


async def test_node_that_never_publishes_itself_anew_still_has_what_it_had_but_claims_nothing() -> (
    None
):
    """Its agent is down; the operator may have given its CIDR to another node."""
    cluster = new_cluster(Kubernetes("k8s-w1"))
    tell(cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))
    withdraw(cluster.nodes, "k8s-w1")

    await cluster.known_nodes._forget_deleted()
    (known,) = cluster.known_nodes
    assert known.pod_cidrs == (ip_network("10.244.1.0/24"),), "it may be about to"

    await cluster.known_nodes._forget_deleted()
    (known,) = cluster.known_nodes
    assert known.pod_cidrs == ()
    assert known.draining_cidrs == (ip_network("10.244.1.0/24"),)


async def test_deleted_node_is_forgotten_with_its_cilium_node() -> None:
    cluster = new_cluster(Kubernetes())
    tell(cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))
    changes: list[object] = []
    cluster.known_nodes.add_listener(lambda _old, new: changes.append(new))

    withdraw(cluster.nodes, "k8s-w1")
    await cluster.known_nodes._forget_deleted()

    assert list(cluster.known_nodes) == []
    assert changes[-1] is None


async def test_node_that_comes_back_with_other_cidrs_is_known_by_them_alone() -> None:
    cluster = new_cluster(Kubernetes("k8s-w1"))
    tell(cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))
    withdraw(cluster.nodes, "k8s-w1")

    again = draining(cilium_node("k8s-w1", str(W1), "172.20.0.0/24"), "10.244.1.0/24")
    tell(cluster.nodes, again)

    (known,) = cluster.known_nodes
    assert known.pod_cidrs == (ip_network("172.20.0.0/24"),)
    assert known.draining_cidrs == (ip_network("10.244.1.0/24"),)


def test_what_can_be_read_of_a_node_holds_and_so_does_what_was_read_before(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster = new_cluster(Kubernetes("k8s-w1"))
    tell(cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))

    for late in ("10.244.7.0/24", "10.244.8.0/24"):
        broken = draining(cilium_node("k8s-w1", str(W1), "nonsense"), late)
        tell(cluster.nodes, broken)

    (known,) = cluster.known_nodes
    assert known.pod_cidrs == ()
    assert known.internal_ips == (W1,)
    assert set(known.draining_cidrs) == {
        ip_network("10.244.1.0/24"),
        ip_network("10.244.7.0/24"),
        ip_network("10.244.8.0/24"),
    }
    assert caplog.text.count("'nonsense'") == 1

    tell(cluster.nodes, cilium_node("k8s-w1", str(W1), "172.20.0.0/24"))
    (known,) = cluster.known_nodes
    assert (known.pod_cidrs, known.draining_cidrs) == ((ip_network("172.20.0.0/24"),), ())


def test_node_first_seen_with_an_unreadable_cidr_is_known_by_the_rest() -> None:
    cluster = new_cluster(Kubernetes("k8s-w1"))

    tell(cluster.nodes, draining(cilium_node("k8s-w1", str(W1), "nonsense"), "10.244.1.0/24"))

    (known,) = cluster.known_nodes
    assert known.internal_ips == (W1,)
    assert known.draining_cidrs == (ip_network("10.244.1.0/24"),)


def test_pod_in_its_nodes_cidr_is_no_stray() -> None:
    cluster = new_cluster()
    strays = Strays(cluster, Ipcache(cluster, node_ip=NODE_IP), node_ip=NODE_IP)
    all_listed(cluster)
    tell(cluster.nodes, draining(cilium_node("k8s-w1", str(W1), "172.20.0.0/24"), "10.244.1.0/24"))
    tell(cluster.endpoints, cilium_endpoint("old", "10.244.1.7"))
    tell(cluster.endpoints, cilium_endpoint("new", "172.20.0.7"))

    assert strays.routes == {}


def test_pod_in_a_cidr_that_another_node_has_now_is_a_stray() -> None:
    cluster = new_cluster()
    strays = Strays(cluster, Ipcache(cluster, node_ip=NODE_IP), node_ip=NODE_IP)
    all_listed(cluster)
    tell(cluster.nodes, draining(cilium_node("k8s-w1", str(W1), "10.244.2.0/24"), "10.244.1.0/24"))
    tell(cluster.nodes, cilium_node("k8s-w2", str(W2), "10.244.1.0/24"))
    tell(cluster.endpoints, cilium_endpoint("old", "10.244.1.7"))

    assert strays.routes == {ip_address("10.244.1.7"): W1}

    withdraw(cluster.endpoints, "old", "default")
    assert strays.routes == {}


def test_pod_of_no_cidr_is_found_by_its_endpoint() -> None:
    """A CiliumNode deleted while its agent was away: no CIDR, no annotation, pods that live."""
    cluster = new_cluster()
    strays = Strays(cluster, Ipcache(cluster, node_ip=NODE_IP), node_ip=NODE_IP)
    all_listed(cluster)
    tell(cluster.nodes, cilium_node("k8s-w2", str(W2), "10.244.2.0/24"))
    assert strays.routes == {}

    tell(cluster.endpoints, cilium_endpoint("lost", "10.244.1.7"))

    assert strays.routes == {ip_address("10.244.1.7"): W1}


def test_pods_of_this_node_are_no_strays() -> None:
    cluster = new_cluster()
    strays = Strays(cluster, Ipcache(cluster, node_ip=NODE_IP), node_ip=NODE_IP)
    all_listed(cluster)
    tell(cluster.endpoints, cilium_endpoint("mine", "10.99.1.7", node=str(NODE_IP)))

    assert strays.routes == {}


async def test_strays_tell_when_a_pod_changes_the_routes_and_only_then() -> None:
    """Every endpoint of the cluster asks: an answer must not cost a look at all strays."""
    cluster = new_cluster()
    all_listed(cluster)
    strays = Strays(cluster, Ipcache(cluster, node_ip=NODE_IP), node_ip=NODE_IP)
    tell(cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))
    assert strays.routes == {}
    before = strays.changes_by_pods

    tell(cluster.endpoints, cilium_endpoint("at-home", "10.244.1.7", node=str(W1)))
    assert strays.changes_by_pods == before
    stray = cilium_endpoint("stray", "10.244.9.7", node=str(W1))
    tell(cluster.endpoints, stray)
    assert strays.changes_by_pods == before + 1
    tell(cluster.endpoints, stray)
    assert strays.changes_by_pods == before + 1
    withdraw(cluster.endpoints, "stray", "default")
    assert strays.changes_by_pods == before + 2
