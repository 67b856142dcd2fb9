"""`routing/feature.py`: which routes of the kernel are ours to keep, and what changes them."""

from ipaddress import ip_address, ip_network

import pytest
from msgspec.structs import replace
from tests.unit.identity.identity_api import publish, withdraw
from tests.unit.node.cluster_tables import NODE, NODE_IP, cilium_endpoint, cilium_node
from tests.unit.node.endpoint_samples import endpoint
from tests.unit.reconcile.memory_target import until
from tests.unit.routing.route_kernel import ETH1, RoutingNode, worker

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.api.cilium_node import DRAINING_ANNOTATION
from ciliate.net.link import Route, RouteKind, RouteProtocol
from ciliate.netlink.monitor import Change, ChangeKind
from ciliate.node.devices import NodeDevices


@pytest.mark.parametrize("listed", ["nothing", "nodes", "endpoints"])
async def test_nothing_is_touched_before_both_watches_have_listed(
    monkeypatch: pytest.MonkeyPatch, listed: str
) -> None:
    """Routes to displaced pods are known by the endpoints alone."""
    node = RoutingNode(monkeypatch)
    if listed != "nothing":
        getattr(node.cluster, listed)._synced.set()
    node.kernel.has("10.244.9.7/32", via="192.168.10.109")
    await node.start()

    await node.pass_all()

    assert node.kernel.held().keys() == {"10.244.9.7/32"}


async def test_route_of_a_pod_whose_endpoint_is_not_known_yet_stays(node: RoutingNode) -> None:
    """Its ADD is under way: the interface comes first, the endpoint is known after."""
    node.kernel.has("10.244.0.7/32", device="lxc7", index=17)

    await node.pass_all()

    assert node.kernel.held() == {"10.244.0.7/32": (17, "")}


async def test_lost_route_of_a_pod_comes_back_and_a_wrong_one_is_corrected(
    node: RoutingNode,
) -> None:
    node.table.put(endpoint(1, ifindex=11))
    node.table.put(endpoint(2, ifindex=12))
    node.kernel.has("10.244.0.2/32", device="lxcold", index=99)

    await node.pass_all()

    assert node.kernel.held() == {"10.244.0.1/32": (11, ""), "10.244.0.2/32": (12, "")}


async def test_route_of_a_pod_comes_with_its_endpoint_and_goes_with_its_interface(
    node: RoutingNode,
) -> None:
    """Without it, packets to the pod would leave by the default route until the interface goes."""
    await node.pass_all()

    node.table.put(endpoint(1, ifindex=11))
    await node.pass_touched()
    assert node.kernel.held() == {"10.244.0.1/32": (11, "")}

    node.table.put(endpoint(1, ifindex=11, state=EndpointState.DISCONNECTING))
    assert node.sync._touched == set()
    await node.pass_all()
    assert node.kernel.held() == {"10.244.0.1/32": (11, "")}


async def test_way_to_a_pod_elsewhere_is_removed_and_not_the_route_of_a_pod_that_has_its_address(
    node: RoutingNode,
) -> None:
    """The route of a pod that is being attached stands before its endpoint is known."""
    await node.pass_all()
    publish(node.cluster.endpoints, cilium_endpoint("old", "10.244.0.9"))
    await node.pass_touched()
    await node.pass_touched()
    assert node.kernel.held().keys() == {"10.244.0.9/32"}

    withdraw(node.cluster.endpoints, "old", "default")
    node.kernel.has("10.244.0.9/32", device="lxc9", index=19)
    await node.pass_touched()

    assert node.kernel.held() == {"10.244.0.9/32": (19, "")}


async def test_change_of_a_pods_identity_touches_no_route(node: RoutingNode) -> None:
    node.table.put(endpoint(1, ifindex=11))
    await node.pass_all()
    node.kernel.written.clear()

    node.table.put(endpoint(1, ifindex=11, identity=9000))
    await node.pass_touched()

    assert node.kernel.written == []


async def test_kernel_remembers_the_way_to_pods_of_a_node_without_a_cilium_node(
    node: RoutingNode,
) -> None:
    """A CiliumNode was deleted while no agent ran; its pods name its IPv4 address alone."""
    node.kernel.has("10.244.1.0/24", via="192.168.10.101")
    node.kernel.has("fd00:10:1::/64", via="fd00:10::101")
    node.kernel.has("fd00:10:2::/64", via="fd00:10::102")
    publish(
        node.cluster.endpoints,
        cilium_endpoint("web", "10.244.1.7", ipv6="fd00:10:1::7", node="192.168.10.101"),
    )

    await node.pass_all()

    assert node.kernel.held() == {
        "10.244.1.7/32": (ETH1, "192.168.10.101"),
        "fd00:10:1::/64": (ETH1, "fd00:10::101"),
    }

    withdraw(node.cluster.endpoints, "web", "default")
    await node.pass_touched()
    assert node.kernel.held() == {}


