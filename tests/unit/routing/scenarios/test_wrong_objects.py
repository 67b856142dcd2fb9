"""One wrong object of another node costs that node its routes, and nobody else anything."""

from ipaddress import ip_address, ip_network

import pytest
from tests.unit.identity.identity_api import publish, withdraw
from tests.unit.node.cluster_tables import (
    NODE,
    NODE_IP,
    all_listed,
    cilium_endpoint,
    cilium_node,
)
from tests.unit.node.endpoint_samples import endpoint
from tests.unit.reconcile.memory_target import until
from tests.unit.routing.route_kernel import ETH1, RoutingNode, with_ipv6, worker

from ciliate.net.link import Route, RouteKind
from ciliate.netlink.monitor import Change, ChangeKind


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> RoutingNode:
    """A node whose watches have listed; nobody else is there."""
    node = RoutingNode(monkeypatch)
    all_listed(node.cluster)
    await node.start()
    return node


def connected(node: RoutingNode) -> None:
    """Let the node be on 192.168.10.0/24 by eth1, and on 10.0.2.0/24 by eth0, in both families."""
    node.kernel.has("192.168.10.0/24")
    node.kernel.has("fd00:10::/64")
    node.kernel.has("10.0.2.0/24", device="eth0", index=2)
    node.kernel.has("0.0.0.0/0", via="10.0.2.2", device="eth0", index=2)
    for own in ("10.0.2.15/32", str(NODE_IP), "10.200.0.1/32"):
        node.kernel.local.append(Route(ip_network(own), 2, table=255, kind=RouteKind.LOCAL))


def told(node: RoutingNode) -> dict[str, str]:
    """What the status says of destinations."""
    return {key: failure.message for key, failure in node.sync.status.failing_keys.items()}


async def gone(node: RoutingNode, name: str) -> None:
    """Delete a CiliumNode whose Node is gone too."""
    withdraw(node.cluster.nodes, name)
    await node.cluster.known_nodes._forget_deleted()


@pytest.mark.parametrize(
    ("cidr", "reason"),
    [
        ("0.0.0.0/0", "it is shorter than /12"),
        ("::/0", "it is shorter than /48"),
        ("128.0.0.0/1", "it is shorter than /12"),
        ("10.0.0.0/11", "it is shorter than /12"),
        ("2000::/3", "it is shorter than /48"),
        ("fd00:10::/47", "it is shorter than /48"),
        ("127.0.0.0/16", "it shares addresses with 127.0.0.0/8, which no pod can have"),
        ("169.254.169.254/32", "it shares addresses with 169.254.0.0/16"),
        ("224.0.0.0/24", "it shares addresses with 224.0.0.0/3"),
        ("fe80::/64", "it shares addresses with fe80::/10"),
        ("192.168.10.0/24", "it covers the address 192.168.10.101 of node k8s-w1"),
        ("192.168.10.101/32", "it covers the address 192.168.10.101 of node k8s-w1"),
        ("10.0.2.0/24", "it covers the gateway 10.0.2.2 of the default route"),
        ("10.0.0.0/12", "it covers the gateway 10.0.2.2 of the default route"),
        ("10.0.2.8/29", "it covers the address 10.0.2.15 of this node"),
        ("10.0.2.0/29", "it covers the gateway 10.0.2.2 of the default route"),
        ("10.200.0.0/24", "it covers the address 10.200.0.1 of this node"),
        ("fd00:10::/64", "it covers the address fd00:10::101 of node k8s-w1"),
    ],
)
async def test_cidr_that_is_no_pods_is_never_routed_and_told_until_it_is_corrected(
    node: RoutingNode, cidr: str, reason: str
) -> None:
    """One wrong CiliumNode took the kernel's route to the nodes' own network away for good."""
    connected(node)
    own_6 = ip_address("fd00:10::101")
    publish(node.cluster.nodes, with_ipv6(worker(1), own_6))
    await node.pass_all()
    before = node.kernel.held()

    wrong = worker(2, "10.244.2.0/24", cidr)
    publish(node.cluster.nodes, with_ipv6(wrong, ip_address("fd00:10::102")))
    await node.pass_touched()
    for _ in range(2):
        await node.feature._reachability.ask()
        assert not await node.sync.run_once()
        assert node.kernel.held() == {**before, "10.244.2.0/24": (ETH1, "192.168.10.102")}
        assert told(node).keys() == {cidr}
        assert f"{cidr} of CiliumNode k8s-w2 is not routed to pods: {reason}" in told(node)[cidr]

    await gone(node, "k8s-w2")
    await node.pass_touched()
    await node.pass_all()
    assert node.kernel.held() == before
    assert told(node) == {}


