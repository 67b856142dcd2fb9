"""The settings that PodLinks makes on a pod's interface lead its packets past the host's stack."""

from collections.abc import Iterator

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from tests.datapath.node_rig import OK, REDIRECT, REMOTE_POD_4, REMOTE_POD_6, WORLD_6, Node

from ciliate.net.address import Mac, ip_address
from ciliate.net.pod_interface import PodInterface
from ciliate.netlink.pod_link import PodLink
from ciliate.netlink.pod_settings import host_settings

POD1_4, POD1_6, POD1_MAC = "10.244.0.1", "fd00:244::1", "ee:0a:00:00:00:01"
FROM_POD = Ether(src=POD1_MAC, dst="ee:0b:00:00:00:01")


def link(node: Node, *, ipv6: bool) -> PodLink:
    pod = node.pod1
    addresses = (pod.ipv6, pod.ipv4) if ipv6 else (pod.ipv4,)
    return PodLink(
        PodInterface(
            host_name=pod.host_device,
            host_mac=Mac(pod.host_mac),
            pod_name="eth0",
            pod_mac=Mac(pod.mac),
            netns=pod.namespace.path,
            mtu=1500,
            route_mtu=1500,
            addresses=tuple(map(ip_address, addresses)),
            gateways=(),
        ),
        from_pod_fd=0,
        to_pod_fd=0,
    )


@pytest.fixture
def fresh(node: Node) -> Iterator[Node]:
    """A node whose new interfaces do not forward IPv6, which is the kernel's default."""
    conf = f"net.ipv6.conf.{node.pod1.host_device}"
    node.namespace.sysctl(f"{conf}.forwarding", "0")
    yield node
    node.namespace.sysctl(f"{conf}.disable_ipv6", "0")
    node.namespace.sysctl(f"{conf}.forwarding", "1")


@pytest.mark.parametrize("destination", [REMOTE_POD_6, WORLD_6])
def test_ipv6_of_a_pod_takes_the_fast_path(fresh: Node, destination: str) -> None:
    packet = FROM_POD / IPv6(src=POD1_6, dst=destination) / UDP()
    assert fresh.from_pod(packet).verdict == OK  # The stack: bpf_fib_lookup says "no forwarding".

    for name, value in host_settings(link(fresh, ipv6=True).interface).items():
        fresh.namespace.sysctl(name, value)

    assert fresh.from_pod(packet).verdict == REDIRECT


def test_ipv4_takes_the_fast_path_whatever_the_settings_of_ipv6(fresh: Node) -> None:
    for name, value in host_settings(link(fresh, ipv6=False).interface).items():
        fresh.namespace.sysctl(name, value)

    assert fresh.from_pod(FROM_POD / IP(src=POD1_4, dst=REMOTE_POD_4) / UDP()).verdict == REDIRECT
