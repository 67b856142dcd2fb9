"""A node about which allocator, kernel and API agree; tests change one field."""

from ipaddress import IPv4Address, IPv6Address, ip_network

from ciliate.ipam.audit.node_snapshot import (
    Held,
    Interface,
    ListedPod,
    LocalEndpoint,
    MapEntry,
    NodeSnapshot,
)
from ciliate.net.address import IPAddress

V4, V6 = IPv4Address("10.0.0.5"), IPv6Address("fd00::5")
OTHER = IPv4Address("10.0.0.9")
ROUTER = IPv4Address("10.0.0.1")
BLOCK = ip_network("10.0.0.0/24")
POD = ("default", "a")


def held(address: IPAddress, owner: str, *, reserved: bool = False) -> Held:
    return Held(address, owner, "default", BLOCK, reserved)


ENDPOINT = LocalEndpoint(
    number=17, pod=POD, addresses=(V6, V4), interface="lxc1", ifindex=7, ours=True
)

#: One pod with both families and a router: everybody says the same.
AGREEING = NodeSnapshot(
    node="n",
    allocator=(held(ROUTER, "router"), held(V4, "default/a"), held(V6, "default/a [restored]")),
    endpoints=(ENDPOINT,),
    interfaces=(Interface("lxc1", 7, is_up=True, routed=(V4, V6)),),
    delivered={V4: MapEntry(17, 7), V6: MapEntry(17, 7)},
    sources={7: (V4, V6)},
    pods={POD: ListedPod(POD, (V4, V6))},
    published={POD: (V4, V6)},
    router=(ROUTER,),
    router_link=(ROUTER,),
)
