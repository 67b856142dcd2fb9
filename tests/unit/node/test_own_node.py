"""`node/own_node.py`: what the Node says of this node, followed while the agent runs."""

from ipaddress import ip_address

import pytest
from tests.unit.identity.identity_api import publish, withdraw
from tests.unit.node.cluster_tables import (
    NODE,
    NODE_IP,
    cilium_endpoint,
    cilium_node,
    kube_node,
    new_cluster,
)

from ciliate.net.address import to_octets
from ciliate.node.own_node import FORMER_ADDRESSES_MAX, OwnNode

LATER, OTHER_V6 = ip_address("192.168.10.150"), ip_address("fd00:10::150")


def test_changed_addresses_are_told_once_with_those_of_before() -> None:
    cluster = new_cluster()
    heard: list[tuple[OwnNode, OwnNode]] = []
    cluster.own.listen(lambda old, new: heard.append((old, new)))

    publish(cluster.own_node, kube_node(str(LATER), str(OTHER_V6)))
    publish(cluster.own_node, kube_node(str(LATER), str(OTHER_V6)))

    assert [(old.internal_ips, new.internal_ips) for old, new in heard] == [
        ((NODE_IP,), (LATER, OTHER_V6))
    ]
    assert cluster.own.current.node_ip == LATER
    assert all(cluster.own.has(to_octets(ip)) for ip in (NODE_IP, LATER, OTHER_V6))
    assert cluster.own.is_named(str(NODE_IP)), "CiliumEndpoints name the node by it until changed"


@pytest.mark.parametrize("addresses", [(), ("192.168.10.1000",)], ids=["none", "unreadable"])
def test_addresses_of_before_hold_while_the_node_says_none(addresses: tuple[str, ...]) -> None:
    cluster = new_cluster()
    publish(cluster.own_node, kube_node(str(LATER)))

    publish(cluster.own_node, kube_node(*addresses))

    assert cluster.own.current.internal_ips == (LATER,), "the latest, not those of the start"


def test_node_that_is_deleted_holds_and_one_made_anew_is_known_by_its_uid() -> None:
    cluster = new_cluster()
    publish(cluster.own_node, kube_node(str(LATER), uid="first"))

    withdraw(cluster.own_node, NODE)
    assert (cluster.own.current.uid, cluster.own.current.node_ip) == ("first", LATER)

    publish(cluster.own_node, kube_node(str(LATER), uid="second"))
    assert cluster.own.current.uid == "second"


def test_address_that_an_earlier_agent_published_is_this_nodes() -> None:
    """It was killed between the change of the Node and that of the CiliumEndpoints."""
    cluster = new_cluster()

    publish(cluster.nodes, cilium_node(NODE, str(LATER)))

    assert cluster.own.is_named(str(LATER))


def test_former_address_that_another_node_has_now_is_no_longer_this_nodes() -> None:
    cluster = new_cluster()
    publish(cluster.own_node, kube_node(str(LATER)))

    publish(cluster.nodes, cilium_node("k8s-w1", str(NODE_IP)))
    publish(cluster.nodes, cilium_node(NODE, str(NODE_IP)))  # Late: it was published before.

    assert not cluster.own.is_named(str(NODE_IP))
    assert cluster.known_nodes.others_have(to_octets(NODE_IP))


def test_former_addresses_are_bounded_and_the_latest_are_kept() -> None:
    cluster = new_cluster()
    several = [f"192.168.11.{number}" for number in range(FORMER_ADDRESSES_MAX + 5)]

    for address in several:
        publish(cluster.own_node, kube_node(address))

    assert [cluster.own.is_named(a) for a in several] == [False] * 4 + [True] * (
        FORMER_ADDRESSES_MAX + 1
    )


def test_own_endpoints_are_kept_whole_by_the_present_and_by_former_addresses() -> None:
    cluster = new_cluster()
    publish(cluster.own_node, kube_node(str(LATER)))

    for node in (NODE_IP, LATER):
        published = cilium_endpoint("web", "10.244.0.7", node=str(node))
        publish(cluster.endpoints, published)
        (kept,) = cluster.endpoints.objects.values()
        assert kept.status == published.status
        withdraw(cluster.endpoints, "web", "default")
