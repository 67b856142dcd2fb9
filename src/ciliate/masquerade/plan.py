"""The masquerade address of every node device. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ciliate.net.address import IPAddress
from ciliate.net.link import Link, LinkAddress, RouteScope

#: IFA_F_SECONDARY (linux/if_addr.h): an alias; never chosen while the device has another.
_SECONDARY = 0x01


@dataclass(frozen=True, slots=True)
class DeviceAddresses:
    """The addresses pods get behind one device; None where it has none of the family."""

    ipv4: IPAddress | None
    ipv6: IPAddress | None


def _rank(candidate: LinkAddress) -> tuple[bool, int, bool, int]:
    """Primary before secondary, wider scope first, public before private, then by number."""
    return (
        bool(candidate.flags & _SECONDARY) and candidate.address.version == 4,
        candidate.scope,
        candidate.address.is_private,
        int(candidate.address),
    )


def _choose(addresses: Iterable[LinkAddress], version: int) -> IPAddress | None:
    candidates = sorted(
        (a for a in addresses if a.address.version == version and a.scope <= RouteScope.SITE),
        key=_rank,
    )
    return candidates[0].address if candidates else None


def masquerade_addresses(
    devices: Iterable[Link], *, primary: Sequence[IPAddress] = ()
) -> dict[int, DeviceAddresses]:
    """Return, by ifindex, the address of each family that pods get behind a selected device.

    A device without an address of a family uses the node's own: the first of `primary`.
    """
    spare = {version: _first(primary, version) for version in (4, 6)}
    return {
        device.index: DeviceAddresses(
            ipv4=_choose(device.addresses, 4) or spare[4],
            ipv6=_choose(device.addresses, 6) or spare[6],
        )
        for device in devices
    }


def _first(addresses: Iterable[IPAddress], version: int) -> IPAddress | None:
    return next((a for a in addresses if a.version == version), None)
