"""bpf/from_uplink.bpf.c: what arrives and cannot have been sent to a pod by another machine."""

from typing import Any, NamedTuple

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_LSRR, IPOption_SSRR
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6PacketTooBig, IPv6
from scapy.layers.l2 import Ether
from tests.datapath.node_rig import (
    IN,
    NODE_4,
    NODE_6,
    NODE_MAC,
    OK,
    OTHER_NODE_4,
    REDIRECT,
    REMOTE_POD_4,
    REMOTE_POD_6,
    SHOT,
    WIRE_MAC,
    WORLD_4,
    WORLD_6,
    Node,
)

from ciliate.datapath.layout import AttachPoint, DropReason

POD1_4, POD1_6 = "10.244.0.1", "fd00:244::1"
POD2_4, POD2_6 = "10.244.0.2", "fd00:244::2"
FROM_POD1 = Ether(src="ee:0a:00:00:00:01", dst="ee:0b:00:00:00:01")
PING, PING6 = ICMP(id=7), ICMPv6EchoRequest(id=7)
BAD_SOURCE = DropReason.DROP_INVALID_SOURCE_IP
BAD_MAC = DropReason.DROP_INVALID_DESTINATION_MAC


class Case(NamedTuple):
    """A packet to a pod that no other machine can have sent to it, and why it is dropped."""

    name: str
    packet: Any
    reason: DropReason


def frame_to(mac: str) -> Any:
    return Ether(src=WIRE_MAC, dst=mac)


