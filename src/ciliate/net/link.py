"""Links, addresses, routes and neighbours as values: what rtnetlink and the features exchange.

The netlink adapter makes these from kernel messages and kernel messages from these; features
decide over them. Nothing here knows a socket or a message. Numbers are the kernel's
(linux/rtnetlink.h, linux/if.h), so that a value and what `ip` prints can be compared.
"""

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Final

from ciliate.net.address import IPAddress, IPNetwork, Mac

MAIN_TABLE: Final = 254
LOCAL_TABLE: Final = 255

#: ifindex of `lo` in every network namespace.
LOOPBACK_INDEX: Final = 1


class LinkFlag(IntFlag):
    """The bits of `ifi_flags` that decisions depend on (linux/if.h)."""

    UP = 0x1
    BROADCAST = 0x2
    LOOPBACK = 0x8
    POINT_TO_POINT = 0x10
    RUNNING = 0x40
    NOARP = 0x80
    PROMISCUOUS = 0x100
    MASTER = 0x400
    SLAVE = 0x800
    MULTICAST = 0x1000
    LOWER_UP = 0x10000


class LinkLayer(IntEnum):
    """What stands before the IP header (`ifi_type`, linux/if_arp.h), as far as decisions need."""

    ETHERNET = 1
    PPP = 512
    RAW_IP = 519
    TUNNEL = 768
    TUNNEL6 = 769
    SIT = 776
    NONE = 0xFFFE  # tun, WireGuard.


#: Packets of these devices begin with the IP header, whatever the driver adds below.
_BARE_LAYERS: Final = frozenset(LinkLayer) - {LinkLayer.ETHERNET}


class RouteProtocol(IntEnum):
    """Who installed a route (`rtm_protocol`); the kernel keeps it and does not interpret it."""

    UNSPECIFIED = 0
    REDIRECT = 1
    KERNEL = 2
    BOOT = 3
    STATIC = 4
    RA = 9
    DHCP = 16
    BGP = 186


class RouteScope(IntEnum):
    """How far the destination is (`rtm_scope`); IPv6 knows only UNIVERSE."""

    UNIVERSE = 0
    SITE = 200
    LINK = 253
    HOST = 254
    NOWHERE = 255


class RouteKind(IntEnum):
    """What happens to a packet that matches (`rtm_type`)."""

    UNICAST = 1
    LOCAL = 2
    BROADCAST = 3
    ANYCAST = 4
    MULTICAST = 5
    BLACKHOLE = 6
    UNREACHABLE = 7
    PROHIBIT = 8
    THROW = 9


@dataclass(frozen=True, slots=True)
class LinkAddress:
    """An address on a link; `flags` are the kernel's IFA_F_* bits (NODAD is 2)."""

    link_index: int
    address: IPAddress
    prefix_length: int
    scope: int = RouteScope.UNIVERSE
    flags: int = 0

    def __str__(self) -> str:
        """Return the address with its prefix length and link."""
        return f"{self.address}/{self.prefix_length} on link {self.link_index}"


@dataclass(frozen=True, slots=True)
class Link:
    """A network device. `peer_index` is the other end of a veth, in namespace `peer_netnsid`.

    `peer_netnsid` is None when the peer lives in the same namespace (or there is no peer).
    """

    index: int
    name: str
    flags: LinkFlag
    mtu: int
    kind: str = ""  # "veth", "bridge"; empty for hardware and lo.
    mac: Mac | None = None
    master_index: int | None = None  # The bridge or bond this link is a port of.
    peer_index: int | None = None
    peer_netnsid: int | None = None
    addresses: tuple[LinkAddress, ...] = ()
    layer: int = LinkLayer.ETHERNET

    @property
    def is_ethernet(self) -> bool:
        """Whether its packets have an Ethernet header."""
        return self.layer == LinkLayer.ETHERNET

    @property
    def is_bare(self) -> bool:
        """Whether its packets begin with the IP header."""
        return self.layer in _BARE_LAYERS

    @property
    def is_up(self) -> bool:
        """Whether the link is set up, which says nothing about its carrier."""
        return bool(self.flags & LinkFlag.UP)


@dataclass(frozen=True, slots=True)
class Route:
    """One route with one next hop.

    `mtu` in bytes limits packets by this route only. `metric` 0 is IPv4's default; IPv6 shows
    1024 for a route that was added with 0.
    """

    destination: IPNetwork
    link_index: int | None = None
    gateway: IPAddress | None = None
    protocol: int = RouteProtocol.KERNEL
    scope: int = RouteScope.UNIVERSE
    source: IPAddress | None = None
    mtu: int | None = None
    metric: int = 0
    table: int = MAIN_TABLE
    kind: RouteKind = RouteKind.UNICAST
    link_name: str = field(default="", compare=False)  # For people; the index decides.

    def __str__(self) -> str:
        """Return the route the way `ip route` prints it, as far as messages need."""
        words = [str(self.destination)]
        if self.gateway is not None:
            words += ["via", str(self.gateway)]
        if self.link_index is not None:
            words += ["dev", self.link_name or str(self.link_index)]
        if self.table != MAIN_TABLE:
            words += ["table", str(self.table)]
        return " ".join(words)

    @property
    def is_default(self) -> bool:
        """Whether the route matches every destination of its family."""
        return self.destination.prefixlen == 0


@dataclass(frozen=True, slots=True)
class RouteAnswer:
    """What the kernel would do with a packet to `destination` (RTM_GETROUTE)."""

    destination: IPAddress
    link_index: int
    gateway: IPAddress | None
    source: IPAddress | None
    kind: RouteKind
    table: int


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A link-layer address as the kernel knows it; `state` is NUD_* (PERMANENT is 128)."""

    link_index: int
    address: IPAddress
    mac: Mac | None
    state: int

    def __str__(self) -> str:
        """Return the entry much as `ip neigh` prints it."""
        return f"{self.address} lladdr {self.mac} on link {self.link_index}"
