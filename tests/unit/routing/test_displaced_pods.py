"""`routing/displaced_pods.py`: pods that are not where the CIDR of their address says."""

from ipaddress import ip_address

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.identity.identity_api import publish, withdraw
from tests.unit.node.cluster_tables import (
    NODE_IP,
    Kubernetes,
    cilium_endpoint,
    cilium_node,
    kube_node,
    new_cluster,
    since,
)
from tests.unit.routing.route_kernel import with_ipv6

from ciliate.api.cilium_endpoint import CiliumEndpoint
from ciliate.api.cilium_node import DRAINING_ANNOTATION, CiliumNode, NodeIPAM
from ciliate.api.resource import ObjectKey
from ciliate.net.address import from_octets, to_octets
from ciliate.node.known_node import KnownNode
from ciliate.node.known_pod import KnownPod
from ciliate.routing.claims import CIDRClaims
from ciliate.routing.displaced_pods import DisplacedPods

W1, W2 = ip_address("192.168.10.101"), ip_address("192.168.10.102")
W1_6 = ip_address("fd00:10::101")


def draining(node: CiliumNode, cidrs: str) -> CiliumNode:
    node.metadata.annotations[DRAINING_ANNOTATION] = cidrs
    return node


class CountingClaims(CIDRClaims):
    """Claims that count how often they are asked for an address."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def owner_of(self, address: bytes) -> str | None:
        self.asked += 1
        return super().owner_of(address)


class Watched:
    """Displaced pods of a cluster whose changes are inspected as they come."""

    def __init__(self) -> None:
        self.cluster = new_cluster(Kubernetes())
        self.claims = CountingClaims()
        self.pods = DisplacedPods(self.cluster, self.claims)
        self.touched: list[set[str]] = []
        self.cluster.known_nodes.add_listener(self._node_changed)
        self.cluster.known_pods.add_listener(self._pod_changed)

    def _node_changed(self, old: KnownNode | None, new: KnownNode | None) -> None:
        touched_nodes = self.claims.update(old, new).nodes
        known = (self.cluster.known_nodes.get(name) for name in touched_nodes)
        concerned = [node for node in (old, new, *known) if node is not None]
        self._touch(self.pods.inspect_nodes({ip for n in concerned for ip in n.internal_ips}))

    def _pod_changed(self, key: ObjectKey, _old: KnownPod | None, new: KnownPod | None) -> None:
        self._touch(self.pods.inspect(key, new))

    def _touch(self, addresses: set[bytes]) -> None:
        if addresses:
            self.touched.append({str(from_octets(each)) for each in addresses})

    @property
    def routes(self) -> dict[str, str]:
        return {str(from_octets(each)): str(ip) for each, ip in self.pods.routes.items()}

    @property
    def unresolved(self) -> list[str]:
        return [str(from_octets(each)) for each in self.pods.unresolved]


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_pod_in_its_nodes_cidr_is_not_displaced_also_where_that_drains(watched: Watched) -> None:
    nodes, endpoints = watched.cluster.nodes, watched.cluster.endpoints
    publish(nodes, draining(cilium_node("k8s-w1", str(W1), "172.20.0.0/24"), "10.244.1.0/24"))

    publish(endpoints, cilium_endpoint("old", "10.244.1.7"))
    publish(endpoints, cilium_endpoint("new", "172.20.0.7"))

    assert watched.routes == {}
    assert watched.unresolved == []
    assert watched.touched == []


def test_pod_in_a_cidr_that_another_node_has_now_is_displaced(watched: Watched) -> None:
    nodes, endpoints = watched.cluster.nodes, watched.cluster.endpoints
    publish(nodes, draining(cilium_node("k8s-w1", str(W1), "10.244.2.0/24"), "10.244.1.0/24"))
    publish(nodes, cilium_node("k8s-w2", str(W2), "10.244.1.0/24"))

    publish(endpoints, cilium_endpoint("old", "10.244.1.7"))
    assert watched.routes == {"10.244.1.7": str(W1)}

    withdraw(endpoints, "old", "default")
    assert watched.routes == {}


def test_pod_becomes_displaced_when_its_cidr_is_given_to_another_node(watched: Watched) -> None:
    publish(watched.cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))
    publish(watched.cluster.endpoints, cilium_endpoint("old", "10.244.1.7"))

    taken = draining(cilium_node("k8s-w1", str(W1), "10.244.2.0/24"), "10.244.1.0/24")
    publish(watched.cluster.nodes, taken)
    assert watched.routes == {}
    publish(watched.cluster.nodes, cilium_node("k8s-w2", str(W2), "10.244.1.0/24"))

    assert watched.routes == {"10.244.1.7": str(W1)}
    assert watched.touched == [{"10.244.1.7"}]


def test_pod_of_no_cidr_is_found_by_its_endpoint(watched: Watched) -> None:
    """A CiliumNode deleted while its agent was away: no CIDR, no annotation, pods that live."""
    publish(watched.cluster.nodes, cilium_node("k8s-w2", str(W2), "10.244.2.0/24"))

    publish(watched.cluster.endpoints, cilium_endpoint("lost", "10.244.1.7"))

    assert watched.routes == {"10.244.1.7": str(W1)}


def test_pod_is_displaced_no_more_when_its_node_claims_its_cidr(watched: Watched) -> None:
    publish(watched.cluster.endpoints, cilium_endpoint("lost", "10.244.1.7"))

    publish(watched.cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))

    assert watched.routes == {}
    assert watched.touched == [{"10.244.1.7"}, {"10.244.1.7"}]


@pytest.mark.parametrize("node", [str(NODE_IP), ""])
def test_pods_of_this_node_and_of_none_are_not_displaced(watched: Watched, node: str) -> None:
    publish(watched.cluster.endpoints, cilium_endpoint("mine", "10.99.1.7", node=node))

    assert watched.routes == {}
    assert watched.unresolved == []


def test_way_to_the_other_family_is_unresolved_until_its_cilium_node_is_there(
    watched: Watched,
) -> None:
    """An endpoint names its node by one address."""
    publish(watched.cluster.endpoints, cilium_endpoint("lost", "10.244.1.7", ipv6="fd00:1::7"))
    assert watched.routes == {"10.244.1.7": str(W1)}
    assert watched.unresolved == ["fd00:1::7"]
    assert watched.touched == [{"10.244.1.7", "fd00:1::7"}]
    watched.touched.clear()

    publish(watched.cluster.nodes, with_ipv6(cilium_node("k8s-w1", str(W1)), W1_6))

    assert watched.routes == {"10.244.1.7": str(W1), "fd00:1::7": str(W1_6)}
    assert watched.unresolved == []
    assert watched.touched == [{"10.244.1.7", "fd00:1::7"}]


def test_address_that_is_unresolved_is_touched_when_its_pod_goes(watched: Watched) -> None:
    """The kernel's route that stayed for it may go."""
    publish(watched.cluster.endpoints, cilium_endpoint("lost", "10.244.1.7", ipv6="fd00:1::7"))
    watched.touched.clear()

    withdraw(watched.cluster.endpoints, "lost", "default")

    assert watched.touched == [{"10.244.1.7", "fd00:1::7"}]


