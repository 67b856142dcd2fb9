"""What each witness says about one node's addresses: the tables that `audit` compares. Pure.

The allocator says who holds an address, the agent's books which endpoints there are, the kernel
which interfaces, routes and map entries, the API which pods and CiliumEndpoints.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ciliate.net.address import IPAddress, IPNetwork

#: Namespace and name.
PodKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Held:
    """An address that the allocator counts as in use."""

    address: IPAddress
    owner: str
    pool: str
    cidr: IPNetwork
    reserved: bool = False  # Kept from pods: the node's own, or borne by a pod elsewhere.


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEndpoint:
    """An endpoint in the agent's books."""

    number: int
    pod: PodKey  # Empty namespace: known by its interface alone.
    addresses: tuple[IPAddress, ...]
    interface: str
    ifindex: int
    ours: bool = True  # The interface is of our making; its addresses are of our blocks.
    external_ipam: bool = False

    @property
    def label(self) -> str:
        """How people know it."""
        return f"endpoint {self.number} of pod {'/'.join(self.pod).lstrip('/')}"


@dataclass(frozen=True, slots=True)
class Interface:
    """A pod's interface on the node's side; `routed` are the addresses with a route to it."""

    name: str
    ifindex: int
    is_up: bool
    routed: tuple[IPAddress, ...]


@dataclass(frozen=True, slots=True)
class MapEntry:
    """Where the datapath delivers an address, and as whose."""

    number: int
    ifindex: int


@dataclass(frozen=True, slots=True)
class KnownPod:
    """A Pod of this node that wants addresses: not of the host's network, not ended."""

    pod: PodKey
    addresses: tuple[IPAddress, ...]
    leaving: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSnapshot:
    """Everything about one node, looked at as close together as possible."""

    node: str
    allocator: tuple[Held, ...] = ()
    endpoints: tuple[LocalEndpoint, ...] = ()
    leaving: frozenset[int] = frozenset()  # Endpoints whose removal is under way.
    interfaces: tuple[Interface, ...] = ()
    #: The maps `endpoints` (the host's own addresses left out) and `interfaces`.
    delivered: Mapping[IPAddress, MapEntry] = field(default_factory=dict)
    sources: Mapping[int, tuple[IPAddress, ...]] = field(default_factory=dict)
    inside: Mapping[int, str] = field(
        default_factory=dict
    )  # Endpoint -> what its namespace lacks.
    pods: Mapping[PodKey, KnownPod] = field(default_factory=dict)
    #: CiliumEndpoints that say they are on this node.
    published: Mapping[PodKey, tuple[IPAddress, ...]] = field(default_factory=dict)
    router: tuple[IPAddress, ...] = ()  # The router's addresses by the agent's books.
    router_link: tuple[IPAddress, ...] = ()  # Those on `cilium_host`.
