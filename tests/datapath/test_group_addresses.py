"""Multicast and broadcast of pods: the node's networks must not see them."""

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from tests.datapath.node_rig import NODE_4, NODE_6, OK, SHOT, WORLD_4, Node

from ciliate.datapath.layout import AttachPoint, DropReason

POD1_4, POD1_6, POD1_MAC = "10.244.0.1", "fd00:244::1", "ee:0a:00:00:00:01"
FROM_POD = Ether(src=POD1_MAC, dst="ee:0b:00:00:00:01")


@pytest.mark.parametrize(
    "destination",
    ["224.0.0.1", "224.0.0.251", "239.255.255.250", "240.0.0.1", "255.255.255.255"],
)
def test_group_address_of_ipv4_is_a_counted_drop(node: Node, destination: str) -> None:
    with node.counted() as counted:
        run = node.from_pod(FROM_POD / IP(src=POD1_4, dst=destination) / UDP(dport=5353))

    assert run.verdict == SHOT
    assert counted == {(DropReason.DROP_UNKNOWN_L3_TARGET, AttachPoint.FROM_POD): 1}


@pytest.mark.parametrize("destination", ["ff02::1", "ff02::fb", "ff05::2", "ff0e::1234"])
def test_group_address_of_ipv6_is_a_counted_drop(node: Node, destination: str) -> None:
    with node.counted() as counted:
        run = node.from_pod(FROM_POD / IPv6(src=POD1_6, dst=destination) / UDP(dport=5353))

    assert run.verdict == SHOT
    assert counted == {(DropReason.DROP_UNKNOWN_L3_TARGET, AttachPoint.FROM_POD): 1}


@pytest.mark.parametrize("destination", ["223.255.255.255", WORLD_4])
def test_address_below_the_groups_is_one_machines(node: Node, destination: str) -> None:
    run = node.from_pod(FROM_POD / IP(src=POD1_4, dst=destination) / UDP())

    assert run.verdict != SHOT


def test_node_itself_is_no_group(node: Node) -> None:
    assert node.from_pod(FROM_POD / IP(src=POD1_4, dst=NODE_4) / UDP()).verdict == OK
    assert node.from_pod(FROM_POD / IPv6(src=POD1_6, dst=NODE_6) / UDP()).verdict == OK
