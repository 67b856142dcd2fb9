"""bpf/lib/l2_announce.h: ARP requests and neighbour solicitations for announced addresses."""

import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw
from tests.datapath.node_rig import NODE_MAC, WIRE_MAC, Node, octets

from ciliate.datapath.layout import L2Responder, L2ResponderKey
from ciliate.l2_announcements.maps import L2_ALIVE, L2_RESPONDERS

LB4, LB6, ASKS4, ASKS6 = (
    "192.168.10.250",
    "fd00:192:168:10::250",
    "192.168.10.77",
    "fd00:192:168:10::77",
)
GROUP, GROUP_MAC = "ff02::1:ff00:250", "33:33:ff:00:02:50"
PASSED, REDIRECTED = 0, 7
MAC = bytes.fromhex(NODE_MAC.replace(":", ""))


def say_alive(node: Node, until_ns: int) -> None:
    with node.datapath.opened(L2_ALIVE) as alive:
        alive.put(0, until_ns.to_bytes(8, sys.byteorder))


def in_a_minute() -> int:
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) + 60 * 10**9


@pytest.fixture
def announcing(node: Node) -> Iterator[Node]:
    """The node, which announces both addresses at its device."""
    keys = [L2ResponderKey(octets(each), node.uplink_ifindex) for each in (LB4, LB6)]
    with node.datapath.opened(L2_RESPONDERS) as responders:
        for key in keys:
            responders.put(key, L2Responder(0, MAC, 0))
        say_alive(node, in_a_minute())
        yield node
        responders.remove_many(keys)
        say_alive(node, 0)


def arp(**fields: Any) -> Any:
    asked = {"op": 1, "hwsrc": WIRE_MAC, "psrc": ASKS4, "pdst": LB4, **fields}
    return Ether(src=WIRE_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(**asked)


def solicitation(*options: Any, source: str = ASKS6, target: str = LB6, **ip: Any) -> Any:
    head = Ether(src=WIRE_MAC, dst=GROUP_MAC) / IPv6(
        **{"src": source, "dst": GROUP, "hlim": 255, **ip}
    )
    packet = head / ICMPv6ND_NS(tgt=target)
    for each in options:
        packet /= each
    return packet


def answered(node: Node, address: str) -> int:
    with node.datapath.opened(L2_RESPONDERS) as responders:
        found = responders.get(L2ResponderKey(octets(address), node.uplink_ifindex))
    return found.answered if found is not None else -1


def ours() -> Any:
    return ICMPv6NDOptSrcLLAddr(lladdr=WIRE_MAC)


def test_arp_request_is_answered_with_the_devices_mac(announcing: Node) -> None:
    got = announcing.from_uplink(arp())

    said = Ether(got.packet)
    assert got.verdict == REDIRECTED
    assert (said.src, said.dst) == (NODE_MAC, WIRE_MAC)
    assert (said[ARP].op, said[ARP].psrc, said[ARP].hwsrc) == (2, LB4, NODE_MAC)
    assert (said[ARP].pdst, said[ARP].hwdst) == (ASKS4, WIRE_MAC)
    assert answered(announcing, LB4) == 1


def test_probe_for_the_address_is_answered(announcing: Node) -> None:
    assert announcing.from_uplink(arp(psrc="0.0.0.0")).verdict == REDIRECTED


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(arp(pdst="192.168.10.251"), id="another address"),
        pytest.param(arp(op=2), id="a reply"),
        pytest.param(arp(psrc=LB4), id="another who announces it"),
        pytest.param(arp(hwlen=8), id="hardware length"),
        pytest.param(arp(plen=16), id="protocol length"),
        pytest.param(arp(hwtype=6), id="no Ethernet"),
        pytest.param(arp(ptype=0x86DD), id="no IPv4"),
        pytest.param(arp(hwsrc="ff:ff:ff:ff:ff:ff"), id="from all"),
        pytest.param(Ether(bytes(arp())[:36]), id="cut"),
    ],
)
def test_other_arp_is_left_to_the_stack_as_it_is(announcing: Node, frame: Any) -> None:
    got = announcing.from_uplink(frame)

    assert got.verdict == PASSED
    assert bytes(got.packet)[: len(bytes(frame))] == bytes(frame)
    assert answered(announcing, LB4) == 0


