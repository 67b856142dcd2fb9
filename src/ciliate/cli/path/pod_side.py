"""The first steps of a packet, inside its pod: which route it takes there, how long it may be."""

from dataclasses import dataclass

from ciliate.cli.path import words
from ciliate.cli.path.model import Step
from ciliate.errors import CiliateError
from ciliate.net.address import IPAddress
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.links import observe_links
from ciliate.netlink.routes import matched_route


@dataclass(frozen=True, slots=True)
class PodSide:
    """The steps inside a pod, the greatest packet it sends (0: not known), why it sends none."""

    steps: tuple[Step, ...] = ()
    mtu: int = 0
    problem: str = ""


async def leave_pod(netns: str, destination: IPAddress) -> PodSide:
    """Return what happens inside the pod's network namespace."""
    if not netns:
        return PodSide()
    try:
        async with Rtnetlink.open(netns) as rtnl:
            links = {link.index: link for link in await observe_links(rtnl)}
            route = await matched_route(rtnl, destination)
    except CiliateError as error:
        return PodSide((_step(f"its routes cannot be read: {error}"),))
    if route is None:
        problem = f"the pod has no route to {destination}"
        return PodSide((_step(problem),), problem=problem)
    link = links.get(route.link_index or 0)
    limits = (route.mtu, link.mtu if link is not None else None)
    mtu = min((each for each in limits if each), default=0)
    says = f"{words.route_words((route,), link)}: packets of up to {mtu} bytes"
    return PodSide((_step(says),), mtu)


def _step(says: str) -> Step:
    return Step(at="in the pod", says=says)
