"""`node/known_nodes.py`: nodes stay known while their objects change."""

from ipaddress import ip_address, ip_network

import pytest
from tests.unit.identity.identity_api import publish, withdraw
from tests.unit.node.cluster_tables import (
    Kubernetes,
    cilium_node,
    new_cluster,
    since,
)

from ciliate.api.cilium_node import DRAINING_ANNOTATION, CiliumNode
from ciliate.net.address import to_octets
from ciliate.node.known_nodes import _FORMER_IPS_MAX

W1, W2 = ip_address("192.168.10.101"), ip_address("192.168.10.102")


def draining(node: CiliumNode, cidrs: str) -> CiliumNode:
    node.metadata.annotations[DRAINING_ANNOTATION] = cidrs
    return node


async def test_deleted_cilium_node_holds_while_its_node_lives() -> None:
    cluster = new_cluster(Kubernetes("k8s-w1"))
    publish(cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))

    withdraw(cluster.nodes, "k8s-w1")
    await cluster.known_nodes._forget_deleted()

    assert [node.name for node in cluster.known_nodes] == ["k8s-w1"]


async def test_node_that_never_publishes_itself_anew_still_has_what_it_had_but_claims_nothing() -> (
    None
):
    """Its agent is down; the operator may have given its CIDR to another node."""
    cluster = new_cluster(Kubernetes("k8s-w1"))
    publish(cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))
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
    publish(cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))
    changes: list[object] = []
    cluster.known_nodes.add_listener(lambda _old, new: changes.append(new))

    withdraw(cluster.nodes, "k8s-w1")
    await cluster.known_nodes._forget_deleted()

    assert list(cluster.known_nodes) == []
    assert changes[-1] is None


async def test_node_that_comes_back_with_other_cidrs_is_known_by_them_alone() -> None:
    cluster = new_cluster(Kubernetes("k8s-w1"))
    publish(cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))
    withdraw(cluster.nodes, "k8s-w1")

    again = draining(cilium_node("k8s-w1", str(W1), "172.20.0.0/24"), "10.244.1.0/24")
    publish(cluster.nodes, again)

    (known,) = cluster.known_nodes
    assert known.pod_cidrs == (ip_network("172.20.0.0/24"),)
    assert known.draining_cidrs == (ip_network("10.244.1.0/24"),)


def test_what_can_be_read_of_a_node_holds_and_so_does_what_was_read_before(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster = new_cluster(Kubernetes("k8s-w1"))
    publish(cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))

    for late in ("10.244.7.0/24", "10.244.8.0/24"):
        broken = draining(cilium_node("k8s-w1", str(W1), "nonsense"), late)
        publish(cluster.nodes, broken)

    (known,) = cluster.known_nodes
    assert known.pod_cidrs == ()
    assert known.internal_ips == (W1,)
    assert set(known.draining_cidrs) == {
        ip_network("10.244.1.0/24"),
        ip_network("10.244.7.0/24"),
        ip_network("10.244.8.0/24"),
    }
    assert caplog.text.count("'nonsense'") == 1

    publish(cluster.nodes, cilium_node("k8s-w1", str(W1), "172.20.0.0/24"))
    (known,) = cluster.known_nodes
    assert (known.pod_cidrs, known.draining_cidrs) == ((ip_network("172.20.0.0/24"),), ())


