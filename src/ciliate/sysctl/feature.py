"""Kernel settings on a running node: a reload of sysctl.d must not stop the pods' traffic.

The kernel announces forwarding and the reverse path filter; the walk finds the others.
"""

from collections.abc import Sequence
from typing import ClassVar, Final

from ciliate.datapath.datapath import Datapath
from ciliate.net.tunnel import device_name
from ciliate.netlink.monitor import Change
from ciliate.netlink.sysctl import has_ipv6
from ciliate.node.context import Context
from ciliate.node.feature import AnyReconciler, Feature
from ciliate.reconcile.reconciler import Reconciler
from ciliate.sysctl.desired import DesiredSysctls
from ciliate.sysctl.target import SysctlTarget

#: One change of a node-wide setting is announced for every device, too.
_SETTLE_S: Final = 0.1


class SysctlFeature(Feature):
    """What the kernel must be set to so that it forwards pods' packets."""

    name: ClassVar[str] = "sysctl"

    def __init__(self, context: Context) -> None:
        self._context = context
        ipam, tunnel = context.settings.ipam, context.settings.routing.tunnel
        self._desired = DesiredSysctls(
            context.devices,
            context.endpoints,
            ipv4=ipam.ipv4,
            ipv6=ipam.ipv6 and has_ipv6(),
            tunnel=device_name(tunnel.protocol) if tunnel is not None else "",
        )
        target = SysctlTarget(context.rtnl, self._desired.all)
        self._sync: AnyReconciler = Reconciler(target, self._desired.all, settle_s=_SETTLE_S)

    def reconcilers(self, datapath: Datapath) -> Sequence[AnyReconciler]:  # noqa: ARG002 - settings are no map.
        """Return the reconciler of the settings: the node forwards before anything is routed."""
        self._context.devices.listen(lambda _old, _new: self._sync.wake())
        self._context.devices.listen_settings(self._setting_changed)
        return (self._sync,)

    def _setting_changed(self, change: Change) -> None:
        """Look at what somebody changed, of a device or of all; also ourselves."""
        if change.setting is not None:
            self._sync.touch(self._desired.announced(change.setting))
