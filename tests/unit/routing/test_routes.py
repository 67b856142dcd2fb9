"""`routing/routes.py`: the routes as they should be, asked for one destination or for all."""

from ipaddress import ip_address, ip_network

import pytest
from tests.unit.identity.identity_api import publish
from tests.unit.node.cluster_tables import NODE, NODE_IP, all_listed, cilium_endpoint, cilium_node
from tests.unit.node.endpoint_samples import endpoint
from tests.unit.routing.route_kernel import ETH1, RoutingNode, with_ipv6

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.api.cilium_node import DRAINING_ANNOTATION
from ciliate.net.address import IPNetwork
from ciliate.routing.plan import NOWHERE, NextHop
from ciliate.routing.routes import Routes

W1 = ip_address("192.168.10.101")
W2 = ip_address("192.168.10.102")
OWN = ip_network("10.244.0.0/24")
W3_6 = ip_address("fd00:10::103")


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> RoutingNode:
    """A node of a cluster with two others, each with a CIDR; the kernel has answered."""
    node = RoutingNode(monkeypatch)
    all_listed(node.cluster)
    publish(node.cluster.nodes, cilium_node(NODE, str(NODE_IP), "10.244.0.0/24"))
    publish(node.cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))
    publish(node.cluster.nodes, cilium_node("k8s-w2", str(W2), "10.244.2.0/24"))
    await node.start()
    return node


def routes_of(node: RoutingNode) -> Routes:
    return node.feature._routes


def of(*texts: str) -> set[IPNetwork]:
    return set(map(ip_network, texts))


async def test_every_other_nodes_cidr_and_every_pod_of_ours_has_a_route(node: RoutingNode) -> None:
    node.table.put(endpoint(7, ifindex=17))

    assert dict(routes_of(node)) == {
        OWN: NOWHERE,
        ip_network("10.244.0.7/32"): NextHop(17),
        ip_network("10.244.1.0/24"): NextHop(ETH1, W1),
        ip_network("10.244.2.0/24"): NextHop(ETH1, W2),
    }


async def test_what_is_listed_is_what_is_found_one_by_one(node: RoutingNode) -> None:
    node.table.put(endpoint(7, ifindex=17))
    publish(node.cluster.endpoints, cilium_endpoint("away", "10.244.2.9", node=str(W1)))
    node.feature._reachability.watch([W1])
    routes = routes_of(node)

    listed = list(routes)

    assert len(routes) == len(listed) == len(set(listed)) == 5
    assert all(destination in routes for destination in listed)
    assert routes.get(ip_network("10.99.0.0/24")) is None


async def test_displaced_pod_has_a_route_of_its_own_within_anothers_cidr(
    node: RoutingNode,
) -> None:
    publish(node.cluster.endpoints, cilium_endpoint("away", "10.244.2.9", node=str(W1)))

    assert routes_of(node)[ip_network("10.244.2.9/32")] == NextHop(ETH1, W1)
    assert routes_of(node)[ip_network("10.244.2.0/24")] == NextHop(ETH1, W2)


async def test_pod_of_ours_goes_before_the_endpoint_that_says_otherwise(
    node: RoutingNode,
) -> None:
    publish(node.cluster.endpoints, cilium_endpoint("former", "10.244.0.7", node=str(W1)))

    node.table.put(endpoint(7, ifindex=17))

    assert routes_of(node)[ip_network("10.244.0.7/32")] == NextHop(17)


async def test_pods_of_another_plugin_and_those_on_their_way_out_have_none(
    node: RoutingNode,
) -> None:
    node.table.put(endpoint(7, ifindex=17, chained=True, external_ipam=True))
    node.table.put(endpoint(8, ifindex=18, state=EndpointState.DISCONNECTING))

    assert set(routes_of(node)) == {OWN} | of("10.244.1.0/24", "10.244.2.0/24")


