"""`netlink/sock_diag.py`: what the kernel tells of a socket."""

import socket
import struct
from ipaddress import ip_address

import pytest

from ciliate.netlink.message import Message
from ciliate.netlink.sock_diag import peered_socket

UDP = socket.IPPROTO_UDP


def told(family: int, destination: bytes, port: int, cookie: int = 7) -> Message:
    """A socket as the kernel tells of it (struct inet_diag_msg)."""
    name = struct.pack("!HH16s16s", 4000, port, bytes(16), destination)
    name += struct.pack("=IQ", 0, cookie)
    return Message(20, 0, 1, bytes([family, 1, 0, 0]) + name + bytes(20))


@pytest.mark.parametrize(
    ("family", "octets", "address"),
    [
        (socket.AF_INET, ip_address("10.0.0.1").packed, "10.0.0.1"),
        (socket.AF_INET6, ip_address("fd00::1").packed, "fd00::1"),
        (socket.AF_INET6, ip_address("::ffff:10.0.0.1").packed, "10.0.0.1"),
    ],
    ids=["IPv4", "IPv6", "mapped"],
)
def test_peer_of_a_mapped_socket_is_an_ipv4_address(
    family: int, octets: bytes, address: str
) -> None:
    found = peered_socket(told(family, octets, 53, cookie=0x1_0000_0002), UDP)

    assert found is not None
    assert (found.address, found.port, found.protocol) == (ip_address(address), 53, UDP)
    assert found.family == family
    assert found.cookie == 0x1_0000_0002


@pytest.mark.parametrize(
    "message",
    [told(socket.AF_INET, bytes(16), 0), Message(20, 0, 1, bytes(71))],
    ids=["no peer", "cut"],
)
def test_others_are_none(message: Message) -> None:
    assert peered_socket(message, UDP) is None
