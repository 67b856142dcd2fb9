"""Which devices of a node run its programs. Pure.

From links and routes as observed to a verdict per link, with the reason people read in the device
table. Tests stand in Cilium's order (docs/CILIUM.md, "Routes and devices"); the first that decides
is the reason.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Final

from ciliate.config.settings import AgentSettings
from ciliate.errors import SettingError
from ciliate.net.address import IPNetwork
from ciliate.net.link import Link, LinkFlag, Route, RouteKind

#: Devices of our own or of another container network never lead out of the node.
EXCLUDED_PREFIXES: Final = ("cilium_", "lo", "lxc", "cni", "docker")
#: How the devices begin that we make for the node itself.
_OURS: Final = "cilium_"
_EXCLUDED_FLAGS: Final = LinkFlag.SLAVE | LinkFlag.LOOPBACK
_BRIDGE_KINDS: Final = frozenset({"bridge", "openvswitch"})

_NOT_GLOBAL_UNICAST_4: Final = tuple(
    map(IPv4Network, ("127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"))
)
_NOT_GLOBAL_UNICAST_6: Final = tuple(map(IPv6Network, ("fe80::/10", "ff00::/8")))


@dataclass(frozen=True, slots=True)
class DeviceVerdict:
    """Whether a link is selected; `reason` is empty for a selected one."""

    link: Link
    selected: bool
    reason: str = ""

    @property
    def is_unsupported(self) -> bool:
        """Whether our programs cannot read what it carries, though it leads out of the node."""
        return not self.selected and not _is_readable(self.link)


def select_devices(
    links: Iterable[Link],
    routes: Iterable[Route],
    *,
    patterns: Sequence[str] = (),
    force: bool = False,
) -> tuple[DeviceVerdict, ...]:
    """Return a verdict per link, in order of name.

    `links` carry their addresses, `routes` are those of the main table. `patterns` is the setting
    `devices` ("eth0", "eth+", "!eth1"), `force` is `force-device-detection`.
    """
    leaving = _routes_by_link(routes)
    verdicts: list[DeviceVerdict] = []
    for link in sorted(links, key=lambda each: each.name):
        reason = _exclusion(link, leaving.get(link.index, ()), patterns, force=force)
        verdicts.append(DeviceVerdict(link, selected=not reason, reason=reason))
    return tuple(verdicts)


def _exclusion(
    link: Link, routes: Sequence[Route], patterns: Sequence[str], *, force: bool
) -> str:
    """Return why `link` is not selected; empty when it is."""
    unusable = _unusable(link)
    if unusable:
        return unusable
    if patterns:
        match = _match(link.name, patterns)
        if match:
            return ""
        # A name that "!" excludes stays out, also from detection.
        if match is False or not force:
            return f"not matching user filter [{' '.join(patterns)}]"
    return _detection(link, routes, named=bool(patterns))


def _unusable(link: Link) -> str:
    if not link.name:
        return "link not seen yet"
    if not link.addresses:
        return "device has no addresses"
    if not link.is_up:
        return f"missing required flag (mask=0x{LinkFlag.UP:x}, flags=0x{link.flags:x})"
    if not _is_readable(link):
        return f"neither Ethernet nor bare IP (link layer {link.layer} of linux/if_arp.h)"
    return ""


def _is_readable(link: Link) -> bool:
    return link.is_ethernet or link.is_bare or bool(link.flags & LinkFlag.LOOPBACK)


def _detection(link: Link, routes: Sequence[Route], *, named: bool) -> str:
    """Return why detection leaves `link` out; `named` devices are configured beside it."""
    if link.flags & _EXCLUDED_FLAGS:
        return f"excluded flag set (mask=0x{_EXCLUDED_FLAGS:x}, flags=0x{link.flags:x})"
    if link.master_index is not None:
        return f"bridged or bonded to ifindex {link.master_index}"
    for prefix in EXCLUDED_PREFIXES:
        if link.name.startswith(prefix):
            return f'excluded prefix "{prefix}"'
    if link.kind == "veth" and not named and not any(map(_leads_out, routes)):
        return "veth without default route"
    if link.kind in _BRIDGE_KINDS:
        return "bridge-like device, use --devices to override"
    if not any(_is_global_unicast(route.destination) for route in routes):
        return "no global unicast routes"
    return ""


def _leads_out(route: Route) -> bool:
    """Whether a veth with this route is a device of the node, not a container's.

    Cilium asks for a default route. A route by a gateway says as much, and the machines of a lab
    have veths that lead to routers and nothing else (eth1 of the walk-through).
    """
    return route.is_default or route.gateway is not None


def _match(name: str, patterns: Sequence[str]) -> bool | None:
    """Return what the first pattern that fits `name` says; None when none fits."""
    for pattern in patterns:
        wanted = not pattern.startswith("!")
        text = pattern.removeprefix("!")
        if name == text or (text.endswith("+") and name.startswith(text[:-1])):
            return wanted
    return None


def _routes_by_link(routes: Iterable[Route]) -> dict[int, list[Route]]:
    grouped: dict[int, list[Route]] = {}
    for route in routes:
        if route.link_index is not None and route.kind is RouteKind.UNICAST:
            grouped.setdefault(route.link_index, []).append(route)
    return grouped


def _is_global_unicast(destination: IPNetwork) -> bool:
    """Whether a route leads to addresses others can have; a default route does."""
    if destination.prefixlen == 0:
        return True
    first = destination.network_address
    if isinstance(first, IPv4Address):
        return not any(first in special for special in _NOT_GLOBAL_UNICAST_4)
    return not any(first in special for special in _NOT_GLOBAL_UNICAST_6)


def is_ours(name: str) -> bool:
    """Whether a device is one that we make for the node itself: none leads out of it."""
    return name.startswith(_OURS)


def choose_devices(
    links: tuple[Link, ...], routes: tuple[Route, ...], settings: AgentSettings
) -> tuple[DeviceVerdict, ...]:
    """Return the verdict on every device; at least one is selected.

    Raises:
        SettingError: A device named by a setting does not exist, or none is usable.
    """
    routing = settings.routing
    names = {link.name for link in links}
    for key, wanted in (
        ("devices", [d for d in routing.devices if not d.startswith("!") and "+" not in d]),
        ("direct-routing-device", [routing.direct_routing_device]),
    ):
        for device in filter(None, wanted):
            if device not in names:
                raise SettingError(
                    key=key,
                    value=device,
                    problem="names a device that does not exist",
                    remedy=f"choose of {', '.join(sorted(names - {'lo'}))}, or leave it empty",
                )
    verdicts = select_devices(
        links, routes, patterns=routing.devices, force=routing.detects_devices
    )
    if not any(verdict.selected for verdict in verdicts):
        reasons = "; ".join(f"{v.link.name}: {v.reason}" for v in verdicts)
        raise SettingError(
            key="devices",
            value=settings.effective["devices"],
            problem=f"leaves no device to the network ({reasons})",
            remedy="name one that has an address and is up",
        )
    return verdicts
