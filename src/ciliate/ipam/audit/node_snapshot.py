"""A snapshot of what is said about one node's addresses: the tables `audit.node` compares. Pure.

The allocator says which owner has an address, the agent which endpoints there are, the kernel
which interfaces, routes and map entries, the API which Pods and CiliumEndpoints.
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
    reserved: bool = False  # The node's own, or of a pod on another node.


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEndpoint:
    """An endpoint of the agent's table."""

    number: int
    pod: PodKey  # Empty namespace: known by its interface alone.
    addresses: tuple[IPAddress, ...]
    interface: str
    ifindex: int
    ours: bool = True  # The interface is of our making; its addresses are of our blocks.
    external_ipam: bool = False

    @property
    def label(self) -> str:
        """The endpoint's name in findings."""
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
    """The interface to which the datapath delivers an address, and the endpoint's number."""

    number: int
    ifindex: int


@dataclass(frozen=True, slots=True)
class ListedPod:
    """A Pod of this node that needs addresses: not on the host network, not ended."""

    pod: PodKey
    addresses: tuple[IPAddress, ...]
    leaving: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSnapshot:
    """Everything about one node, read as close to one moment as possible."""

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
    pods: Mapping[PodKey, ListedPod] = field(default_factory=dict)
    #: CiliumEndpoints that say they are on this node.
    published: Mapping[PodKey, tuple[IPAddress, ...]] = field(default_factory=dict)
    router: tuple[IPAddress, ...] = ()  # The router's addresses, as the agent has them.
    router_link: tuple[IPAddress, ...] = ()  # Those on `cilium_host`.
