"""The node's devices: which carry our programs, and the addresses the node has on them.

Observed anew when links, addresses or routes change (pods' own interfaces do not count), so that
a hot-plugged device or a new address is taken up while the agent runs.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ciliate.config.settings import AgentSettings
from ciliate.datapath.datapath import Datapath
from ciliate.errors import CiliateError
from ciliate.net.address import IPAddress
from ciliate.net.link import Link, LinkFlag, RouteScope
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.links import observe_links
from ciliate.netlink.monitor import Change, ChangeKind, Monitor
from ciliate.netlink.pod_link import HOST_PREFIX
from ciliate.netlink.routes import observe_routes
from ciliate.node.device_selection import choose_devices
from ciliate.reconcile.status import RunStatus

_log = logging.getLogger(__name__)

#: Changes come in bursts: a device appears, comes up, gets addresses.
_SETTLE_S = 0.2
_RESYNC_S = 60.0

#: An MTU when no device says one (reference/routing-masquerading.md, 1.11).
_MTU_DEFAULT = 1500


@dataclass(frozen=True, slots=True)
class NodeDevices:
    """The selected devices, and every address of the node except loopback ones."""

    selected: tuple[Link, ...]
    addresses: tuple[IPAddress, ...]

    @property
    def mtu(self) -> int:
        """The smallest MTU of the selected devices, in bytes."""
        return min((link.mtu for link in self.selected), default=_MTU_DEFAULT)

    @property
    def by_name(self) -> Mapping[str, int]:
        """The ifindex of every selected device."""
        return {link.name: link.index for link in self.selected}

    def holder(self, address: IPAddress | None) -> str:
        """Return the name of the selected device that has `address`, or an empty text."""
        for link in self.selected:
            if any(known.address == address for known in link.addresses):
                return link.name
        return ""


async def observe_devices(rtnl: Rtnetlink, settings: AgentSettings) -> NodeDevices:
    """Return the node's devices as they are now.

    Raises:
        SettingError: A device that a setting names does not exist, or none is usable.
        NetlinkError: The kernel could not be asked.
    """
    links = await observe_links(rtnl)
    routes = await observe_routes(rtnl)
    own = tuple(link for link in links if not link.name.startswith(HOST_PREFIX))
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
    )


class UplinkTarget:
    """The devices that run our programs, by name with their ifindex."""

    name = "sync-devices"

    def __init__(self, datapath: Datapath) -> None:
        self._datapath = datapath

    async def observe(self) -> Mapping[str, int]:
        """Return the devices whose both ends run the programs loaded now."""
        attached = await asyncio.to_thread(self._datapath.attached)
        return {
            name: attachment.ifindex if attachment.current else 0
            for name, attachment in attached.items()
        }

    async def put(self, key: str, value: int) -> None:
        """Attach, or replace an older program in one step."""
        await asyncio.to_thread(self._datapath.attach_uplink, ifindex=value, device=key)

    async def remove(self, key: str) -> None:
        """Detach; an absent device is a success."""
        await asyncio.to_thread(self._datapath.detach_uplink, key)


class DeviceWatch:
    """Keeps `current` true to the kernel, and tells when it changed."""

    def __init__(self, rtnl: Rtnetlink, settings: AgentSettings, first: NodeDevices) -> None:
        self.current = first
        self.status = RunStatus("watch-devices")
        self._rtnl = rtnl
        self._settings = settings
        self._listeners: list[Callable[[], None]] = []
        self._route_listeners: list[Callable[[], None]] = []
        self._woken = asyncio.Event()

    def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed` after every change."""
        self._listeners.append(changed)

    def listen_routes(self, changed: Callable[[], None]) -> None:
        """Call `changed` when a route that is no pod's came or went, whoever did it."""
        self._route_listeners.append(changed)

    async def follow(self) -> None:
        """Wake `run` for every change that is not a pod's."""
        async with Monitor.open() as monitor:
            async for change in monitor:
                if self._is_pods(change):
                    continue
                self._woken.set()
                if change.kind in {ChangeKind.ROUTE, ChangeKind.RESYNC}:
                    for changed in self._route_listeners:
                        changed()

    def _is_pods(self, change: Change) -> bool:
        if change.kind is ChangeKind.LINK and change.link is not None:
            return change.link.name.startswith(HOST_PREFIX)
        if change.kind is ChangeKind.ROUTE and change.route is not None:
            prefix = change.route.destination  # ff00::/8 comes with every interface.
            return prefix.prefixlen == prefix.max_prefixlen or prefix.is_multicast
        return False

    async def run(self) -> None:
        """Observe after every change until cancelled; a failure keeps what was known."""
        while True:
            try:
                async with asyncio.timeout(_RESYNC_S):
                    await self._woken.wait()
                    await asyncio.sleep(_SETTLE_S)
            except TimeoutError:
                pass
            self._woken.clear()
            try:
                found = await observe_devices(self._rtnl, self._settings)
            except CiliateError as error:
                if str(error) != self.status.last_failure:
                    _log.warning("devices: %s", error)
                self.status.failed(str(error))
                continue
            self.status.succeeded()
            if found != self.current:
                if found.by_name != self.current.by_name:
                    _log.info("devices changed: %s", ", ".join(found.by_name))
                self.current = found
                for changed in self._listeners:
                    changed()
