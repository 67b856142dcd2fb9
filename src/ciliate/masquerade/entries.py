"""The map `masquerade_addresses`: the addresses that pods get behind each device of the node."""

from collections.abc import Mapping

from ciliate.datapath import layout
from ciliate.masquerade.plan import DeviceAddresses, masquerade_addresses
from ciliate.net.address import IPAddress, to_octets
from ciliate.node.devices import NodeDevices
from ciliate.node.own_links import OwnLinks

_NO_ADDRESS = bytes(16)


def address_entries(
    devices: NodeDevices, own_ips: tuple[IPAddress, ...], own_links: OwnLinks
) -> Mapping[int, layout.MasqueradeAddress]:
    """Return the map, by ifindex; a device without one of a family gets one of `own_ips`.

    What this node sends into the tunnel for clients outside has the router's addresses: the other
    node answers them in the tunnel.
    """
    chosen = masquerade_addresses(devices.selected, primary=own_ips)
    if own_links.tunnel_index:
        router = own_links.router
        behind = DeviceAddresses(ipv4=router.address(4), ipv6=router.address(6))
        chosen = {**chosen, own_links.tunnel_index: behind}
    return {
        index: layout.MasqueradeAddress(ipv4=_octets(each.ipv4), ipv6=_octets(each.ipv6))
        for index, each in chosen.items()
    }


def _octets(address: IPAddress | None) -> bytes:
    return to_octets(address) if address is not None else _NO_ADDRESS
