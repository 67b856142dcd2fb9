"""The map `masquerade_addresses`: the addresses that pods get behind each device of the node."""

from collections.abc import Mapping

from ciliate.datapath import layout
from ciliate.masquerade.plan import masquerade_addresses
from ciliate.net.address import IPAddress, to_octets
from ciliate.node.devices import NodeDevices

_NO_ADDRESS = bytes(16)


def address_entries(
    devices: NodeDevices, own_ips: tuple[IPAddress, ...]
) -> Mapping[int, layout.MasqueradeAddress]:
    """Return the map, by ifindex; a device without one of a family gets one of `own_ips`."""
    return {
        index: layout.MasqueradeAddress(ipv4=_octets(chosen.ipv4), ipv6=_octets(chosen.ipv6))
        for index, chosen in masquerade_addresses(devices.selected, primary=own_ips).items()
    }


def _octets(address: IPAddress | None) -> bytes:
    return to_octets(address) if address is not None else _NO_ADDRESS
