"""Frames a hostile pod could send, and the socket to send them from its namespace."""

import ctypes
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether

_CLONE_NEWNET = 0x40000000
_FOREIGN_MAC = "02:de:ad:be:ef:01"


def send(netns: str, device: str, frames: Iterable[bytes]) -> None:
    """Send frames as they are from `device` of the namespace at path `netns`."""

    def work() -> None:
        with open(netns, "rb") as file:
            assert ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET) == 0
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind((device, 0))
            for frame in frames:
                raw.send(frame)

    # A thread of its own: it stays in the namespace, and ends there.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(work).result()


def arp_claims(*, to_mac: str, from_mac: str, victim: str, node: str) -> list[bytes]:
    """Return ARP of every sort that claims `victim` for another MAC address."""
    wide = Ether(src=from_mac, dst="ff:ff:ff:ff:ff:ff")
    direct = Ether(src=from_mac, dst=to_mac)
    mine: dict[str, Any] = {"hwsrc": _FOREIGN_MAC, "psrc": victim}
    return [
        bytes(wide / ARP(op=1, pdst=victim, **mine)),  # Gratuitous request.
        bytes(wide / ARP(op=2, pdst=victim, hwdst="ff:ff:ff:ff:ff:ff", **mine)),
        bytes(wide / ARP(op=1, pdst=node, **mine)),  # A question whose sender is learned.
        bytes(direct / ARP(op=2, pdst=node, hwdst=to_mac, **mine)),  # An answer unasked.
    ]


def neighbour_discovery_claims(
    *, to_mac: str, from_mac: str, victim: str, node: str, pod: str
) -> list[bytes]:
    """Return neighbour discovery (RFC 4861) that claims `victim` and routes."""
    direct = Ether(src=from_mac, dst=to_mac)
    source = ICMPv6NDOptSrcLLAddr(lladdr=_FOREIGN_MAC)
    target = ICMPv6NDOptDstLLAddr(lladdr=_FOREIGN_MAC)
    local = "fe80::bad"
    original = IPv6(src=node, dst="fd00:77::1") / UDP(sport=1, dport=1)
    return [
        bytes(
            direct / IPv6(src=pod, dst="ff02::1") / ICMPv6ND_NA(tgt=victim, R=1, S=0, O=1) / target
        ),
        bytes(direct / IPv6(src=victim, dst=node) / ICMPv6ND_NS(tgt=node) / source),
        bytes(direct / IPv6(src=local, dst=node) / ICMPv6ND_NS(tgt=node) / source),
        bytes(direct / IPv6(src=local, dst="ff02::2") / ICMPv6ND_RS() / source),
        bytes(direct / IPv6(src=victim, dst="ff02::2") / ICMPv6ND_RS() / source),
        bytes(
            direct
            / IPv6(src=local, dst=node)
            / ICMPv6ND_Redirect(tgt=local, dst="fd00:77::1")
            / target
            / original
        ),
    ]


def icmp_redirect(*, to_mac: str, from_mac: str, gateway: str, node: str, pod: str) -> bytes:
    """Return an ICMP redirect (RFC 792) that would send the node's packets to the pod."""
    original = IP(src=node, dst="10.77.0.1") / UDP(sport=1, dport=1)
    return bytes(
        Ether(src=from_mac, dst=to_mac)
        / IP(src=gateway, dst=node)
        / ICMP(type=5, code=1, gw=pod)
        / original
    )


def router_advertisement(*, to_mac: str, from_mac: str) -> bytes:
    """Return the advertisement of a router and a prefix, unsolicited."""
    return bytes(
        Ether(src=from_mac, dst=to_mac)
        / IPv6(src="fe80::bad", dst="ff02::1")
        / ICMPv6ND_RA(routerlifetime=1800)
        / ICMPv6NDOptSrcLLAddr(lladdr=from_mac)
        / ICMPv6NDOptPrefixInfo(prefix="fd00:bad::", prefixlen=64, L=1, A=1)
    )


def received_packets(netns: str, device: str) -> int:
    """Return how many packets came in on `device` of the namespace at path `netns`."""

    def work() -> int:
        libc = ctypes.CDLL(None, use_errno=True)
        with open(netns, "rb") as file:
            assert libc.setns(file.fileno(), _CLONE_NEWNET) == 0
        with open("/proc/thread-self/net/dev", encoding="ascii") as lines:
            for line in lines:
                name, _, counters = line.partition(":")
                if name.strip() == device:
                    return int(counters.split()[1])
        raise AssertionError(f"{device} is missing in {netns}")

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()
