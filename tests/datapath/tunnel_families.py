"""The addresses in the tests of tunnels, for either IP version inside, or of the packets around."""

import socket
from typing import Any, Final, NamedTuple

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from tests.datapath.node_rig import (
    NODE_4,
    NODE_6,
    OTHER_NODE_4,
    OTHER_NODE_6,
    REMOTE_POD_4,
    REMOTE_POD_6,
    WORLD_4,
    WORLD_6,
)

ROUTER_4, ROUTER_6 = "10.244.0.254", "fd00:244::fe"
REMOTE_ROUTER_4, REMOTE_ROUTER_6 = "10.244.1.254", "fd00:244:1::fe"
#: A node that sends nothing here: what others may not say in its name.
THIRD_NODE_4, THIRD_NODE_6 = "192.168.10.102", "fd00:10::102"


class Family(NamedTuple):
    """What travels inside: the addresses of one IP version."""

    version: int
    ip: Any
    pod: str
    pod2: str
    remote_pod: str
    remote_router: str
    router: str
    node: str
    other_node: str
    third_node: str
    world: str
    nobody: str  #: In this node's CIDR, of no pod.
    elsewhere: str  #: In a CIDR of the cluster that is another node's.

    def hops(self, number: int) -> dict[str, int]:
        """Return the field of the IP header that says how many hops are left."""
        return {"ttl" if self.version == 4 else "hlim": number}

    def whole(self) -> dict[str, str]:
        """Return the field that forbids to cut a packet up, where that is not the rule."""
        return {"flags": "DF"} if self.version == 4 else {}

    @property
    def header_bytes(self) -> int:
        """How long the IP header is."""
        return 20 if self.version == 4 else 40

    @property
    def socket_family(self) -> int:
        """The family of a socket's addresses."""
        return socket.AF_INET if self.version == 4 else socket.AF_INET6


V4: Final = Family(
    version=4,
    ip=IP,
    pod="10.244.0.1",
    pod2="10.244.0.2",
    remote_pod=REMOTE_POD_4,
    remote_router=REMOTE_ROUTER_4,
    router=ROUTER_4,
    node=NODE_4,
    other_node=OTHER_NODE_4,
    third_node=THIRD_NODE_4,
    world=WORLD_4,
    nobody="10.244.0.77",
    elsewhere="10.244.1.77",
)
V6: Final = Family(
    version=6,
    ip=IPv6,
    pod="fd00:244::1",
    pod2="fd00:244::2",
    remote_pod=REMOTE_POD_6,
    remote_router=REMOTE_ROUTER_6,
    router=ROUTER_6,
    node=NODE_6,
    other_node=OTHER_NODE_6,
    third_node=THIRD_NODE_6,
    world=WORLD_6,
    nobody="fd00:244::77",
    elsewhere="fd00:244:1::77",
)
