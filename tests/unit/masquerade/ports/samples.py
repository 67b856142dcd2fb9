"""Remotes, counts and names of owners for the tests of the book of ports."""

from ipaddress import ip_address

from ciliate.datapath.layout import PortFailure
from ciliate.masquerade.ports.book import Counts, OwnerName, PortRange, Remote, RemotePorts
from ciliate.net.address import to_octets

NODE_4, WORLD_4 = "192.168.10.100", "203.0.113.10"
RANGE = PortRange(32768, 65535)
PORTS = 32768

WEB = OwnerName("default", "web")
CURL = OwnerName("default", "curl")
NAMES = {1: WEB, 2: CURL, 3: WEB}


def remote(
    port: int = 80, *, world: str = WORLD_4, protocol: int = 6, node: str = NODE_4
) -> Remote:
    return Remote(to_octets(ip_address(node)), to_octets(ip_address(world)), port, protocol)


def counts(used: dict[Remote, int], *, least: int = 1) -> Counts:
    return Counts(
        used=sum(used.values()),
        unlisted=0,
        least=least,
        by_remote=used,
        by_owner={each: {1: ports} for each, ports in used.items()},
    )


def page(
    used: int,
    of: Remote | None = None,
    *,
    growth: float | None = None,
    failed: int = 0,
    holders: dict[int, int] | None = None,
) -> RemotePorts:
    return RemotePorts(
        of or remote(),
        used,
        PORTS,
        {1: used} if holders is None else holders,
        growth,
        PortFailure(failed, 0, 0) if failed else None,
    )
