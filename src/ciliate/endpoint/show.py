"""What the maps of this node's pods hold, as `dbg bpf endpoint list` and `interface list` show it.

Pure: the entries are an argument.
"""

from collections.abc import Iterable

from ciliate.datapath.layout import Endpoint, EndpointFlag, Interface
from ciliate.net.address import address_text, mac_from_octets, socket_text


def endpoint_rows(entries: Iterable[tuple[bytes, Endpoint]]) -> dict[str, list[str]]:
    """Return "<address>:0" -> what is there, as `bpf endpoint list` prints and encodes it."""
    return {
        socket_text(address_text(key), 0): [_endpoint_text(entry)]
        for key, entry in _sorted(entries)
    }


def _endpoint_text(entry: Endpoint) -> str:
    if entry.flags & EndpointFlag.ENDPOINT_HOST:
        return "(localhost)"
    mac, node_mac = (mac_from_octets(octets).upper() for octets in (entry.mac, entry.node_mac))
    return (
        f"id={entry.endpoint_id:<5} sec_id={entry.identity:<5} flags=0x{entry.flags:04X} "
        f"ifindex={entry.ifindex:<3} mac={mac} nodemac={node_mac} parent_ifindex=0"
    )


def interface_rows(entries: Iterable[tuple[int, Interface]]) -> dict[str, list[str]]:
    """Return "<ifindex>" -> the endpoint behind it."""
    return {str(ifindex): [_interface_text(entry)] for ifindex, entry in sorted(entries)}


def _interface_text(entry: Interface) -> str:
    node_mac = mac_from_octets(entry.node_mac).upper()
    return (
        f"id={entry.endpoint_id:<5} sec_id={entry.identity:<5} ipv4={address_text(entry.ipv4)} "
        f"ipv6={address_text(entry.ipv6)} nodemac={node_mac}"
    )


def _sorted(entries: Iterable[tuple[bytes, Endpoint]]) -> list[tuple[bytes, Endpoint]]:
    return sorted(entries, key=lambda item: item[0])
