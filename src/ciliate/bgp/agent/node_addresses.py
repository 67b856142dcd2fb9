"""What the kernel says of the node's addresses: toward a peer, of a device, the default gateways."""

import socket
from collections.abc import Mapping
from ipaddress import ip_address

from ciliate.net.address import IPAddress
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.links import observe_links
from ciliate.netlink.routes import observe_routes

#: Any port: nothing is sent there.
_PORT = 179


def source_of(peer: IPAddress) -> IPAddress | None:
    """Return the address that packets to `peer` leave with; None: no route leads there."""
    family = socket.AF_INET if peer.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((str(peer), _PORT))
        except OSError:
            return None
        return ip_address(asking.getsockname()[0])


async def device_addresses(rtnl: Rtnetlink) -> Mapping[str, tuple[IPAddress, ...]]:
    """Return the addresses of every device.

    Raises:
        NetlinkError: The kernel could not be asked.
    """
    return {
        link.name: tuple(known.address for known in link.addresses)
        for link in await observe_links(rtnl)
    }


async def default_gateways(rtnl: Rtnetlink) -> Mapping[int, IPAddress]:
    """Return the gateway of each IP version's default route; of several, that of the lowest metric.

    Raises:
        NetlinkError: The kernel could not be asked.
    """
    found: dict[int, tuple[int, IPAddress]] = {}
    for route in await observe_routes(rtnl):
        gateway, version = route.gateway, route.destination.version
        if route.destination.prefixlen or gateway is None or gateway.version != version:
            continue
        if version not in found or route.metric < found[version][0]:
            found[version] = (route.metric, gateway)
    return {version: gateway for version, (_metric, gateway) in found.items()}
