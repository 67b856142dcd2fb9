"""ICMP errors through the masquerade: a router about a masqueraded packet, a pod on an answer."""

from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, TCPerror, UDPerror
from scapy.layers.inet6 import (
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
)
from scapy.packet import Raw
from tests.datapath.node_rig import (
    IN,
    NODE_4,
    NODE_6,
    OK,
    REDIRECT,
    ROUTER_4,
    ROUTER_6,
    SHOT,
    WORLD_4,
    WORLD_6,
    Node,
)
from tests.datapath.soundness import ethernet, sound

from ciliate.datapath.layout import AttachPoint, DropReason

POD1_4, POD1_6 = "10.244.0.1", "fd00:244::1"
BODY = Raw(b"x" * 40)


@pytest.mark.parametrize("protocol", [TCP, UDP], ids=["TCP", "UDP"])
@pytest.mark.parametrize(("type_", "code"), [(3, 4), (3, 3), (11, 0)])
def test_a_routers_error_reaches_the_pod_it_is_about(
    node: Node, protocol: Any, type_: int, code: int
) -> None:
    seen = node.sent_out(IP(src=POD1_4, dst=WORLD_4) / protocol(sport=1000, dport=80) / BODY)
    quoted = bytes(seen[IP])[:28]  # The header and eight octets, as RFC 792 asks for.

    run = node.from_uplink(
        IN
        / IP(src=ROUTER_4, dst=NODE_4)
        / ICMP(type=type_, code=code, nexthopmtu=1280)
        / Raw(quoted)
    )

    error = ethernet(run.packet)
    assert run.verdict == REDIRECT
    assert (error[IP].src, error[IP].dst, sound(error)) == (ROUTER_4, POD1_4, True)
    about = {TCP: TCPerror, UDP: UDPerror}[protocol]
    assert (error[IPerror].src, error[IPerror].dst) == (POD1_4, WORLD_4)
    assert (error[about].sport, error[about].dport) == (1000, 80)


def test_a_routers_error_about_a_ping_reaches_the_pod(node: Node) -> None:
    seen = node.sent_out(IP(src=POD1_4, dst=WORLD_4) / ICMP(id=24, seq=9) / BODY)

    run = node.from_uplink(
        IN / IP(src=ROUTER_4, dst=NODE_4) / ICMP(type=11) / Raw(bytes(seen[IP])[:28])
    )

    error = ethernet(run.packet)
    assert (run.verdict, error[IP].dst, sound(error)) == (REDIRECT, POD1_4, True)
    assert error[IPerror].src == POD1_4
    assert bytes(error[IPerror].payload)[4:6] == (24).to_bytes(2, "big")


def test_a_v6_packet_too_big_reaches_the_pod(node: Node) -> None:
    seen = node.sent_out(IPv6(src=POD1_6, dst=WORLD_6) / TCP(sport=1000, dport=80) / BODY)

    run = node.from_uplink(
        IN / IPv6(src=ROUTER_6, dst=NODE_6) / ICMPv6PacketTooBig(mtu=1280) / Raw(bytes(seen[IPv6]))
    )

    error = ethernet(run.packet)
    assert (run.verdict, error[IPv6].dst, sound(error)) == (REDIRECT, POD1_6, True)
    inner = IPv6(bytes(error[ICMPv6PacketTooBig].payload))
    assert (inner.src, inner.dst, inner[TCP].sport) == (POD1_6, WORLD_6, 1000)


def test_an_error_about_no_flow_of_ours_goes_to_the_stack(node: Node) -> None:
    quoted = IP(src=NODE_4, dst=WORLD_4) / TCP(sport=50001, dport=80)
    packet = IN / IP(src=ROUTER_4, dst=NODE_4) / ICMP(type=3, code=1) / Raw(bytes(quoted))

    run = node.from_uplink(packet)

    assert (run.verdict, run.packet) == (OK, bytes(packet))


def test_a_pods_error_about_an_answer_is_hidden_like_its_flow(node: Node) -> None:
    port = node.sent_out(IP(src=POD1_4, dst=WORLD_4) / UDP(sport=1000, dport=53) / BODY)[UDP].sport
    answer = IP(src=WORLD_4, dst=POD1_4) / UDP(sport=53, dport=1000) / BODY

    left = node.sent_out(
        IP(src=POD1_4, dst=WORLD_4) / ICMP(type=3, code=3) / Raw(bytes(answer)[:28])
    )

    assert (left[IP].src, left[IP].dst, sound(left)) == (NODE_4, WORLD_4, True)
    assert (left[IPerror].src, left[IPerror].dst) == (WORLD_4, NODE_4)
    assert (left[UDPerror].sport, left[UDPerror].dport) == (53, port)


