"""Masquerading on a running node: the map of the devices' addresses, and the conntrack GC."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from ciliate.datapath.datapath import Datapath
from ciliate.datapath.target import MapTarget
from ciliate.masquerade.conntrack_gc import ConntrackGC
from ciliate.masquerade.entries import address_entries
from ciliate.masquerade.maps import CONNECTIONS, MASQUERADE_ADDRESSES
from ciliate.masquerade.status import MasqueradedFamilies, Masquerading
from ciliate.masquerade.sweep import Sweeper
from ciliate.node.context import Context
from ciliate.node.feature import AnyReconciler, Feature, Task
from ciliate.reconcile.reconciler import Reconciler
from ciliate.reconcile.status import RunStatus


class MasqueradeFeature(Feature):
    """Which address pods get when they leave the cluster."""

    name: ClassVar[str] = "masquerade"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._gc = ConntrackGC()

    def reconcilers(self, datapath: Datapath) -> Sequence[AnyReconciler]:
        """Return the reconciler of the devices' masquerade addresses."""
        devices = self._context.devices
        with datapath.opened(CONNECTIONS) as connections:
            self._gc.use(Sweeper(datapath.programs.sweep_fd, connections.capacity))
        addresses = Reconciler(
            MapTarget("sync-masquerade-addresses", datapath.opened(MASQUERADE_ADDRESSES)),
            lambda: address_entries(devices.current, self._context.own.internal_ips),
        )
        devices.listen(
            lambda old, new: addresses.touch(link.index for link in (*old.selected, *new.selected))
        )
        # A device without an address of a family has the node's own.
        self._context.cluster.own.listen(
            lambda _old, _new: addresses.touch(link.index for link in devices.current.selected)
        )
        return (addresses,)

    async def forget_leavers(self) -> None:
        """End the connections of pods that have left the datapath.

        Raises:
            CiliateError: They are still there.
        """
        await self._gc.forget_leavers()

    def tasks(self) -> Sequence[Task]:
        """Return the conntrack GC."""
        return (self._gc.run,)

    def statuses(self) -> Sequence[RunStatus]:
        """Return the status of the conntrack GC."""
        return (self._gc.status,)

    def status(self) -> Mapping[str, object]:
        """Return the Masquerading line's part."""
        settings = self._context.settings
        on, routing = settings.masquerade, settings.routing
        return {
            "masquerading": Masquerading(
                mode="BPF",
                enabled=on.ipv4 or on.ipv6,
                enabled_protocols=MasqueradedFamilies(ipv4=on.ipv4, ipv6=on.ipv6),
                snat_exclusion_cidr_v4=str(routing.native_v4 or "") if on.ipv4 else "",
                snat_exclusion_cidr_v6=str(routing.native_v6 or "") if on.ipv6 else "",
            )
        }
