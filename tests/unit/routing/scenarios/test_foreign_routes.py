"""Routes of others that come and go: they cost nothing, unless the way to nodes is among them."""

from ipaddress import ip_address, ip_network

import pytest
from tests.unit.identity.identity_api import publish
from tests.unit.node.cluster_tables import all_listed
from tests.unit.routing.route_kernel import ETH1, RoutingNode, worker

from ciliate.net.link import Route, RouteProtocol
from ciliate.netlink.monitor import Change, ChangeKind

W1, FAR = "192.168.10.101", "172.16.0.5"


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> RoutingNode:
    """A node that routes to two others, of which one is in another network."""
    node = RoutingNode(monkeypatch)
    all_listed(node.cluster)
    publish(node.cluster.nodes, worker(1))
    publish(node.cluster.nodes, worker(2, ip=FAR))
    await node.start()
    await node.pass_all()
    node.kernel.asked.clear()
    node.sync._is_walk_due = False
    return node


def change(prefix: str, *, removed: bool = False) -> Change:
    """Return what the monitor tells when a routing daemon writes a route."""
    via = ip_address("192.168.10.200")
    route = Route(ip_network(prefix), ETH1, via, protocol=RouteProtocol.STATIC)
    return Change(ChangeKind.ROUTE, removed=removed, route=route)


async def test_route_to_somewhere_else_costs_no_question_and_no_walk(node: RoutingNode) -> None:
    """A routing daemon may write a hundred a second."""
    for removed in (False, True):
        node.kernel.announced(change("10.77.0.0/24", removed=removed))
    await node.pass_touched()

    assert node.kernel.asked == []
    assert not node.sync._is_walk_due


@pytest.mark.parametrize(
    ("prefix", "asked"),
    [("172.16.0.0/16", {FAR}), ("192.168.10.0/24", {W1}), ("0.0.0.0/0", {W1, FAR})],
)
async def test_route_on_the_way_to_nodes_has_the_kernel_asked_about_those(
    node: RoutingNode, prefix: str, asked: set[str]
) -> None:
    node.kernel.announced(change(prefix))
    await node.pass_touched()

    assert set(node.kernel.asked) == asked
    assert node.sync._is_walk_due, "a link that went down took our routes with it, unannounced"
