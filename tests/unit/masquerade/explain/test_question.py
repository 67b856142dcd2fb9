"""What is typed behind `explain masquerade`, and the packet that is made of it."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether
from scapy.layers.sctp import SCTP

from ciliate.masquerade.explain.question import (
    PROTOCOLS,
    DestinationError,
    Sender,
    Target,
    first_packet,
    read_target,
)
from ciliate.net.address import Mac

V4, V6 = ip_address("203.0.113.10"), ip_address("2001:db8::10")


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("203.0.113.10", Target(V4, "icmp")),
        ("203.0.113.10:443", Target(V4, "tcp", 443)),
        ("203.0.113.10:53/udp", Target(V4, "udp", 53)),
        ("203.0.113.10:53/UDP", Target(V4, "udp", 53)),
        ("203.0.113.10/icmp", Target(V4, "icmp")),
        ("2001:db8::10", Target(V6, "icmp")),
        ("[2001:db8::10]", Target(V6, "icmp")),
        ("[2001:db8::10]:443", Target(V6, "tcp", 443)),
        ("[2001:db8::10]:7/sctp", Target(V6, "sctp", 7)),
        (" 203.0.113.10:65535 ", Target(V4, "tcp", 65535)),
    ],
)
def test_destination_is_an_address_with_a_port_and_a_protocol(text: str, target: Target) -> None:
    assert read_target(text) == target
    assert read_target(str(target).removesuffix(" (ICMP echo)")) == target


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is no IP address"),
        ("example.org:80", "is no IP address"),
        ("203.0.113.256", "is no IP address"),
        ("203.0.113.10:", "'' is no port"),
        ("203.0.113.10:0", "'0' is no port"),
        ("203.0.113.10:65536", "'65536' is no port"),
        ("203.0.113.10:-1", "'-1' is no port"),
        ("203.0.113.10:\N{FULLWIDTH DIGIT EIGHT}", "is no port"),
        ("203.0.113.10/udp", "udp needs a port"),
        ("203.0.113.10:8/icmp", "icmp has no ports"),
        ("203.0.113.10:80/http", "'http' is no protocol"),
        ("2001:db8::10:443/tcp", "tcp needs a port"),
        ("[2001:db8::10:443", "is no IP address"),
        ("fe80::1%eth0", "is no IP address"),
        ("127.0.0.1:80", "is the pod itself"),
        ("::1", "is the pod itself"),
        ("0.0.0.0", "is the pod itself"),
    ],
)
def test_what_is_no_destination_is_refused_with_what_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(DestinationError, match=problem) as refused:
        read_target(text)
    assert "203.0.113.10:443/tcp" in str(refused.value)


@given(st.text(max_size=40))
def test_any_text_is_a_destination_or_refused(text: str) -> None:
    try:
        target = read_target(text)
    except DestinationError:
        return
    assert target.protocol in PROTOCOLS


_LAYERS = {
    (4, "tcp"): (IP, TCP),
    (4, "udp"): (IP, UDP),
    (4, "sctp"): (IP, SCTP),
    (4, "icmp"): (IP, ICMP),
    (6, "tcp"): (IPv6, TCP),
    (6, "udp"): (IPv6, UDP),
    (6, "sctp"): (IPv6, SCTP),
    (6, "icmp"): (IPv6, ICMPv6EchoRequest),
}


@pytest.mark.parametrize(("version", "protocol"), _LAYERS)
def test_packet_is_the_first_of_a_flow(version: int, protocol: str) -> None:
    pod, remote = (ip_address("10.244.0.1"), V4) if version == 4 else (ip_address("fd00::1"), V6)
    sender = Sender(pod, Mac("02:00:00:00:00:01"), Mac("02:00:00:00:00:02"))
    port = 0 if protocol == "icmp" else 443

    frame = Ether(first_packet(sender, Target(remote, protocol, port), 40000))

    network, transport = _LAYERS[version, protocol]
    assert (frame.src, frame.dst) == ("02:00:00:00:00:01", "02:00:00:00:00:02")
    assert (frame[network].src, frame[network].dst) == (str(pod), str(remote))
    layer = frame[transport]
    if protocol == "icmp":
        assert layer.id == 40000
    else:
        assert (layer.sport, layer.dport) == (40000, 443)
    if protocol == "tcp":
        assert layer.flags == "S"
    assert len(frame) == 14 + (40 if version == 6 else 20) + len(bytes(layer))
