"""Pods of other plugins' networks: what our programs leave to the host's stack."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw
from tests.datapath.node_rig import (
    IN,
    NODE_4,
    NODE_6,
    OK,
    OTHER_NODE_4,
    REMOTE_POD_4,
    REMOTE_POD_6,
    SHOT,
    WORLD_4,
    WORLD_6,
    Node,
    octets,
)

from ciliate.datapath.layout import AttachPoint, DropReason, EndpointFlag, InterfaceFlag
from ciliate.node.maps import ENDPOINTS, INTERFACES

POD1_4, POD1_6, POD1_MAC = "10.244.0.1", "fd00:244::1", "ee:0a:00:00:00:01"
POD2_4, POD2_6 = "10.244.0.2", "fd00:244::2"
LINK_LOCAL = "fe80::ec0a:ff:fe00:1"
ETHER = Ether(src=POD1_MAC, dst="ee:0b:00:00:00:01")
TO_POD = Ether(dst=POD1_MAC)
PING = ICMP(id=7) / Raw(b"x" * 32)
PING6 = ICMPv6EchoRequest(id=7, data=b"x" * 32)


def mark(node: Node, flags: InterfaceFlag) -> None:
    """Make pod1 a pod with these flags, reached by the stack."""
    stack = EndpointFlag.ENDPOINT_STACK_ROUTED if flags else EndpointFlag(0)
    with (
        node.datapath.opened(INTERFACES) as interfaces,
        node.datapath.opened(ENDPOINTS) as endpoints,
    ):
        known = interfaces.get(node.pod1.host_ifindex)
        assert known is not None
        interfaces.put(node.pod1.host_ifindex, known._replace(flags=flags))
        for address in (POD1_4, POD1_6):
            entry = endpoints.get(octets(address))
            assert entry is not None
            endpoints.put(octets(address), entry._replace(flags=stack))


@pytest.fixture
def chained(node: Node) -> Iterator[Node]:
    """The node, with pod1 made by another plugin."""
    mark(node, InterfaceFlag.INTERFACE_CHAINED | InterfaceFlag.INTERFACE_STACK_ROUTED)
    yield node
    mark(node, InterfaceFlag(0))


@pytest.fixture
def stack_routed(node: Node) -> Iterator[Node]:
    """The node, with pod1 ours, but rules of portmap in the stack."""
    mark(node, InterfaceFlag.INTERFACE_STACK_ROUTED)
    yield node
    mark(node, InterfaceFlag(0))


class Case(NamedTuple):
    """One row: what is sent, and what becomes of it."""

    name: str
    packet: Any
    verdict: int
    reason: DropReason = DropReason.FORWARDED


ROUTED = [
    Case("to a pod of this node", ETHER / IP(src=POD1_4, dst=POD2_4) / PING, OK),
    Case("to a pod of another node", ETHER / IP(src=POD1_4, dst=REMOTE_POD_4) / PING, OK),
    Case("to the node", ETHER / IP(src=POD1_4, dst=NODE_4) / PING, OK),
    Case("to the world", ETHER / IP(src=POD1_4, dst=WORLD_4) / TCP(), OK),
    Case("v6 to another node's pod", ETHER / IPv6(src=POD1_6, dst=REMOTE_POD_6) / PING6, OK),
    Case("v6 to the world", ETHER / IPv6(src=POD1_6, dst=WORLD_6) / PING6, OK),
    Case(
        "from the other pod's address",
        ETHER / IP(src=POD2_4, dst=REMOTE_POD_4) / PING,
        SHOT,
        DropReason.DROP_INVALID_SOURCE_IP,
    ),
]

DISCOVERY = ETHER / IPv6(src=LINK_LOCAL, dst="ff02::1:ff00:1") / ICMPv6ND_NS(tgt="fd00:244::ff")
ADVERT = IPv6(src="fe80::1", dst=LINK_LOCAL) / ICMPv6ND_NA(tgt="fe80::1")

#: Sent by pod1: what a chained pod may say on its link, and our own pods may not.
ON_LINK = [
    Case("solicitation", DISCOVERY, OK, DropReason.DROP_FORBIDDEN_ICMPV6),
    Case(
        "advertisement to the gateway",
        ETHER / IPv6(src=POD1_6, dst="fd00:244::ff") / ICMPv6ND_NA(tgt=POD1_6),
        OK,
        DropReason.DROP_FORBIDDEN_ICMPV6,
    ),
    Case(
        "broadcast",
        ETHER / IP(src=POD1_4, dst="255.255.255.255") / UDP(),
        OK,
        DropReason.DROP_UNKNOWN_L3_TARGET,
    ),
    Case(
        "multicast",
        ETHER / IP(src=POD1_4, dst="224.0.0.251") / UDP(),
        OK,
        DropReason.DROP_UNKNOWN_L3_TARGET,
    ),
    Case(
        "link-local",
        ETHER / IPv6(src=LINK_LOCAL, dst="fe80::1") / PING6,
        OK,
        DropReason.DROP_INVALID_SOURCE_IP,
    ),
]


@pytest.mark.parametrize("case", ROUTED, ids=lambda case: case.name)
def test_what_a_chained_pod_sends_is_checked_and_left_to_the_stack(
    chained: Node, case: Case
) -> None:
    with chained.counted() as counted:
        run = chained.from_pod(case.packet)

    assert (run.verdict, run.packet) == (case.verdict, bytes(case.packet))
    assert counted == {(case.reason, AttachPoint.FROM_POD): 1}


@pytest.mark.parametrize("case", ROUTED, ids=lambda case: case.name)
def test_with_portmap_a_pod_of_ours_is_routed_by_the_stack_too(
    stack_routed: Node, case: Case
) -> None:
    run = stack_routed.from_pod(case.packet)

    assert (run.verdict, run.packet) == (case.verdict, bytes(case.packet))


@pytest.mark.parametrize("case", ON_LINK, ids=lambda case: case.name)
def test_a_chained_pod_speaks_on_its_link(chained: Node, case: Case) -> None:
    run = chained.from_pod(case.packet)

    assert (run.verdict, run.packet) == (OK, bytes(case.packet))


@pytest.mark.parametrize("case", ON_LINK, ids=lambda case: case.name)
def test_a_pod_of_ours_has_no_link_to_speak_on(stack_routed: Node, case: Case) -> None:
    with stack_routed.counted() as counted:
        run = stack_routed.from_pod(case.packet)

    assert run.verdict == SHOT
    assert counted == {(case.reason, AttachPoint.FROM_POD): 1}


def test_arp_of_a_chained_pod_goes_to_its_gateway(chained: Node) -> None:
    asked = ETHER / ARP(op=1, hwsrc=POD1_MAC, psrc=POD1_4, pdst="10.244.0.254")

    run = chained.from_pod(asked)

    assert (run.verdict, run.packet) == (OK, bytes(asked))


@pytest.mark.parametrize(
    "packet",
    [
        TO_POD / IPv6(src="fe80::1", dst="ff02::1:ff00:1") / ICMPv6ND_NS(tgt=POD1_6),
        TO_POD / ADVERT,
        TO_POD / IPv6(src=NODE_6, dst=POD1_6) / UDP(),
        TO_POD / IP(src=NODE_4, dst="224.0.0.1") / UDP(),
        TO_POD / ARP(op=1),
    ],
    ids=["solicitation", "advertisement", "unicast", "multicast", "ARP"],
)
def test_a_chained_pod_hears_its_link(chained: Node, packet: Any) -> None:
    assert chained.to_pod(packet).verdict == OK


def test_what_a_bridge_floods_for_others_does_not_reach_a_chained_pod(chained: Node) -> None:
    with chained.counted() as counted:
        run = chained.to_pod(TO_POD / IP(src=NODE_4, dst="10.244.0.9") / UDP())

    assert run.verdict == SHOT
    assert counted == {(DropReason.DROP_STALE_OR_UNROUTABLE_IP, AttachPoint.TO_POD): 1}


def test_a_pod_of_ours_reaches_a_chained_one_by_the_stack(chained: Node) -> None:
    packet = Ether(src=chained.pod2.mac) / IP(src=POD2_4, dst=POD1_4) / PING

    run = chained.run("from_pod", packet, ifindex=chained.pod2.host_ifindex)

    assert (run.verdict, run.packet) == (OK, bytes(packet))


@pytest.mark.parametrize(
    "packet",
    [
        IN / IP(src=REMOTE_POD_4, dst=POD1_4) / PING,
        IN / IP(src=OTHER_NODE_4, dst=POD1_4) / TCP(),
        IN / IPv6(src=REMOTE_POD_6, dst=POD1_6) / PING6,
    ],
    ids=["a pod", "a node", "v6 a pod"],
)
def test_what_comes_from_the_network_reaches_a_chained_pod_by_the_stack(
    chained: Node, packet: Any
) -> None:
    run = chained.from_uplink(packet)

    assert (run.verdict, run.packet) == (OK, bytes(packet))


def test_the_answer_to_a_masqueraded_flow_goes_to_the_stack_with_the_pods_address(
    chained: Node,
) -> None:
    chained.forget_flows()
    sent = chained.sent_out(IP(src=POD1_4, dst=WORLD_4) / TCP(sport=40000, dport=80))
    assert sent[IP].src == NODE_4

    run = chained.from_uplink(
        IN / IP(src=WORLD_4, dst=NODE_4) / TCP(sport=80, dport=sent[TCP].sport, flags="SA")
    )

    answer = Ether(run.packet)
    assert run.verdict == OK
    assert (answer[IP].dst, answer[TCP].dport) == (POD1_4, 40000)
    chained.forget_flows()
