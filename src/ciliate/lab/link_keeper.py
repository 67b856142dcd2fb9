"""Links that a lesson takes down come back with their routes, as on a machine with a network manager.

`ip link set eth1 down` takes every route by eth1, and its IPv6 addresses; the kernel brings none of
them back with `up`. Pods' routes are the agent's business, these are the machine's own.
"""

import asyncio
import logging
from functools import partial
from pathlib import Path
from typing import Final

from ciliate.lab import links
from ciliate.lab.namespaces import in_namespaces
from ciliate.lab.topology import Machine
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.monitor import LINK_GROUPS, Monitor

_KEPT: Final = ("eth0", "eth1")

_log = logging.getLogger(__name__)


async def keep_links(machine: Machine, pins: Path, *, dual_stack: bool) -> None:
    """Bring back what a machine's links had when they are set up again, until cancelled."""
    down: set[str] = set()
    try:
        async with Monitor.open(str(pins / "net"), groups=LINK_GROUPS) as monitor:
            async for change in monitor:
                link = change.link
                if link is None or link.name not in _KEPT:
                    continue
                if not link.is_up:
                    down.add(link.name)
                elif link.name in down:
                    down.discard(link.name)
                    words = links.restoring_words(machine, link.name, dual_stack=dual_stack)
                    restore = partial(links.run_ip_leniently, machine.name, words)
                    await asyncio.to_thread(in_namespaces, pins, restore, ("net",))
                    _log.info("%s of %s is up again", link.name, machine.name)
    except NetlinkError as error:
        _log.warning("links of %s are not kept: %s", machine.name, error)