@pytest.mark.parametrize("whole", [True, False], ids=["walk", "announced"])
@pytest.mark.parametrize(
    "later",
    [
        Route(ip_network("10.244.2.0/25"), 5, link_name="eth2"),
        Route(ip_network("10.244.2.9/32"), 5, table=255, kind=RouteKind.LOCAL),
        Route(ip_network("10.99.0.0/16"), 5, ip_address("10.244.2.1"), link_name="eth2"),
    ],
    ids=str,
)
async def test_claim_is_withdrawn_when_this_node_is_connected_there_later(
    node: RoutingNode, later: Route, *, whole: bool
) -> None:
    publish(node.cluster.nodes, worker(2))
    async with node.running():
        await until(lambda: "10.244.2.0/24" in node.kernel.held())

        if later.table == 255:
            node.kernel.local.append(later)
        else:
            node.kernel.routes[later.destination] = later
        if whole:
            node.sync.wake()
        else:
            node.kernel.announced(Change(ChangeKind.ROUTE, route=later))
        await until(lambda: "10.244.2.0/24" not in node.kernel.held())
        await until(lambda: "10.244.2.0/24" in told(node))

        node.kernel.local.clear()
        node.kernel.routes.pop(later.destination, None)
        node.kernel.announced(Change(ChangeKind.ROUTE, removed=True, route=later))
        await until(lambda: "10.244.2.0/24" in node.kernel.held())
        await until(lambda: not told(node))


async def test_claim_is_withdrawn_when_a_node_comes_to_be_there(node: RoutingNode) -> None:
    publish(node.cluster.nodes, worker(2))
    async with node.running():
        await until(lambda: "10.244.2.0/24" in node.kernel.held())

        publish(node.cluster.nodes, worker(3, ip="10.244.2.9"))
        await until(lambda: "10.244.2.0/24" not in node.kernel.held())

        await gone(node, "k8s-w3")
        await until(lambda: "10.244.2.0/24" in node.kernel.held())


async def test_network_around_a_cidr_does_not_hinder_it(node: RoutingNode) -> None:
    """Nodes in one large network, with pods out of it: the more specific route leads to them."""
    node.kernel.has("10.0.0.0/8")
    publish(node.cluster.nodes, worker(1))

    await node.pass_all()

    assert node.kernel.held()["10.244.1.0/24"] == (ETH1, "192.168.10.101")


async def test_way_of_a_user_by_a_pod_does_not_hinder_the_pod_or_its_cidr(
    node: RoutingNode,
) -> None:
    node.table.put(endpoint(7, ifindex=17))
    node.kernel.has("10.244.0.7/32", device="lxc7", index=17)
    node.kernel.has("10.99.0.0/16", via="10.244.0.7", device="lxc7", index=17)
    publish(node.cluster.nodes, cilium_node(NODE, str(NODE_IP), "10.244.0.0/24"))

    await node.pass_all()

    assert told(node) == {}


@pytest.mark.parametrize("own", [True, False], ids=["of this node", "of another"])
async def test_address_of_a_node_is_never_routed_as_a_pods(
    node: RoutingNode, *, own: bool
) -> None:
    publish(node.cluster.nodes, worker(1))
    publish(node.cluster.nodes, worker(2))
    if own:
        node.table.put(endpoint(7, ifindex=17, addresses=(ip_address("192.168.10.101"),)))
        node.kernel.has("192.168.10.101/32", device="lxc7", index=17)
    else:
        publish(
            node.cluster.endpoints,
            cilium_endpoint("bad", "192.168.10.101", node="192.168.10.102"),
        )
    await node.pass_touched()
    await node.feature._reachability.ask()
    assert not await node.sync.run_once()

    assert node.kernel.held().keys() == {"10.244.1.0/24", "10.244.2.0/24"}
    claimant = "a pod of this node" if own else "a CiliumEndpoint on node 192.168.10.102"
    assert f"192.168.10.101/32 of {claimant} is not" in told(node)["192.168.10.101/32"]


async def test_address_that_no_pod_can_have_is_not_routed_to_a_displaced_pod(
    node: RoutingNode,
) -> None:
    """The cloud's metadata service would be somebody's pod."""
    publish(node.cluster.nodes, worker(2))
    publish(
        node.cluster.endpoints, cilium_endpoint("bad", "169.254.169.254", node="192.168.10.102")
    )

    await node.feature._reachability.ask()
    assert not await node.sync.run_once()

    assert node.kernel.held().keys() == {"10.244.2.0/24"}
    assert told(node).keys() == {"169.254.169.254/32"}
