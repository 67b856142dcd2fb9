"""How the kernel reaches each other node: asked once, and anew when devices or routes changed."""

import asyncio
import logging
from collections.abc import Callable, Container, Iterable, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Final

from ciliate.net.address import IPAddress, IPNetwork, host_network
from ciliate.net.cidr_index import CIDRIndex
from ciliate.net.link import RouteAnswer
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.routes import lookup_routes

_log = logging.getLogger(__name__)

#: Nodes come in bursts, and so do changes of routes: our own among them.
_SETTLE_S: Final = 0.05

#: Addresses that are asked about by one call: while the kernel answers, no other part of the agent asks it.
_BATCH: Final = 1024

#: Called with the nodes' addresses that are reached otherwise than before.
AnswersChanged = Callable[[frozenset[IPAddress]], object]


class NodeReachability:
    """The kernel's answers, by InternalIP; an old one holds until the new one is there."""

    def __init__(self, rtnl: Rtnetlink, changed: AnswersChanged) -> None:
        self._rtnl = rtnl
        self._changed = changed
        self._answers: dict[IPAddress, RouteAnswer | None] = {}
        self._by_prefix: CIDRIndex[IPAddress] = CIDRIndex()  # The same addresses.
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

    def keep(self, known: Container[IPAddress]) -> None:
        """Forget the addresses that are not `known` any more."""
        for node_ip in [ip for ip in self._answers if ip not in known]:
            del self._answers[node_ip]
            self._by_prefix.remove(host_network(node_ip))

    def ask_anew(self) -> None:
        """Ask again about every address."""
        self._ask_again(self._answers)

    def ask_within(self, prefix: IPNetwork) -> None:
        """Ask again where the kernel may answer otherwise than before."""
        self._ask_again(self._by_prefix.overlapping(prefix))

    def has_asked_within(self, prefix: IPNetwork) -> bool:
        """Whether an address of the prefix was asked about."""
        return next(self._by_prefix.overlapping(prefix), None) is not None

    def _ask_again(self, node_ips: Iterable[IPAddress]) -> None:
        self._unasked.update(node_ips)
        if self._unasked:
            self._woken.set()

    async def ask(self) -> None:
        """Ask about the new addresses; those that are added meanwhile are asked about too."""
        changed = set()
        while self._unasked:
            node_ips = tuple(islice(self._unasked, _BATCH))
            self._unasked.difference_update(node_ips)
            found = await lookup_routes(self._rtnl, node_ips)
            for node_ip, answer in zip(node_ips, found, strict=True):
                if self._note(node_ip, answer):
                    changed.add(node_ip)
        if changed:
            self._changed(frozenset(changed))

    def _note(self, node_ip: IPAddress, found: RouteAnswer | NetlinkError) -> bool:
        """Note an answer; return whether it is another than before."""
        answer = None if isinstance(found, NetlinkError) else found
        if answer is None:  # No route to that node: its pods get none either.
            _log.debug("route to node %s: %s", node_ip, found)
        before = self._answers.get(node_ip, _NEVER)
        if before is _NEVER:
            self._by_prefix.put(host_network(node_ip), node_ip)
        self._answers[node_ip] = answer
        return before != answer

    async def run(self) -> None:
        """Ask whenever there is something to ask, until cancelled."""
        while True:
            await self._woken.wait()
            await asyncio.sleep(_SETTLE_S)
            self._woken.clear()
            await self.ask()


#: Equal to no answer.
_NEVER: Final = object()
