"""`masquerade/entries.py`: the addresses that pods get behind each device, as the map has them."""

from ipaddress import ip_address

from ciliate.masquerade.entries import address_entries
from ciliate.net.address import to_octets
from ciliate.net.link import Link, LinkAddress, LinkFlag
from ciliate.net.router_device import RouterDevice
from ciliate.node.devices import NodeDevices
from ciliate.node.own_links import OwnLinks

OWN_IPS = (ip_address("192.168.10.100"), ip_address("fd00:10::100"))


def test_device_without_an_address_of_a_family_lends_the_nodes() -> None:
    without_addresses = Link(7, "eth2", LinkFlag.UP, 1500)

    lent = address_entries(NodeDevices((without_addresses,), ()), OWN_IPS, OwnLinks())[7]

    assert lent.ipv4 == to_octets(OWN_IPS[0])
    assert lent.ipv6 == OWN_IPS[1].packed


def test_device_with_an_address_shows_its_own() -> None:
    held = LinkAddress(7, ip_address("10.0.2.15"), 24)
    device = Link(7, "eth0", LinkFlag.UP, 1500, addresses=(held,))

    (entry,) = address_entries(
        NodeDevices((device,), (held.address,)), OWN_IPS, OwnLinks()
    ).values()

    assert entry.ipv4 == to_octets(held.address)
    assert entry.ipv6 == OWN_IPS[1].packed


def test_family_that_nobody_has_an_address_of_is_empty() -> None:
    without_addresses = Link(7, "eth2", LinkFlag.UP, 1500)

    entries = address_entries(NodeDevices((without_addresses,), ()), OWN_IPS[:1], OwnLinks())

    assert entries[7].ipv6 == bytes(16)


def test_what_enters_the_tunnel_for_clients_has_the_routers_addresses() -> None:
    links = OwnLinks()
    links.note_router(RouterDevice(5, (ip_address("10.244.0.31"),)))
    links.note_tunnel(6)

    entries = address_entries(NodeDevices((), ()), OWN_IPS, links)

    assert {index: entry.ipv4 for index, entry in entries.items()} == {
        6: to_octets(ip_address("10.244.0.31"))
    }
    assert entries[6].ipv6 == bytes(16)
