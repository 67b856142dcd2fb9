"""`identity/plan.py`: what the ipcache should hold for a node and for a pod."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from ciliate.config.tunnel_settings import TunnelSettings
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
from ciliate.net.tunnel import TunnelProtocol
from ciliate.node.known_node import KnownNode
from ciliate.node.known_pod import NO_NODE, KnownPod

W1 = to_octets(ip_address("192.168.10.101"))
OWN_POD = IpcacheFlag.IPCACHE_CLUSTER
PLAIN = IpcacheFlag(0)
TUNNEL = IpcacheFlag.IPCACHE_TUNNEL


def key(prefix: str) -> PrefixKey:
    network = ip_network(prefix)
    return PrefixKey(prefix_bits(network), to_octets(network.network_address))


def node(name: str, ip: str, cidr: str, *, is_local: bool = False) -> KnownNode:
    router = ip_network(cidr)[93]
    return KnownNode(
        name, (ip_address(ip),), (router,), (ip_network(cidr),), is_local, router_ips=(router,)
    )


def behind_tunnel(name: str, ip: str, cidr: str, *, tunnel: str = "vxlan:8472") -> KnownNode:
    return replace(node(name, ip, cidr), tunnel_received=tunnel)


BY_4 = TunnelSettings(TunnelProtocol.VXLAN, 8472, (0, 0), 4)
BY_6 = TunnelSettings(TunnelProtocol.VXLAN, 8472, (0, 0), 6)


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


def test_pods_and_router_of_another_node_are_reached_through_the_tunnel_the_node_is_not() -> None:
    entries = node_entries(behind_tunnel("k8s-w1", "192.168.10.101", "10.244.1.0/24"), BY_4)

    assert entries[key("10.244.1.0/24")].flags == OWN_POD | TUNNEL
    assert entries[key("10.244.1.93/32")].flags == TUNNEL
    assert entries[key("192.168.10.101/32")].flags == PLAIN
    assert {entry.node for entry in entries.values()} == {W1}


def test_tunnel_ends_at_the_nodes_address_of_the_underlay_for_both_families() -> None:
    w1_6 = ip_address("fd00:10::101")
    dual = KnownNode(
        "k8s-w1",
        (ip_address("192.168.10.101"), w1_6),
        (),
        (ip_network("10.244.1.0/24"), ip_network("fd00:244:1::/120")),
        is_local=False,
        tunnel_received=BY_4.name,
    )

    assert {entry.node for entry in node_entries(dual, BY_6).values()} == {w1_6.packed}
    assert {entry.node for entry in node_entries(dual, BY_4).values()} == {W1}


@pytest.mark.parametrize(
    ("found", "tunnel"),
    [
        (node("k8s-ctr", "192.168.10.100", "10.244.0.0/24", is_local=True), BY_4),
        (node("k8s-w1", "192.168.10.101", "10.244.1.0/24"), BY_4),
        (behind_tunnel("k8s-w1", "192.168.10.101", "10.244.1.0/24"), BY_6),
        (
            behind_tunnel("k8s-w1", "192.168.10.101", "10.244.1.0/24", tunnel="geneve:6081"),
            BY_4,
        ),
    ],
    ids=["this node", "one that takes nothing", "no address there", "another tunnel"],
)
def test_node_is_not_behind_a_tunnel_that_does_not_lead_to_it(
    found: KnownNode, tunnel: TunnelSettings
) -> None:
    assert not any(entry.flags & TUNNEL for entry in node_entries(found, tunnel).values())


def test_flag_stays_with_native_routing_while_a_node_takes_packets_out_of_the_tunnel() -> None:
    entries = node_entries(behind_tunnel("k8s-w1", "192.168.10.101", "10.244.1.0/24"))

    assert entries[key("10.244.1.0/24")].flags == OWN_POD | TUNNEL


def test_pod_is_behind_the_tunnel_to_its_node_once_that_is_known() -> None:
    pod = KnownPod((to_octets(ip_address("10.244.1.7")),), 8066, W1)
    w1 = behind_tunnel("k8s-w1", "192.168.10.101", "10.244.1.0/24")

    assert known_pod_entry(pod, w1, BY_4) == IpcacheEntry(8066, OWN_POD | TUNNEL, W1)
    assert known_pod_entry(pod, None, BY_4) == IpcacheEntry(8066, OWN_POD, NO_NODE)


def test_node_that_still_sends_by_a_tunnel_is_one_node_in_both_families() -> None:
    dual = KnownNode(
        "k8s-w1",
        (ip_address("192.168.10.101"), ip_address("fd00:10::101")),
        (),
        (),
        is_local=False,
        tunnel_sent="vxlan:8472",
    )

    assert {entry.node for entry in node_entries(dual).values()} == {W1}
