"""bpf/to_pod.bpf.c: what the node's stack sends to a pod."""

import socket
from typing import Any, NamedTuple

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw
from tests.datapath.node_rig import (
    NODE_4,
    NODE_6,
    NODE_MAC,
    OK,
    SHOT,
    WIRE_MAC,
    WORLD_4,
    Node,
)

from ciliate.datapath.layout import AttachPoint, DropReason

POD1_4, POD1_6, POD1_MAC = "10.244.0.1", "fd00:244::1", "ee:0a:00:00:00:01"
ETHER = Ether(dst=POD1_MAC)


class Case(NamedTuple):
    """One row: what the stack sends to pod1, and what to_pod makes of it."""

    name: str
    packet: Any
    verdict: int
    reason: DropReason = DropReason.FORWARDED


CASES = [
    Case("from the node", ETHER / IP(src=NODE_4, dst=POD1_4) / UDP(), OK),
    Case("v6 from the node", ETHER / IPv6(src=NODE_6, dst=POD1_6) / UDP(), OK),
    Case("our own ARP answer", ETHER / ARP(op=2), OK),
    Case(
        "for an address the pod does not have",
        ETHER / IP(src=NODE_4, dst="10.244.0.9") / UDP(),
        SHOT,
        DropReason.DROP_STALE_OR_UNROUTABLE_IP,
    ),
    Case(
        "v6 for an address the pod does not have",
        ETHER / IPv6(src=NODE_6, dst="fd00:244::9") / UDP(),
        SHOT,
        DropReason.DROP_STALE_OR_UNROUTABLE_IP,
    ),
    Case("not IP", ETHER / Raw(bytes(50)), SHOT, DropReason.DROP_UNSUPPORTED_L3_PROTOCOL),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict_and_counter(node: Node, case: Case) -> None:
    with node.counted() as counted:
        run = node.to_pod(case.packet)

    assert (run.verdict, run.packet) == (case.verdict, bytes(case.packet))
    assert counted == {(case.reason, AttachPoint.TO_POD): 1}


def test_an_interface_without_endpoint_is_closed(node: Node) -> None:
    with node.counted() as counted:
        run = node.run("to_pod", ETHER / IP(src=NODE_4, dst=POD1_4) / UDP(), ifindex=1)

    assert run.verdict == SHOT
    assert counted == {(DropReason.DROP_UNKNOWN_ENDPOINT, AttachPoint.TO_POD): 1}


def test_the_nodes_own_processes_reach_a_pod(node: Node) -> None:
    node.namespace.ip(f"neigh replace {POD1_4} lladdr {POD1_MAC} dev lxc1 nud permanent")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"probe", (POD1_4, 8080))

    heard = node.pod1.port.receive(lambda frame: UDP in frame and frame[UDP].dport == 8080)

    assert heard is not None
    assert heard[Raw].load == b"probe"


def test_the_stack_says_that_a_pods_packet_ran_out_of_hops(node: Node) -> None:
    """Programs leave a packet at its last hop to the stack, whose ICMP error reaches the pod."""
    node.namespace.ip(f"neigh replace {POD1_4} lladdr {POD1_MAC} dev lxc1 nud permanent")
    last = IP(src=POD1_4, dst=WORLD_4, ttl=1) / TCP(sport=1000, dport=80)

    node.pod1.port.send(Ether(src=POD1_MAC, dst=node.pod1.host_mac) / last)
    heard = node.pod1.port.receive(lambda frame: ICMP in frame)

    assert heard is not None
    assert (heard[ICMP].type, heard[ICMP].code) == (11, 0)


def test_the_network_reaches_a_pod_without_the_stack(node: Node) -> None:
    packet = IP(src=WORLD_4, dst=POD1_4) / UDP(sport=1, dport=2) / Raw(b"hello")
    with node.counted() as counted:
        node.wire.send(Ether(src=WIRE_MAC, dst=NODE_MAC) / packet)
        heard = node.pod1.port.receive(lambda frame: UDP in frame)

    assert heard is not None
    assert (heard.dst, heard[IP].ttl) == (POD1_MAC, 63)
    assert counted == {(DropReason.FORWARDED, AttachPoint.FROM_UPLINK): 1}
