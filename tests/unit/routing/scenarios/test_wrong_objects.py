"""One wrong object of another node costs that node its routes, and nobody else anything."""

from ipaddress import ip_address

import pytest
from tests.unit.identity.identity_api import publish, withdraw
from tests.unit.node.cluster_tables import (
    NODE,
    NODE_IP,
    all_listed,
    cilium_endpoint,
    cilium_node,
)
from tests.unit.routing.route_kernel import ETH1, RoutingNode, worker

from ciliate.net.link import Link, LinkAddress, LinkFlag
from ciliate.node.devices import NodeDevices


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> RoutingNode:
    """A node whose watches have listed; nobody else is there."""
    node = RoutingNode(monkeypatch)
    all_listed(node.cluster)
    await node.start()
    return node


def connected(node: RoutingNode) -> None:
    """Let the node be on 192.168.10.0/24 by eth1, and on 10.0.2.0/24 by eth0."""
    eth0 = ip_address("10.0.2.15")
    links = (
        Link(2, "eth0", LinkFlag.UP, 1500, addresses=(LinkAddress(2, eth0, 24),)),
        Link(ETH1, "eth1", LinkFlag.UP, 1500, addresses=(LinkAddress(ETH1, NODE_IP, 24),)),
    )
    node.devices.current = NodeDevices(links, (eth0, NODE_IP))
    node.kernel.has("192.168.10.0/24")
    node.kernel.has("10.0.2.0/24", device="eth0", index=2)


@pytest.mark.parametrize("cidr", ["192.168.10.0/24", "10.0.2.0/24", "128.0.0.0/1"])
async def test_cidr_in_which_nodes_live_is_never_routed(
    node: RoutingNode, cidr: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One wrong CiliumNode took the kernel's route to the nodes' own network away for good."""
    connected(node)
    before = node.kernel.held()

    publish(node.cluster.nodes, worker(1, cidr))
    await node.pass_touched()
    await node.pass_all()
    assert node.kernel.held() == before
    assert f"CiliumNode k8s-w1: {cidr} holds the address" in caplog.text

    withdraw(node.cluster.nodes, "k8s-w1")
    await node.cluster.known_nodes._forget_deleted()
    await node.pass_touched()
    await node.pass_all()
    assert node.kernel.held() == before


async def test_address_of_a_node_is_never_routed_as_a_pods(
    node: RoutingNode, caplog: pytest.LogCaptureFixture
) -> None:
    publish(node.cluster.nodes, worker(1))
    publish(node.cluster.nodes, worker(2, "10.244.2.0/24", "192.168.10.101/32"))

    publish(
        node.cluster.endpoints, cilium_endpoint("bad", "192.168.10.101", node="192.168.10.102")
    )
    await node.pass_touched()
    await node.pass_all()

    assert node.kernel.held().keys() == {"10.244.1.0/24", "10.244.2.0/24"}
    said = "CiliumEndpoint default/bad: 192.168.10.101 is the address of node k8s-w1"
    assert said in caplog.text


async def test_cidr_that_is_refused_is_said_once_and_this_nodes_own_is_not(
    node: RoutingNode, caplog: pytest.LogCaptureFixture
) -> None:
    publish(node.cluster.nodes, cilium_node(NODE, str(NODE_IP), "192.168.10.0/24"))
    assert caplog.records == []

    publish(node.cluster.nodes, worker(1, "192.168.10.0/24"))
    publish(node.cluster.nodes, worker(1, "192.168.10.0/24", "10.244.8.0/24"))

    assert [each.getMessage().split()[:2] for each in caplog.records] == [
        ["CiliumNode", "k8s-w1:"]
    ]
