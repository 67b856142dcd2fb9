"""A pod's interface as a value: for the CNI request, the kernel, the answer and the file."""

from dataclasses import dataclass

from ciliate.net.address import IPAddress, Mac


@dataclass(frozen=True, slots=True, kw_only=True)
class PodInterface:
    """A veth pair: `host_name` on the node, `pod_name` in the pod's namespace.

    `addresses` are IPv6 first, then IPv4, as CNI results list them. `gateways` are the router
    addresses of their families at the pod's ADD; the pod keeps them even if the node's change.
    `netns` is the path of the pod's namespace. MTUs are in bytes.
    """

    host_name: str
    host_mac: Mac
    pod_name: str
    pod_mac: Mac
    netns: str
    mtu: int
    route_mtu: int
    addresses: tuple[IPAddress, ...]
    gateways: tuple[IPAddress, ...]

    @property
    def has_ipv6(self) -> bool:
        """Whether the pod has an IPv6 address."""
        return any(address.version == 6 for address in self.addresses)
