"""A switch of back ends under running connections: each stays with the one that it began with.

Takeover, from the programs to the stack: pods are routed by the stack at once, and new connections
are translated there. The programs go on to translate at the device what they know: TCP that
conntrack meets in the middle is left to them.

Handover, from the stack to the programs: at first pods stay routed by the stack. When the programs
are at all devices, the table translates nothing new, and only pods with connections that conntrack
still translates stay; with the last of these the table goes. Its ports are given to nobody meanwhile
(adoption.py). What such a pod opens meanwhile passes
the stack unchanged, and is translated at the device.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from ciliate.datapath.bpf_map import OpenMap
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.layout import Connection, ConnectionOwnerNumber
from ciliate.errors import CiliateError
from ciliate.masquerade.connections import LIVE, is_translated
from ciliate.masquerade.nftables import script
from ciliate.masquerade.nftables.adoption import adopt_translated
from ciliate.masquerade.nftables.model import Parts
from ciliate.masquerade.nftables.plan import hook_alone
from ciliate.netlink.conntrack import translated_sources
from ciliate.netlink.nftables import Nftables
from ciliate.node.endpoint_table import EndpointTable
from ciliate.node.stack_routing import StackRouting
from ciliate.reconcile.status import RunStatus

_log = logging.getLogger(__name__)

#: How often it is asked whether the former back end still has flows, and which part of a processor
#: asking may take: a table of 262,144 connections takes 2 s.
_CHECK_S: Final = 2.0
_ASKING_SHARE: Final = 0.01

T = TypeVar("T")


class _Asking:
    """Asks the kernel in a thread, and knows how long to wait before it is asked again."""

    def __init__(self) -> None:
        self._spent_s = 0.0

    async def ask(self, question: Callable[[], T]) -> T:
        """Return the answer."""
        return await asyncio.to_thread(self._measured, question)

    async def pause(self) -> None:
        """Wait by the processor's time that the last answer took: a busy machine makes it no longer."""
        await asyncio.sleep(max(_CHECK_S, self._spent_s / _ASKING_SHARE))

    def _measured(self, question: Callable[[], T]) -> T:
        began_s = time.thread_time()
        try:
            return question()
        finally:
            self._spent_s = time.thread_time() - began_s


class Takeover:
    """The stack takes masquerading over from the programs; `is_due` until they know no flow."""

    def __init__(self, ended: Callable[[], object]) -> None:
        self.is_due = False
        self.status = RunStatus("take-over-masquerading")
        self._ended = ended
        self._connections: OpenMap[int, Connection] | None = None

    def watch(self, connections: OpenMap[int, Connection]) -> None:
        """Ask this map for flows."""
        self._connections = connections

    async def run(self) -> None:
        """Wait until the programs have no flow of a pod any more."""
        connections = self._connections
        assert connections is not None, "watched since the datapath is open"
        asking = _Asking()
        while True:
            try:
                known = await asking.ask(lambda: self._knows_flows(connections))
            except CiliateError as error:
                self.status.failed(str(error))
            else:
                self.status.succeeded()
                if not known:
                    break
            await asking.pause()
        _log.info("the host's stack masquerades every connection of pods now")
        self.is_due = False
        self._ended()

    @staticmethod
    def _knows_flows(connections: OpenMap[int, Connection]) -> bool:
        elements = (element for _, element in connections.items(LIVE))
        return knows_flows(elements, now_ns=time.monotonic_ns())


def knows_flows(connections: Iterable[Connection], *, now_ns: int) -> bool:
    """Whether a connection of a pod is translated; those of the node itself do not count."""
    return any(
        is_translated(each)
        and each.owner < ConnectionOwnerNumber.OWNER_NODE
        and each.expires_ns > now_ns
        for each in connections
    )


class Handover:
    """The programs take masquerading over from the stack; `is_due` where a table was found."""

    def __init__(
        self,
        nftables: Nftables,
        stack: StackRouting,
        endpoints: EndpointTable,
        changed: Callable[[], object],
    ) -> None:
        self.is_due = False
        self.status = RunStatus("hand-over-masquerading")
        self._datapath: Datapath | None = None
        self._asking = _Asking()
        #: What the table should be; None: as it is.
        self.table: Parts | None = None
        self._nftables = nftables
        self._stack = stack
        self._endpoints = endpoints
        self._changed = changed

    def begin(self) -> None:
        """Leave everything as it was found, until `run`."""
        self.is_due = True
        self._stack.hold()

    def use(self, datapath: Datapath) -> None:
        """Have the programs of this datapath take over."""
        self._datapath = datapath

    async def run(self) -> None:
        """Take pods out of the stack as conntrack has no flow of theirs; then remove the table."""
        while True:
            if await self._translates_nothing_new() and await self._released():
                break
            await self._asking.pause()
        _log.info("the programs masquerade every connection of pods now")
        self.table = {}
        self._changed()

    async def _translates_nothing_new(self) -> bool:
        """Whether the table is what it is meanwhile; written here, since what follows needs it."""
        if self.table is not None:
            return True
        try:
            await asyncio.to_thread(self._adopt)  # Before most others could get a port.
            await self._nftables.transact(script.replacement(hook_alone()))
            await asyncio.to_thread(self._adopt)  # What the stack has begun meanwhile.
        except CiliateError as error:
            self.status.failed(str(error))
            return False
        self.table = hook_alone()
        return True

    def _adopt(self) -> None:
        assert self._datapath is not None, "used since it is open"
        adopted = adopt_translated(self._datapath.adopt_fd())
        _log.debug("%d connections of the stack's are in the book of ports", adopted)

    async def _released(self) -> bool:
        """Whether conntrack translates for nobody; the pods for which it does stay routed by it."""
        try:
            translated = await self._asking.ask(translated_sources)
        except CiliateError as error:
            self.status.failed(str(error))
            return False
        self.status.succeeded()
        pods = {octets for each in self._endpoints for octets in each.octets}
        self._stack.release(but=translated & pods)
        return translated.isdisjoint(pods)
