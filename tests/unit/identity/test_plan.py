"""`identity/plan.py`: what the ipcache should hold for a node and for a pod."""

from ipaddress import ip_address, ip_network

from ciliate.datapath.layout import IpcacheEntry, IpcacheFlag, PrefixKey
from ciliate.identity.plan import (
    OWN_ADDRESS,
    host_key,
    is_host_key,
    known_pod_entry,
    node_entries,
    pod_entry,
)
from ciliate.net.address import prefix_bits, to_octets
from ciliate.net.identity import ReservedIdentity
from ciliate.node.known_node import KnownNode
from ciliate.node.known_pod import NO_NODE, KnownPod

W1 = to_octets(ip_address("192.168.10.101"))
OWN_POD = IpcacheFlag.IPCACHE_CLUSTER
PLAIN = IpcacheFlag(0)


def key(prefix: str) -> PrefixKey:
    network = ip_network(prefix)
    return PrefixKey(prefix_bits(network), to_octets(network.network_address))


def node(name: str, ip: str, cidr: str, *, is_local: bool = False) -> KnownNode:
    router = ip_network(cidr)[93]
    return KnownNode(name, (ip_address(ip),), (router,), (ip_network(cidr),), is_local)


def test_remote_node_its_router_and_its_pods_are_told_apart() -> None:
    assert node_entries(node("k8s-w1", "192.168.10.101", "10.244.1.0/24")) == {
        key("10.244.1.0/24"): IpcacheEntry(ReservedIdentity.WORLD, OWN_POD, W1),
        key("192.168.10.101/32"): IpcacheEntry(ReservedIdentity.REMOTE_NODE, PLAIN, W1),
        key("10.244.1.93/32"): IpcacheEntry(ReservedIdentity.REMOTE_NODE, PLAIN, W1),
    }


def test_own_node_is_the_host() -> None:
    entries = node_entries(node("k8s-ctr", "192.168.10.100", "10.244.0.0/24", is_local=True))

    assert entries[key("192.168.10.100/32")].identity == ReservedIdentity.HOST
    assert IpcacheEntry(ReservedIdentity.HOST, PLAIN, NO_NODE) == OWN_ADDRESS


def test_former_cidrs_of_a_node_are_its_pods_too() -> None:
    draining = KnownNode(
        "w", (ip_address("192.168.10.101"),), (), (), False, (ip_network("10.9.0.0/24"),)
    )

    assert node_entries(draining)[key("10.9.0.0/24")].flags == OWN_POD


def test_node_without_an_address_of_the_family_is_no_next_hop() -> None:
    nowhere = KnownNode("gone", (), (ip_address("10.244.1.93"),), (), is_local=False)

    assert nowhere.node_ip(4) is None
    assert node_entries(nowhere)[key("10.244.1.93/32")].node == NO_NODE


def test_pods_of_one_identity_and_node_share_their_entry() -> None:
    pod = KnownPod((to_octets(ip_address("10.244.1.7")),), 8066, W1)

    assert known_pod_entry(pod) == IpcacheEntry(8066, OWN_POD, W1)
    assert known_pod_entry(pod) is pod_entry(8066, W1)


def test_key_of_a_single_address_counts_all_bits() -> None:
    address = to_octets(ip_address("10.244.1.7"))

    assert host_key(address) == key("10.244.1.7/32")
    assert is_host_key(host_key(address))
    assert not is_host_key(key("10.244.1.0/24"))
