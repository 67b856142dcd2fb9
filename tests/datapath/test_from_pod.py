"""bpf/from_pod.bpf.c: what a pod sends; and what arrives at the far end of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrHopByHop,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw
from tests.datapath.node_rig import (
    NODE_4,
    NODE_6,
    NODE_MAC,
    OK,
    OTHER_NODE_4,
    REDIRECT,
    REMOTE_POD_4,
    REMOTE_POD_6,
    ROUTER_4,
    SHOT,
    WIRE_MAC,
    WORLD_4,
    WORLD_6,
    Node,
)
from tests.datapath.soundness import sound

from ciliate.datapath.layout import AttachPoint, DropReason
from ciliate.node.maps import INTERFACES

POD1_4, POD1_6, POD1_MAC = "10.244.0.1", "fd00:244::1", "ee:0a:00:00:00:01"
POD2_4, POD2_6 = "10.244.0.2", "fd00:244::2"
ETHER = Ether(src=POD1_MAC, dst="ee:0b:00:00:00:01")
PING = ICMP(id=7) / Raw(b"x" * 32)
PING6 = ICMPv6EchoRequest(id=7, data=b"x" * 32)


class Case(NamedTuple):
    """One row: what a pod sends, and what from_pod makes of it."""

    name: str
    packet: Any
    verdict: int
    reason: DropReason = DropReason.FORWARDED


CASES = [
    Case("to a pod of this node", ETHER / IP(src=POD1_4, dst=POD2_4) / PING, REDIRECT),
    Case("to a pod of another node", ETHER / IP(src=POD1_4, dst=REMOTE_POD_4) / PING, REDIRECT),
    Case("to another node", ETHER / IP(src=POD1_4, dst=OTHER_NODE_4) / PING, REDIRECT),
    Case("to the node itself", ETHER / IP(src=POD1_4, dst=NODE_4) / PING, OK),
    Case("to the world", ETHER / IP(src=POD1_4, dst=WORLD_4) / TCP(), REDIRECT),
    Case("v6 to a pod of this node", ETHER / IPv6(src=POD1_6, dst=POD2_6) / PING6, REDIRECT),
    Case("v6 to another node's pod", ETHER / IPv6(src=POD1_6, dst=REMOTE_POD_6) / PING6, REDIRECT),
    Case("v6 to the node itself", ETHER / IPv6(src=POD1_6, dst=NODE_6) / PING6, OK),
    Case("v6 to the world", ETHER / IPv6(src=POD1_6, dst=WORLD_6) / UDP(), REDIRECT),
    Case(
        "v6 behind extension headers",
        ETHER / IPv6(src=POD1_6, dst=POD2_6) / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / PING6,
        REDIRECT,
    ),
    Case("last hop, left to the stack", ETHER / IP(src=POD1_4, dst=POD2_4, ttl=1) / PING, OK),
    Case("last hop by a route", ETHER / IP(src=POD1_4, dst=WORLD_4, ttl=1) / PING, OK),
    Case("v6 last hop", ETHER / IPv6(src=POD1_6, dst=POD2_6, hlim=1) / PING6, OK),
    Case(
        "from the other pod's address",
        ETHER / IP(src=POD2_4, dst=REMOTE_POD_4) / PING,
        SHOT,
        DropReason.DROP_INVALID_SOURCE_IP,
    ),
    Case(
        "from the node's address",
        ETHER / IP(src=NODE_4, dst=WORLD_4) / PING,
        SHOT,
        DropReason.DROP_INVALID_SOURCE_IP,
    ),
    Case(
        "from no address",
        ETHER / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67),
        SHOT,
        DropReason.DROP_INVALID_SOURCE_IP,
    ),
    Case(
        "v6 from the other pod's address",
        ETHER / IPv6(src=POD2_6, dst=REMOTE_POD_6) / PING6,
        SHOT,
        DropReason.DROP_INVALID_SOURCE_IP,
    ),
    Case(
        "v6 from its own IPv4 address, mapped",
        ETHER / IPv6(src=f"::ffff:{POD1_4}", dst=REMOTE_POD_6) / PING6,
        SHOT,
        DropReason.DROP_INVALID_SOURCE_IP,
    ),
    Case(
        "v6 from no address",
        ETHER / IPv6(src="::", dst=POD2_6) / PING6,
        SHOT,
        DropReason.DROP_INVALID_SOURCE_IP,
    ),
    Case(
        "v6 from its link-local address",
        ETHER / IPv6(src="fe80::ec0a:ff:fe00:1", dst=POD2_6) / PING6,
        SHOT,
        DropReason.DROP_INVALID_SOURCE_IP,
    ),
    *(
        Case(
            f"neighbour discovery: {type(message).__name__}",
            ETHER / IPv6(src=POD1_6, dst="ff02::1", hlim=255) / message,
            SHOT,
            DropReason.DROP_FORBIDDEN_ICMPV6,
        )
        for message in (
            ICMPv6ND_RA(),
            ICMPv6ND_NA(tgt=NODE_6),
            ICMPv6ND_RS(),
            ICMPv6ND_NS(tgt=NODE_6),
        )
    ),
    Case(
        "a router advertisement behind an extension header",
        ETHER / IPv6(src=POD1_6, dst="ff02::1", hlim=255) / IPv6ExtHdrDestOpt() / ICMPv6ND_RA(),
        SHOT,
        DropReason.DROP_FORBIDDEN_ICMPV6,
    ),
    Case(
        "neither IP nor ARP",
        ETHER / Raw(b"\0" * 50),
        SHOT,
        DropReason.DROP_UNSUPPORTED_L3_PROTOCOL,
    ),
    Case(
        "an address claimed by an ARP reply",
        Ether(src=POD1_MAC, dst="ff:ff:ff:ff:ff:ff")
        / ARP(op=2, hwsrc=POD1_MAC, psrc=NODE_4, pdst=NODE_4),
        SHOT,
        DropReason.DROP_UNSUPPORTED_L2_PROTOCOL,
    ),
    Case(
        "IPv4 with a header of 16 bytes",
        ETHER / IP(src=POD1_4, dst=POD2_4, ihl=4) / PING,
        SHOT,
        DropReason.DROP_INVALID_PACKET,
    ),
    Case(
        "IPv6 behind IPv4's type",
        Ether(src=POD1_MAC, type=0x0800) / IPv6(src=POD1_6, dst=POD2_6) / PING6,
        SHOT,
        DropReason.DROP_INVALID_PACKET,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict_and_counter(node: Node, case: Case) -> None:
    with node.counted() as counted:
        run = node.from_pod(case.packet)

    assert run.verdict == case.verdict
    assert counted == {(case.reason, AttachPoint.FROM_POD): 1}


def test_an_interface_without_endpoint_is_closed(node: Node) -> None:
    with node.counted() as counted:
        run = node.run("from_pod", ETHER / IP(src=POD1_4, dst=POD2_4) / PING, ifindex=1)

    assert run.verdict == SHOT
    assert counted == {(DropReason.DROP_UNKNOWN_ENDPOINT, AttachPoint.FROM_POD): 1}


@pytest.mark.parametrize("lacking", [4, 6])
def test_a_pod_without_an_address_of_the_family_sends_from_none(node: Node, lacking: int) -> None:
    """What stands for "no address" in its entry is an address that a packet can carry."""
    with node.datapath.opened(INTERFACES) as interfaces:
        known = interfaces.get(node.pod1.host_ifindex)
        assert known is not None
        without = (
            known._replace(ipv4=bytes(16)) if lacking == 4 else known._replace(ipv6=bytes(16))
        )
        interfaces.put(node.pod1.host_ifindex, without)
        try:
            verdicts = {
                node.from_pod(ETHER / IP(src="0.0.0.0", dst=POD2_4) / PING).verdict,
                node.from_pod(ETHER / IPv6(src="::", dst=POD2_6) / PING6).verdict,
                node.to_pod(ETHER / IPv6(src=WORLD_6, dst="::") / PING6).verdict,
            }
        finally:
            interfaces.put(node.pod1.host_ifindex, known)

    assert verdicts == {SHOT}


def test_a_vlan_tag_hides_nothing(node: Node) -> None:
    """A tagged frame is no IP packet here, whatever stands behind the tag."""
    with node.counted() as counted:
        run = node.from_pod(ETHER / Dot1Q(vlan=5) / IP(src=NODE_4, dst=POD2_4) / PING)

    assert run.verdict == SHOT
    assert counted == {(DropReason.DROP_UNSUPPORTED_L3_PROTOCOL, AttachPoint.FROM_POD): 1}


def test_a_packet_reaches_the_pod_next_door_with_one_hop_less(node: Node) -> None:
    sent = IP(src=POD1_4, dst=POD2_4, ttl=64) / PING

    node.pod1.port.send(ETHER / sent)
    got = node.pod2.port.receive(lambda frame: ICMP in frame)

    assert (got.src, got.dst) == (node.pod2.host_mac, node.pod2.mac)
    assert got[IP].ttl == 63
    assert sound(got)
    assert bytes(got[ICMP]) == bytes(sent[ICMP])


def test_a_v6_packet_reaches_the_pod_next_door(node: Node) -> None:
    node.pod1.port.send(ETHER / IPv6(src=POD1_6, dst=POD2_6) / PING6)
    got = node.pod2.port.receive(lambda frame: ICMPv6EchoRequest in frame)

    assert (got[IPv6].src, got[IPv6].hlim) == (POD1_6, 63)


@pytest.mark.parametrize("destination", [REMOTE_POD_4, OTHER_NODE_4])
def test_packets_inside_the_cluster_keep_their_source_on_the_wire(
    node: Node, destination: str
) -> None:
    node.pod1.port.send(ETHER / IP(src=POD1_4, dst=destination) / PING)
    got = node.wire.receive(lambda frame: ICMP in frame)

    assert (got.src, got.dst) == (NODE_MAC, WIRE_MAC)
    assert (got[IP].src, got[IP].dst, got[IP].ttl) == (POD1_4, destination, 63)
    assert (got[ICMP].id, sound(got)) == (7, True)


def test_v6_packets_to_other_nodes_pods_keep_their_source(node: Node) -> None:
    node.pod1.port.send(ETHER / IPv6(src=POD1_6, dst=REMOTE_POD_6) / PING6)
    got = node.wire.receive(lambda frame: ICMPv6EchoRequest in frame)

    assert (got.src, got.dst) == (NODE_MAC, WIRE_MAC)
    assert (got[IPv6].src, got[IPv6].hlim) == (POD1_6, 63)


def test_a_spoofed_packet_reaches_nobody(node: Node) -> None:
    node.pod1.port.send(ETHER / IP(src=POD2_4, dst=ROUTER_4) / ICMP(id=66))
    node.pod1.port.send(ETHER / IP(src=POD1_4, dst=OTHER_NODE_4) / ICMP(id=67))

    got = node.wire.receive(lambda frame: ICMP in frame)  # The second came, so the first would.

    assert got[ICMP].id == 67


def test_arp_is_answered_with_the_host_sides_address(node: Node) -> None:
    with node.counted() as counted:
        node.pod1.port.send(
            Ether(src=POD1_MAC, dst="ff:ff:ff:ff:ff:ff")
            / ARP(op=1, hwsrc=POD1_MAC, psrc=POD1_4, pdst="10.244.0.254")
        )
        got = node.pod1.port.receive(lambda frame: ARP in frame)

    assert (got[ARP].op, got[ARP].psrc, got[ARP].hwsrc) == (2, "10.244.0.254", node.pod1.host_mac)
    assert (got[ARP].pdst, got[ARP].hwdst, got.dst) == (POD1_4, POD1_MAC, POD1_MAC)
    assert counted[DropReason.FORWARDED, AttachPoint.FROM_POD] == 1


def test_a_pod_cannot_claim_its_own_address_twice(node: Node) -> None:
    """An answer to a probe for the pod's own address would report a duplicate."""
    probe = Ether(src=POD1_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(
        op=1, hwsrc=POD1_MAC, psrc="0.0.0.0", pdst=POD1_4
    )
    assert node.from_pod(probe).verdict == SHOT


FLOWS = {
    4: ETHER / IP(src=POD1_4, dst=WORLD_4) / UDP(sport=50000, dport=53),
    6: ETHER / IPv6(src=POD1_6, dst=WORLD_6) / UDP(sport=50000, dport=53),
}


@contextmanager
def known_flow(node: Node, family: int, added: str) -> Iterator[Any]:
    """Let a flow to the world be known, then add what makes its remote be on this node."""
    packet = FLOWS[family]
    left = Ether(node.from_pod(packet).packet)
    assert left[IP if family == 4 else IPv6].src == (NODE_4 if family == 4 else NODE_6)
    node.namespace.ip(added.replace("*", "add", 1))
    try:
        yield packet
    finally:
        node.namespace.ip(added.replace("*", "del", 1))


@pytest.mark.parametrize(
    ("family", "route"),
    [(4, f"route * {WORLD_4}/32 dev lxc2"), (6, f"route * {WORLD_6}/128 dev lxc2")],
)
def test_a_known_flow_whose_remote_became_a_pod_here_reaches_it_with_its_own_address(
    node: Node, family: int, route: str
) -> None:
    """The remote of a known flow is not looked up in `endpoints`; the kernel's table says it."""
    with known_flow(node, family, route) as packet:
        run = node.from_pod(packet)

    source = Ether(run.packet)[IP if family == 4 else IPv6].src
    assert (run.verdict, source) == (REDIRECT, POD1_4 if family == 4 else POD1_6)


@pytest.mark.parametrize(
    ("family", "route"),
    [(4, f"route * local {WORLD_4}/32 dev eth1"), (6, f"route * local {WORLD_6}/128 dev eth1")],
)
def test_a_known_flow_whose_remote_became_this_node_goes_to_the_stack_as_it_is(
    node: Node, family: int, route: str
) -> None:
    """What an address of the node's comes with; that of IPv6 the kernel adds a moment later."""
    with known_flow(node, family, route) as packet:
        run = node.from_pod(packet)

    assert (run.verdict, run.packet) == (OK, bytes(packet))
