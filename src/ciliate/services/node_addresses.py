"""Where packets from outside meet node ports: addresses of the node's devices. Pure."""

from collections.abc import Iterable, Sequence

from ciliate.net.address import IPAddress, IPNetwork, to_octets
from ciliate.net.link import Link


def node_port_addresses(
    devices: Iterable[Link], within: Sequence[IPNetwork], internal: Sequence[IPAddress] = ()
) -> tuple[bytes, ...]:
    """Return the addresses that node ports are served at, those of a device together.

    With `within` (nodeport-addresses) all that lie there. Else one of each family and device: the
    node's own where the device has it (`internal`), else a private one, else the first.
    """
    found: list[IPAddress] = []
    for device in devices:
        held = [each.address for each in device.addresses if not each.address.is_link_local]
        if within:
            found += [each for each in held if any(each in prefix for prefix in within)]
            continue
        for version in (4, 6):
            of_family = [each for each in held if each.version == version]
            if of_family:
                found.append(min(of_family, key=lambda a: (a not in internal, not a.is_private)))
    return tuple(dict.fromkeys(map(to_octets, found)))
