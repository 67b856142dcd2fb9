"""A node's tables as a test wants them, in place of the kernel's."""

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import cast

from ciliate.cli.path.tables import Known, NodeTables, Tunnel
from ciliate.datapath.layout import (
    Endpoint,
    EndpointFlag,
    Interface,
    IpcacheEntry,
    IpcacheFlag,
    TunnelDevice,
)
from ciliate.net.address import IPAddress, Mac, to_octets
from ciliate.net.link import Link, LinkFlag, Neighbour, Route, RouteKind

ETH = 2
ROUTER = 3
TUNNEL = 4
POD = 7
OTHER_POD = 8
POD_IP = ip_address("10.244.0.7")
OTHER_POD_IP = ip_address("10.244.0.8")
FAR_IP = ip_address("10.244.1.9")
NODE_IP = ip_address("192.168.10.100")
FAR_NODE_IP = ip_address("192.168.10.101")
NOBODY = bytes(16)
REACHABLE = 0x02
FAILED = 0x20


def link(index: int, name: str, mtu: int = 1500, *, kind: str = "", up: bool = True) -> Link:
    return Link(index, name, LinkFlag.UP if up else LinkFlag(0), mtu, kind=kind)


def pod_endpoint(index: int, *, flags: int = 0, number: int = 70) -> Endpoint:
    return Endpoint(index, 4000 + index, number, flags, bytes(6), bytes(6))


def interface(flags: int = 0) -> Interface:
    return Interface(NOBODY, NOBODY, 4007, 70, bytes(6), flags)


def behind(node: IPAddress, *, identity: int = 2, tunnel: bool = False) -> IpcacheEntry:
    flags = IpcacheFlag.IPCACHE_CLUSTER | (IpcacheFlag.IPCACHE_TUNNEL if tunnel else 0)
    return IpcacheEntry(identity, flags, to_octets(node))


@dataclass
class FakeTables:
    """See `ciliate.cli.path.tables.NodeTables`; by default two pods, and another node's CIDR."""

    links: dict[int, Link] = field(
        default_factory=lambda: {
            ETH: link(ETH, "eth1"),
            ROUTER: link(ROUTER, "cilium_host"),
            POD: link(POD, "lxc7"),
            OTHER_POD: link(OTHER_POD, "lxc8"),
        }
    )
    endpoints: dict[IPAddress, Endpoint] = field(
        default_factory=lambda: {
            POD_IP: pod_endpoint(POD),
            OTHER_POD_IP: pod_endpoint(OTHER_POD),
            NODE_IP: pod_endpoint(0, flags=EndpointFlag.ENDPOINT_HOST),
        }
    )
    interfaces: dict[int, Interface] = field(default_factory=lambda: {POD: interface()})
    ipcache: dict[str, IpcacheEntry] = field(
        default_factory=lambda: {
            "10.244.1.0/24": behind(FAR_NODE_IP),
            "192.168.10.101/32": behind(FAR_NODE_IP, identity=6),
        }
    )
    routes: dict[str, Route] = field(
        default_factory=lambda: {
            "10.244.1.0/24": Route(ip_network("10.244.1.0/24"), ETH, FAR_NODE_IP),
            "192.168.10.0/24": Route(ip_network("192.168.10.0/24"), ETH),
        }
    )
    neighbours: dict[tuple[int, IPAddress], Neighbour] = field(
        default_factory=lambda: {
            (ETH, FAR_NODE_IP): Neighbour(ETH, FAR_NODE_IP, Mac("02:00:00:00:00:01"), REACHABLE)
        }
    )
    programmed: frozenset[str] = frozenset({"eth1"})
    route_mtus: dict[IPAddress, int] = field(default_factory=dict)
    tunnel: Tunnel | None = None

    def endpoint(self, address: IPAddress) -> Endpoint | None:
        return self.endpoints.get(address)

    def interface(self, index: int) -> Interface | None:
        return self.interfaces.get(index)

    def known(self, address: IPAddress) -> Known | None:
        found = [ip_network(text) for text in self.ipcache if address in ip_network(text)]
        if not found:
            return None
        longest = max(found, key=lambda each: each.prefixlen)
        return Known(longest, self.ipcache[str(longest)])

    def route_mtu(self, address: IPAddress) -> int:
        return self.route_mtus.get(address, 0)

    def neighbour(self, index: int, address: IPAddress) -> Neighbour | None:
        return self.neighbours.get((index, address))

    async def route(
        self, destination: IPAddress, *, source: IPAddress | None = None, arriving_by: int = 0
    ) -> tuple[Route, ...]:
        del source, arriving_by
        found = [text for text in self.routes if destination in ip_network(text)]
        longest = max(found, key=lambda text: ip_network(text).prefixlen, default=None)
        return () if longest is None else (self.routes[longest],)

    async def own_source(self, destination: IPAddress) -> IPAddress | None:
        del destination
        return NODE_IP

    @property
    def as_tables(self) -> NodeTables:
        return cast("NodeTables", self)


def with_tunnel(*, up: bool = True, mtu: int = 1450) -> FakeTables:
    """A node whose datapath reaches the other's pods by VXLAN."""
    tables = FakeTables(ipcache={"10.244.1.0/24": behind(FAR_NODE_IP, tunnel=True)})
    device = link(TUNNEL, "cilium_vxlan", kind="vxlan", up=up)
    tables.links[TUNNEL] = device
    tables.tunnel = Tunnel(
        "vxlan:8472",
        device,
        TunnelDevice(ipv4=to_octets(NODE_IP), ipv6=NOBODY, ifindex=TUNNEL, mtu=mtu, port=8472),
    )
    tables.ipcache["192.168.10.101/32"] = behind(FAR_NODE_IP, identity=6)
    return tables


UNREACHABLE = Route(ip_network("10.244.1.0/24"), kind=RouteKind.UNREACHABLE)
