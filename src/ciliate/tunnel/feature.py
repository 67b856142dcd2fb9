"""The tunnel on a running node: its device is kept, and the programs at both its ends.

`from_tunnel` stands where packets of other nodes come out of the device, `from_host` where the
node's stack sends to their pods: at the router's device. With native routing neither is there, nor
the device, but while the cluster changes from one to the other.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from ciliate.datapath.datapath import Datapath
from ciliate.datapath.device import ProgrammedDevice
from ciliate.datapath.device_programs import DeviceRole
from ciliate.datapath.device_target import DeviceTarget
from ciliate.datapath.layout import TunnelDevice
from ciliate.datapath.target import MapTarget
from ciliate.errors import CiliateError
from ciliate.net.address import to_octets
from ciliate.net.tunnel import device_name, tunnel_name, tunnel_of
from ciliate.netlink.monitor import Change
from ciliate.netlink.router import HOST_NAME
from ciliate.netlink.tunnel_errors import TunnelNameTakenError
from ciliate.netlink.tunnel_link import (
    TunnelLink,
    ensure_tunnel_link,
    observe_tunnel_link,
    remove_tunnel_links,
)
from ciliate.node.context import Context
from ciliate.node.device_selection import is_ours
from ciliate.node.feature import AnyReconciler, Feature, Task
from ciliate.node.known_node import KnownNode
from ciliate.node.progress import Progress
from ciliate.reconcile.reconciler import Reconciler
from ciliate.reconcile.status import RunStatus
from ciliate.tunnel.announcement import Announcement, AnnouncementTarget
from ciliate.tunnel.maps import TUNNEL_DEVICES

_log = logging.getLogger(__name__)

#: How often the device is looked at, and how long after a failure.
_RESYNC_S: Final = 60.0
_RETRY_S: Final = 5.0

_ONLY: Final = 0  # The map's one key.
_NO_ADDRESS: Final = bytes(16)
_NO_DEVICE: Final = TunnelDevice(_NO_ADDRESS, _NO_ADDRESS, ifindex=0, mtu=0, port=0)


class TunnelFeature(Feature):
    """Pods of other nodes are reached by a tunnel, where the settings say so.

    Where they no longer do, packets are taken out of the former tunnel for as long as a node sends
    by it: its agent is yet to start with the new settings.
    """

    name: ClassVar[str] = "tunnel"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._settings = context.settings.routing.tunnel
        self._links = context.own_links
        self._status = RunStatus("sync-tunnel-device")
        self._woken = asyncio.Event()
        #: The tunnel out of which packets are taken, once its device is there.
        self._received = ""
        self._announcement: AnyReconciler | None = None
        #: Whether what runs are the programs of these settings: only then does nothing send by a
        #: former tunnel.
        self._is_swapped = False

    async def start(self, progress: Progress) -> None:  # noqa: ARG002 - waits for nobody.
        """Make the device; with native routing keep that of another mode.

        Programs of that mode send by it until they are replaced.

        Raises:
            CiliateError: There can be none: the kernel lacks it, or its port is in use.
        """
        if self._settings is not None:
            await self._settle()
            return
        self._woken.set()  # To be removed, and unsaid, behind the start.
        found = self._context.cluster.nodes.get(self._context.own.name)
        former = tunnel_of(found.tunnel_received) if found is not None else None
        kept = await observe_tunnel_link(self._context.rtnl, former[0]) if former else None
        if former is not None and kept is not None:
            self._received = tunnel_name(*former)
            self._links.note_tunnel(kept.index)

    def reconcilers(self, datapath: Datapath) -> Sequence[AnyReconciler]:
        """Return the reconcilers of the map of the device, and of the programs at both ends."""
        context, devices = self._context, self._context.devices
        entry: Reconciler[int, TunnelDevice] = Reconciler(
            MapTarget("sync-tunnel-map", datapath.opened(TUNNEL_DEVICES)), self._entry
        )
        programs: Reconciler[str, ProgrammedDevice | None] = Reconciler(
            DeviceTarget("sync-tunnel-programs", datapath, is_own=is_ours), self._programmed
        )

        own, nodes = context.own.name, context.cluster.nodes
        announcement: Reconciler[str, Announcement] = Reconciler(
            AnnouncementTarget(context.client, nodes, own), self._announced
        )
        self._announcement = announcement

        def changed() -> None:
            entry.touch((_ONLY,))
            programs.wake()
            announcement.wake()

        def node_changed(_old: KnownNode | None, new: KnownNode | None) -> None:
            if new is not None and new.is_local:
                announcement.touch((own,))
            elif self._settings is None and self._received:
                self._woken.set()

        self._links.listen(changed)
        context.cluster.own.listen(lambda _old, _new: entry.touch((_ONLY,)))
        context.cluster.known_nodes.add_listener(node_changed)
        devices.listen(lambda _old, _new: entry.touch((_ONLY,)))
        devices.listen(lambda _old, _new: self._woken.set())  # Their MTU is the tunnel's.
        devices.listen_losses(self._lost)
        return (entry, programs, announcement)

    def _entry(self) -> Mapping[int, TunnelDevice]:
        index, found = self._links.tunnel_index, tunnel_of(self._received)
        if found is None or not index:
            return {_ONLY: _NO_DEVICE}
        return {
            _ONLY: TunnelDevice(
                ipv4=self._end(4),
                ipv6=self._end(6),
                ifindex=index,
                mtu=self._context.devices.route_mtu,
                port=found[1],
            )
        }

    def _end(self, version: int) -> bytes:
        """Return the address that others send to, as they take it from the CiliumNode."""
        address = self._context.own.internal_ip(version)
        is_end = self._settings is None or self._settings.underlay_version == version
        return to_octets(address) if address is not None and is_end else _NO_ADDRESS

    def _programmed(self) -> Mapping[str, ProgrammedDevice | None]:
        tunnel, router = self._links.tunnel_index, self._links.router.index
        found = tunnel_of(self._received)
        if found is None or not tunnel:
            return {}
        return {
            device_name(found[0]): ProgrammedDevice(tunnel, DeviceRole.TUNNEL),
            HOST_NAME: ProgrammedDevice(router, DeviceRole.ROUTER),
        }

    def _announced(self) -> Mapping[str, Announcement] | None:
        own = self._context.own.name
        if self._context.cluster.nodes.get(own) is None:
            return None
        if self._settings is None and not self._is_swapped:
            return None
        sent = self._settings.name if self._settings is not None else ""
        return {own: Announcement(self._received, sent if self._received else "")}

    def _lost(self, change: Change) -> None:
        if change.link is not None and is_ours(change.link.name):
            self._woken.set()

    def tasks(self) -> Sequence[Task]:
        """Return what keeps the device; by now the programs of these settings run."""
        self._is_swapped = True
        return (self._keep,)

    async def _keep(self) -> None:
        pause_s = _RESYNC_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._woken.wait()
            self._woken.clear()
            try:
                await self._settle()
            except CiliateError as error:
                if str(error) != self._status.last_failure:
                    _log.error("tunnel: %s", error)
                self._status.failed(str(error))
                await self._unsay_lost()
                pause_s = _RETRY_S
            else:
                self._status.succeeded()
                pause_s = _RESYNC_S
            if self._announcement is not None:
                self._announcement.wake()

    async def _unsay_lost(self) -> None:
        """Let others send by routes meanwhile, where there is no device any more."""
        tunnel = self._settings
        with contextlib.suppress(CiliateError):
            if tunnel and await observe_tunnel_link(self._context.rtnl, tunnel.protocol) is None:
                self._received = ""
                self._links.note_tunnel(0)

    async def _settle(self) -> None:
        if self._settings is None:
            await self._leave()
            return
        context, tunnel = self._context, self._settings
        made = await ensure_tunnel_link(
            context.rtnl,
            TunnelLink(
                protocol=tunnel.protocol,
                port=tunnel.port,
                mtu=context.devices.mtu,
                underlay_version=tunnel.underlay_version,
                ipv6=context.settings.ipam.ipv6,
                source_ports=tunnel.source_ports,
            ),
        )
        self._received = tunnel.name
        self._links.note_tunnel(made.index)

    async def _leave(self) -> None:
        """Remove the device of a former tunnel, unless a node still sends by it."""
        former, rtnl = tunnel_of(self._received), self._context.rtnl
        if former is not None and self._is_sent_by(self._received):
            kept = await observe_tunnel_link(rtnl, former[0])
            if kept is not None:
                self._links.note_tunnel(kept.index)
                return
        self._received = ""
        with contextlib.suppress(TunnelNameTakenError):  # Somebody else's, in nobody's way.
            await remove_tunnel_links(rtnl)
        self._links.note_tunnel(0)

    def _is_sent_by(self, tunnel: str) -> bool:
        """Whether another node sends by a tunnel."""
        others = (each for each in self._context.cluster.known_nodes if not each.is_local)
        return any(each.tunnel_sent == tunnel for each in others)

    def statuses(self) -> Sequence[RunStatus]:
        """Return the status of keeping the device."""
        return (self._status,)
