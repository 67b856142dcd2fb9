"""What decides about packets on this node, as the kernel holds it now: maps, routes, links.

Nothing here asks the agent, so that what it tells is true while the agent is away.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ciliate.datapath.bpf_map import OpenMap, open_pinned
from ciliate.datapath.clsact import ClsactAttacher
from ciliate.datapath.device import TcxAttacher
from ciliate.datapath.layout import (
    Endpoint,
    Interface,
    IpcacheEntry,
    PrefixKey,
    TunnelDevice,
)
from ciliate.identity.maps import IPCACHE
from ciliate.net.address import IPAddress, IPNetwork, ip_network, network_of, to_octets
from ciliate.net.link import Link, Neighbour, Route
from ciliate.net.tunnel import TunnelProtocol, tunnel_name
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.links import observe_links
from ciliate.netlink.neighbours import list_neighbours
from ciliate.netlink.routes import forwarded_routes, lookup_route, matched_route
from ciliate.node.maps import ENDPOINTS, INTERFACES
from ciliate.routing.maps import ROUTE_MTUS
from ciliate.tunnel.maps import TUNNEL_DEVICES

_HOST_BITS: Final = 128


@dataclass(frozen=True, slots=True)
class Known:
    """What the datapath knows of an address: by which prefix, and what."""

    prefix: IPNetwork
    entry: IpcacheEntry


@dataclass(frozen=True, slots=True)
class Tunnel:
    """The tunnel out of which this node takes packets."""

    name: str
    link: Link
    device: TunnelDevice


class NodeTables:
    """The tables of this node. One picture of links and neighbours; maps and routes are asked."""

    def __init__(
        self,
        rtnl: Rtnetlink,
        bpf_root: Path,
        links: Mapping[int, Link],
        neighbours: Mapping[tuple[int, IPAddress], Neighbour],
    ) -> None:
        self._rtnl = rtnl
        self.links = links
        self._neighbours = neighbours
        with contextlib.ExitStack() as stack:
            self._endpoints = stack.enter_context(open_pinned(bpf_root, ENDPOINTS))
            self._interfaces = stack.enter_context(open_pinned(bpf_root, INTERFACES))
            self._ipcache = stack.enter_context(open_pinned(bpf_root, IPCACHE))
            self._route_mtus = stack.enter_context(open_pinned(bpf_root, ROUTE_MTUS))
            tunnels: OpenMap[int, TunnelDevice] = stack.enter_context(
                open_pinned(bpf_root, TUNNEL_DEVICES)
            )
            self.tunnel = _tunnel(tunnels.get(0), links)
            self.programmed = frozenset(
                {*TcxAttacher(bpf_root).attached(()), *ClsactAttacher(bpf_root).attached(())}
            )
            self._maps = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._maps.close()

    def endpoint(self, address: IPAddress) -> Endpoint | None:
        """Return whose address it is on this node; None: nobody's."""
        return self._endpoints.get(to_octets(address))

    def interface(self, index: int) -> Interface | None:
        """Return the pod's interface whose end here has that index."""
        return self._interfaces.get(index)

    def known(self, address: IPAddress) -> Known | None:
        """Return the ipcache's longest match, and the shortest prefix that says so."""
        octets = to_octets(address)
        entry = self._ipcache.get(PrefixKey(_HOST_BITS, octets))
        if entry is None:
            return None
        low, high = 0, _HOST_BITS
        while low < high:  # A shorter key asks for shorter prefixes alone.
            middle = (low + high) // 2
            if self._ipcache.get(PrefixKey(middle, octets)) == entry:
                high = middle
            else:
                low = middle + 1
        return Known(_prefix(address, low), entry)

    def pod_cidrs(self) -> Iterator[tuple[IPNetwork, IpcacheEntry]]:
        """Yield the pod CIDRs of the cluster's nodes that the datapath knows."""
        for key, entry in self._ipcache.items():
            if key.prefix_length < _HOST_BITS and any(entry.node):
                yield network_of(key.address, key.prefix_length), entry

    def route_mtu(self, address: IPAddress) -> int:
        """Return the MTU of a route of its own to the address, 0 where there is none."""
        return self._route_mtus.get(PrefixKey(_HOST_BITS, to_octets(address))) or 0

    def neighbour(self, index: int, address: IPAddress) -> Neighbour | None:
        """Return what the kernel knows of a neighbour on a link."""
        return self._neighbours.get((index, address))

    async def route(
        self, destination: IPAddress, *, source: IPAddress | None = None, arriving_by: int = 0
    ) -> tuple[Route, ...]:
        """Return the route that a packet takes, once for each next hop; empty: none.

        Of a pod's, with its `source` and the link it arrives by; else of the node's own.
        """
        if source is not None and arriving_by:
            # The kernel may take its source for a forged one.
            with contextlib.suppress(NetlinkError):
                return await forwarded_routes(
                    self._rtnl, destination, source=source, arriving_by=arriving_by
                )
        found = await matched_route(self._rtnl, destination)
        return () if found is None else (found,)

    async def own_source(self, destination: IPAddress) -> IPAddress | None:
        """Return the address that this node's own packets to a destination leave with."""
        try:
            return (await lookup_route(self._rtnl, destination)).source
        except NetlinkError:
            return None


async def read_tables(rtnl: Rtnetlink, bpf_root: Path) -> NodeTables:
    """Return the tables of the node that this process is on; the maps are the caller's to close.

    Raises:
        DatapathError: No agent made the maps yet, or the process has no right to them.
        NetlinkError: The kernel refuses to tell its links.
    """
    links = {link.index: link for link in await observe_links(rtnl)}
    neighbours = await rtnl.run(list_neighbours)
    by_place = {(each.link_index, each.address): each for each in neighbours}
    return NodeTables(rtnl, bpf_root, links, by_place)


def _prefix(address: IPAddress, bits: int) -> IPNetwork:
    """Return the prefix of an address whose mapped form has that many bits (`net.address`)."""
    shorter_by = _HOST_BITS - address.max_prefixlen
    return ip_network((address, max(0, bits - shorter_by)), strict=False)


def _tunnel(device: TunnelDevice | None, links: Mapping[int, Link]) -> Tunnel | None:
    link = links.get(device.ifindex) if device is not None else None
    if device is None or link is None or link.kind not in set(TunnelProtocol):
        return None
    return Tunnel(tunnel_name(TunnelProtocol(link.kind), device.port), link, device)
