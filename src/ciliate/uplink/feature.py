"""The programs on the node's devices: every device that leads out of the node runs them."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from ciliate.datapath.datapath import Datapath
from ciliate.datapath.uplink import AttachMode
from ciliate.datapath.uplink_target import UplinkTarget
from ciliate.node.context import Context
from ciliate.node.devices import NodeDevices
from ciliate.node.feature import AnyReconciler, Feature, Task
from ciliate.reconcile.reconciler import Reconciler
from ciliate.reconcile.status import RunStatus
from ciliate.uplink.status import DeviceModel, KubeProxyReplacement


class UplinkFeature(Feature):
    """The node's devices, which all features share: they are watched, and run the programs."""

    name: ClassVar[str] = "uplink"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._attach_mode = AttachMode.TCX

    def reconcilers(self, datapath: Datapath) -> Sequence[AnyReconciler]:
        """Return the reconciler of the devices' programs."""
        devices = self._context.devices
        self._attach_mode = datapath.attach_mode
        sync = Reconciler(UplinkTarget(datapath), lambda: devices.current.by_name)

        def changed(old: NodeDevices, new: NodeDevices) -> None:
            sync.touch({*old.by_name, *new.by_name})

        devices.listen(changed)
        return (sync,)

    def tasks(self) -> Sequence[Task]:
        """Return what watches the devices."""
        return (self._context.devices.follow, self._context.devices.run)

    def statuses(self) -> Sequence[RunStatus]:
        """Return the status of the watch."""
        return (self._context.devices.status,)

    def status(self) -> Mapping[str, object]:
        """Return the devices, and how programs are attached to them."""
        devices, own = self._context.devices.current, self._context.own
        wanted = self._context.settings.routing.direct_routing_device
        return {
            "attach_mode": "tcx" if self._attach_mode is AttachMode.TCX else "tc",
            "kube_proxy_replacement": KubeProxyReplacement(
                mode="False",
                devices=tuple(link.name for link in devices.selected),
                device_list=tuple(
                    DeviceModel(
                        name=link.name, ip=tuple(str(known.address) for known in link.addresses)
                    )
                    for link in devices.selected
                ),
                unsupported_devices=devices.unsupported,
                direct_routing_device=wanted or devices.device_with(own.node_ip),
            ),
        }
