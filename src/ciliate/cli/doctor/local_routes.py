"""What the node's routes say of targets: device, gateway, and how much may be sent.

The route as it stands in its table, without what the kernel has learned since: a path MTU that a
router told is what probes find out.
"""

from collections.abc import Iterable

from ciliate.cli.doctor.path_classes import LocalRoute
from ciliate.errors import CiliateError
from ciliate.net.address import IPAddress
from ciliate.net.link import Link, Route, RouteKind
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.links import observe_links
from ciliate.netlink.routes import lookup_route, matched_route


async def find_routes(
    rtnl: Rtnetlink, targets: Iterable[IPAddress]
) -> dict[IPAddress, LocalRoute]:
    """Return how each target is reached, or why it is not."""
    links = {link.index: link for link in await observe_links(rtnl)}
    return {target: await _find(rtnl, target, links) for target in targets}


async def _find(rtnl: Rtnetlink, target: IPAddress, links: dict[int, Link]) -> LocalRoute:
    try:
        answer = await lookup_route(rtnl, target)
    except CiliateError as error:
        return LocalRoute(target, problem=str(error))
    if answer.kind is not RouteKind.UNICAST:
        return LocalRoute(target, problem=f"{target} is an address of this node")
    link = links.get(answer.link_index)
    if link is None:
        return LocalRoute(target, problem="the route's device is gone")
    matched: Route | None = await matched_route(rtnl, target)
    route_mtu = matched.mtu if matched is not None and matched.mtu else link.mtu
    return LocalRoute(
        target,
        device=link.name,
        mtu=min(link.mtu, route_mtu),
        gateway=str(answer.gateway or ""),
    )
