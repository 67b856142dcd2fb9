"""Masquerading by the host's stack on a running node: its table is kept, or removed.

Where the programs masquerade, the table of an earlier agent that did otherwise goes when nothing
needs it any more.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Final

from ciliate.datapath.datapath import Datapath
from ciliate.errors import CiliateError
from ciliate.masquerade.maps import CONNECTIONS
from ciliate.masquerade.nftables.listing import parts_of
from ciliate.masquerade.nftables.members import Members
from ciliate.masquerade.nftables.model import FAMILY, TABLE, Part, Parts
from ciliate.masquerade.nftables.plan import (
    DeviceSource,
    RowPrefixes,
    Translation,
    is_translating,
    part_names,
    rows_prefixes,
    source_at,
    table_parts,
)
from ciliate.masquerade.nftables.redecision import Redecision
from ciliate.masquerade.nftables.route_sources import RouteSources
from ciliate.masquerade.nftables.switch import Handover, Takeover
from ciliate.masquerade.nftables.target import NftablesTarget, Wanted
from ciliate.masquerade.plan import masquerade_addresses
from ciliate.masquerade.rule_list import RuleList
from ciliate.masquerade.rules import Rule
from ciliate.net.address import IPAddress, IPNetwork
from ciliate.net.link import Link
from ciliate.netlink.nftables import Nftables
from ciliate.netlink.nftables_monitor import follow_table
from ciliate.node.context import Context
from ciliate.node.feature import AnyReconciler, Task
from ciliate.reconcile.backoff import Backoff
from ciliate.reconcile.reconciler import Reconciler
from ciliate.reconcile.status import RunStatus

_log = logging.getLogger(__name__)

#: How long changes of nodes and pods are gathered before they are written together.
_SETTLE_S: Final = 0.05


class StackMasquerade:
    """Table `inet ciliate` of this node; `listed` is the list that decides.

    It is written before programs and maps are touched, and goes after them: at every moment of a
    switch one of the two translates, and each connection stays with the one that it began with.
    """

    def __init__(self, context: Context, listed: RuleList) -> None:
        self._context = context
        self._list = listed
        self._is_on = context.settings.masquerade.by_stack
        self._nftables = Nftables()
        self._parts: dict[str, Part] | None = None  # None: to be made anew.
        self._version = 1  # Of the parts; of those that are to be made, where there are none.
        #: The rows that the parts were made of, and their destinations.
        self._placed: Sequence[Rule] = ()
        self._prefixes: RowPrefixes = {}
        self._target = NftablesTarget(self._nftables, self._wanted)
        self._sync: AnyReconciler = Reconciler(
            self._target,
            self._desired,
            settle_s=_SETTLE_S,
            puts_first=True,
        )
        self._watch = RunStatus("watch-nftables")
        routing = context.settings.routing
        self._members = Members(
            context.cluster,
            context.endpoints,
            native=(each for each in (routing.native_v4, routing.native_v6) if each is not None),
            encapsulates=routing.tunnel is not None,
            changed=self.changed,
        )
        self._sources = RouteSources(context.rtnl, context.devices, self.changed)
        context.devices.listen(lambda _old, _new: self.changed())
        context.cluster.own.listen(lambda _old, _new: self.changed())
        self._takeover = Takeover(self.changed)
        self._handover = Handover(
            self._nftables, context.stack, context.endpoints, self._sync.wake
        )

        self._redecision = Redecision(
            context, listed, settled=self.settled, source=self.source, cluster=self._of_cluster
        )

    def changed(self) -> None:
        """Make the table anew: a rule, a node, a pod or a route is another."""
        if self._parts is not None:
            self._parts = None
            self._version += 1
        rows = max(len(self._placed), len(self._list.rules))
        self._sync.touch(part_names(rows))

    async def load(self) -> None:
        """Learn what an earlier agent left, before programs are loaded for it.

        Raises:
            CiliateError: The table cannot be read, where the stack is to masquerade.
        """
        if not self._is_on:
            await self._load_handover()
            return
        found = parts_of(await self._nftables.table(FAMILY, TABLE) or ())
        inherits = not self._context.endpoint_store.is_new
        self._takeover.is_due = inherits and not is_translating(found)
        self._context.stack.programs_masquerade = self._takeover.is_due

    async def start(self) -> None:
        """Have the rules stand before any pod's packet depends on them.

        Raises:
            CiliateError: They cannot be written; what an earlier agent set up goes on.
        """
        if not self._is_on:
            return
        if self._context.settings.masquerade.to_route_source:
            await self._sources.refresh()
        if not await self._sync.run_once():
            raise CiliateError(self._sync.status.last_failure)

    async def _load_handover(self) -> None:
        """Leave pods where the table of an earlier agent has them; without one do nothing."""
        try:
            if await self._nftables.table(FAMILY, TABLE) is not None:
                self._handover.begin()
        except CiliateError as error:  # A node without nftables has no such table.
            _log.debug("no table of ours: %s", error)

    def reconcilers(self, datapath: Datapath) -> Sequence[AnyReconciler]:
        """Return the reconciler of the table, where it is to be there or to go."""
        if self._takeover.is_due:
            self._takeover.watch(datapath.opened(CONNECTIONS))
        self._handover.use(datapath)
        return (self._sync,) if self._is_on or self._handover.is_due else ()

    def tasks(self) -> Sequence[Task]:
        """Return what follows the table, the routes' sources, and a switch of back ends."""
        if not self._is_on:
            return (self._handover.run,) if self._handover.is_due else ()
        tasks: list[Task] = [self._follow, self._redecision.run]
        if self._context.settings.masquerade.to_route_source:
            tasks.append(self._sources.run)
        if self._takeover.is_due:
            tasks.append(self._takeover.run)
        return tasks

    async def settled(self) -> None:
        """Wait until the table has stood as rules and pods of now want it; at once without one."""
        if self._is_on:
            await self._target.reached(self._version)

    def _wanted(self) -> Wanted:
        return Wanted(self._version, self._desired())

    def statuses(self) -> Sequence[RunStatus]:
        """Return the statuses of the tasks."""
        if not self._is_on:
            return (self._handover.status,) if self._handover.is_due else ()
        return (
            self._watch,
            self._sources.status,
            self._takeover.status,
            self._redecision.status,
        )

    async def _follow(self) -> None:
        """Look at the table when somebody changes it, which may be we."""
        pauses = Backoff()
        while True:
            try:
                await follow_table(TABLE, self._sync.wake)
            except CiliateError as error:  # Walks go on, once a minute.
                self._watch.failed(str(error))
                _log.warning("nf_tables is not followed: %s", error)
                await asyncio.sleep(pauses.next())

    def _desired(self) -> Parts | None:
        """Return the table, once it is known who is in the cluster."""
        if not self._is_on:
            return self._handover.table
        if not self._context.cluster.has_listed:
            return None
        if self._parts is None:
            translation, rows = self._translation(), self._list.rules
            if rows is not self._placed:
                self._placed = rows
                self._prefixes = rows_prefixes(rows, translation.versions)
            addresses = self._members.addresses(self._list.selections)
            self._parts = table_parts(rows, translation, addresses, self._prefixes)
        return self._parts

    def is_of_cluster(self, destination: IPAddress) -> bool:
        """Whether a destination is a node or pod of the cluster."""
        return any(destination in each for each in self._of_cluster())

    def _of_cluster(self) -> Iterable[IPNetwork]:
        addresses = self._members.addresses({})
        return (*addresses.cluster, *addresses.pods)

    def source(self, rule: Rule, link: Link, destination: IPAddress) -> IPAddress | None:
        """Return the address that the stack gives to what `rule` is for; None: the pod keeps its."""
        return source_at(
            self._translation(),
            rule,
            link.name,
            destination,
            by_kernel=masquerade_addresses([link])[link.index],
        )

    def _translation(self) -> Translation:
        settings = self._context.settings
        masquerade = settings.masquerade
        versions = ((4, masquerade.ipv4), (6, masquerade.ipv6))
        return Translation(
            versions=tuple(version for version, on in versions if on),
            ports=settings.stack_ports,
            random_fully=masquerade.random_fully,
            interfaces=masquerade.interfaces,
            verify_source=settings.kernel.verify_source,
            devices=self._device_sources(),
            sources=self._sources.current if masquerade.to_route_source else (),
            held=self._list.held,
            sctp=masquerade.sctp,
            taking_over=self._takeover.is_due,
        )

    def _device_sources(self) -> tuple[DeviceSource, ...]:
        """Return the address that pods get behind each device, as the programs have it."""
        selected = self._context.devices.current.selected
        chosen = masquerade_addresses(selected, primary=self._context.own.internal_ips)
        return tuple(
            DeviceSource(link.name, address)
            for link in selected
            for address in (chosen[link.index].ipv4, chosen[link.index].ipv6)
            if address is not None
        )