async def test_node_that_cannot_be_reached_directly_is_no_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = RoutingNode(monkeypatch)
    node.kernel.unreachable.add(str(W1))
    node.kernel.gateways[str(W2)] = "192.168.10.200"
    publish(node.cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))
    publish(node.cluster.nodes, cilium_node("k8s-w2", str(W2), "10.244.2.0/24"))
    await node.start()

    assert dict(routes_of(node)) == {}


async def test_without_routes_to_nodes_only_pods_of_ours_have_routes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = RoutingNode(monkeypatch, **{"auto-direct-node-routes": "false"})
    publish(node.cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))
    lost = cilium_endpoint("lost", "10.244.9.9", ipv6="fd00::9", node="192.168.10.109")
    publish(node.cluster.endpoints, lost)
    node.table.put(endpoint(7, ifindex=17))
    await node.start()
    old = NextHop(ETH1, W1)
    routes_of(node).note_kernel(dict.fromkeys(of("fd00::/64", "10.244.1.0/24"), old))

    assert set(routes_of(node)) == of("10.244.0.7/32")
    assert ip_network("10.244.1.0/24") not in routes_of(node)


async def test_way_that_is_not_decided_is_what_the_kernel_has(node: RoutingNode) -> None:
    """A node was never asked about: that is no reason to change its routes."""
    old = NextHop(ETH1, W1)
    routes_of(node).note_kernel({ip_network("10.244.3.0/24"): old})

    publish(node.cluster.nodes, cilium_node("k8s-w3", "192.168.10.103", "10.244.3.0/24"))
    assert not routes_of(node).is_decided(ip_network("10.244.3.0/24"))
    assert routes_of(node)[ip_network("10.244.3.0/24")] == old

    await node.feature._reachability.ask()
    assert routes_of(node).is_decided(ip_network("10.244.3.0/24"))
    new = NextHop(ETH1, ip_address("192.168.10.103"))
    assert routes_of(node)[ip_network("10.244.3.0/24")] == new


async def test_kernels_route_holds_while_an_unresolved_pod_lives_in_it(node: RoutingNode) -> None:
    inside, outside = ip_network("fd00:10:9::/64"), ip_network("fd00:10:8::/64")
    hop = NextHop(ETH1, ip_address("fd00:10::109"))
    published = cilium_endpoint("lost", "10.244.9.7", ipv6="fd00:10:9::7", node="192.168.10.109")
    publish(node.cluster.endpoints, published)

    routes_of(node).note_kernel({inside: hop, outside: hop})

    assert routes_of(node).remembered == {inside}
    assert routes_of(node)[inside] == hop
    assert inside in set(routes_of(node))
    assert outside not in routes_of(node)


async def test_kernels_route_is_touched_when_an_unresolved_pod_in_it_comes(
    node: RoutingNode,
) -> None:
    inside = ip_network("fd00:10:9::/64")
    routes_of(node).note_kernel({inside: NextHop(ETH1, ip_address("fd00:10::109"))})

    lost = cilium_endpoint("lost", "10.244.9.7", ipv6="fd00:10:9::7", node="192.168.10.109")
    publish(node.cluster.endpoints, lost)

    assert inside in node.sync._touched


async def test_cidr_that_a_node_claims_leads_there_though_unresolved_pods_live_in_it(
    node: RoutingNode,
) -> None:
    cidr = ip_network("fd00:10:9::/64")
    lost = cilium_endpoint("lost", "10.244.9.7", ipv6="fd00:10:9::7", node="192.168.10.109")
    publish(node.cluster.endpoints, lost)
    routes_of(node).note_kernel({cidr: NextHop(ETH1, ip_address("fd00:10::109"))})

    claiming = with_ipv6(cilium_node("k8s-w3", "192.168.10.103", str(cidr)), W3_6)
    publish(node.cluster.nodes, claiming)
    await node.feature._reachability.ask()

    assert routes_of(node).remembered == {cidr}
    assert routes_of(node)[cidr] == NextHop(ETH1, W3_6)


