"""NodePorts are kept apart from the ports that connections of the node's own processes get.

The kernel gives a connection any port of `ip_local_port_range`, for both families. Were that a
NodePort, its answers would be taken for a client's packets and never arrive. So NodePorts in that
range are reserved: `ip_local_reserved_ports`, to which others may add as well. Ports that a process
binds by itself are another matter (bind protection).
"""

from collections.abc import Collection, Mapping
from typing import Final

from ciliate.config.service_settings import NodePortSettings
from ciliate.errors import SettingError
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.sysctl import LIST_BYTES_MAX, add_to_sysctl, read_sysctl
from ciliate.reconcile.target import Failures
from ciliate.services.port_range import PortRange, are_covered, read_ranges

_EPHEMERAL: Final = "net.ipv4.ip_local_port_range"
_RESERVED: Final = "net.ipv4.ip_local_reserved_ports"


class NodePortRangeTarget:
    """Keeps the NodePorts reserved in the namespace of `rtnl`; its one key is the range."""

    name = "reserve-node-ports"

    def __init__(self, rtnl: Rtnetlink, settings: NodePortSettings) -> None:
        self._rtnl = rtnl
        self._ports = PortRange(settings.first, settings.last)
        self._may_reserve = settings.reserves_range

    def desired(self) -> Mapping[PortRange, bool]:
        """Return what the target should hold: no connection gets one of these ports."""
        return {self._ports: True}

    async def observe(self) -> Mapping[PortRange, bool]:
        """Return whether the ports are kept apart."""
        problem = await self._rtnl.run(lambda _channel: _overlap(self._ports))
        return {self._ports: problem is None}

    async def put(self, entries: Mapping[PortRange, bool]) -> Failures[PortRange]:
        """Reserve the ports where they are not; fail where that is not wanted."""
        return await self._rtnl.run(
            lambda _channel: {} if not entries else _reserve(self._ports, may=self._may_reserve)
        )

    async def remove(self, keys: Collection[PortRange]) -> Failures[PortRange]:  # noqa: ARG002 - there is nothing to remove.
        """Leave them: nobody knows who else had reserved some."""
        return {}

    async def check(self) -> None:
        """Accept the range at a start.

        Raises:
            SettingError: Connections could get a NodePort, and the ports are not to be reserved.
        """
        if self._may_reserve:
            return
        ephemeral = await self._rtnl.run(lambda _channel: _overlap(self._ports))
        if ephemeral is not None:
            raise _refusal(self._ports, ephemeral)


def _overlap(ports: PortRange) -> PortRange | None:
    """Return the ephemeral ports, where a connection could get one of `ports`; else None."""
    first, last = map(int, read_sysctl(_EPHEMERAL).split())
    ephemeral = PortRange(first, last)
    if not ports.overlaps(ephemeral):
        return None
    reserved = read_ranges(read_sysctl(_RESERVED, bytes_max=LIST_BYTES_MAX))
    return None if are_covered(ports.overlap(ephemeral), reserved) else ephemeral


def _reserve(ports: PortRange, *, may: bool) -> Failures[PortRange]:
    try:
        ephemeral = _overlap(ports)
        if ephemeral is None:
            return {}
        if not may:
            return {ports: _refusal(ports, ephemeral)}
        add_to_sysctl(_RESERVED, str(ports))
    except NetlinkError as error:
        return {ports: error}
    return {}


def _refusal(ports: PortRange, ephemeral: PortRange) -> SettingError:
    return SettingError(
        key="node-port-range",
        value=f"{ports.first},{ports.last}",
        problem=f"overlaps the node's ephemeral ports {ephemeral} ({_EPHEMERAL}), so that a"
        " connection of the node may get a NodePort",
        remedy='set enable-auto-protect-node-port-range to "true", choose another range, or list'
        f" the ports in {_RESERVED}",
    )
