"""Is a pod's interface as it was made (CNI CHECK)? Decided from what the kernel has. Pure."""

from collections.abc import Iterable

from ciliate.net.address import Mac
from ciliate.net.link import Link, LinkAddress, LinkFlag, Route
from ciliate.net.pod_interface import PodInterface
from ciliate.netlink.pod_requests import pod_routes


def side_problem(side: Link | None, *, name: str, mac: Mac) -> str:
    """Return what is wrong with one end, or an empty text."""
    if side is None:
        return f"{name} is missing"
    if not side.flags & LinkFlag.UP:
        return f"{name} is down"
    if side.mac != mac:
        return f"{name} has the MAC address {side.mac} instead of {mac}"
    return ""


def pod_problem(
    interface: PodInterface,
    index: int,
    addresses: Iterable[LinkAddress],
    routes: Iterable[Route],
) -> str:
    """Return what the pod's end lost or was given, or an empty text; `index` is its ifindex.

    A route may have another metric than it was made with: behind another interface's it is still
    the way for sockets bound to this one.
    """
    held = {each.address for each in addresses if each.link_index == index}
    missing = [str(address) for address in interface.addresses if address not in held]
    if missing:
        return f"{interface.pod_name} lacks {', '.join(missing)}"
    # The kernel gives itself link-local ones.
    foreign = sorted(
        str(address)
        for address in held.difference(interface.addresses)
        if not address.is_link_local
    )
    if foreign:
        return f"{interface.pod_name} has the foreign address {', '.join(foreign)}"
    ways = {(each.destination, each.gateway) for each in routes if each.link_index == index}
    for gateway in interface.gateways:
        for route in pod_routes(gateway, index, interface):
            if (route.destination, route.gateway) not in ways:
                return f"the pod's route {route} is lost"
    return ""
