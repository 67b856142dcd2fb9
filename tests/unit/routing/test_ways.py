"""`routing/ways.py`: routes of a node whose pods reach others through the tunnel."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from tests.unit.identity.identity_api import publish
from tests.unit.node.cluster_tables import (
    NODE,
    NODE_IP,
    all_listed,
    cilium_endpoint,
    cilium_node,
)
from tests.unit.routing.route_kernel import ETH1, ROUTER, RoutingNode, with_ipv6

from ciliate.api.cilium_node import CiliumNode
from ciliate.net.link import Link, LinkFlag, RouteKind
from ciliate.net.router_device import RouterDevice
from ciliate.node.devices import NodeDevices
from ciliate.routing.plan import NOWHERE, NextHop

ROUTER_4, ROUTER_6 = ip_address("10.244.0.31"), ip_address("fd00:244::31")
TUNNEL = {"routing-mode": "tunnel", "auto-direct-node-routes": "false", "enable-ipv6": "true"}
W1, W1_6 = ip_address("192.168.10.101"), ip_address("fd00:10::101")
CIDR_4, CIDR_6 = ip_network("10.244.1.0/24"), ip_network("fd00:244:1::/120")


def devices(mtu: int) -> NodeDevices:
    return NodeDevices((Link(ETH1, "eth1", LinkFlag.UP, mtu),), ())


def worker(*cidrs: str, tunnel: str = "vxlan:8472") -> CiliumNode:
    return cilium_node("k8s-w1", str(W1), *cidrs, tunnel=tunnel)


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> RoutingNode:
    """A node of a cluster with another one, with CIDRs of both families."""
    node = RoutingNode(monkeypatch, **TUNNEL)
    node.devices.current = devices(1500)
    all_listed(node.cluster)
    publish(node.cluster.nodes, cilium_node(NODE, str(NODE_IP), "10.244.0.0/24"))
    publish(node.cluster.nodes, worker(str(CIDR_4), str(CIDR_6)))
    await node.start()
    node._context.own_links.note_router(RouterDevice(ROUTER, (ROUTER_4, ROUTER_6)))
    return node


async def test_routes_lead_to_the_router_which_sends_what_fits_the_tunnel(
    node: RoutingNode,
) -> None:
    assert dict(node.feature._routes) == {
        ip_network("10.244.0.0/24"): NOWHERE,
        ip_network("10.244.0.31/32"): NextHop(ROUTER),
        CIDR_4: NextHop(ROUTER, ROUTER_4, source=ROUTER_4, mtu=1450),
        CIDR_6: NextHop(ROUTER, None, source=ROUTER_6, mtu=1450),
    }


async def test_they_are_written_and_known_as_ours_by_the_next_agent(node: RoutingNode) -> None:
    await node.pass_all()
    written = set(node.kernel.held())
    await node.restart()
    node._context.own_links.note_router(RouterDevice(ROUTER, (ROUTER_4, ROUTER_6)))
    publish(node.cluster.nodes, worker("10.244.9.0/24"))
    node.kernel.written.clear()

    await node.pass_all()

    assert written == {"10.244.0.0/24", "10.244.0.31/32", str(CIDR_4), str(CIDR_6)}
    assert sorted(node.kernel.written) == [
        "put 10.244.9.0/24",
        f"remove {CIDR_4}",
        f"remove {CIDR_6}",
    ]


async def test_route_of_the_other_mode_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    node = RoutingNode(monkeypatch, **TUNNEL)
    node.devices.current = devices(1500)
    all_listed(node.cluster)
    publish(node.cluster.nodes, worker(str(CIDR_4)))
    node.kernel.has(str(CIDR_4), via="192.168.10.101")
    await node.start()
    node._context.own_links.note_router(RouterDevice(ROUTER, (ROUTER_4,)))

    await node.pass_all()

    assert node.kernel.held()[str(CIDR_4)] == (ROUTER, str(ROUTER_4))


async def test_smaller_mtu_of_a_device_and_another_router_address_reach_the_routes(
    node: RoutingNode,
) -> None:
    await node.pass_all()
    other = ip_address("10.244.0.77")
    node.devices.current = devices(1400)
    node._context.own_links.note_router(RouterDevice(ROUTER, (other, ROUTER_6)))

    await node.pass_all()

    route = node.kernel.routes[CIDR_4]
    assert (route.gateway, route.source, route.mtu) == (other, other, 1350)
    assert ip_network("10.244.0.31/32") not in node.kernel.routes


async def test_pod_elsewhere_than_its_cidr_says_has_a_route_through_the_tunnel(
    node: RoutingNode,
) -> None:
    pod = cilium_endpoint("away", "10.244.0.9", ipv6="fd00:244::9")
    publish(node.cluster.endpoints, pod)

    routes = node.feature._routes

    by_tunnel = NextHop(ROUTER, ROUTER_4, source=ROUTER_4, mtu=1450)
    assert routes[ip_network("10.244.0.9/32")] == by_tunnel
    assert routes[ip_network("fd00:244::9/128")] == replace(
        by_tunnel, gateway=None, source=ROUTER_6
    )


async def test_no_route_leads_to_a_router_that_is_not_made_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = RoutingNode(monkeypatch, **TUNNEL)
    all_listed(node.cluster)
    publish(node.cluster.nodes, worker(str(CIDR_4)))
    await node.start()

    assert CIDR_4 not in node.feature._routes


async def test_others_route_to_the_routers_address_is_left_alone(node: RoutingNode) -> None:
    node.kernel.has("10.244.0.31/32", device="eth1")

    assert await node.sync.run_once() is False

    assert node.kernel.routes[ip_network("10.244.0.31/32")].link_index == ETH1
    assert "another route stands there" in node.sync.status.last_failure
    assert node.kernel.routes[CIDR_4].kind is RouteKind.UNICAST


@pytest.mark.parametrize("tunnel", ["", "geneve:6081", "vxlan:4789"])
async def test_node_that_takes_nothing_out_of_this_tunnel_is_reached_directly(
    node: RoutingNode, tunnel: str
) -> None:
    await node.pass_all()

    both = worker(str(CIDR_4), str(CIDR_6), tunnel=tunnel)
    publish(node.cluster.nodes, with_ipv6(both, W1_6))
    await node.pass_all()
    directly = tuple(node.kernel.held()[str(cidr)] for cidr in (CIDR_4, CIDR_6))
    publish(node.cluster.nodes, worker(str(CIDR_4)))
    await node.pass_all()

    assert directly == ((ETH1, str(W1)), (ETH1, str(W1_6)))
    assert node.kernel.held()[str(CIDR_4)] == (ROUTER, str(ROUTER_4))
