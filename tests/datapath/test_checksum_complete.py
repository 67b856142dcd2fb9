"""Packets whose sum a device has made (CHECKSUM_COMPLETE): it stays true whatever programs change."""

import errno
from ipaddress import ip_address
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6PacketTooBig, IPv6
from scapy.packet import Raw
from scapy.utils import checksum
from tests.datapath.node_rig import IN, NODE_4, NODE_6, OUT, ROUTER_6, WORLD_4, WORLD_6, Node

from ciliate.datapath import test_run
from ciliate.datapath.errors import DatapathError
from ciliate.net.address import to_octets

POD1_4, POD1_6 = "10.244.0.1", "fd00:244::1"
BODY = Raw(b"hello123")
V4, V6 = IP(src=POD1_4, dst=WORLD_4), IPv6(src=POD1_6, dst=WORLD_6)


def run(node: Node, program: str, packet: Any) -> test_run.Run:
    """Run `program`, at eth1, on a packet with its sum."""
    fd = getattr(node.datapath.programs, f"{program}_fd")
    try:
        return test_run.run(fd, bytes(packet), ifindex=node.uplink_ifindex, checksum_complete=True)
    except DatapathError as error:
        if error.code == errno.EINVAL:
            pytest.skip("the kernel cannot run programs on packets with a sum (Linux 6.17)")
        raise


@pytest.mark.parametrize("layer", [TCP(sport=1234, dport=77), UDP(sport=1234, dport=77)])
@pytest.mark.parametrize(("ip", "own"), [(V4, NODE_4), (V6, NODE_6)], ids=["v4", "v6"])
def test_masquerading_and_its_reverse_keep_the_sum(
    node: Node, ip: Any, own: str, layer: Any
) -> None:
    left = run(node, "to_uplink", OUT / ip / layer / BODY)

    seen = type(ip)(left.packet[14:])
    assert seen.src == own
    port = seen.payload.sport
    answer = type(ip)(src=ip.dst, dst=own) / type(layer)(sport=77, dport=port) / BODY
    back = type(ip)(run(node, "from_uplink", IN / answer).packet[14:])
    assert (back.dst, back.payload.dport) == (ip.src, 1234)


@pytest.mark.parametrize("echo", [V4 / ICMP(id=3), V6 / ICMPv6EchoRequest(id=3)], ids=["v4", "v6"])
def test_masquerading_a_ping_keeps_the_sum(node: Node, echo: Any) -> None:
    assert run(node, "to_uplink", OUT / echo / BODY).packet != bytes(OUT / echo / BODY)


def test_what_goes_to_a_pod_with_one_hop_less_keeps_the_sum(node: Node) -> None:
    for ip in (IP(src=WORLD_4, dst=POD1_4), IPv6(src=WORLD_6, dst=POD1_6)):
        went = run(node, "from_uplink", IN / ip / UDP(sport=1, dport=2) / BODY)
        assert went.packet[14:] != bytes(ip / UDP(sport=1, dport=2) / BODY)


def test_translating_a_v6_error_keeps_the_sum(node: Node) -> None:
    seen = node.sent_out(V6 / UDP(sport=1000, dport=53) / BODY)
    error = IPv6(src=ROUTER_6, dst=NODE_6) / ICMPv6PacketTooBig() / Raw(bytes(seen[IPv6]))

    assert IPv6(run(node, "from_uplink", IN / error).packet[14:]).dst == POD1_6


def test_every_checksum_of_a_header_is_corrected_to_one_that_holds(node: Node) -> None:
    """Each identification gives another: sums that carry, and those that come to all ones."""
    frame = bytearray(bytes(OUT / V4 / UDP(sport=50000, dport=77)))
    for identification in range(0, 0x10000, 13):
        frame[18:20] = identification.to_bytes(2)
        frame[24:26] = bytes(2)
        frame[24:26] = checksum(bytes(frame[14:34])).to_bytes(2)

        left = node.to_uplink(frame).packet

        assert left[26:30] == to_octets(ip_address(NODE_4))[12:]
        assert not checksum(left[14:34]), hex(identification)
