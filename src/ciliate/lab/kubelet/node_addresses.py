"""The addresses of a lab's node, as its kubelet reads them: what its devices have now.

A real kubelet reads them with every status of its node, at most 10 s after a node was given another
address by DHCP, or was moved to another network. This one is told of changes by the kernel as well,
so that a lab need not wait. The uplink's addresses are the same on every machine of a lab and so
name none.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from ciliate.net.link import Link, LinkAddress, RouteScope
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.links import observe_links
from ciliate.netlink.monitor import ADDRESS_GROUPS, Monitor
from ciliate.node.device_selection import EXCLUDED_PREFIXES

_UPLINK: Final = "eth0"

#: IFA_F_TENTATIVE, _DADFAILED and _DEPRECATED (linux/if_addr.h): not to be named, or no longer.
_UNUSABLE: Final = 0x40 | 0x08 | 0x20

#: An address is replaced by two commands: what is between them is not reported.
_SETTLE_S: Final = 0.2


async def follow_addresses(pins: Path, changed: Callable[[], None]) -> None:
    """Call `changed` when global addresses of a machine have changed; until cancelled.

    Raises:
        NetlinkError: The machine's namespace cannot be entered, or the socket failed.
    """
    loop = asyncio.get_running_loop()
    told_at = 0.0  # By the loop's clock: what changes before then is told then.
    async with Monitor.open(str(pins / "net"), groups=ADDRESS_GROUPS) as monitor:
        async for change in monitor:
            is_global = change.address is None or change.address.scope == RouteScope.UNIVERSE
            if is_global and told_at <= loop.time():
                told_at = loop.call_later(_SETTLE_S, changed).when()


async def read_node_ips(pins: Path, reported: Sequence[str]) -> tuple[str, ...]:
    """Return the node's InternalIPs; `reported` are those of before.

    Raises:
        NetlinkError: The machine's namespace cannot be entered or read.
    """
    with Rtnetlink.open(str(pins / "net")) as rtnl:
        return node_ips(await observe_links(rtnl), reported)


def node_ips(links: Iterable[Link], reported: Sequence[str]) -> tuple[str, ...]:
    """Return one address per family, IPv4 first: what was reported, as long as it is there.

    A node that has lost every address keeps what was reported: it is not reached by another.
    """
    present = [
        str(each.address)
        for link in sorted(links, key=lambda link: link.index)
        if link.name != _UPLINK and not link.name.startswith(EXCLUDED_PREFIXES)
        for each in link.addresses
        if _is_usable(each)
    ]
    ordered = [*(ip for ip in reported if ip in present), *present]
    chosen = {":" in ip: ip for ip in reversed(ordered)}
    return tuple(chosen[family] for family in sorted(chosen)) or tuple(reported)


def _is_usable(known: LinkAddress) -> bool:
    return known.scope == RouteScope.UNIVERSE and not known.flags & _UNUSABLE
