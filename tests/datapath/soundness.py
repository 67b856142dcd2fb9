"""Whether a packet on the wire is one that a receiver accepts: lengths and checksums."""

from typing import Any

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, in6_chksum
from scapy.layers.l2 import Ether
from scapy.utils import checksum

_ICMPV6 = 58


def sound(frame: Any) -> bool:
    """Return whether every checksum of a frame's headers holds.

    What an ICMP error quotes is not judged: it may be cut off.
    """
    if IP in frame:
        return _sound_v4(frame[IP])
    return _sound_v6(frame[IPv6])


def _sound_v4(packet: Any) -> bool:
    octets = bytes(packet)[: packet.len]
    header = packet.ihl * 4
    if checksum(octets[:header]):
        return False
    if packet.frag or packet.flags.MF:
        return True  # The transport's checksum covers all pieces together.
    if packet.proto == 1:
        return not checksum(octets[header:])
    layer = {6: TCP, 17: UDP}.get(packet.proto)
    if layer is None or layer not in packet:
        return True
    again = IP(octets)
    carried = again[layer].chksum
    if layer is UDP and not carried:
        return True  # RFC 768: the sender computed none.
    del again[layer].chksum
    return bool(IP(bytes(again))[layer].chksum == carried)


def _sound_v6(packet: Any) -> bool:
    octets = bytes(packet)[40 : 40 + packet.plen]
    if packet.nh not in {6, 17, _ICMPV6}:
        return True
    return in6_chksum(packet.nh, packet, octets) in {0, 0xFFFF}


def ethernet(octets: bytes) -> Any:
    """Return a frame that a program answered with as a packet of scapy's."""
    return Ether(octets)