def test_one_address_of_a_pod_may_be_displaced_and_the_other_not(watched: Watched) -> None:
    node = cilium_node("k8s-w1", str(W1), "10.244.1.0/24")
    publish(watched.cluster.nodes, with_ipv6(node, W1_6))

    publish(watched.cluster.endpoints, cilium_endpoint("half", "10.244.1.7", ipv6="fd00:1::7"))

    assert watched.routes == {"fd00:1::7": str(W1_6)}


def test_change_of_a_node_touches_every_pod_of_it_whose_way_changed(watched: Watched) -> None:
    for name, address in (("a", "10.244.1.7"), ("b", "10.244.1.8")):
        publish(watched.cluster.endpoints, cilium_endpoint(name, address))
    watched.touched.clear()

    publish(watched.cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))

    assert watched.touched == [{"10.244.1.7", "10.244.1.8"}]


def test_family_that_a_known_node_has_no_address_of_has_no_way(watched: Watched) -> None:
    publish(watched.cluster.nodes, cilium_node("k8s-w1", str(W1)))

    publish(watched.cluster.endpoints, cilium_endpoint("lost", "10.244.1.7", ipv6="fd00:1::7"))

    assert watched.routes == {"10.244.1.7": str(W1)}
    assert watched.unresolved == []


def test_addresses_are_touched_when_a_pod_changes_their_way_and_only_then(
    watched: Watched,
) -> None:
    """Every endpoint of the cluster is written again and again."""
    nodes, endpoints = watched.cluster.nodes, watched.cluster.endpoints
    publish(nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))

    publish(endpoints, cilium_endpoint("at-home", "10.244.1.7"))
    assert watched.touched == []
    publish(endpoints, cilium_endpoint("away", "10.244.9.7"))
    assert watched.touched == [{"10.244.9.7"}]
    publish(endpoints, cilium_endpoint("away", "10.244.9.7", number=9000))
    assert watched.touched == [{"10.244.9.7"}]
    publish(endpoints, cilium_endpoint("away", "10.244.9.8"))
    assert watched.touched == [{"10.244.9.7"}, {"10.244.9.7", "10.244.9.8"}]
    withdraw(endpoints, "away", "default")
    assert watched.touched[2:] == [{"10.244.9.8"}]


