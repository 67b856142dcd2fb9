"""What is known of a Service, of its endpoints and of this node, as far as it decides anything.

There may be a hundred thousand endpoints, so they are kept slice by slice: their addresses as one
string of octets, and beside each what it shares with others, its place. Addresses have 16 octets,
IPv4 mapped (`ciliate.net.address`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from msgspec import Struct

from ciliate.api.metadata import LabelSelector


class ServiceKey(NamedTuple):
    """The namespace and name of a Service."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def text(self) -> str:
        """Kind and name, for people: a pod's hostPort is served like a Service."""
        pod, is_host_port, _ = self.name.partition(":")
        return f"Pod {self.namespace}/{pod}" if is_host_port else f"Service {self}"


class EndpointState(IntEnum):
    """Whether an endpoint takes connections, by its conditions."""

    READY = 0
    TERMINATING = 1  # It serves, and ends: for what it has, and for who finds no ready one.
    NOT_READY = 2


class Variant(IntEnum):
    """Which endpoints of a Service a caller may have, by the traffic policy that concerns it."""

    ALL = 0
    LOCAL = 1  # Those of this node.


class Place(Struct, frozen=True, eq=False, gc=False):
    """What decides about an endpoint but for its address and port. Compared by identity."""

    state: EndpointState
    node: str = ""
    zone: str = ""
    zone_hints: tuple[str, ...] = ()  # The zones that are to use it; none: no hint.
    node_hints: tuple[str, ...] = ()


class SlicePort(NamedTuple):
    """A port of all endpoints of a slice."""

    name: str
    protocol: int
    port: int


class Refusal(NamedTuple):
    """An address of a slice that is none of an endpoint, and why."""

    address: str
    why: str


class KnownSlice(Struct, frozen=True, gc=False):
    """An EndpointSlice; the address of `places[n]` is the octets from 16 * n on."""

    name: str
    version: int  # Of IP; 0 where the addresses are names.
    ports: tuple[SlicePort, ...]
    addresses: bytes
    places: tuple[Place, ...]
    refused: tuple[Refusal, ...] = ()


class ServicePort(NamedTuple):
    """A port of a Service."""

    name: str
    protocol: int
    port: int
    node_port: int = 0  # None.


class SourceRange(NamedTuple):
    """A prefix of clients; `bits` count over 128."""

    bits: int
    address: bytes


class KnownService(Struct, frozen=True, gc=False, kw_only=True):
    """A Service that has frontends, as far as this node serves it."""

    created: str  # As the API server wrote it (RFC 3339, UTC).
    versions: tuple[int, ...]  # Of IP, the primary one first.
    ports: tuple[ServicePort, ...]
    cluster_ips: tuple[bytes, ...] = ()
    load_balancer_ips: tuple[bytes, ...] = ()
    external_ips: tuple[bytes, ...] = ()
    internal: Variant = Variant.ALL
    external: Variant = Variant.ALL
    affinity_s: int = 0
    source_ranges: tuple[SourceRange, ...] = ()
    denies_ranges: bool = False  # The ranges are who is refused.
    follows_hints: bool = False
    health_check_port: int = 0
    exposed_type: str = ""  # The only type that it has frontends of; empty: all.
    exposing_nodes: LabelSelector | None = None  # None: all.
    #: Of a pod's hostPort, which is served like a Service: where it is; empty: anywhere on the node.
    host_ip: bytes | None = None
    problems: tuple[str, ...] = ()


class HostPort(Struct, frozen=True, gc=False, kw_only=True):
    """A hostPort of a pod of this node."""

    pod: ServiceKey
    uid: str
    created: str
    protocol: int
    port: int
    container_port: int
    addresses: tuple[bytes, ...]  # The pod's.
    host_ip: bytes = b""  # Empty: all addresses of the node.


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """This node, as far as Services depend on it."""

    name: str
    zone: str = ""
    #: Where packets from outside meet node ports and host ports.
    node_port_addresses: tuple[bytes, ...] = ()
    #: Every address of every node: traffic to them is not all for Services.
    node_addresses: frozenset[bytes] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """The settings that decide about frontends and their endpoints."""

    node_port_first: int = 30000
    node_port_last: int = 32767
    cluster_ips_from_outside: bool = False
    checks_source_ranges: bool = True
    checks_them_for_all_types: bool = False
    proxy_name: str = ""  # The label of Services that are ours; empty: those without the label.
    session_affinity: bool = True
    topology_annotation: bool = False  # `trafficDistribution` holds in either case.

    def is_node_port(self, port: int) -> bool:
        """Whether a port is in the range of node ports."""
        return self.node_port_first <= port <= self.node_port_last
