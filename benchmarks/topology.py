"""The ground every candidate stands on: two nodes and a router on one layer-2 network.

The same machines, links and addresses as in the walk-through's lab, eth1 only, made of nothing but
namespaces, veth pairs and a bridge in a namespace of its own. Each candidate gets such a ground of
its own, since what one leaves on a node (programs, netfilter rules, conntrack) slows the next.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from benchmarks.machine import Machine, fresh_machine, join

#: Addresses of the nodes and of the router, which is no node: what goes there is masqueraded.
NODE_ADDRESSES: Final = ("192.168.10.100", "192.168.10.101")
ROUTER_ADDRESS: Final = "192.168.10.200"


@dataclass(frozen=True, slots=True)
class Route:
    """A way that traffic takes: from a client's machine to a server's, which listens at `address`.

    `asked` is the address and port that the client asks, where that is a Service's.
    """

    client: Machine
    server: Machine
    address: str
    asked: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """Two nodes and a router, each with eth1 on the same bridge; nodes forward packets."""

    nodes: tuple[Machine, Machine]
    router: Machine

    @property
    def between_nodes(self) -> Route:
        """The baseline of pod-to-pod: the same wire, without pods."""
        return Route(client=self.nodes[0], server=self.nodes[1], address=NODE_ADDRESSES[1])

    @property
    def to_world(self) -> Route:
        """The baseline of pod-to-world: from a node to the router."""
        return Route(client=self.nodes[0], server=self.router, address=ROUTER_ADDRESS)


@contextlib.contextmanager
def fresh_ground() -> Iterator[Ground]:
    """Make the machines of a ground, wired and addressed; they go at the end."""
    with contextlib.ExitStack() as stack:
        bridge, router, first, second = (
            stack.enter_context(fresh_machine()) for _number in range(4)
        )
        # As the lab's switch: no spanning tree, no snooping.
        plain = ("stp_state", "0", "forward_delay", "0", "mcast_snooping", "0")
        bridge.run("ip", "link", "add", "br0", "type", "bridge", *plain)
        bridge.run("ip", "link", "set", "br0", "up")
        addresses = (*NODE_ADDRESSES, ROUTER_ADDRESS)
        for number, machine in enumerate((first, second, router)):
            join(machine, "eth1", bridge, f"port{number}")
            machine.run("ip", "address", "add", f"{addresses[number]}/24", "dev", "eth1")
            machine.set_kernel(net__ipv4__conf__all__rp_filter=0, net__ipv4__ip_forward=1)
        yield Ground(nodes=(first, second), router=router)