def test_displaced_pod_that_changes_its_node_is_routed_there(watched: Watched) -> None:
    publish(watched.cluster.endpoints, cilium_endpoint("away", "10.244.9.7", node=str(W1)))

    publish(watched.cluster.endpoints, cilium_endpoint("away", "10.244.9.7", node=str(W2)))

    assert watched.routes == {"10.244.9.7": str(W2)}


def test_displaced_pod_keeps_its_way_when_another_with_its_address_goes(
    watched: Watched,
) -> None:
    """An endpoint whose deletion is reported late, after its address was allocated anew."""
    endpoints = watched.cluster.endpoints
    publish(endpoints, cilium_endpoint("former", "10.244.9.7", node=str(W1)))
    publish(endpoints, cilium_endpoint("latter", "10.244.9.7", node=str(W2)))
    assert watched.routes == {"10.244.9.7": str(W2)}

    withdraw(endpoints, "former", "default")

    assert watched.routes == {"10.244.9.7": str(W2)}


def test_one_pods_change_inspects_that_pod_alone(watched: Watched) -> None:
    publish(watched.cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.0.0/16"))
    for number in range(10_000):
        address = f"10.244.{number // 250}.{number % 250}"
        publish(watched.cluster.endpoints, cilium_endpoint(f"pod-{number}", address))
    watched.claims.asked = 0

    publish(watched.cluster.endpoints, cilium_endpoint("pod-7", "10.99.0.7"))

    assert watched.claims.asked == 1
    assert watched.routes == {"10.99.0.7": str(W1)}


def test_one_nodes_change_inspects_its_pods_alone(watched: Watched) -> None:
    for number, ip in ((1, W1), (2, W2)):
        publish(
            watched.cluster.nodes, cilium_node(f"k8s-w{number}", str(ip), f"10.244.{number}.0/24")
        )
        for pod in range(100):
            published = cilium_endpoint(f"p{number}-{pod}", f"10.244.{number}.{pod}", node=str(ip))
            publish(watched.cluster.endpoints, published)
    watched.claims.asked = 0

    publish(watched.cluster.nodes, cilium_node("k8s-w1", str(W1), "172.20.0.0/24"))

    assert watched.claims.asked == 100
    assert len(watched.routes) == 100


#: A pod and where it is, or nowhere; a node and what it claims.
PODS = st.builds(
    lambda name, address, ip: cilium_endpoint(name, address, node=str(ip)),
    st.sampled_from("abc"),
    st.sampled_from(("10.244.0.7", "10.244.0.70", "10.9.0.7")),
    st.sampled_from((W1, W2)),
)
NODES = st.builds(
    lambda node, blocks: cilium_node(node[0], str(node[1]), *blocks),
    st.sampled_from((("k8s-w1", W1), ("k8s-w2", W2))),
    st.lists(
        st.sampled_from(("10.244.0.0/24", "10.244.0.0/26", "10.244.0.64/26")),
        unique=True,
        max_size=2,
    ),
)


@given(changes=st.lists(PODS | NODES | st.sampled_from("abc"), max_size=15))
def test_inspecting_what_changed_finds_what_inspecting_everything_would(
    changes: list[CiliumEndpoint | CiliumNode | str],
) -> None:
    watched = Watched()
    for change in changes:
        if isinstance(change, str):
            withdraw(watched.cluster.endpoints, change, "default")
        elif isinstance(change, CiliumNode):
            publish(watched.cluster.nodes, change)
        else:
            publish(watched.cluster.endpoints, change)

    anew = DisplacedPods(watched.cluster, watched.claims)
    pods = watched.cluster.known_pods.pods
    for key, pod in pods.items():
        anew.inspect(key, pod)

    assert watched.pods.routes.keys() == anew.routes.keys()
    assert sorted(watched.pods.unresolved) == sorted(anew.unresolved)
    for address, node_ip in watched.pods.routes.items():
        owners = [pod for pod in pods.values() if address in pod.addresses]
        assert to_octets(node_ip) in {pod.node for pod in owners}


def test_pod_of_a_node_whose_address_changed_gets_no_route_by_the_former_one() -> None:
    """Its CiliumEndpoint names the former until the node's agent has written it."""
    watched = Watched()
    publish(watched.cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))
    publish(watched.cluster.endpoints, cilium_endpoint("web", "10.244.1.7", node=str(W1)))

    publish(watched.cluster.nodes, cilium_node("k8s-w1", str(W2), "10.244.1.0/24"))
    assert watched.routes == {}

    publish(watched.cluster.endpoints, cilium_endpoint("web", "10.244.1.7", node=str(W2)))
    assert watched.routes == {}


