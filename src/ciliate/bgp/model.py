"""A BGP session of this node with a router, and the routes that it announces. Pure."""

from dataclasses import dataclass, field

from ciliate.net.address import IPAddress, IPNetwork

#: Which instance of the node's configuration, and which of its peers.
SessionKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Route:
    """A prefix, who to send its packets to, and what it carries."""

    prefix: IPNetwork
    next_hop: IPAddress
    communities: tuple[str, ...] = ()  # HIGH:LOW, sorted.
    large_communities: tuple[str, ...] = ()
    local_preference: int | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """One session, with all that its speaker has to know.

    `peer_asn` 0 is whichever number the peer says, `restart_s` 0 no graceful restart, `ttl` 0 the
    kernel's. The password is in no text that is made of this.
    """

    instance: str
    peer: str
    local_asn: int
    peer_asn: int
    local_address: IPAddress
    peer_address: IPAddress
    router_id: str
    peer_port: int = 179
    hold_s: int = 90
    restart_s: int = 0
    ttl: int = 0
    password: bytes = field(default=b"", repr=False)
    versions: tuple[int, ...] = (4, 6)  # IP versions of its families.
    routes: tuple[Route, ...] = ()  # By prefix.

    @property
    def key(self) -> SessionKey:
        """Names the session on this node."""
        return (self.instance, self.peer)

    def advertised(self, version: int) -> tuple[Route, ...]:
        """Return the routes of one IP version."""
        return tuple(each for each in self.routes if each.prefix.version == version)


def family_name(version: int) -> str:
    """Return an IP version as BGP's words have it: ipv4."""
    return f"ipv{version}"