CASES = [
    *(
        Case(f"from {source}", IN / IP(src=source, dst=POD1_4) / PING, BAD_SOURCE)
        for source in (
            *("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.9.9.9"),
            *("224.0.0.1", "239.1.1.1", "255.255.255.255"),
            *(NODE_4, POD1_4, POD2_4),
            "169.254.42.1",  # By which a pod knows itself as a Service's backend.
        )
    ),
    *(
        Case(f"from {source}", IN / IPv6(src=source, dst=POD1_6) / PING6, BAD_SOURCE)
        for source in (
            *("::", "::1", "ff02::1", "ff0e::5", "fe80::1", "febf::1", NODE_6, POD2_6),
            "64:ff9b:1::a9fe:2a01",
        )
    ),
    *(
        Case(f"frame to {mac}", frame_to(mac) / IP(src=WORLD_4, dst=POD1_4) / PING, BAD_MAC)
        for mac in ("ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01")
    ),
    *(
        Case(f"v6 frame to {mac}", frame_to(mac) / IPv6(src=WORLD_6, dst=POD1_6) / PING6, BAD_MAC)
        for mac in ("ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01")
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_no_other_machine_can_send_reaches_no_pod(node: Node, case: Case) -> None:
    with node.counted() as counted:
        run = node.from_uplink(case.packet)

    assert run.verdict == SHOT
    assert counted == {(case.reason, AttachPoint.FROM_UPLINK): 1}


OTHER_MACHINE = "02:00:00:00:09:99"


@pytest.mark.parametrize(
    ("layer", "pod", "world"), [(IP, POD1_4, WORLD_4), (IPv6, POD1_6, WORLD_6)]
)
def test_a_frame_for_another_machine_is_left_to_the_stack_which_drops_it(
    node: Node, layer: Any, pod: str, world: str
) -> None:
    """A promiscuous device sees it, or one with a macvlan above, which must get it."""
    for mac, port in ((OTHER_MACHINE, 9), (NODE_MAC, 10)):
        node.wire.send(frame_to(mac) / layer(src=world, dst=pod) / UDP(dport=port))

    got = node.pod1.port.receive(lambda frame: UDP in frame and frame[layer].src == world)

    assert got[UDP].dport == 10  # The later, and not the first.
    assert node.from_uplink(frame_to(OTHER_MACHINE) / layer(src=world, dst=pod)).verdict == OK


@pytest.mark.parametrize("source", ["1.0.0.1", "128.0.0.1", "169.254.1.1", OTHER_NODE_4, WORLD_4])
def test_other_sources_reach_a_pod(node: Node, source: str) -> None:
    assert node.from_uplink(IN / IP(src=source, dst=POD1_4) / PING).verdict == REDIRECT


@pytest.mark.parametrize("source", ["::2", "2001:db8::1", "fec0::1", REMOTE_POD_6, WORLD_6])
def test_other_v6_sources_reach_a_pod(node: Node, source: str) -> None:
    assert node.from_uplink(IN / IPv6(src=source, dst=POD1_6) / PING6).verdict == REDIRECT


@pytest.mark.parametrize("packet", [case.packet for case in CASES], ids=[c.name for c in CASES])
def test_to_the_node_itself_the_stack_judges(node: Node, packet: Any) -> None:
    to_node = packet.copy()
    layer, own = (IP, NODE_4) if IP in packet else (IPv6, NODE_6)
    to_node[layer].dst = own

    run = node.from_uplink(to_node)

    assert (run.verdict, run.packet) == (OK, bytes(to_node))


def masqueraded_port(node: Node) -> int:
    """Let pod1 speak to the world from port 40000; return the port that the world sees."""
    sent = node.sent_out(IP(src=POD1_4, dst=WORLD_4) / TCP(sport=40000, dport=80, flags="S"))
    return int(sent[TCP].sport)


def test_an_answer_in_a_frame_for_another_machine_is_not_turned_to_the_pod(node: Node) -> None:
    port = masqueraded_port(node)
    answer = IP(src=WORLD_4, dst=NODE_4) / TCP(sport=80, dport=port, flags="SA")

    other = node.from_uplink(frame_to(OTHER_MACHINE) / answer)
    own = node.from_uplink(IN / answer)

    assert (other.verdict, own.verdict) == (OK, REDIRECT)


@pytest.mark.parametrize("source", [NODE_4, POD2_4, "127.0.0.1"])
def test_an_icmp_error_with_an_impossible_source_is_not_turned_to_the_pod(
    node: Node, source: str
) -> None:
    port = masqueraded_port(node)
    about = IP(src=NODE_4, dst=WORLD_4) / TCP(sport=port, dport=80)
    error = ICMP(type=3, code=1) / bytes(about)[:28]

    forged = node.from_uplink(IN / IP(src=source, dst=NODE_4) / error)
    true = node.from_uplink(IN / IP(src=WORLD_4, dst=NODE_4) / error)

    assert (forged.verdict, true.verdict) == (OK, REDIRECT)


@pytest.mark.parametrize(
    "packet",
    [
        IPv6(src=f"::ffff:{WORLD_4}", dst=f"::ffff:{POD1_4}"),
        IPv6(src=WORLD_6, dst=f"::ffff:{POD1_4}"),
        IPv6(src=f"::ffff:{WORLD_4}", dst=POD1_6),
    ],
    ids=["both", "destination", "source"],
)
def test_a_mapped_address_in_an_ipv6_packet_is_no_ipv4_pods(node: Node, packet: Any) -> None:
    """The stack has no route to ::ffff:0:0/96, and to_pod refuses such a source."""
    assert node.from_uplink(IN / packet / PING6).verdict == OK
    assert node.to_pod(Ether() / packet / PING6).verdict == SHOT


def test_a_mapped_address_in_an_icmpv6_error_names_no_ipv4_flow(node: Node) -> None:
    port = masqueraded_port(node)
    about = IPv6(src=f"::ffff:{NODE_4}", dst=f"::ffff:{WORLD_4}") / TCP(sport=port, dport=80)
    frame = IN / IPv6(src=WORLD_6, dst=NODE_6) / ICMPv6PacketTooBig(mtu=1280) / bytes(about)

    run = node.from_uplink(frame)

    assert (run.verdict, run.packet) == (OK, bytes(frame))


@pytest.mark.parametrize("destination", [f"::ffff:{POD2_4}", f"::ffff:{WORLD_4}"])
def test_a_pod_cannot_reach_an_ipv4_address_by_ipv6(node: Node, destination: str) -> None:
    run = node.from_pod(FROM_POD1 / IPv6(src=POD1_6, dst=destination) / PING6)

    assert run.verdict == SHOT


ROUTED = [
    ("loose", IPOption_LSRR(routers=[OTHER_NODE_4])),
    ("strict", IPOption_SSRR(routers=[OTHER_NODE_4])),
]


@pytest.mark.parametrize("option", [each for _, each in ROUTED], ids=[name for name, _ in ROUTED])
def test_a_source_routed_packet_goes_nowhere(node: Node, option: Any) -> None:
    """The node's accept_source_route is 0: the stack, which gets such packets, drops them."""
    for options, port in (([option], 9), ([], 10)):
        transport = UDP(dport=port)
        out = IP(src=POD1_4, dst=REMOTE_POD_4, options=options)
        node.pod1.port.send(FROM_POD1 / out / transport)
        node.wire.send(IN / IP(src=WORLD_4, dst=POD1_4, options=options) / transport)

    came_out = node.wire.receive(lambda frame: UDP in frame and frame[IP].src == POD1_4)
    came_in = node.pod1.port.receive(lambda frame: UDP in frame and frame[IP].src == WORLD_4)
    assert (came_out[UDP].dport, came_in[UDP].dport) == (10, 10)  # The later, and not the first.