def test_displaced_pod_is_routed_by_its_nodes_present_address() -> None:
    watched = Watched()
    publish(watched.cluster.nodes, cilium_node("k8s-w1", str(W1)))
    publish(watched.cluster.endpoints, cilium_endpoint("web", "10.244.9.7", node=str(W1)))
    assert watched.routes == {"10.244.9.7": str(W1)}

    publish(watched.cluster.nodes, cilium_node("k8s-w1", str(W2)))

    assert watched.routes == {"10.244.9.7": str(W2)}


def test_pod_here_is_displaced_by_none_of_this_nodes_addresses() -> None:
    watched = Watched()
    publish(watched.cluster.endpoints, cilium_endpoint("web", "10.244.0.7", node=str(NODE_IP)))

    publish(watched.cluster.own_node, kube_node("192.168.10.150"))

    assert watched.routes == {}
    publish(watched.cluster.endpoints, cilium_endpoint("web", "10.244.0.7", node="192.168.10.150"))
    assert watched.routes == {}


def test_pods_of_two_nodes_with_one_address_stay_where_their_cidrs_are() -> None:
    """One CiliumNode led the other's pods away by the address of the other family."""
    watched = Watched()
    for number, year in ((1, 2024), (2, 2020)):
        node = since(year, f"k8s-w{number}", str(W1), f"10.244.{number}.0/24")
        six = msgspec.structs.replace(
            node.spec, ipam=NodeIPAM(pod_cidrs=(f"10.244.{number}.0/24", f"fd00:{number}::/64"))
        )
        node = msgspec.structs.replace(node, spec=six)
        publish(watched.cluster.nodes, with_ipv6(node, ip_address(f"fd00:10::10{number}")))
        publish(
            watched.cluster.endpoints,
            cilium_endpoint(f"p{number}", f"10.244.{number}.7", ipv6=f"fd00:{number}::7"),
        )
    assert watched.routes == {}

    displaced = cilium_endpoint("far", "10.244.9.7", ipv6="fd00:9::7")
    publish(watched.cluster.endpoints, displaced)
    assert watched.routes == {"10.244.9.7": str(W1), "fd00:9::7": "fd00:10::102"}, "the elder's"
