"""`lab/kubelet/node_addresses.py`: which of a machine's addresses its node is known by."""

import pytest

from ciliate.lab.kubelet.node_addresses import node_ips
from ciliate.net.address import ip_address
from ciliate.net.link import Link, LinkAddress, LinkFlag, RouteScope

BEFORE = ("192.168.10.101", "fd00:192:168:10::101")


def link(name: str, *addresses: str, index: int = 3, flags: int = 0) -> Link:
    known = tuple(
        LinkAddress(
            index,
            ip_address(address),
            24,
            RouteScope.LINK if address.startswith("fe80") else RouteScope.UNIVERSE,
            flags,
        )
        for address in addresses
    )
    return Link(index=index, name=name, flags=LinkFlag.UP, mtu=1500, addresses=known)


def test_reported_addresses_stay_as_long_as_a_device_has_them() -> None:
    eth1 = link("eth1", "192.168.10.7", "fe80::1", *reversed(BEFORE))

    assert node_ips([eth1], BEFORE) == BEFORE
    assert node_ips([link("bond0", *BEFORE, index=9)], BEFORE) == BEFORE


def test_another_address_is_reported_once_the_former_is_gone() -> None:
    assert node_ips([link("eth1", "192.168.10.7", BEFORE[1])], BEFORE) == (
        "192.168.10.7",
        BEFORE[1],
    )


def test_family_comes_and_goes_ipv4_first() -> None:
    assert node_ips([link("eth1", BEFORE[0])], BEFORE) == BEFORE[:1]
    assert node_ips([link("eth1", BEFORE[1], BEFORE[0])], BEFORE[:1]) == BEFORE


@pytest.mark.parametrize("name", ["eth0", "lo", "cilium_host", "lxc12ab"])
def test_uplink_and_the_networks_own_devices_name_no_node(name: str) -> None:
    assert node_ips([link(name, "10.0.2.15")], BEFORE) == BEFORE


@pytest.mark.parametrize("flags", [0x40, 0x20, 0x08])
def test_tentative_failed_and_deprecated_addresses_name_no_node(flags: int) -> None:
    assert node_ips([link("eth1", "fd00::9", flags=flags)], BEFORE) == BEFORE
