"""Masquerading by the host's stack on a running node: its table is kept, or removed.

Where the programs masquerade, the table of an earlier agent that did otherwise is removed.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from ciliate.errors import CiliateError
from ciliate.masquerade.nftables.members import Members
from ciliate.masquerade.nftables.model import FAMILY, TABLE, Part
from ciliate.masquerade.nftables.plan import Translation, table_parts
from ciliate.masquerade.nftables.route_sources import RouteSources
from ciliate.masquerade.nftables.target import NftablesTarget
from ciliate.masquerade.rules import Rule
from ciliate.netlink.nftables import Nftables
from ciliate.netlink.nftables_monitor import follow_table
from ciliate.node.context import Context
from ciliate.node.feature import AnyReconciler, Task
from ciliate.reconcile.backoff import Backoff
from ciliate.reconcile.reconciler import Reconciler
from ciliate.reconcile.status import RunStatus

_log = logging.getLogger(__name__)

#: How long changes of nodes and pods are gathered before they are written together.
_SETTLE_S: Final = 0.1


class StackMasquerade:
    """Table `inet ciliate` of this node; `rows` is the list that decides."""

    def __init__(self, context: Context, rows: Callable[[], Sequence[Rule]]) -> None:
        self._context = context
        self._rows = rows
        self._is_on = context.settings.masquerade.by_stack
        self._is_leftover = False
        self._nftables = Nftables()
        self._parts: dict[str, Part] | None = None  # None: to be made anew.
        self._sync: AnyReconciler = Reconciler(
            NftablesTarget(self._nftables, self._desired),
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
            changed=self.changed,
        )
        self._sources = RouteSources(context.rtnl, context.devices, self.changed)

    def changed(self) -> None:
        """Make the table anew: a rule, a node, a pod or a route is another."""
        self._parts = None
        self._sync.wake()

    async def start(self) -> None:
        """Have the rules stand before any pod's packet depends on them, or learn what is left.

        Raises:
            CiliateError: They cannot be written. Programs and maps are as they were, so what an
                earlier agent set up goes on.
        """
        if not self._is_on:
            self._is_leftover = await self._has_table()
            return
        if self._context.settings.masquerade.to_route_source:
            await self._sources.refresh()
        if not await self._sync.run_once():
            raise CiliateError(self._sync.status.last_failure)

    def reconcilers(self) -> Sequence[AnyReconciler]:
        """Return the reconciler of the table, where it is to be there or to go."""
        return (self._sync,) if self._is_on or self._is_leftover else ()

    def tasks(self) -> Sequence[Task]:
        """Return what follows the table, and the routes where they name sources."""
        if not self._is_on:
            return ()
        follows_routes = self._context.settings.masquerade.to_route_source
        return (self._follow, *((self._sources.run,) if follows_routes else ()))

    def statuses(self) -> Sequence[RunStatus]:
        """Return the statuses of the tasks."""
        return (self._watch, self._sources.status) if self._is_on else ()

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

    def _desired(self) -> dict[str, Part] | None:
        """Return the table, once it is known who is in the cluster."""
        if not self._is_on:
            return {}
        if not self._context.cluster.has_listed:
            return None
        if self._parts is None:
            self._parts = table_parts(self._rows(), self._translation(), self._members.addresses())
        return self._parts

    def _translation(self) -> Translation:
        settings = self._context.settings
        masquerade = settings.masquerade
        versions = ((4, masquerade.ipv4), (6, masquerade.ipv6))
        return Translation(
            versions=tuple(version for version, on in versions if on),
            ports=(masquerade.port_min, masquerade.port_max),
            random_fully=masquerade.random_fully,
            interfaces=masquerade.interfaces,
            verify_source=settings.kernel.verify_source,
            sources=self._sources.current if masquerade.to_route_source else (),
        )

    async def _has_table(self) -> bool:
        """Whether our table stands; a node without nftables has none."""
        try:
            return await self._nftables.table(FAMILY, TABLE) is not None
        except CiliateError as error:
            _log.debug("no table of ours: %s", error)
            return False
