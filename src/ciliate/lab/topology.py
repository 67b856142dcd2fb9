"""The lab's machines and addresses: section 0 of the walk-through, for any number of nodes.

Pure. What it takes to make a machine's links is in `links`; its files are in `machine_root`.

    internet 203.0.113.10          one link to every machine's eth0 (10.0.2.2 -- 10.0.2.15)
       |      |        |
    k8s-ctr  k8s-w1 ... router     eth1 192.168.10.100, .101, ... and .200
       |      |        |
    switch   (a bridge, br0)
"""

import enum
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Final

from ciliate.lab.errors import LabError

Interface = IPv4Interface | IPv6Interface
Address = IPv4Address | IPv6Address

#: 192.168.10.100 is the control plane's, .200 the router's: 100 nodes fit between them.
NODES_MAX: Final = 100

CONTROL_PLANE: Final = "k8s-ctr"
ROUTER: Final = "router"
INTERNET: Final = "internet"
SWITCH: Final = "switch"

API_PORT: Final = 6443

CLUSTER_CIDR_V4: Final = "10.244.0.0/16"
CLUSTER_CIDR_V6: Final = "fd00:10:244::/56"
SERVICE_CIDR_V4: Final = "10.96.0.0/16"
SERVICE_CIDR_V6: Final = "fd00:10:96::/112"

CLUSTER_DOMAIN: Final = "cluster.local"

_UPLINK_V4: Final = ("10.0.2.15/24", "10.0.2.2/24")
_UPLINK_V6: Final = ("fd00:10:0:2::15/64", "fd00:10:0:2::2/64")
_COMPANY_V4: Final = "10.10.0.0/16"
_COMPANY_V6: Final = "fd00:10:10::/48"
_ROUTER_HOST: Final = 200
_FIRST_NODE_HOST: Final = 100


class NodeCountError(LabError):
    """More nodes than addresses, or none."""

    def __init__(self, *, nodes: int) -> None:
        self.nodes = nodes
        super().__init__(
            f"{counted(nodes, 'node')}: a lab has 1 to {NODES_MAX}, by the addresses "
            f"192.168.10.{_FIRST_NODE_HOST} to .{_FIRST_NODE_HOST + NODES_MAX - 1}"
        )


class Role(enum.Enum):
    """What a machine is there for."""

    CONTROL_PLANE = "control-plane"
    WORKER = "worker"
    ROUTER = "router"
    INTERNET = "internet"
    SWITCH = "switch"

    @property
    def is_node(self) -> bool:
        """Whether it is a node of the cluster."""
        return self in (Role.CONTROL_PLANE, Role.WORKER)


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine: its name, and the number its addresses come from."""

    name: str
    role: Role
    #: Nodes count from 0, the control plane. The router's is above all nodes', so that no link
    #: number is used twice.
    index: int


def counted(number: int, noun: str) -> str:
    """The number with its noun, for messages."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def node(index: int) -> Machine:
    """Node number `index`; 0 is the control plane.

    Raises:
        NodeCountError: There is no address for it.
    """
    if not 0 <= index < NODES_MAX:
        raise NodeCountError(nodes=index + 1)
    if index == 0:
        return Machine(CONTROL_PLANE, Role.CONTROL_PLANE, 0)
    return Machine(f"k8s-w{index}", Role.WORKER, index)


def default_machines(nodes: int) -> tuple[Machine, ...]:
    """The machines of a lab of so many nodes, infrastructure first.

    Raises:
        NodeCountError: Fewer than one, or more than there are addresses for.
    """
    if not 1 <= nodes <= NODES_MAX:
        raise NodeCountError(nodes=nodes)
    return (
        Machine(SWITCH, Role.SWITCH, -1),
        Machine(INTERNET, Role.INTERNET, -1),
        Machine(ROUTER, Role.ROUTER, NODES_MAX),
        *(node(index) for index in range(nodes)),
    )


def cluster_addresses(machine: Machine, *, dual_stack: bool) -> tuple[Interface, ...]:
    """Addresses on eth1: a node's internal IPs, or the router's."""
    host = _ROUTER_HOST if machine.role is Role.ROUTER else _FIRST_NODE_HOST + machine.index
    addresses: tuple[Interface, ...] = (IPv4Interface(f"192.168.10.{host}/24"),)
    if dual_stack:
        # The decimal number is written as if it were hexadecimal: ::100 belongs to .100.
        addresses += (IPv6Interface(f"fd00:192:168:10::{host}/64"),)
    return addresses


def uplink_addresses(*, dual_stack: bool) -> tuple[Interface, ...]:
    """Addresses on eth0, the same on every machine."""
    texts = (_UPLINK_V4[0], _UPLINK_V6[0]) if dual_stack else (_UPLINK_V4[0],)
    return tuple(_interface(text) for text in texts)


def gateway_addresses(*, dual_stack: bool) -> tuple[Interface, ...]:
    """Addresses of the internet machine on each of its links: every eth0's default gateway."""
    texts = (_UPLINK_V4[1], _UPLINK_V6[1]) if dual_stack else (_UPLINK_V4[1],)
    return tuple(_interface(text) for text in texts)


def internet_addresses(*, dual_stack: bool) -> tuple[Interface, ...]:
    """Where the internet's web server is; documentation prefixes (RFC 5737, RFC 3849)."""
    texts = ("203.0.113.10/32", "2001:db8:113::10/128") if dual_stack else ("203.0.113.10/32",)
    return tuple(_interface(text) for text in texts)


def company_networks(*, dual_stack: bool) -> tuple[str, ...]:
    """What nodes reach behind the router, by a static route."""
    return (_COMPANY_V4, _COMPANY_V6) if dual_stack else (_COMPANY_V4,)


def loop_addresses(number: int, *, dual_stack: bool) -> tuple[Interface, ...]:
    """Addresses of the router's loop1 or loop2."""
    addresses: tuple[Interface, ...] = (IPv4Interface(f"10.10.{number}.200/24"),)
    if dual_stack:
        addresses += (IPv6Interface(f"fd00:10:10:{number}::200/64"),)
    return addresses


def cluster_cidrs(*, dual_stack: bool) -> tuple[str, ...]:
    """Where the nodes' pod CIDRs come from (a /24 and a /64 per node)."""
    return (CLUSTER_CIDR_V4, CLUSTER_CIDR_V6) if dual_stack else (CLUSTER_CIDR_V4,)


def service_cidrs(*, dual_stack: bool) -> tuple[str, ...]:
    """Where Services' addresses come from."""
    return (SERVICE_CIDR_V4, SERVICE_CIDR_V6) if dual_stack else (SERVICE_CIDR_V4,)


def api_url() -> str:
    """Where machines reach the API server."""
    host = cluster_addresses(node(0), dual_stack=False)[0].ip
    return f"https://{host}:{API_PORT}"


def _interface(text: str) -> Interface:
    return IPv6Interface(text) if ":" in text else IPv4Interface(text)
