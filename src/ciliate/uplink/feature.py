"""The programs on the node's devices: every device that leads out of the node runs them."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from ciliate.datapath.datapath import Datapath
from ciliate.datapath.device import AttachMode, ProgrammedDevice
from ciliate.datapath.device_target import DeviceTarget
from ciliate.node.context import Context
from ciliate.node.device_selection import is_ours
from ciliate.node.devices import NodeDevices
from ciliate.node.feature import AnyReconciler, Feature, Task
from ciliate.reconcile.reconciler import Reconciler
from ciliate.reconcile.status import RunStatus


class UplinkFeature(Feature):
    """The node's devices, which all features share: they are watched, and run the programs."""

    name: ClassVar[str] = "uplink"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._attach_mode = AttachMode.TCX
        self._sync: Reconciler[str, ProgrammedDevice | None] | None = None

    def reconcilers(self, datapath: Datapath) -> Sequence[AnyReconciler]:
        """Return the reconciler of the devices' programs."""
        devices = self._context.devices
        self._attach_mode = datapath.attach_mode
        sync: Reconciler[str, ProgrammedDevice | None] = Reconciler(
            DeviceTarget("sync-devices", datapath, is_own=lambda name: not is_ours(name)),
            lambda: devices.current.by_name,
        )
        self._sync = sync

        def changed(old: NodeDevices, new: NodeDevices) -> None:
            sync.touch({*old.by_name, *new.by_name})

        devices.listen(changed)
        return (sync,)

    @property
    def sync_status(self) -> RunStatus | None:
        """How the devices' programs are; None: the datapath is not open."""
        return self._sync.status if self._sync is not None else None

    def tasks(self) -> Sequence[Task]:
        """Return what watches the devices."""
        return (self._context.devices.follow, self._context.devices.run)

    def statuses(self) -> Sequence[RunStatus]:
        """Return the status of the watch."""
        return (self._context.devices.status,)

    def status(self) -> Mapping[str, object]:
        """Return how programs are attached to the devices."""
        return {"attach_mode": "tcx" if self._attach_mode is AttachMode.TCX else "tc"}