def test_an_error_that_quotes_a_later_fragment_is_left_alone(node: Node) -> None:
    """Such a piece has no ports: the octets there may equal those of any flow."""
    seen = node.sent_out(IP(src=POD1_4, dst=WORLD_4) / UDP(sport=1000, dport=53) / BODY)
    ports = bytes(seen[UDP])[:8]
    quoted = IP(src=NODE_4, dst=WORLD_4, proto=17, frag=185) / Raw(ports)
    packet = IN / IP(src=ROUTER_4, dst=NODE_4) / ICMP(type=11, code=1) / Raw(bytes(quoted))

    run = node.from_uplink(packet)

    assert (run.verdict, run.packet) == (OK, bytes(packet))
    first = IP(src=NODE_4, dst=WORLD_4, proto=17, flags="MF") / Raw(ports)
    of_flow = IN / IP(src=ROUTER_4, dst=NODE_4) / ICMP(type=11, code=1) / Raw(bytes(first))
    assert node.from_uplink(of_flow).verdict == REDIRECT


@pytest.mark.parametrize(
    "extension",
    [IPv6ExtHdrFragment(id=7, m=1), IPv6ExtHdrDestOpt(), IPv6ExtHdrFragment(id=8)],
    ids=["first fragment", "destination options", "whole datagram with a fragment header"],
)
def test_a_v6_error_is_understood_behind_extension_headers(node: Node, extension: Any) -> None:
    """A sender of fragments learns the path's MTU only so (RFC 4443, 8201)."""
    question = IPv6(src=POD1_6, dst=WORLD_6) / extension / UDP(sport=1000, dport=53) / BODY
    seen = node.sent_out(question)
    assert seen[IPv6].src == NODE_6

    run = node.from_uplink(
        IN / IPv6(src=ROUTER_6, dst=NODE_6) / ICMPv6PacketTooBig(mtu=1280) / Raw(bytes(seen[IPv6]))
    )

    error = ethernet(run.packet)
    assert (run.verdict, error[IPv6].dst, sound(error)) == (REDIRECT, POD1_6, True)
    inner = IPv6(bytes(error[ICMPv6PacketTooBig].payload))
    assert (inner.src, inner.dst, inner[UDP].sport) == (POD1_6, WORLD_6, 1000)


def test_an_error_about_a_later_v6_fragment_reaches_the_pod(node: Node) -> None:
    """Its id says of which datagram it is, whose first piece had the ports."""
    first = IPv6(src=POD1_6, dst=WORLD_6) / IPv6ExtHdrFragment(id=9, m=1, nh=17)
    later = IPv6(src=POD1_6, dst=WORLD_6) / IPv6ExtHdrFragment(id=9, offset=8, nh=17)
    node.sent_out(first / UDP(sport=1000, dport=53) / Raw(b"x" * 56))
    seen = node.sent_out(later / BODY)
    assert seen[IPv6].src == NODE_6

    run = node.from_uplink(
        IN / IPv6(src=ROUTER_6, dst=NODE_6) / ICMPv6PacketTooBig(mtu=1280) / Raw(bytes(seen[IPv6]))
    )

    error = ethernet(run.packet)
    assert (run.verdict, error[IPv6].dst, sound(error)) == (REDIRECT, POD1_6, True)
    inner = IPv6(bytes(error[ICMPv6PacketTooBig].payload))
    assert (inner.src, bytes(inner[IPv6ExtHdrFragment].payload)) == (POD1_6, bytes(BODY))


def test_an_error_about_a_later_v4_fragment_reaches_the_pod(node: Node) -> None:
    first = IP(src=POD1_4, dst=WORLD_4, id=77, flags="MF") / UDP(sport=1000, dport=53)
    node.sent_out(first / Raw(b"x" * 24))
    seen = node.sent_out(IP(src=POD1_4, dst=WORLD_4, id=77, frag=4, proto=17) / BODY)
    assert seen[IP].src == NODE_4

    run = node.from_uplink(
        IN / IP(src=ROUTER_4, dst=NODE_4) / ICMP(type=11) / Raw(bytes(seen[IP])[:28])
    )

    error = ethernet(run.packet)
    assert (run.verdict, error[IP].dst, sound(error)) == (REDIRECT, POD1_4, True)
    assert error[IPerror].src == POD1_4


def test_an_error_to_another_than_who_sent_what_it_quotes_is_about_nothing(node: Node) -> None:
    """RFC 5508, REQ-4: a pod's to a third party must not leave as if it were of the flow."""
    answer = IP(src=WORLD_4, dst=POD1_4) / UDP(sport=53, dport=1000) / BODY
    node.sent_out(IP(src=POD1_4, dst=WORLD_4) / UDP(sport=1000, dport=53) / BODY)

    stray = IP(src=POD1_4, dst="203.0.113.77") / ICMP(type=3, code=3) / Raw(bytes(answer)[:28])
    with node.counted() as counted:
        assert node.to_uplink(IN / stray).verdict == SHOT

    assert counted == {(DropReason.DROP_NAT_UNSUPPORTED_PROTOCOL, AttachPoint.TO_UPLINK): 1}
