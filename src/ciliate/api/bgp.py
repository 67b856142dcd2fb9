"""The BGP kinds, cilium.io/v2: which nodes talk to which routers, and what they announce.

A CiliumBGPClusterConfig selects nodes and names their peers; the operator makes of it one
CiliumBGPNodeConfig for each node, whose agent follows it. How a peer is talked to says a
CiliumBGPPeerConfig, what is announced the CiliumBGPAdvertisements that its families select. A
CiliumBGPNodeConfigOverride changes details for one node. Cilium before 1.18 has the kinds as
v2alpha1 alone, with the same fields.
"""

from typing import Final

from msgspec import Struct, field

from ciliate.api.metadata import Condition, LabelSelector, ObjectMeta, OwnerReference
from ciliate.api.resource import Resource


class PeerConfigReference(Struct, frozen=True, gc=False, omit_defaults=True):
    """The CiliumBGPPeerConfig of a peer, by name."""

    name: str


class DefaultGatewayDiscovery(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """The family whose default route leads to the peer: ipv4, ipv6."""

    address_family: str = ""


class AutoDiscovery(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """How the peer's address is found: mode DefaultGateway, Unnumbered."""

    mode: str = ""
    default_gateway: DefaultGatewayDiscovery | None = None


class BGPPeer(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"):
    """A router to talk to. `peer_asn` 0: whichever number it says."""

    name: str
    peer_address: str = ""
    peer_asn: int = field(default=0, name="peerASN")
    peer_config_ref: PeerConfigReference | None = None
    auto_discovery: AutoDiscovery | None = None


class NodePeer(BGPPeer, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"):
    """A peer of one node; `local_address` is an override's."""

    local_address: str = ""


class BGPInstance(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"):
    """A router that nodes are: its number and its peers. `local_port` 0: nothing listens."""

    name: str
    local_asn: int = field(default=0, name="localASN")
    local_port: int = 0
    peers: tuple[BGPPeer, ...] = ()


class NodeInstance(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"
):
    """The router that one node is; without a router ID, an address of the node is its."""

    name: str
    local_asn: int = field(default=0, name="localASN")
    local_port: int = 0
    router_id: str = field(default="", name="routerID")
    peers: tuple[NodePeer, ...] = ()


class ClusterConfigSpec(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """Which nodes (without a selector: all), and what they are."""

    node_selector: LabelSelector | None = None
    bgp_instances: tuple[BGPInstance, ...] = ()


class ConditionsStatus(Struct, frozen=True, gc=False, omit_defaults=True):
    """What was found, a condition each."""

    conditions: tuple[Condition, ...] = ()


class CiliumBGPClusterConfig(Struct, frozen=True, gc=False, omit_defaults=True):
    """Peers for the nodes of a selector."""

    metadata: ObjectMeta = ObjectMeta()
    spec: ClusterConfigSpec = ClusterConfigSpec()
    status: ConditionsStatus = ConditionsStatus()


class NodeConfigSpec(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """What one node is; the operator writes it."""

    bgp_instances: tuple[NodeInstance, ...] = ()


class RouteCount(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Routes of one family; what a peer sends is not taken, so none is received."""

    afi: str
    safi: str
    advertised: int = 0
    received: int = 0


class PeerTimers(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """What both sides agreed upon, in seconds."""

    applied_hold_time_seconds: int = 0
    applied_keepalive_seconds: int = 0


class PeerStatus(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"):
    """A session as the node sees it."""

    name: str
    peer_address: str
    peer_asn: int = field(default=0, name="peerASN")
    peering_state: str = ""
    established_time: str = ""
    route_count: tuple[RouteCount, ...] = ()
    timers: PeerTimers | None = None


class InstanceStatus(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"
):
    """The sessions of one instance."""

    name: str
    local_asn: int = field(default=0, name="localASN")
    peers: tuple[PeerStatus, ...] = ()


class NodeConfigStatus(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """What the node's agent says."""

    bgp_instances: tuple[InstanceStatus, ...] = ()
    conditions: tuple[Condition, ...] = ()


class CiliumBGPNodeConfig(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """The BGP of one node, of its name; a user changes nothing here."""

    api_version: str = "cilium.io/v2"
    kind: str = "CiliumBGPNodeConfig"
    metadata: ObjectMeta = ObjectMeta()
    spec: NodeConfigSpec = NodeConfigSpec()
    status: NodeConfigStatus = NodeConfigStatus()


class PeerOverride(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """What is other for one peer of one node."""

    name: str
    local_address: str = ""


class InstanceOverride(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"
):
    """What is other for one instance of one node; empty or 0: nothing."""

    name: str
    router_id: str = field(default="", name="routerID")
    local_port: int = 0
    local_asn: int = field(default=0, name="localASN")
    peers: tuple[PeerOverride, ...] = ()


class NodeConfigOverrideSpec(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """The instances that are other."""

    bgp_instances: tuple[InstanceOverride, ...] = ()


class CiliumBGPNodeConfigOverride(Struct, frozen=True, gc=False, omit_defaults=True):
    """What is other on the node of this name."""

    metadata: ObjectMeta = ObjectMeta()
    spec: NodeConfigOverrideSpec = NodeConfigOverrideSpec()


class Timers(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """Seconds; the keepalive is a third of the hold time whatever stands here."""

    connect_retry_time_seconds: int = 120
    hold_time_seconds: int = 90
    keep_alive_time_seconds: int = 30


class GracefulRestart(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """Whether the peer keeps the routes of a session that ended, and for how long."""

    enabled: bool = False
    restart_time_seconds: int = 120


class Transport(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """Where the peer listens, and from which interface's address it is reached."""

    peer_port: int = 179
    source_interface: str = ""


class PeerFamily(Struct, frozen=True, gc=False, omit_defaults=True):
    """A family, and which advertisements are announced in it; without a selector, none."""

    afi: str = "ipv4"
    safi: str = "unicast"
    advertisements: LabelSelector | None = None


class PeerConfigSpec(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"
):
    """How a peer is talked to."""

    auth_secret_ref: str = ""
    ebgp_multihop: int = 1
    timers: Timers = Timers()
    graceful_restart: GracefulRestart = GracefulRestart()
    transport: Transport = Transport()
    families: tuple[PeerFamily, ...] = ()


class CiliumBGPPeerConfig(Struct, frozen=True, gc=False, omit_defaults=True):
    """What peers have alike."""

    metadata: ObjectMeta = ObjectMeta()
    spec: PeerConfigSpec = PeerConfigSpec()
    status: ConditionsStatus = ConditionsStatus()


class Communities(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """Marks of a route (RFC 1997, RFC 8092)."""

    standard: tuple[str, ...] = ()
    well_known: tuple[str, ...] = ()
    large: tuple[str, ...] = ()


class RouteAttributes(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """What a route carries; `local_preference` is for peers of the same AS."""

    communities: Communities = Communities()
    local_preference: int | None = None


class AdvertisedService(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"
):
    """Which addresses of Services: LoadBalancerIP, ClusterIP, ExternalIP."""

    addresses: tuple[str, ...] = ()
    aggregation_length_ipv4: int | None = field(default=None, name="aggregationLengthIPv4")
    aggregation_length_ipv6: int | None = field(default=None, name="aggregationLengthIPv6")


class AdvertisedInterface(Struct, frozen=True, gc=False, omit_defaults=True):
    """A device of the node, whose addresses are announced."""

    name: str = ""


class Advertised(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"):
    """What is announced: advertisementType PodCIDR, CiliumPodIPPool, Service or Interface."""

    advertisement_type: str = ""
    service: AdvertisedService | None = None
    interface: AdvertisedInterface | None = None
    selector: LabelSelector | None = None
    attributes: RouteAttributes = RouteAttributes()


class AdvertisementSpec(Struct, frozen=True, gc=False, omit_defaults=True):
    """What is announced."""

    advertisements: tuple[Advertised, ...] = ()


class CiliumBGPAdvertisement(Struct, frozen=True, gc=False, omit_defaults=True):
    """Things to announce; families select it by its labels."""

    metadata: ObjectMeta = ObjectMeta()
    spec: AdvertisementSpec = AdvertisementSpec()


CLUSTER_CONFIGS: Final = Resource(
    "cilium.io",
    "v2",
    "ciliumbgpclusterconfigs",
    "CiliumBGPClusterConfig",
    namespaced=False,
    struct=CiliumBGPClusterConfig,
)
NODE_CONFIGS: Final = Resource(
    "cilium.io",
    "v2",
    "ciliumbgpnodeconfigs",
    "CiliumBGPNodeConfig",
    namespaced=False,
    struct=CiliumBGPNodeConfig,
)
NODE_CONFIG_OVERRIDES: Final = Resource(
    "cilium.io",
    "v2",
    "ciliumbgpnodeconfigoverrides",
    "CiliumBGPNodeConfigOverride",
    namespaced=False,
    struct=CiliumBGPNodeConfigOverride,
)
PEER_CONFIGS: Final = Resource(
    "cilium.io",
    "v2",
    "ciliumbgppeerconfigs",
    "CiliumBGPPeerConfig",
    namespaced=False,
    struct=CiliumBGPPeerConfig,
)
ADVERTISEMENTS: Final = Resource(
    "cilium.io",
    "v2",
    "ciliumbgpadvertisements",
    "CiliumBGPAdvertisement",
    namespaced=False,
    struct=CiliumBGPAdvertisement,
)

#: Who made a CiliumBGPNodeConfig, in its owner references.
OWNER_KIND: Final = CLUSTER_CONFIGS.kind


def owner_of(meta: ObjectMeta) -> OwnerReference | None:
    """Return the CiliumBGPClusterConfig that a node's configuration is of, or None."""
    return next((each for each in meta.owner_references if each.kind == OWNER_KIND), None)
