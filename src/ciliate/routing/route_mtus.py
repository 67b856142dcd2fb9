"""Which routes limit packets more than their device does: the entries of `route_mtus`. Pure.

Forwarding obeys a route's MTU. `bpf_fib_lookup`, which programs ask, takes the device's unless the
route's is locked. So programs leave a packet longer than an entry says to the stack, which forwards
it, cuts it, or answers with the ICMP error.
"""

from collections.abc import Iterable, Mapping

from ciliate.datapath.layout import PrefixKey
from ciliate.net.address import prefix_bits, to_octets
from ciliate.net.link import Route


def route_mtu_entries(routes: Iterable[Route]) -> Mapping[PrefixKey, int]:
    """Return the least MTU, in bytes, of the routes to each destination that have one."""
    entries: dict[PrefixKey, int] = {}
    for route in routes:
        prefix = route.destination
        if route.mtu is None:
            continue
        key = PrefixKey(prefix_bits(prefix), to_octets(prefix.network_address))
        entries[key] = min(route.mtu, entries.get(key, route.mtu))
    return entries