def test_node_first_seen_with_an_unreadable_cidr_is_known_by_the_rest() -> None:
    cluster = new_cluster(Kubernetes("k8s-w1"))

    publish(cluster.nodes, draining(cilium_node("k8s-w1", str(W1), "nonsense"), "10.244.1.0/24"))

    (known,) = cluster.known_nodes
    assert known.internal_ips == (W1,)
    assert known.draining_cidrs == (ip_network("10.244.1.0/24"),)


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "::/0", "10.0.0.0/8", "169.254.0.0/16"])
async def test_cidr_that_no_node_can_have_is_kept_apart_and_told(
    cidr: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Packets to the world would keep their pod's address: nothing would be masqueraded."""
    cluster = new_cluster()
    told = draining(cilium_node("k8s-w1", str(W1), cidr, "10.244.1.0/24"), cidr)

    publish(cluster.nodes, told)

    (known,) = cluster.known_nodes
    assert known.pod_cidrs == (ip_network("10.244.1.0/24"),)
    assert known.draining_cidrs == ()
    assert known.refused_cidrs == (ip_network(cidr),)
    assert f"CiliumNode k8s-w1: {cidr} is not routed to pods: it " in caplog.text


def test_endpoints_name_a_node_by_the_address_that_it_had_until_another_has_it() -> None:
    """The node's CiliumNode changes first, then its CiliumEndpoints one by one."""
    cluster = new_cluster(Kubernetes())
    nodes = cluster.known_nodes
    publish(cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))

    publish(cluster.nodes, cilium_node("k8s-w1", str(W2), "10.244.1.0/24"))
    former, latter = nodes.named(to_octets(W1)), nodes.named(to_octets(W2))
    assert former is latter is nodes.get("k8s-w1")
    assert nodes.at(to_octets(W1)) is None, "it is nobody's address now"

    publish(cluster.nodes, cilium_node("k8s-w2", str(W1), "10.244.2.0/24"))
    assert nodes.named(to_octets(W1)) is nodes.get("k8s-w2")


@pytest.mark.parametrize("elder_comes_first", [True, False])
async def test_of_two_nodes_with_one_address_the_elder_has_it_and_the_other_is_told(
    caplog: pytest.LogCaptureFixture, *, elder_comes_first: bool
) -> None:
    """Who was seen last had it: a new object took the pods of a node that stands."""
    cluster = new_cluster(Kubernetes())
    nodes = cluster.known_nodes
    elder, younger = since(2020, "k8s-w2", str(W1)), since(2024, "k8s-w1", str(W1))
    for node in (elder, younger) if elder_comes_first else (younger, elder):
        publish(cluster.nodes, node)

    assert nodes.at(to_octets(W1)) is nodes.named(to_octets(W1)) is nodes.get("k8s-w2")
    assert all(nodes.is_named(name, to_octets(W1)) for name in ("k8s-w1", "k8s-w2"))
    said = "CiliumNode k8s-w1: InternalIP 192.168.10.101 is that of CiliumNode k8s-w2 too"
    publish(cluster.nodes, since(2024, "k8s-w1", str(W1), "10.244.1.0/24"))
    assert caplog.text.count(said) == caplog.text.count("is the elder") == 1

    withdraw(cluster.nodes, "k8s-w2")
    await nodes._forget_deleted()
    assert nodes.at(to_octets(W1)) is nodes.get("k8s-w1")
    publish(cluster.nodes, elder)
    assert caplog.text.count(said) == 2, "it was well in between"


def test_address_that_one_node_leaves_to_the_other_is_told_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster = new_cluster(Kubernetes())
    publish(cluster.nodes, since(2020, "k8s-w2", str(W1)))
    publish(cluster.nodes, since(2024, "k8s-w1", str(W1)))
    publish(cluster.nodes, since(2020, "k8s-w2", str(W2)))

    assert cluster.known_nodes.at(to_octets(W1)) is cluster.known_nodes.get("k8s-w1")
    assert cluster.known_nodes._shared == set()
    assert caplog.text.count("is the elder") == 1


def test_former_addresses_of_nodes_are_bounded() -> None:
    cluster = new_cluster(Kubernetes())
    addresses = [ip_address(f"172.16.{n // 250}.{n % 250}") for n in range(_FORMER_IPS_MAX + 3)]

    for address in addresses:
        publish(cluster.nodes, cilium_node("k8s-w1", str(address)))

    named = [cluster.known_nodes.named(to_octets(each)) is not None for each in addresses]
    assert named == [False] * 2 + [True] * (_FORMER_IPS_MAX + 1)
