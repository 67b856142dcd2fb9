"""`masquerade/nftables/members.py`: whose addresses the sets hold, and what changes them."""

from ipaddress import ip_address, ip_network

from tests.unit.identity.identity_api import publish, withdraw
from tests.unit.node.cluster_tables import NODE, cilium_endpoint, cilium_node, new_cluster
from tests.unit.node.endpoint_samples import endpoint

from ciliate.api.cilium_node import DRAINING_ANNOTATION
from ciliate.masquerade.nftables.members import Members
from ciliate.node.endpoint_table import EndpointTable

NATIVE = (ip_network("10.244.0.0/16"),)


class Rig:
    """Members of a cluster that a test fills; `changes` counts what they told."""

    def __init__(self, *, encapsulates: bool = False) -> None:
        self.cluster, self.table = new_cluster(), EndpointTable()
        self.changes = 0
        self.members = Members(
            self.cluster, self.table, native=NATIVE, encapsulates=encapsulates, changed=self._note
        )
        publish(self.cluster.nodes, cilium_node(NODE, "192.168.10.100", "10.244.0.0/24"))
        self.changes = 0

    def _note(self) -> None:
        self.changes += 1

    @property
    def pods(self) -> set[str]:
        return set(map(str, self.members.addresses({}).pods))

    @property
    def others(self) -> set[str]:
        return set(map(str, self.members.addresses({}).cluster))


def test_nodes_are_known_by_all_their_addresses_and_cidrs() -> None:
    rig = Rig()

    publish(rig.cluster.nodes, cilium_node("k8s-w1", "192.168.10.101", "10.244.1.0/24"))

    assert rig.changes == 1
    assert {"192.168.10.101/32", "10.244.1.0/24", "192.168.10.100/32"} <= rig.others
    assert rig.pods == {"10.244.0.0/24"}


def test_pod_inside_the_native_routing_cidr_changes_nothing() -> None:
    rig = Rig()

    publish(rig.cluster.endpoints, cilium_endpoint("web", "10.244.9.7"))

    assert rig.changes == 0
    assert "10.244.9.7/32" not in rig.others


def test_pod_that_a_delegated_plugin_gave_an_address_is_of_the_cluster_until_it_goes() -> None:
    rig = Rig()

    publish(rig.cluster.endpoints, cilium_endpoint("web", "172.30.0.7"))
    assert (rig.changes, "172.30.0.7/32" in rig.others) == (1, True)

    withdraw(rig.cluster.endpoints, "web", "default")
    assert (rig.changes, "172.30.0.7/32" in rig.others) == (2, False)


def test_own_pod_changes_the_set_only_outside_the_nodes_cidrs() -> None:
    rig = Rig()

    rig.table.put(endpoint(1))
    assert rig.changes == 0
    rig.table.put(endpoint(2, addresses=(ip_address("172.30.0.9"),)))

    assert rig.changes == 1
    assert {"10.244.0.0/24", "172.30.0.9/32"} <= rig.pods


def test_cidr_that_drains_stays_this_nodes() -> None:
    """Pods of a cluster that changes its IPAM keep their addresses until they go."""
    rig = Rig()
    moved = cilium_node(NODE, "192.168.10.100", "10.245.0.0/24")
    moved.metadata.annotations[DRAINING_ANNOTATION] = "10.244.0.0/24"

    publish(rig.cluster.nodes, moved)

    assert rig.changes == 1
    assert rig.pods == {"10.244.0.0/24", "10.245.0.0/24"}


def test_nodes_themselves_are_outside_where_pods_are_reached_through_a_tunnel() -> None:
    rig = Rig(encapsulates=True)

    publish(rig.cluster.nodes, cilium_node("k8s-w1", "192.168.10.101", "10.244.1.0/24"))

    assert rig.others == {"10.244.0.0/24", "10.244.1.0/24", "10.244.1.93/32"}
