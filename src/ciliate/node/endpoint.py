"""An endpoint: one interface of one pod on this node, from CNI ADD to CNI DEL. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.net.address import IPAddress, to_octets
from ciliate.net.identity import ReservedIdentity
from ciliate.net.pod_interface import PodInterface

#: Numbers of endpoints on a node, both inclusive: they fit the datapath's 16 bits.
ENDPOINT_ID_MIN = 1
ENDPOINT_ID_MAX = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A pod's interface and its owner. Every change makes a new value; the table holds the latest.

    `ifindex` is the node's end. `external_ipam`: another plugin gave the addresses; they are never
    taken from or given back to a block of this node. `chained`: another plugin made the interface
    as well, so its name, MACs, routes and removal are that plugin's; its `host_mac` is then the
    MAC of the pod's gateway.

    `network`: the network's name in the runtime's configuration at the pod's ADD; empty where it
    is not known.
    """

    id: int
    container_id: str
    namespace: str
    pod: str
    pod_uid: str
    interface: PodInterface
    ifindex: int
    created: datetime
    identity: int = ReservedIdentity.INIT  # Its labels are not known yet.
    labels: tuple[str, ...] = (ReservedIdentity.INIT.label,)
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
    def attachment(self) -> tuple[str, str]:
        """Container and interface, as the runtime names them in CNI requests."""
        return self.container_id, self.interface.pod_name

    @property
    def owner(self) -> str:
        """How the allocator and `dbg status --verbose` call the owner of the addresses."""
        return f"{self.namespace}/{self.pod}{' [restored]' if self.restored else ''}"

    @property
    def is_connected(self) -> bool:
        """Whether packets may reach it: it is not being removed."""
        return self.state is not EndpointState.DISCONNECTING

    @property
    def addresses(self) -> tuple[IPAddress, ...]:
        """The pod's addresses, IPv6 first."""
        return self.interface.addresses

    @property
    def octets(self) -> tuple[bytes, ...]:
        """The pod's addresses as the datapath's maps have them."""
        return tuple(map(to_octets, self.interface.addresses))

    def address(self, version: int) -> IPAddress | None:
        """Return the address of IP `version` 4 or 6, or None."""
        return next((a for a in self.interface.addresses if a.version == version), None)


def connected(endpoints: Iterable[Endpoint]) -> Iterator[Endpoint]:
    """Yield the endpoints that packets may reach: all but those being removed."""
    return (endpoint for endpoint in endpoints if endpoint.is_connected)
