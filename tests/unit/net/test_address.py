"""`net/address.py`: addresses as the octets that maps hold, and back."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.net.address import (
    IPAddress,
    Mac,
    from_octets,
    host_network,
    mac_from_octets,
    mac_octets,
    prefix_bits,
    to_octets,
)

_MAPPED = ip_network("::ffff:0:0/96")


@given(st.ip_addresses().filter(lambda address: address not in _MAPPED))
def test_address_comes_back_from_its_octets(address: IPAddress) -> None:
    octets = to_octets(address)

    assert len(octets) == 16
    assert from_octets(octets) == address


def test_ipv4_is_mapped_as_the_kernel_writes_it() -> None:
    assert to_octets(IPv4Address("10.244.0.7")) == IPv6Address("::ffff:10.244.0.7").packed
    assert to_octets(IPv6Address("fd00::7")) == IPv6Address("fd00::7").packed


def test_address_that_only_begins_like_a_mapped_one_is_ipv6() -> None:
    assert from_octets(IPv6Address("::fffe:10.0.0.1").packed) == IPv6Address("::fffe:10.0.0.1")


@pytest.mark.parametrize(
    ("cidr", "bits"),
    [("10.244.0.0/24", 120), ("0.0.0.0/0", 96), ("fd00::/64", 64), ("::/0", 0)],
)
def test_prefix_is_counted_over_128_bits(cidr: str, bits: int) -> None:
    assert prefix_bits(ip_network(cidr)) == bits


@pytest.mark.parametrize("text", ["10.244.0.7/32", "fd00::7/128"])
def test_host_network_holds_its_address_alone(text: str) -> None:
    network = host_network(ip_address(text.partition("/")[0]))

    assert network == ip_network(text)
    assert network.num_addresses == 1


@given(st.binary(min_size=6, max_size=6))
def test_mac_comes_back_from_its_octets(octets: bytes) -> None:
    assert mac_octets(mac_from_octets(octets)) == octets


def test_mac_is_written_in_lower_case_with_colons() -> None:
    mac = Mac("ee:0a:00:00:00:01")

    assert mac_octets(mac) == bytes([0xEE, 0x0A, 0, 0, 0, 1])
    assert mac_from_octets(mac_octets(mac)) == mac
