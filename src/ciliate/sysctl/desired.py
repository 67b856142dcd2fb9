"""Which kernel settings pods' packets need: node-wide, and of each device that they pass.

The same values as a device of ours is made with. Other settings are the administrator's.
"""

from collections.abc import Callable, Iterator
from socket import if_indextoname

from ciliate.net.pod_interface import PodInterface
from ciliate.netlink.monitor import Setting
from ciliate.netlink.pod_requests import host_settings_4
from ciliate.netlink.pod_settings import host_settings
from ciliate.netlink.router import HOST_NAME, PEER_NAME, router_settings
from ciliate.netlink.sysctl import node_sysctls
from ciliate.node.devices import DeviceWatch
from ciliate.node.endpoint import connected
from ciliate.node.endpoint_table import EndpointTable


class DesiredSysctls:
    """The settings by name, as `sysctl` names them; asked for one device or for all."""

    def __init__(
        self,
        devices: DeviceWatch,
        endpoints: EndpointTable,
        *,
        ipv4: bool,
        ipv6: bool,
        tunnel: str = "",
        link_name: Callable[[int], str] = if_indextoname,
    ) -> None:
        """`ipv6`: whether pods have it and the kernel does; `link_name` of an index, or OSError.

        `tunnel` is the name of the tunnel's device; empty: there is none.
        """
        self._own_links = (HOST_NAME, PEER_NAME, *((tunnel,) if tunnel else ()))
        self._link_name = link_name
        self._devices = devices
        self._endpoints = endpoints
        self._ipv6 = ipv6
        self.node_wide = node_sysctls(ipv4=ipv4, ipv6=ipv6)

    def all(self) -> dict[str, str]:
        """Return every setting; those that reset others come first."""
        settings = self.node_wide | self._of_own_links()
        for link in self._devices.current.selected:
            settings |= self._of_uplink(link.name)
        for interface in self._pods():
            settings |= self._of_pod(interface)
        return settings

    def announced(self, setting: Setting) -> dict[str, str]:
        """Return the settings that an announcement names, where it says what hinders packets."""
        words = setting.hindering
        if not words:
            return {}
        index = setting.link_index
        known = self.node_wide if index is None else self._of_device(index)
        families = (f"net.ipv{setting.version}.", f"net/ipv{setting.version}/")
        return {
            name: value
            for name, value in known.items()
            if name.startswith(families) and name.endswith(words)
        }

    def _of_device(self, index: int) -> dict[str, str]:
        """Return the settings of one device; none of one that is not ours."""
        endpoint = self._endpoints.behind(index)
        if endpoint is not None:
            return {} if endpoint.chained else self._of_pod(endpoint.interface)
        for link in self._devices.current.selected:
            if link.index == index:
                return self._of_uplink(link.name)
        try:
            name = self._link_name(index)
        except OSError:  # It is gone.
            return {}
        return router_settings(name, ipv6=self._ipv6) if name in self._own_links else {}

    def _pods(self) -> Iterator[PodInterface]:
        return (each.interface for each in connected(self._endpoints) if not each.chained)

    def _of_own_links(self) -> dict[str, str]:
        links = (router_settings(name, ipv6=self._ipv6) for name in self._own_links)
        return {name: value for link in links for name, value in link.items()}

    def _of_uplink(self, name: str) -> dict[str, str]:
        versions = ("ipv4", "ipv6") if self._ipv6 else ("ipv4",)
        return {f"net/{version}/conf/{name}/forwarding": "1" for version in versions}

    def _of_pod(self, interface: PodInterface) -> dict[str, str]:
        settings = host_settings_4(interface.host_name)
        return settings | host_settings(interface) if self._ipv6 else settings
