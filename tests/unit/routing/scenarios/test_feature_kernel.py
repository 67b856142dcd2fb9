"""`routing/feature.py`: what the kernel is asked, what it announces, and what is said of it."""

import logging
from ipaddress import ip_address, ip_network

import pytest
from tests.unit.identity.identity_api import publish, withdraw
from tests.unit.node.cluster_tables import NODE, NODE_IP, all_listed, cilium_endpoint, cilium_node
from tests.unit.reconcile.memory_target import until
from tests.unit.routing.route_kernel import ETH1, RoutingNode, worker

from ciliate.net.link import Route, RouteProtocol
from ciliate.netlink.monitor import Change, ChangeKind
from ciliate.node.devices import NodeDevices


async def test_kernel_is_not_asked_about_this_node(node: RoutingNode) -> None:
    publish(node.cluster.nodes, cilium_node(NODE, str(NODE_IP), "10.244.0.0/24"))

    await node.pass_all()

    assert node.kernel.asked == []


async def test_kernel_is_not_asked_where_other_nodes_get_no_routes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = RoutingNode(monkeypatch, **{"auto-direct-node-routes": "false"})
    all_listed(node.cluster)
    publish(node.cluster.nodes, worker(1))

    await node.start()

    assert node.kernel.asked == []


async def test_kernel_is_asked_once_until_something_changed_in_it(node: RoutingNode) -> None:
    node.kernel.unreachable.add("192.168.10.102")
    publish(node.cluster.nodes, worker(1))
    publish(node.cluster.nodes, worker(2))

    for _ in range(3):
        await node.pass_all()
    assert sorted(node.kernel.asked) == ["192.168.10.101", "192.168.10.102"]
    assert node.kernel.held().keys() == {"10.244.1.0/24"}

    node.kernel.unreachable.clear()
    node.devices._listeners(node.devices.current, NodeDevices((), (NODE_IP,)))
    await node.pass_touched()
    assert len(node.kernel.asked) == 4
    assert node.kernel.held().keys() == {"10.244.1.0/24", "10.244.2.0/24"}


async def test_routes_of_ours_that_the_monitor_announces_cause_no_walk(node: RoutingNode) -> None:
    async with node.running():
        await until(lambda: node.kernel.observes == 1)
        for number in (1, 2, 3):
            publish(node.cluster.nodes, worker(number))
            await until(lambda: len(node.kernel.routes) == number)  # noqa: B023 - awaited here.

    assert node.kernel.observes == 1
    assert len(node.kernel.asked) == 3


async def test_removals_of_ours_that_the_monitor_announces_cause_no_walk(
    node: RoutingNode,
) -> None:
    publish(node.cluster.nodes, worker(1))
    await node.pass_all()

    publish(node.cluster.nodes, worker(1, "10.244.8.0/24"))
    await node.pass_touched()

    assert node.kernel.held().keys() == {"10.244.8.0/24"}
    assert not node.sync._is_walk_due


async def test_route_that_somebody_deletes_comes_back(node: RoutingNode) -> None:
    publish(node.cluster.nodes, worker(1))
    async with node.running():
        await until(lambda: node.kernel.held().keys() == {"10.244.1.0/24"})

        node.kernel.loses("10.244.1.0/24")
        await until(lambda: node.kernel.held() == {"10.244.1.0/24": (ETH1, "192.168.10.101")})


async def test_route_that_somebody_puts_in_place_of_ours_stays_and_is_told(
    node: RoutingNode,
) -> None:
    """Whoever types `ip route replace` means it; no number in a route says that it is ours."""
    publish(node.cluster.nodes, worker(1))
    async with node.running():
        await until(lambda: node.kernel.held().keys() == {"10.244.1.0/24"})

        node.kernel.has("10.244.1.0/24", via="192.168.10.66")
        redirected = node.kernel.routes[ip_network("10.244.1.0/24")]
        node.kernel.announced(Change(ChangeKind.ROUTE, route=redirected))
        await until(lambda: node.sync.status.failing_keys)
        assert node.kernel.held() == {"10.244.1.0/24": (ETH1, "192.168.10.66")}
        said = node.sync.status.failing_keys["10.244.1.0/24"].message
        assert "10.244.1.0/24 via 192.168.10.66 dev eth1 proto kernel: remove it" in said

        node.kernel.loses("10.244.1.0/24")
        await until(lambda: node.kernel.held() == {"10.244.1.0/24": (ETH1, "192.168.10.101")})
        await until(lambda: not node.sync.status.failing_keys)


