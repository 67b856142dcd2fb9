"""The masquerade address of every node device. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ciliate.net.address import IPAddress
from ciliate.net.link import Link, LinkAddress, RouteScope

#: Bits of IFA_FLAGS (linux/if_addr.h). SECONDARY of IPv4, an alias, is TEMPORARY of IPv6.
_SECONDARY: Final = 0x01
_DEPRECATED: Final = 0x20

#: What is not the node's yet, or never will be: DADFAILED, TENTATIVE (RFC 4862, 5.4).
_NOT_USABLE: Final = 0x08 | 0x40


@dataclass(frozen=True, slots=True)
class DeviceAddresses:
    """The addresses pods get behind one device; None where it has none of the family."""

    ipv4: IPAddress | None
    ipv6: IPAddress | None


def _choose(
    addresses: Iterable[LinkAddress], version: int, primary: Sequence[IPAddress]
) -> IPAddress | None:
    """Return the address of a device that its pods get; None when it has none.

    The node's own if it is on this device, else one that is no alias, of the widest scope, and of
    several the one that is there longest. So none is chosen that keepalived or kube-vip puts there.
    """
    usable = [
        held
        for held in addresses
        if held.address.version == version
        and held.scope <= RouteScope.SITE
        and not held.flags & _NOT_USABLE
    ]
    there = {held.address for held in usable}
    own = next((address for address in primary if address in there), None)
    if own is not None:
        return own
    if version == 6:
        usable.reverse()  # The kernel lists what came last first.
    ranked = sorted(
        usable, key=lambda held: (bool(held.flags & (_SECONDARY | _DEPRECATED)), held.scope)
    )
    return ranked[0].address if ranked else None


def masquerade_addresses(
    devices: Iterable[Link], *, primary: Sequence[IPAddress] = ()
) -> dict[int, DeviceAddresses]:
    """Return, by ifindex, the address of each family that pods get behind a selected device.

    `primary` are the node's own, its InternalIPs; a device without an address of a family uses the
    first of them.
    """
    spare = {version: _first(primary, version) for version in (4, 6)}
    return {
        device.index: DeviceAddresses(
            ipv4=_choose(device.addresses, 4, primary) or spare[4],
            ipv6=_choose(device.addresses, 6, primary) or spare[6],
        )
        for device in devices
    }


def _first(addresses: Iterable[IPAddress], version: int) -> IPAddress | None:
    return next((a for a in addresses if a.version == version), None)