async def test_pod_that_has_the_first_address_of_a_cidr_does_not_take_the_others_with_it(
    node: RoutingNode,
) -> None:
    node.table.put(endpoint(7, ifindex=17, addresses=(ip_address("10.244.1.0"),)))
    publish(node.cluster.endpoints, cilium_endpoint("away", "10.244.2.0", node=str(W1)))

    assert dict(routes_of(node)) == {
        OWN: NOWHERE,
        ip_network("10.244.1.0/32"): NextHop(17),
        ip_network("10.244.2.0/32"): NextHop(ETH1, W1),
        ip_network("10.244.1.0/24"): NextHop(ETH1, W1),
        ip_network("10.244.2.0/24"): NextHop(ETH1, W2),
    }


async def test_routes_without_a_gateway_are_not_remembered(node: RoutingNode) -> None:
    """They lead to pods of this node, and go with them."""
    published = cilium_endpoint("lost", "10.244.9.7", ipv6="fd00:10:9::7", node="192.168.10.109")
    publish(node.cluster.endpoints, published)

    routes_of(node).note_kernel({ip_network("fd00:10:9::7/128"): NextHop(17)})

    assert routes_of(node).remembered == frozenset()


@pytest.mark.parametrize("to_nodes", ["true", "false"])
async def test_rest_of_this_nodes_cidrs_leads_nowhere_current_and_draining_ones(
    monkeypatch: pytest.MonkeyPatch, to_nodes: str
) -> None:
    node = RoutingNode(monkeypatch, **{"auto-direct-node-routes": to_nodes})
    await node.start()
    own = cilium_node(NODE, str(NODE_IP), "10.244.0.0/24", "fd00:10:0::/64")
    own.metadata.annotations[DRAINING_ANNOTATION] = "10.244.9.0/24,fd00:10:9::/64"
    publish(node.cluster.nodes, own)

    nowhere = of("10.244.0.0/24", "fd00:10:0::/64", "10.244.9.0/24", "fd00:10:9::/64")
    assert dict(routes_of(node)) == dict.fromkeys(nowhere, NOWHERE)

    publish(node.cluster.nodes, cilium_node(NODE, str(NODE_IP), "172.20.0.0/24"))
    assert dict(routes_of(node)) == {ip_network("172.20.0.0/24"): NOWHERE}


async def test_draining_cidr_leads_to_the_node_that_has_it_now(node: RoutingNode) -> None:
    own = cilium_node(NODE, str(NODE_IP), "172.20.0.0/24")
    own.metadata.annotations[DRAINING_ANNOTATION] = "10.244.1.0/24"

    publish(node.cluster.nodes, own)

    assert routes_of(node)[ip_network("10.244.1.0/24")] == NextHop(ETH1, W1)
    assert routes_of(node)[ip_network("172.20.0.0/24")] == NOWHERE


async def test_pod_here_goes_before_the_rest_of_its_cidr(node: RoutingNode) -> None:
    publish(node.cluster.nodes, cilium_node(NODE, str(NODE_IP), "10.244.0.7/32"))
    assert routes_of(node)[ip_network("10.244.0.7/32")] == NOWHERE

    node.table.put(endpoint(7, ifindex=17))

    assert routes_of(node)[ip_network("10.244.0.7/32")] == NextHop(17)


@pytest.mark.parametrize(
    "settings",
    [
        {"cni-chaining-mode": "generic-veth", "cni-chaining-target": "net"},
        {"ipam": "delegated-plugin", "custom-cni-conf": "true", "local-router-ipv4": "10.9.0.1"},
    ],
)
async def test_where_another_plugin_attaches_pods_nothing_is_said_of_the_rest(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    node = RoutingNode(monkeypatch, **settings)
    await node.start()
    publish(node.cluster.nodes, cilium_node(NODE, str(NODE_IP), "10.244.0.0/24"))

    assert dict(routes_of(node)) == {}
