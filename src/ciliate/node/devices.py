"""The node's devices: which carry our programs, and the addresses the node has on them.

Observed anew when links, addresses or routes change (pods' own interfaces do not count), so that
a hot-plugged device or a new address is taken up while the agent runs.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ciliate.config.settings import AgentSettings
from ciliate.datapath.device import ProgrammedDevice
from ciliate.datapath.device_programs import DeviceRole
from ciliate.errors import CiliateError
from ciliate.net.address import IPAddress, to_octets
from ciliate.net.link import Link, LinkFlag, Route, RouteScope
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.links import observe_links
from ciliate.netlink.monitor import Change, ChangeKind, Monitor
from ciliate.netlink.pod_link import HOST_PREFIX
from ciliate.netlink.routes import observe_routes
from ciliate.node.device_selection import choose_devices, is_ours
from ciliate.reconcile.listeners import Listeners
from ciliate.reconcile.status import RunStatus

_log = logging.getLogger(__name__)

#: Changes come in bursts: a device appears, comes up, gets addresses.
_SETTLE_S = 0.2
_RESYNC_S = 60.0

#: An MTU when no device says one: Ethernet's.
_MTU_DEFAULT = 1500


@dataclass(frozen=True, slots=True)
class NodeDevices:
    """The selected devices, and every address of the node except loopback ones.

    `limiting_routes` are those with an MTU of their own, whichever device of others they lead to;
    `ours` are the devices made for the node itself, by index; `unsupported` says why of each device that our programs cannot read.
    """

    selected: tuple[Link, ...]
    addresses: tuple[IPAddress, ...]
    limiting_routes: tuple[Route, ...] = ()
    unsupported: tuple[str, ...] = ()
    ours: frozenset[int] = frozenset()
    octets: frozenset[bytes] = field(
        init=False, compare=False
    )  # The addresses, as maps have them.
    holders: Mapping[bytes, int] = field(
        init=False, compare=False
    )  # The ifindex of the selected device that has an address; not all are on one.

    def __post_init__(self) -> None:
        object.__setattr__(self, "octets", frozenset(map(to_octets, self.addresses)))
        holders = {
            to_octets(held.address): link.index
            for link in self.selected
            for held in link.addresses
        }
        object.__setattr__(self, "holders", holders)

    @property
    def mtu(self) -> int:
        """The smallest MTU of the selected devices, in bytes."""
        return min((link.mtu for link in self.selected), default=_MTU_DEFAULT)

    @property
    def by_name(self) -> Mapping[str, ProgrammedDevice]:
        """Every selected device as the programs see it."""
        return {link.name: ProgrammedDevice(link.index, _role(link)) for link in self.selected}

    def device_with(self, address: IPAddress | None) -> str:
        """Return the name of the selected device that has `address`, or an empty text."""
        for link in self.selected:
            if any(known.address == address for known in link.addresses):
                return link.name
        return ""


def _role(link: Link) -> DeviceRole:
    return DeviceRole.UPLINK if link.is_ethernet else DeviceRole.BARE_UPLINK


async def observe_devices(rtnl: Rtnetlink, settings: AgentSettings) -> NodeDevices:
    """Return the node's devices as they are now.

    Raises:
        SettingError: A device that a setting names does not exist, or none is usable.
        NetlinkError: The kernel could not be asked.
    """
    links = await observe_links(rtnl)
    routes = await observe_routes(rtnl)
    own = tuple(link for link in links if not link.name.startswith(HOST_PREFIX))
    ours = frozenset(link.index for link in own if is_ours(link.name))
    verdicts = choose_devices(own, routes, settings)
    return NodeDevices(
        selected=tuple(verdict.link for verdict in verdicts if verdict.selected),
        addresses=tuple(
            known.address
            for link in own
            if not link.flags & LinkFlag.LOOPBACK
            for known in link.addresses
            if known.scope < RouteScope.HOST and not known.address.is_link_local
        ),
        limiting_routes=tuple(
            route for route in routes if route.mtu is not None and route.link_index not in ours
        ),
        ours=ours,
        unsupported=tuple(
            f"{verdict.link.name}: {verdict.reason}"
            for verdict in verdicts
            if verdict.is_unsupported and verdict.link.addresses and verdict.link.is_up
        ),
    )


def _is_loss(change: Change) -> bool:
    """Whether the node lost an address that routes may need, or a device."""
    if change.address is not None:
        return change.removed and not change.address.address.is_link_local
    return change.link is not None and (change.removed or not change.link.is_up)


class DeviceWatch:
    """Keeps `current` as the kernel has it; listeners get the value before and after a change."""

    def __init__(self, rtnl: Rtnetlink, settings: AgentSettings, first: NodeDevices) -> None:
        self.current = first
        self.status = RunStatus("watch-devices")
        self._rtnl = rtnl
        self._settings = settings
        self._listeners: Listeners[NodeDevices, NodeDevices] = Listeners()
        self._route_listeners: Listeners[Change] = Listeners()
        self._setting_listeners: Listeners[Change] = Listeners()
        self._loss_listeners: Listeners[Change] = Listeners()
        self._woken = asyncio.Event()
        self._tell_unsupported(())

    @property
    def mtu(self) -> int:
        """MTU of pods' interfaces, in bytes: as set, or that of the devices."""
        return self._settings.routing.mtu or self.current.mtu

    @property
    def route_mtu(self) -> int:
        """MTU of pods' routes, in bytes: what a packet to another node may have, less the tunnel."""
        tunnel = self._settings.routing.tunnel
        return self.mtu - (tunnel.overhead if tunnel is not None else 0)

    def listen(self, changed: Callable[[NodeDevices, NodeDevices], object]) -> None:
        """Call `changed` after every change."""
        self._listeners.add(changed)

    def listen_routes(self, changed: Callable[[Change], object]) -> None:
        """Call `changed` when a route was added or removed, or may have been; also a pod's."""
        self._route_listeners.add(changed)

    def listen_settings(self, changed: Callable[[Change], object]) -> None:
        """Call `changed` when the kernel announces a setting of a device, or of all."""
        self._setting_listeners.add(changed)

    def listen_losses(self, lost: Callable[[Change], object]) -> None:
        """Call `lost` when the node lost an address or a device: its routes go with it, unsaid."""
        self._loss_listeners.add(lost)

    async def follow(self) -> None:
        """Wake `run` for every change that is not a pod's."""
        async with Monitor.open() as monitor:
            async for change in monitor:
                self._take_in(change)

    def _take_in(self, change: Change) -> None:
        if change.kind in {ChangeKind.ROUTE, ChangeKind.RESYNC}:
            self._route_listeners(change)
        if change.kind is ChangeKind.SETTING:
            self._setting_listeners(change)
            return
        if self._is_pods(change) or self._is_one_more(change):
            return
        if _is_loss(change):
            self._loss_listeners(change)
        self._woken.set()

    def _is_pods(self, change: Change) -> bool:
        if change.kind is ChangeKind.LINK and change.link is not None:
            return change.link.name.startswith(HOST_PREFIX)
        if change.kind is ChangeKind.ROUTE and change.route is not None:
            if change.route.link_index in self.current.ours:
                return True
            if change.route.mtu is not None:
                return False
            prefix = change.route.destination  # ff00::/8 comes with every interface.
            return prefix.prefixlen == prefix.max_prefixlen or prefix.is_multicast
        return False

    def _is_one_more(self, change: Change) -> bool:
        """Whether a route came that changes nothing of devices: one more, by a device that is selected.

        There is one for each node of the cluster.
        """
        route = change.route
        if route is None or change.removed or route.mtu is not None:
            return False
        if any(route.destination == each.destination for each in self.current.limiting_routes):
            return False  # It takes the place of one that limits packets.
        return any(route.link_index == link.index for link in self.current.selected)

    async def run(self) -> None:
        """Observe after every change until cancelled; a failure keeps what was known."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RESYNC_S):
                    await self._woken.wait()
                    await asyncio.sleep(_SETTLE_S)
            self._woken.clear()
            try:
                await self.refresh()
            except CiliateError as error:
                if str(error) != self.status.last_failure:
                    _log.warning("devices: %s", error)
                self.status.failed(str(error))
            else:
                self.status.succeeded()

    async def refresh(self) -> None:
        """Observe now, and call the listeners when something changed.

        Raises:
            SettingError: No device is usable any more.
            NetlinkError: The kernel could not be asked.
        """
        found, former = await observe_devices(self._rtnl, self._settings), self.current
        if found == former:
            return
        if found.by_name != former.by_name:
            _log.info("devices changed: %s", ", ".join(found.by_name))
        self.current = found
        self._tell_unsupported(former.unsupported)
        self._listeners(former, found)

    def _tell_unsupported(self, known: tuple[str, ...]) -> None:
        for device in self.current.unsupported:
            if device not in known:
                _log.warning("device %s: pods are not masqueraded behind it", device)
