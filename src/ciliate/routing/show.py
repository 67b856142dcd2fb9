"""What the map of routing holds, as `dbg bpf route-mtu list` shows it. Pure."""

from collections.abc import Iterable

from ciliate.datapath.layout import PrefixKey
from ciliate.net.address import network_of


def route_mtu_rows(entries: Iterable[tuple[PrefixKey, int]]) -> dict[str, list[str]]:
    """Return the destination of a route with an MTU of its own -> that MTU in bytes."""
    return {
        str(network_of(key.address, key.prefix_length)): [f"mtu={mtu}"]
        for key, mtu in sorted(entries)
    }
