"""How entries of the kernel's tables read in a step. Pure."""

from collections.abc import Iterator
from typing import Final

from ciliate.cli.path.model import Step
from ciliate.datapath.layout import Endpoint, IpcacheEntry, IpcacheFlag
from ciliate.net.address import IPAddress, IPNetwork, address_text
from ciliate.net.identity import ReservedIdentity
from ciliate.net.link import Link, Neighbour, Route, RouteProtocol

#: NUD_* by what `ip neigh` calls them.
_STATES: Final = {
    0x01: "INCOMPLETE",
    0x02: "REACHABLE",
    0x04: "STALE",
    0x08: "DELAY",
    0x10: "PROBE",
    0x20: "FAILED",
    0x40: "NOARP",
    0x80: "PERMANENT",
}
_UNREACHED: Final = frozenset({0x01, 0x20})

_PROTOCOLS: Final = {each.value: each.name.lower() for each in RouteProtocol}


def known_words(prefix: IPNetwork, entry: IpcacheEntry) -> str:
    """Return what the ipcache says of an address."""
    words = f"{prefix}: identity {identity_words(entry.identity)}"
    if any(entry.node):
        words += f", behind node {address_text(entry.node)}"
    if entry.flags & IpcacheFlag.IPCACHE_TUNNEL:
        words += ", by the tunnel"
    return words


def identity_words(number: int) -> str:
    """Return an identity's number, with its name where it is a reserved one."""
    try:
        return f"{number} ({ReservedIdentity(number).label})"
    except ValueError:
        return str(number)


def endpoint_words(address: IPAddress, endpoint: Endpoint) -> str:
    """Return what the map of endpoints says of an address that is a pod's."""
    return (
        f"{address} is endpoint {endpoint.endpoint_id}, identity"
        f" {identity_words(endpoint.identity)}"
    )


def route_words(routes: tuple[Route, ...], link: Link | None) -> str:
    """Return a route as `ip route` has it."""
    first = routes[0]
    words = ["default" if first.is_default else str(first.destination)]
    if first.gateway is not None:
        words.append(f"via {first.gateway}")
    if link is not None:
        words.append(f"dev {link.name}")
    words.append(f"proto {_PROTOCOLS.get(first.protocol, first.protocol)}")
    if first.metric:
        words.append(f"metric {first.metric}")
    if first.mtu:
        words.append(f"mtu {first.mtu}")
    text = " ".join(words)
    return f"{text} (the first of {len(routes)} next hops)" if len(routes) > 1 else text


def neighbour_steps(address: IPAddress, found: Neighbour | None, link: Link) -> Iterator[Step]:
    """Yield what is known of the next hop's link-layer address, where the link has such."""
    if not link.is_ethernet:
        return
    if found is None or found.mac is None:
        asked = " and was asked for in vain" if found is not None and is_silent(found) else ""
        yield Step(at="neighbour", says=f"{address} is not known on {link.name}{asked}")
    else:
        yield Step(at="neighbour", says=f"{address} is {found.mac}, {state_name(found.state)}")


def state_name(state: int) -> str:
    """Return the state's name, as `ip neigh` prints it."""
    return _STATES.get(state, str(state))


def is_silent(found: Neighbour) -> bool:
    """Whether the neighbour did not answer when it was asked for."""
    return found.state in _UNREACHED
