"""Packets of every shape through every program: each ends as one counted pass or drop.

The generator starts from sound packets, since random octets would not get past the first check,
and cuts, flips and splices them.
"""

import errno
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import GRE, ICMP, IP, TCP, UDP, IPOption, fragment
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_RA,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw
from tests.datapath.node_rig import (
    NODE_4,
    NODE_6,
    OK,
    REDIRECT,
    REMOTE_POD_4,
    ROUTER_4,
    SHOT,
    WORLD_4,
    WORLD_6,
    Node,
)

from ciliate.datapath.errors import DatapathError
from ciliate.datapath.layout import AttachPoint, DropReason
from ciliate.datapath.test_run import Run
from ciliate.net.address import ip_address

POD1_4, POD1_6 = "10.244.0.1", "fd00:244::1"
ETHER = Ether(src="ee:0a:00:00:00:01", dst="ee:0b:00:00:00:01")
ETHERNET_BYTES = 14
IPV6_HEADER_BYTES = 40
PROGRAMS = {
    "from_pod": AttachPoint.FROM_POD,
    "to_pod": AttachPoint.TO_POD,
    "from_uplink": AttachPoint.FROM_UPLINK,
    "to_uplink": AttachPoint.TO_UPLINK,
}


def _both_ways(packet: Any) -> list[Any]:
    """Return a packet from pod1 to the world, and one from the world to the node."""
    if IP in packet:
        return [packet, IP(src=WORLD_4, dst=NODE_4) / packet.payload]
    return [packet, IPv6(src=WORLD_6, dst=NODE_6) / packet.payload]


def _seeds() -> list[bytes]:
    v4, v6 = IP(src=POD1_4, dst=WORLD_4), IPv6(src=POD1_6, dst=WORLD_6)
    quoted = bytes(IP(src=NODE_4, dst=WORLD_4) / TCP(sport=50000, dport=80))
    quoted6 = bytes(IPv6(src=NODE_6, dst=WORLD_6) / UDP(sport=50000, dport=53))
    packets = [
        v4 / TCP(sport=50000, dport=80),
        v4 / UDP(sport=1000, dport=53) / Raw(b"q" * 30),
        v4 / ICMP(id=50000),
        v4 / ICMP(type=3, code=4, nexthopmtu=1280) / Raw(quoted),
        v4 / ICMP(type=13),
        v4 / GRE(),
        IP(src=POD1_4, dst=WORLD_4, options=IPOption(b"\x01" * 40)) / UDP(sport=1000, dport=53),
        IP(src=POD1_4, dst=ROUTER_4, ttl=1) / UDP(),
        IP(src=POD1_4, dst=REMOTE_POD_4) / UDP(),
        *fragment(v4 / UDP(sport=1, dport=2) / Raw(b"f" * 100), fragsize=64),
        *fragment(v4 / ICMP(id=3) / Raw(b"f" * 100), fragsize=64),
        v6 / TCP(sport=50000, dport=80),
        v6 / ICMPv6EchoRequest(id=50000),
        v6 / ICMPv6PacketTooBig(mtu=1280) / Raw(quoted6),
        v6 / ICMPv6ND_RA(),
        v6 / IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting() / IPv6ExtHdrDestOpt() / UDP(),
        v6 / IPv6ExtHdrFragment(offset=0, m=1, id=5) / UDP(sport=1, dport=2) / Raw(b"f" * 64),
        v6 / IPv6ExtHdrFragment(offset=9, m=0, id=5, nh=17) / Raw(b"f" * 64),
    ]
    chain: Any = v6
    for _ in range(8):  # More extension headers than any program follows.
        chain /= IPv6ExtHdrDestOpt()
    packets.append(chain / UDP())
    frames = [ETHER / each for packet in packets for each in _both_ways(packet)]
    frames += [
        ETHER / ARP(psrc=POD1_4, pdst=NODE_4),
        ETHER / Dot1Q(vlan=3) / packets[0],
        ETHER / Raw(bytes(60)),
    ]
    return sorted({bytes(frame) for frame in frames})


SEEDS = _seeds()


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Return a frame that was sound before octets of it were changed and its end was cut."""
    frame = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(12, min(len(frame) - 1, 90)))
        frame[at] = draw(st.sampled_from([0, 1, 0xFF, 44, 58, 60]) | st.integers(0, 255))
    if draw(st.booleans()):
        del frame[draw(st.integers(ETHERNET_BYTES, len(frame))) :]
    return bytes(frame)


@pytest.mark.parametrize("program", PROGRAMS)
@settings(
    max_examples=400,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(frame=frames())
@example(frame=SEEDS[0][:ETHERNET_BYTES])
def test_every_packet_is_one_counted_pass_or_drop(node: Node, program: str, frame: bytes) -> None:
    with node.counted() as counted:
        run = taken(node, program, frame)
    if run is None:
        return

    assert run.verdict in {OK, SHOT, REDIRECT}
    ((reason, point),) = counted
    assert counted[reason, point] == 1
    assert point == PROGRAMS[program]
    assert (reason == DropReason.FORWARDED) == (run.verdict != SHOT)
    assert len(run.packet) == len(frame)
    if program == "from_pod" and run.verdict != SHOT:
        assert is_honest(frame)


def taken(node: Node, program: str, frame: bytes) -> Run | None:
    """Run a program; None where the kernel hands no program less than an IP header."""
    at_pod = program in {"from_pod", "to_pod"}
    ifindex = node.pod1.host_ifindex if at_pod else node.uplink_ifindex
    try:
        return node.run(program, frame, ifindex=ifindex)
    except DatapathError as error:
        if error.code == errno.EINVAL and len(frame) < ETHERNET_BYTES + IPV6_HEADER_BYTES:
            return None
        raise


def is_honest(frame: bytes) -> bool:
    """Whether pod1 may send this: from its own addresses, or an ARP request."""
    match frame[12:14]:
        case b"\x08\x00":
            return frame[26:30] == ip_address(POD1_4).packed
        case b"\x86\xdd":
            return frame[22:38] == ip_address(POD1_6).packed
        case b"\x08\x06":
            return frame[20:22] == b"\x00\x01"
    return False


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_a_packet_cut_anywhere_is_counted(node: Node, program: str, seed: int) -> None:
    whole = SEEDS[seed]

    with node.counted() as counted:
        runs = [taken(node, program, whole[:n]) for n in range(ETHERNET_BYTES, len(whole))]

    assert sum(counted.values()) == sum(run is not None for run in runs)
    assert {point for _, point in counted} == {PROGRAMS[program]}