async def test_pod_of_another_plugin_gets_no_route_of_ours(node: RoutingNode) -> None:
    node.table.put(endpoint(1, host_name="veth1", external_ipam=True, chained=True))

    await node.pass_all()

    assert node.kernel.held() == {}


async def test_route_of_another_plugin_to_its_pod_is_not_ours(node: RoutingNode) -> None:
    node.table.put(endpoint(1, external_ipam=True, chained=True))
    node.kernel.has("10.244.0.1/32", device="lxc1", index=12)

    assert await node.sync._target.observe() == {}


async def test_pod_on_its_way_out_gets_no_route_again(node: RoutingNode) -> None:
    node.table.put(endpoint(1, state=EndpointState.DISCONNECTING))

    await node.pass_all()

    assert node.kernel.held() == {}


async def test_routes_to_other_nodes_come_and_go(node: RoutingNode) -> None:
    publish(node.cluster.nodes, worker(1))
    node.kernel.has("10.244.9.0/24", via="192.168.10.109")

    await node.pass_all()
    assert node.kernel.held() == {"10.244.1.0/24": (ETH1, "192.168.10.101")}

    publish(node.cluster.nodes, worker(1, "10.244.8.0/24"))
    await node.pass_touched()
    assert node.kernel.held() == {"10.244.8.0/24": (ETH1, "192.168.10.101")}


async def test_routes_that_are_not_ours_stay(node: RoutingNode) -> None:
    node.kernel.has("0.0.0.0/0", via="10.0.2.2")
    node.kernel.has("192.168.10.0/24")
    static = Route(
        ip_network("10.10.0.0/16"),
        ETH1,
        ip_address("192.168.10.200"),
        protocol=RouteProtocol.STATIC,
    )
    node.kernel.routes[static.destination] = static
    before = dict(node.kernel.held())

    await node.pass_all()

    assert node.kernel.held() == before


async def test_routes_stay_when_an_address_changes_while_the_kernel_is_read(
    node: RoutingNode,
) -> None:
    """What leads to the nodes is asked anew then; not knowing it is no reason to remove."""
    publish(node.cluster.nodes, worker(1))
    await node.pass_all()
    node.kernel.written.clear()

    def address_changes() -> None:
        node.devices._listeners(node.devices.current, NodeDevices((), (NODE_IP,)))

    node.kernel.while_observing = address_changes
    await node.pass_all()

    assert node.kernel.written == []


async def test_nodes_that_come_while_the_kernel_is_read_and_asked_have_routes_at_once(
    node: RoutingNode,
) -> None:
    """Else a cluster that grows node by node would have none before it ceases to grow."""
    publish(node.cluster.nodes, worker(1))
    node.kernel.has("10.244.2.0/24", via="192.168.10.102")
    coming = [worker(4), worker(3)]

    def next_comes() -> None:
        if coming:
            node.feature._reachability.ask_anew()
            publish(node.cluster.nodes, coming.pop())

    newcomer = worker(2)
    node.kernel.while_observing = lambda: publish(node.cluster.nodes, newcomer)
    node.kernel.while_asking = next_comes
    await node.pass_all()
    await node.pass_touched()

    assert node.kernel.held().keys() == {f"10.244.{n}.0/24" for n in (1, 2, 3, 4)}
    assert "remove 10.244.2.0/24" not in node.kernel.written, "its route is no leftover"


@pytest.mark.parametrize("other", ["k8s-a", "k8s-w1"])
@pytest.mark.parametrize("whole", [True, False], ids=["walk", "touched"])
async def test_cidr_with_another_nodes_pods_becomes_ours_and_their_routes_come_first(
    node: RoutingNode, other: str, *, whole: bool
) -> None:
    """Kubernetes gives this node the CIDR in which pods of another one live.

    The other one still claims it, and has a name before ours, or behind.
    """
    publish(node.cluster.nodes, cilium_node(other, "192.168.10.101", "10.244.0.0/24"))
    publish(node.cluster.endpoints, cilium_endpoint("old", "10.244.0.9"))
    await node.pass_all()
    assert node.kernel.held().keys() == {"10.244.0.0/24"}
    node.kernel.written.clear()

    publish(node.cluster.nodes, cilium_node(NODE, str(NODE_IP), "10.244.0.0/24"))
    await (node.pass_all() if whole else node.pass_touched())

    assert node.kernel.written == ["put 10.244.0.9/32", "put 10.244.0.0/24"]
    assert node.kernel.routes[ip_network("10.244.0.0/24")].kind is RouteKind.UNREACHABLE


async def test_node_that_changes_its_internal_ip_keeps_its_routes_until_the_kernel_answered(
    node: RoutingNode,
) -> None:
    publish(node.cluster.nodes, worker(1))
    await node.pass_all()
    node.kernel.written.clear()

    publish(node.cluster.nodes, worker(1, ip="192.168.10.151"))
    await node.sync._apply(node.sync._touched)
    await node.sync.run_once()
    assert node.kernel.written == []

    await node.pass_touched()
    assert node.kernel.written == ["put 10.244.1.0/24"]
    assert node.kernel.held() == {"10.244.1.0/24": (ETH1, "192.168.10.151")}


