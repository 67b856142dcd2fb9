"""How the kernel reaches each other node: asked once, and anew when devices or routes changed."""

import asyncio
import logging
from collections.abc import Callable, Container, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from ciliate.net.address import IPAddress, IPNetwork
from ciliate.net.link import RouteAnswer
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.routes import lookup_route

_log = logging.getLogger(__name__)

#: Nodes come in bursts, and so do changes of routes: our own among them.
_SETTLE_S: Final = 0.05

#: Called with the nodes' addresses that are reached otherwise than before.
AnswersChanged = Callable[[frozenset[IPAddress]], object]


class NodeReachability:
    """The kernel's answers, by InternalIP; an old one holds until the new one is there."""

    def __init__(self, rtnl: Rtnetlink, changed: AnswersChanged) -> None:
        self._rtnl = rtnl
        self._changed = changed
        self._answers: dict[IPAddress, RouteAnswer | None] = {}
        self._unasked: set[IPAddress] = set()
        self._woken = asyncio.Event()

    @property
    def answers(self) -> Mapping[IPAddress, RouteAnswer | None]:
        """What the kernel answered; None: it has no route. Absent: not asked yet."""
        return MappingProxyType(self._answers)

    def watch(self, node_ips: Iterable[IPAddress]) -> None:
        """Ask about these addresses, unless they are known."""
        missing = [ip for ip in node_ips if ip not in self._answers]
        if missing:
            self._unasked.update(missing)
            self._woken.set()

    def ask_anew(self, known: Container[IPAddress], within: IPNetwork | None = None) -> None:
        """Ask again about every address that is `known` still; forget the others.

        `within`: where alone the kernel may answer otherwise than before; None: anywhere.
        """
        self._answers = {ip: answer for ip, answer in self._answers.items() if ip in known}
        self._unasked.update(ip for ip in self._answers if within is None or ip in within)
        if self._unasked:
            self._woken.set()

    async def ask(self) -> None:
        """Ask about the new addresses; those that are added meanwhile are asked about too."""
        changed = set()
        while self._unasked:
            node_ip = self._unasked.pop()
            before = self._answers.get(node_ip, _NEVER)
            answer = self._answers[node_ip] = await self._ask(node_ip)
            if before != answer:
                changed.add(node_ip)
        if changed:
            self._changed(frozenset(changed))

    async def _ask(self, node_ip: IPAddress) -> RouteAnswer | None:
        try:
            return await lookup_route(self._rtnl, node_ip)
        except NetlinkError as error:  # No route to that node: its pods get none either.
            _log.debug("route to node %s: %s", node_ip, error)
            return None

    async def run(self) -> None:
        """Ask whenever there is something to ask, until cancelled."""
        while True:
            await self._woken.wait()
            await asyncio.sleep(_SETTLE_S)
            self._woken.clear()
            await self.ask()


#: Equal to no answer.
_NEVER: Final = object()