@pytest.mark.parametrize("options", [(), (ours(),)], ids=["without", "with source"])
@pytest.mark.parametrize("to", ["group", "address"])
def test_solicitation_is_answered_soundly(
    announcing: Node, options: tuple[Any, ...], to: str
) -> None:
    asked = solicitation(*options, dst=GROUP if to == "group" else LB6)
    if to == "address":
        asked[Ether].dst = NODE_MAC

    got = announcing.from_uplink(asked)

    said = Ether(got.packet)
    assert got.verdict == REDIRECTED
    assert (said.src, said.dst) == (NODE_MAC, WIRE_MAC)
    assert (said[IPv6].src, said[IPv6].dst, said[IPv6].hlim) == (LB6, ASKS6, 255)
    advertised = said[ICMPv6ND_NA]
    assert (advertised.tgt, advertised.R, advertised.S, advertised.O) == (LB6, 0, 1, 1)
    assert said[ICMPv6NDOptDstLLAddr].lladdr == NODE_MAC
    assert advertised.cksum == sound_checksum(said)
    assert answered(announcing, LB6) == 1


def sound_checksum(frame: Any) -> int:
    again = frame.copy()
    del again[ICMPv6ND_NA].cksum
    return int(Ether(bytes(again))[ICMPv6ND_NA].cksum)


def test_who_asks_whether_the_address_is_free_hears_it_with_all(announcing: Node) -> None:
    got = announcing.from_uplink(solicitation(source="::"))

    said = Ether(got.packet)
    assert got.verdict == REDIRECTED
    assert (said.dst, said[IPv6].dst) == ("33:33:00:00:00:01", "ff02::1")
    assert (said[ICMPv6ND_NA].S, said[ICMPv6ND_NA].O) == (0, 1)
    assert said[ICMPv6ND_NA].cksum == sound_checksum(said)


def with_checksum(frame: Any, checksum: int) -> Any:
    frame[ICMPv6ND_NS].cksum = checksum
    return frame


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(solicitation(ours(), hlim=254), id="forwarded"),
        pytest.param(with_checksum(solicitation(ours()), 0x1234), id="checksum"),
        pytest.param(solicitation(target="fd00:192:168:10::251"), id="another address"),
        pytest.param(solicitation(ours(), source="::"), id="nobody with an address"),
        pytest.param(solicitation(source="::", dst=LB6), id="nobody to one"),
        pytest.param(solicitation(Raw(bytes(8))), id="option of no length"),
        pytest.param(solicitation(Raw(bytes(4))), id="cut option"),
        pytest.param(solicitation(Raw(b"\x0e\x01" + bytes(62))), id="many options"),
        pytest.param(solicitation(plen=16), id="length"),
        pytest.param(Ether(bytes(solicitation())[:70]), id="cut"),
    ],
)
def test_unsound_solicitation_gets_no_answer(announcing: Node, frame: Any) -> None:
    assert announcing.from_uplink(frame).verdict != REDIRECTED
    assert answered(announcing, LB6) == 0


def test_nothing_is_answered_once_the_agent_is_silent(announcing: Node) -> None:
    say_alive(announcing, time.clock_gettime_ns(time.CLOCK_MONOTONIC) - 1)

    assert announcing.from_uplink(arp()).verdict == PASSED
    assert announcing.from_uplink(solicitation(ours())).verdict != REDIRECTED


def test_other_devices_do_not_answer(announcing: Node) -> None:
    got = announcing.run("from_uplink", arp(), ifindex=announcing.pod1.host_ifindex)

    assert got.verdict == PASSED


def test_other_icmp_goes_its_way(announcing: Node) -> None:
    ping = (
        Ether(src=WIRE_MAC, dst=NODE_MAC) / IP(src=ASKS4, dst="192.168.10.100", ttl=255) / ICMP()
    )

    assert announcing.from_uplink(ping).verdict == PASSED