async def test_node_that_takes_over_an_internal_ip_that_is_answered_is_routed_there_at_once(
    node: RoutingNode,
) -> None:
    """Two machines change places: the kernel has nothing new to say of either address."""
    publish(node.cluster.nodes, worker(1))
    publish(node.cluster.nodes, worker(2))
    await node.pass_all()

    publish(node.cluster.nodes, worker(1, ip="192.168.10.102"))
    publish(node.cluster.nodes, worker(2, ip="192.168.10.101"))
    await node.pass_touched()

    assert node.kernel.held() == {
        "10.244.1.0/24": (ETH1, "192.168.10.102"),
        "10.244.2.0/24": (ETH1, "192.168.10.101"),
    }


async def test_cidr_that_drains_is_routed_though_its_node_has_no_other(node: RoutingNode) -> None:
    await node.pass_all()
    draining = worker(1)
    draining.metadata.annotations[DRAINING_ANNOTATION] = "10.244.9.0/24"
    spec = replace(draining.spec, ipam=replace(draining.spec.ipam, pod_cidrs=()))

    publish(node.cluster.nodes, replace(draining, spec=spec))
    await node.pass_touched()

    assert node.kernel.held() == {"10.244.9.0/24": (ETH1, "192.168.10.101")}


async def test_nodes_that_have_one_internal_ip_both_have_their_routes_once_it_is_answered(
    node: RoutingNode,
) -> None:
    """A node was made anew under another name, and the former object is still there."""
    await node.pass_all()

    publish(node.cluster.nodes, worker(1, ip="192.168.10.101"))
    publish(node.cluster.nodes, worker(2, ip="192.168.10.101"))
    await node.pass_touched()

    assert node.kernel.held().keys() == {"10.244.1.0/24", "10.244.2.0/24"}


async def test_change_of_a_nodes_labels_touches_nothing(node: RoutingNode) -> None:
    publish(node.cluster.nodes, worker(1))
    await node.pass_all()
    node.kernel.written.clear()

    labelled = worker(1)
    meta = replace(labelled.metadata, labels={"topology.kubernetes.io/zone": "a"})
    publish(node.cluster.nodes, replace(labelled, metadata=meta))

    assert node.sync._touched == set()
    assert not node.feature._reachability._unasked
    await node.pass_touched()
    assert node.kernel.written == []


async def test_pod_in_its_nodes_cidr_touches_nothing(node: RoutingNode) -> None:
    publish(node.cluster.nodes, worker(1))
    await node.pass_all()

    publish(node.cluster.endpoints, cilium_endpoint("web", "10.244.1.7"))

    assert node.sync._touched == set()


async def test_change_of_a_node_costs_its_routes_and_no_walk(node: RoutingNode) -> None:
    for number in (1, 2, 3):
        publish(node.cluster.nodes, worker(number))
    async with node.running():
        await until(lambda: len(node.kernel.routes) == 3)
        written = len(node.kernel.written)

        publish(node.cluster.nodes, worker(4))
        await until(lambda: "10.244.4.0/24" in node.kernel.held())

    assert node.kernel.written[written:] == ["put 10.244.4.0/24"]
    assert node.kernel.observes == 1
    assert len(node.kernel.asked) == 4


async def test_pods_route_that_somebody_deletes_or_moves_among_pods_comes_back_without_a_walk(
    node: RoutingNode,
) -> None:
    node.table.put(endpoint(7, ifindex=17))
    node.kernel.has("10.244.0.7/32", device="lxc7", index=17)
    await node.pass_all()
    asked = len(node.kernel.asked)

    node.kernel.loses("10.244.0.7/32")
    await node.pass_touched()
    assert node.kernel.held() == {"10.244.0.7/32": (17, "")}

    node.kernel.has("10.244.0.7/32", device="lxc8", index=18)
    astray = node.kernel.routes[ip_network("10.244.0.7/32")]
    node.kernel.announced(Change(ChangeKind.ROUTE, route=astray))
    await node.pass_touched()
    assert node.kernel.held() == {"10.244.0.7/32": (17, "")}
    assert len(node.kernel.asked) == asked
    assert not node.sync._is_walk_due


async def test_routes_of_pods_that_come_and_go_are_left_alone(node: RoutingNode) -> None:
    node.kernel.has("10.244.0.7/32", device="lxc7", index=17)
    coming = node.kernel.routes[ip_network("10.244.0.7/32")]

    node.kernel.announced(Change(ChangeKind.ROUTE, route=coming))
    node.kernel.loses("10.244.0.7/32")

    assert not node.sync._touched
    assert not node.devices._woken.is_set()
