"""`masquerade/plan.py`: which address pods get behind a device."""

from ipaddress import ip_address

import pytest

from ciliate.masquerade.plan import DeviceAddresses, masquerade_addresses
from ciliate.net.link import Link, LinkAddress, LinkFlag, RouteScope

SECONDARY = 0x01
LINK_SCOPE = 253


def device(*addresses: LinkAddress) -> Link:
    return Link(7, "eth1", LinkFlag.UP, 1500, addresses=addresses)


def held(text: str, *, scope: int = 0, flags: int = 0) -> LinkAddress:
    return LinkAddress(7, ip_address(text), 24, scope, flags)


def chosen(*addresses: LinkAddress) -> DeviceAddresses:
    return masquerade_addresses([device(*addresses)])[7]


def test_primary_wins_over_a_lower_secondary() -> None:
    both = chosen(held("192.168.10.100"), held("192.168.10.5", flags=SECONDARY))

    assert both.ipv4 == ip_address("192.168.10.100")


def test_the_nodes_own_address_wins_on_its_device() -> None:
    """Whatever else keepalived, kube-vip or a person puts there, lower or public."""
    own = ip_address("192.168.10.100")
    both = device(held("8.8.8.8"), held("192.168.10.5"), held(str(own)))

    assert masquerade_addresses([both], primary=(own,))[7].ipv4 == own


def test_without_it_the_first_is_chosen_as_the_kernel_does() -> None:
    assert chosen(held("192.168.10.7"), held("192.168.10.5")).ipv4 == ip_address("192.168.10.7")
    assert chosen(held("10.0.2.15"), held("8.8.8.8")).ipv4 == ip_address("10.0.2.15")


def test_ipv6_address_that_came_later_is_not_chosen() -> None:
    """The kernel lists it first, so a virtual one of a device would be taken, and left again."""
    both = chosen(held("fd00::77"), held("fd00::15"))

    assert both.ipv6 == ip_address("fd00::15")


@pytest.mark.parametrize(
    ("flags", "name"),
    [(0x01, "temporary"), (0x20, "deprecated"), (0x40, "tentative"), (0x08, "dadfailed")],
)
def test_address_that_does_not_last_is_not_chosen(flags: int, name: str) -> None:
    both = chosen(held("fd00::5", flags=flags), held("fd00::100"))

    assert both.ipv6 == ip_address("fd00::100"), name


def test_deprecated_is_better_than_none_and_tentative_is_not() -> None:
    assert chosen(held("fd00::5", flags=0x20)).ipv6 == ip_address("fd00::5")
    assert chosen(held("fd00::5", flags=0x40)).ipv6 is None


def test_own_address_that_failed_its_check_is_not_chosen() -> None:
    own = ip_address("fd00::100")
    both = device(held("fd00::100", flags=0x08), held("fd00::7"))

    assert masquerade_addresses([both], primary=(own,))[7].ipv6 == ip_address("fd00::7")


def test_wider_scope_wins() -> None:
    both = chosen(held("93.184.216.34", scope=RouteScope.SITE), held("10.0.2.15"))

    assert both.ipv4 == ip_address("10.0.2.15")


def test_address_of_a_site_is_better_than_none() -> None:
    address = held("10.0.2.15", scope=RouteScope.SITE)

    assert chosen(address).ipv4 == ip_address("10.0.2.15")
    assert chosen(held("10.0.2.15", scope=RouteScope.SITE + 1)).ipv4 is None


def test_link_local_is_never_chosen() -> None:
    assert chosen(held("fe80::1", scope=LINK_SCOPE)) == DeviceAddresses(None, None)


def test_families_are_chosen_apart() -> None:
    both = chosen(held("192.168.10.100"), held("fd00:192:168:10::100"))

    assert both == DeviceAddresses(
        ip_address("192.168.10.100"), ip_address("fd00:192:168:10::100")
    )


def test_device_without_an_address_lends_the_nodes_primary() -> None:
    primary = (ip_address("192.168.10.100"), ip_address("192.168.10.7"), ip_address("fd00::100"))

    lent = masquerade_addresses([device()], primary=primary)[7]

    assert lent == DeviceAddresses(ip_address("192.168.10.100"), ip_address("fd00::100"))


def test_device_lends_only_the_family_it_lacks() -> None:
    primary = (ip_address("192.168.10.100"), ip_address("fd00::100"))

    lent = masquerade_addresses([device(held("10.0.2.15"))], primary=primary)[7]

    assert lent == DeviceAddresses(ip_address("10.0.2.15"), ip_address("fd00::100"))


def test_family_that_the_node_has_not_is_lent_to_nobody() -> None:
    lent = masquerade_addresses([device()], primary=(ip_address("192.168.10.100"),))[7]

    assert lent == DeviceAddresses(ip_address("192.168.10.100"), None)
