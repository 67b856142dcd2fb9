"""An endpoint: one interface of one pod on this node, from CNI ADD to CNI DEL."""

from dataclasses import dataclass
from datetime import datetime

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.net.address import IPAddress, Mac

#: Identity of an endpoint whose labels are not known yet (Cilium's reserved number for "init").
IDENTITY_INIT = 5

#: Numbers of endpoints on a node, both inclusive: they fit the datapath's 16 bits.
ENDPOINT_ID_MIN = 1
ENDPOINT_ID_MAX = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A pod's interface. Every change makes a new value; the table holds the latest.

    `addresses` are IPv6 first, then IPv4, as CNI results list them. `gateways` are the router
    addresses the pod was given and keeps, even if the node's change. MTUs are in bytes.

    `external_ipam`: another plugin gave the addresses; they are never taken from or given back to
    a block of this node. `chained`: another plugin made the interface as well, so its name, MACs,
    routes and removal are that plugin's; `host_mac` is then what the pod has its gateway behind.

    `network`: the name in the runtime's configuration that the pod was attached by; empty where
    nobody remembers it.
    """

    id: int
    container_id: str
    ifname: str
    netns: str
    namespace: str
    pod: str
    pod_uid: str
    addresses: tuple[IPAddress, ...]
    gateways: tuple[IPAddress, ...]
    host_name: str
    host_mac: Mac
    pod_mac: Mac
    ifindex: int
    mtu: int
    route_mtu: int
    created: datetime
    identity: int = IDENTITY_INIT
    labels: tuple[str, ...] = ("reserved:init",)
    state: EndpointState = EndpointState.WAITING_FOR_IDENTITY
    restored: bool = False
    external_ipam: bool = False
    chained: bool = False
    network: str = ""

    @property
    def pod_key(self) -> tuple[str, str]:
        """Namespace and name of the pod."""
        return self.namespace, self.pod

    @property
    def owner(self) -> str:
        """How the allocator and `dbg status --verbose` call the holder of the addresses."""
        return f"{self.namespace}/{self.pod}{' [restored]' if self.restored else ''}"

    def address(self, version: int) -> IPAddress | None:
        """Return the address of IP `version` 4 or 6, or None."""
        return next((a for a in self.addresses if a.version == version), None)
