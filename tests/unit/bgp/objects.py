"""BGP objects, nodes and sessions as tests have them."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from ciliate.api.bgp import (
    Advertised,
    AdvertisedService,
    AdvertisementSpec,
    AutoDiscovery,
    CiliumBGPAdvertisement,
    CiliumBGPNodeConfig,
    CiliumBGPPeerConfig,
    NodeConfigSpec,
    NodeInstance,
    NodePeer,
    PeerConfigReference,
    PeerConfigSpec,
    PeerFamily,
    RouteAttributes,
)
from ciliate.api.metadata import LabelSelector, ObjectMeta
from ciliate.bgp.announcements import Announceable
from ciliate.bgp.model import Route, Session
from ciliate.bgp.plan import NodeFacts
from ciliate.net.address import IPAddress
from ciliate.node.announced_services import KnownService

NODE_V4, NODE_V6 = ip_address("192.0.2.10"), ip_address("2001:db8::10")
ROUTER = "192.0.2.1"
CIDR_V4, CIDR_V6 = ip_network("10.1.0.0/24"), ip_network("2001:db8:1::/64")

#: Selects what has the label of `advertisement`.
ALL = LabelSelector({"advertise": "bgp"})


def source_of(peer: IPAddress) -> IPAddress:
    return NODE_V4 if peer.version == 4 else NODE_V6


NODE = NodeFacts(
    name="node",
    addresses={4: NODE_V4, 6: NODE_V6},
    source_of=source_of,
    here=Announceable(pod_cidrs=(CIDR_V4, CIDR_V6)),
)


def peer(name: str = "router", **changes: Any) -> NodePeer:
    """A peer whose configuration is `router`, unless said otherwise."""
    stated = {
        "peer_address": ROUTER,
        "peer_asn": 65000,
        "peer_config_ref": PeerConfigReference("router"),
    }
    return NodePeer(name=name, **{**stated, **changes})


def discovered(mode: str = "DefaultGateway") -> NodePeer:
    return peer(peer_address="", auto_discovery=AutoDiscovery(mode=mode))


def node_config(*peers: NodePeer, **changes: Any) -> CiliumBGPNodeConfig:
    instance = NodeInstance(**{"name": "main", "local_asn": 65001, "peers": peers, **changes})
    return CiliumBGPNodeConfig(
        metadata=ObjectMeta(name="node", generation=3), spec=NodeConfigSpec((instance,))
    )


def peer_config(**changes: Any) -> dict[str, CiliumBGPPeerConfig]:
    """The one named `router`; its families announce what `ALL` selects."""
    stated = {"families": (PeerFamily("ipv4", "unicast", ALL), PeerFamily("ipv6", "unicast", ALL))}
    spec = PeerConfigSpec(**{**stated, **changes})
    return {"router": CiliumBGPPeerConfig(ObjectMeta(name="router"), spec)}


def advertisement(*things: Advertised, name: str = "all") -> CiliumBGPAdvertisement:
    meta = ObjectMeta(name=name, labels={"advertise": "bgp"})
    return CiliumBGPAdvertisement(meta, AdvertisementSpec(things))


def pod_cidr(attributes: RouteAttributes | None = None) -> Advertised:
    return Advertised(advertisement_type="PodCIDR", attributes=attributes or RouteAttributes())


EVERY = LabelSelector()


def services(*kinds: str, selector: LabelSelector | None = EVERY, **of: int) -> Advertised:
    return Advertised(
        advertisement_type="Service",
        service=AdvertisedService(addresses=kinds, **of),
        selector=selector,
    )


WEB = KnownService(
    namespace="shop",
    name="web",
    labels={"app": "web"},
    load_balancer_ips=(ip_address("198.51.100.1"), ip_address("2001:db8:2::1")),
    cluster_ips=(ip_address("10.96.0.1"),),
    external_ips=(ip_address("203.0.113.1"),),
)

SESSION = Session(
    instance="main",
    peer="router",
    local_asn=65001,
    peer_asn=65000,
    local_address=NODE_V4,
    peer_address=ip_address(ROUTER),
    router_id=str(NODE_V4),
    ttl=1,
    routes=(Route(CIDR_V4, NODE_V4), Route(CIDR_V6, NODE_V6)),
)


def session(**changes: Any) -> Session:
    return replace(SESSION, **changes)
