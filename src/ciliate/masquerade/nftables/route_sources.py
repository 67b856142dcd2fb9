"""The routes of the node's devices that name the address to send from.

Asked for by `enable-masquerade-to-route-source`; observed anew when routes or devices change.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from ciliate.errors import CiliateError
from ciliate.masquerade.nftables.plan import RouteSource
from ciliate.net.link import MAIN_TABLE, Route, RouteKind
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.monitor import Change
from ciliate.netlink.routes import observe_routes
from ciliate.node.devices import DeviceWatch
from ciliate.reconcile.backoff import Backoff
from ciliate.reconcile.status import RunStatus

_log = logging.getLogger(__name__)

#: Routes come in bursts, when a device comes up or a routing daemon starts.
_SETTLE_S: Final = 0.2


class RouteSources:
    """The sources as last observed; `changed` is called when they are others."""

    def __init__(
        self, rtnl: Rtnetlink, devices: DeviceWatch, changed: Callable[[], object]
    ) -> None:
        self.current: tuple[RouteSource, ...] = ()
        self.status = RunStatus("follow-route-sources")
        self._rtnl = rtnl
        self._devices = devices
        self._changed = changed
        self._woken = asyncio.Event()
        devices.listen(lambda _old, _new: self._woken.set())
        devices.listen_routes(self._route_changed)

    def _route_changed(self, change: Change) -> None:
        if change.route is None or change.route.source is not None:
            self._woken.set()

    async def refresh(self) -> None:
        """Observe now.

        Raises:
            NetlinkError: The kernel could not be asked.
        """
        names = {link.index: link.name for link in self._devices.current.selected}
        found = sources_of(await observe_routes(self._rtnl), names)
        if found != self.current:
            self.current = found
            self._changed()

    async def run(self) -> None:
        """Observe after every change until cancelled; a failure keeps what was known."""
        pauses = Backoff()
        while True:
            await self._woken.wait()
            await asyncio.sleep(_SETTLE_S)
            self._woken.clear()
            try:
                await self.refresh()
            except CiliateError as error:
                self.status.failed(str(error))
                _log.warning("sources of routes: %s", error)
                self._woken.set()
                await asyncio.sleep(pauses.next())
            else:
                self.status.succeeded()
                pauses.reset()


def sources_of(routes: Iterable[Route], names: Mapping[int, str]) -> tuple[RouteSource, ...]:
    """Return the sources that routes of these devices name; of two to one place the nearer's."""
    found: dict[tuple[str, object], RouteSource] = {}
    for route in sorted(routes, key=lambda each: each.metric):
        name = names.get(route.link_index or 0)
        if name is None or route.source is None:
            continue
        if route.table == MAIN_TABLE and route.kind is RouteKind.UNICAST:
            each = RouteSource(name, route.destination, route.source)
            found.setdefault((name, route.destination), each)
    return tuple(found.values())
