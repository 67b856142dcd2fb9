"""`agent/ipcache.py`: whose each address is, kept object by object."""

from ipaddress import ip_address, ip_network

from tests.unit.identity.identity_api import tell, withdraw
from tests.unit.node.cluster_tables import (
    NODE,
    NODE_IP,
    Kubernetes,
    all_listed,
    cilium_endpoint,
    cilium_node,
    new_cluster,
)
from tests.unit.node.endpoint_samples import endpoint

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.datapath import layout
from ciliate.identity.ipcache import Ipcache, ipcache_entries
from ciliate.net.address import host_network, prefix_bits, to_octets
from ciliate.net.address import ip_address as parsed
from ciliate.node.endpoint import Endpoint
from ciliate.node.watches import Cluster

W1 = ip_address("192.168.10.101")


def made() -> tuple[Cluster, Ipcache]:
    cluster = new_cluster()
    ipcache = Ipcache(cluster, node_ip=NODE_IP)
    all_listed(cluster)
    return cluster, ipcache


def identities(ipcache: Ipcache, *own_pods: Endpoint, own: tuple[str, ...] = ()) -> dict[str, int]:
    """Return the identity of every prefix, by its text."""
    entries = ipcache.entries(own_pods, map(parsed, own))
    assert entries is not None
    # What people are shown is the same.
    owners = ipcache.owners(own_pods, list(map(parsed, own)))
    assert ipcache_entries(owners) == entries
    return {str(prefix): owner.identity for prefix, owner in owners.items()}


def test_nothing_is_known_before_both_watches_have_listed() -> None:
    cluster = new_cluster()
    ipcache = Ipcache(cluster, node_ip=NODE_IP)
    assert ipcache.entries((), ()) is None

    cluster.nodes._synced.set()
    assert ipcache.entries((), ()) is None
    cluster.endpoints._synced.set()
    assert ipcache.entries((), ()) == {}


def test_nodes_pods_and_own_addresses_come_together() -> None:
    cluster, ipcache = made()
    tell(cluster.nodes, cilium_node("k8s-w1", "192.168.10.101", "10.244.1.0/24"))
    tell(cluster.endpoints, cilium_endpoint("web", "10.244.1.7"))

    assert identities(ipcache, endpoint(1, identity=777), own=("10.0.2.15",)) == {
        "10.244.1.0/24": 2,
        "192.168.10.101/32": 6,
        "10.244.1.93/32": 6,
        "10.244.1.7/32": 8066,
        "10.244.0.1/32": 777,
        "10.0.2.15/32": 1,
    }


def test_entries_tell_the_node_and_that_a_pod_is_never_masqueraded_to() -> None:
    cluster, ipcache = made()
    tell(cluster.endpoints, cilium_endpoint("web", "10.244.1.7"))

    entries = ipcache.entries((), ())

    pod = host_network(ip_address("10.244.1.7"))
    key = layout.IpcacheKey(prefix_bits(pod), to_octets(pod.network_address))
    assert entries == {
        key: layout.IpcacheEntry(8066, layout.IpcacheFlag.IPCACHE_CLUSTER, to_octets(W1))
    }


async def test_changed_and_removed_objects_leave_no_entry() -> None:
    cluster = new_cluster(Kubernetes())
    ipcache = Ipcache(cluster, node_ip=NODE_IP)
    all_listed(cluster)
    tell(cluster.nodes, cilium_node("k8s-w1", "192.168.10.101", "10.244.1.0/24"))
    tell(cluster.endpoints, cilium_endpoint("web", "10.244.1.7"))

    tell(cluster.endpoints, cilium_endpoint("web", "10.244.1.8", number=9000))
    tell(cluster.nodes, cilium_node("k8s-w1", "192.168.10.102", "10.244.2.0/24"))
    changed = identities(ipcache)
    withdraw(cluster.endpoints, "web", "default")
    withdraw(cluster.nodes, "k8s-w1")
    await cluster.known_nodes._forget_deleted()

    assert changed == {
        "10.244.2.0/24": 2,
        "192.168.10.102/32": 6,
        "10.244.1.93/32": 6,
        "10.244.1.8/32": 9000,
    }
    assert identities(ipcache) == {}


def test_node_that_can_no_longer_be_understood_stays_as_it_was_understood() -> None:
    cluster, ipcache = made()
    tell(cluster.nodes, cilium_node("k8s-w1", "192.168.10.101", "10.244.1.0/24"))
    tell(cluster.endpoints, cilium_endpoint("web", "10.244.1.7"))

    tell(cluster.nodes, cilium_node("k8s-w1", "192.168.10.101", "10.244.1.0/99"))
    tell(cluster.endpoints, cilium_endpoint("web", "10.244.1.7", number=0))

    assert identities(ipcache) == {
        "10.244.1.0/24": 2,
        "192.168.10.101/32": 6,
        "10.244.1.93/32": 6,
    }


def test_this_node_knows_its_own_pods_better_than_the_cluster_does() -> None:
    cluster, ipcache = made()
    own = endpoint(1, identity=777)
    tell(cluster.endpoints, cilium_endpoint("pod-1", "10.244.0.1", number=5, node=str(NODE_IP)))

    assert identities(ipcache, own) == {"10.244.0.1/32": 777}


def test_own_pods_that_are_not_ready_or_leave_speak_for_no_address() -> None:
    _, ipcache = made()
    waiting = endpoint(1, state=EndpointState.WAITING_FOR_IDENTITY)
    leaving = endpoint(2, state=EndpointState.DISCONNECTING)

    assert identities(ipcache, waiting, leaving) == {}


def test_objects_that_were_there_before_are_counted_too() -> None:
    cluster = new_cluster()
    tell(cluster.nodes, cilium_node(NODE, str(NODE_IP), "10.244.0.0/24"))
    ipcache = Ipcache(cluster, node_ip=NODE_IP)
    all_listed(cluster)

    assert identities(ipcache)[str(ip_network("192.168.10.100/32"))] == 1
