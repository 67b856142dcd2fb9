"""Addresses that no endpoint has, and why."""

import pytest

from ciliate.net.address import from_octets
from ciliate.services.addresses import read_address, read_any_address, version_of


@pytest.mark.parametrize(
    ("text", "version", "why"),
    [
        ("127.0.0.1", 4, "is loopback"),
        ("0.0.0.0", 4, "is unspecified"),
        ("0.1.2.3", 4, "is of this network, 0.0.0.0/8"),
        ("169.254.1.1", 4, "is link-local"),
        ("224.0.0.1", 4, "is multicast"),
        ("239.9.9.9", 4, "is multicast"),
        ("255.255.255.255", 4, "is broadcast"),
        ("::1", 6, "is loopback"),
        ("::", 6, "is unspecified"),
        ("fe80::1", 6, "is link-local"),
        ("febf::1", 6, "is link-local"),
        ("2001:db8::1%eth0", 6, "has a zone"),
        ("ff02::1", 6, "is multicast"),
        ("::ffff:10.0.0.1", 6, "is IPv4 mapped, and IPv6 is wanted"),
        ("fd00::1", 4, "is IPv6, and IPv4 is wanted"),
        ("10.0.0.1", 6, "is IPv4, and IPv6 is wanted"),
    ],
)
def test_an_address_that_no_endpoint_has_is_refused(text: str, version: int, why: str) -> None:
    with pytest.raises(ValueError, match=rf"^{why}$"):
        read_address(text, version)


@pytest.mark.parametrize("text", ["", "web", "10.0.0.256", "010.0.0.1", "10.0.0.1/32", "::g"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_any_address(text)


@pytest.mark.parametrize("text", ["10.0.0.1", "192.168.1.255", "fd00::1", "::2", "fec0::1"])
def test_any_other_address_is_read(text: str) -> None:
    octets = read_any_address(text)

    assert str(from_octets(octets)) == text
    assert version_of(octets) == (6 if ":" in text else 4)
