"""src/ciliate/l2_announcements/frames.py: what is said unasked, as scapy reads it."""

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from ciliate.l2_announcements.frames import solicited_group, unasked
from ciliate.net.address import ip_address

MAC = "ee:0a:00:00:00:01"
OCTETS = bytes.fromhex(MAC.replace(":", ""))


def test_ipv4_is_asked_for_by_itself() -> None:
    said = Ether(unasked(ip_address("192.0.2.1"), OCTETS))

    assert (said.dst, said.src) == ("ff:ff:ff:ff:ff:ff", MAC)
    assert (said[ARP].op, said[ARP].hwsrc) == (1, MAC)
    assert said[ARP].psrc == said[ARP].pdst == "192.0.2.1"


def test_ipv6_is_advertised_to_all_nodes_with_a_sound_checksum() -> None:
    said = Ether(unasked(ip_address("2001:db8::1"), OCTETS))
    again = said.copy()
    del again[ICMPv6ND_NA].cksum

    assert (said.dst, said[IPv6].dst, said[IPv6].hlim) == ("33:33:00:00:00:01", "ff02::1", 255)
    advertised = said[ICMPv6ND_NA]
    assert (advertised.tgt, advertised.S, advertised.O) == ("2001:db8::1", 0, 1)
    assert said[ICMPv6NDOptDstLLAddr].lladdr == MAC
    assert advertised.cksum == Ether(bytes(again))[ICMPv6ND_NA].cksum


def test_group_has_the_last_three_octets() -> None:
    assert str(solicited_group(ip_address("2001:db8::12:3456"))) == "ff02::1:ff12:3456"