async def test_monitor_that_lost_announcements_causes_a_walk(node: RoutingNode) -> None:
    publish(node.cluster.nodes, worker(1))
    async with node.running():
        await until(lambda: node.kernel.held().keys() == {"10.244.1.0/24"})

        node.kernel.routes.clear()
        node.kernel.announced(Change(ChangeKind.RESYNC))
        await until(lambda: node.kernel.held().keys() == {"10.244.1.0/24"})


async def test_route_of_somebody_else_may_change_how_a_node_is_reached(node: RoutingNode) -> None:
    publish(node.cluster.nodes, worker(1))
    await node.pass_all()

    node.kernel.gateways["192.168.10.101"] = "192.168.10.200"
    static = Route(
        ip_network("192.168.10.96/28"),
        ETH1,
        ip_address("192.168.10.200"),
        protocol=RouteProtocol.STATIC,
    )
    node.kernel.announced(Change(ChangeKind.ROUTE, route=static))
    await node.pass_touched()

    assert node.kernel.held() == {}


async def test_way_to_displaced_pods_of_a_node_without_a_cilium_node_is_asked_for_anew(
    node: RoutingNode,
) -> None:
    publish(node.cluster.endpoints, cilium_endpoint("lost", "10.244.9.7", node="192.168.10.109"))
    await node.pass_all()
    assert node.kernel.held().keys() == {"10.244.9.7/32"}

    node.kernel.unreachable.add("192.168.10.109")
    node.devices._listeners(node.devices.current, NodeDevices((), (NODE_IP,)))
    await node.pass_touched()

    assert node.kernel.held() == {}


async def test_why_an_address_is_not_reached_is_said_once_though_two_nodes_have_it(
    node: RoutingNode, caplog: pytest.LogCaptureFixture
) -> None:
    node.kernel.unreachable.add("192.168.10.101")
    publish(node.cluster.nodes, worker(1, ip="192.168.10.101"))
    publish(node.cluster.nodes, worker(2, ip="192.168.10.101"))

    await node.pass_all()

    messages = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert len(messages) == 1


async def test_why_a_node_has_no_routes_is_said_once_and_again_when_it_changes(
    node: RoutingNode, caplog: pytest.LogCaptureFixture
) -> None:
    node.kernel.gateways["192.168.10.101"] = "192.168.10.200"
    publish(node.cluster.nodes, worker(1))
    for _ in range(3):
        node.feature._reachability.ask_anew()
        await node.pass_all()

    messages = [record for record in caplog.records if "k8s-w1" in record.getMessage()]
    assert [record.levelno for record in messages] == [logging.ERROR]
    assert "contains gateway 192.168.10.200" in messages[0].getMessage()

    node.kernel.unreachable.add("192.168.10.101")
    node.feature._reachability.ask_anew()
    await node.pass_all()
    assert "192.168.10.101 does not exist" in caplog.records[-1].getMessage()


async def test_skipping_unreachable_nodes_is_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    node = RoutingNode(monkeypatch, **{"direct-routing-skip-unreachable": "true"})
    all_listed(node.cluster)
    node.kernel.unreachable.add("192.168.10.101")
    publish(node.cluster.nodes, worker(1))

    with caplog.at_level(logging.INFO):
        await node.start()

    levels = {r.levelno for r in caplog.records if "k8s-w1" in r.getMessage()}
    assert levels == {logging.INFO}


async def test_nothing_is_kept_of_why_an_address_was_not_reached_when_its_node_has_gone(
    node: RoutingNode,
) -> None:
    node.kernel.unreachable.add("192.168.10.101")
    publish(node.cluster.nodes, worker(1))
    await node.pass_all()
    assert len(node.feature._unreachable) == 1

    withdraw(node.cluster.nodes, "k8s-w1")
    await node.cluster.known_nodes._forget_deleted()

    assert node.feature._unreachable == {}


async def test_multicast_route_that_comes_with_an_interface_is_no_reason_to_ask(
    node: RoutingNode,
) -> None:
    publish(node.cluster.nodes, worker(1))
    await node.pass_all()

    node.kernel.announced(Change(ChangeKind.ROUTE, route=Route(ip_network("ff00::/8"), ETH1)))

    assert not node.sync._is_walk_due
    assert not node.feature._reachability._unasked
