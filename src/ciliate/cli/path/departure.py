"""Where packets to an address go from this node, step by step, as `from_pod` decides it.

What the programs ask is asked here in their order (docs/DATAPATH.md, "from_pod"): is it a pod of
this node or the node itself, is it reached by the tunnel, which route does it take? Where the stack
sends a pod's packets, it has the same routes.
"""

from dataclasses import dataclass, field
from typing import Final

from ciliate.cli.path import words
from ciliate.cli.path.model import Manner, Step, Way
from ciliate.cli.path.tables import Known, NodeTables
from ciliate.datapath.layout import Endpoint, EndpointFlag, InterfaceFlag, IpcacheFlag
from ciliate.net.address import IPAddress, address_text, from_octets
from ciliate.net.link import Link, Route, RouteKind

_UNKNOWN_INTERFACE: Final = "the datapath does not know the pod's interface, and drops (165)"


@dataclass(frozen=True, slots=True)
class Sender:
    """A pod of this node: its address, and the index of its interface's end here."""

    address: IPAddress
    ifindex: int


@dataclass(frozen=True, slots=True)
class Masquerade:
    """What the datapath's dry run said of the source; `dropped` why the packet ends there."""

    source: str
    because: str
    dropped: str = ""


@dataclass(slots=True)
class _Departure:
    """One packet on its way out; each method says more, or that it is done."""

    tables: NodeTables
    destination: IPAddress
    sender: Sender | None
    masquerade: Masquerade | None
    steps: list[Step] = field(default_factory=list)

    def say(self, at: str, says: str) -> None:
        self.steps.append(Step(at=at, says=says))

    def way(self, manner: Manner, **more: object) -> Way:
        source = self.masquerade.source if self.masquerade is not None else ""
        known = self.tables.known(self.destination)
        node = address_text(known.entry.node) if known is not None else ""
        return Way(
            destination=str(self.destination),
            manner=manner,
            steps=tuple(self.steps),
            **{"source": source, "node": node, **more},  # type: ignore[arg-type] # Fields of a Way.
        )

    def nowhere(self, problem: str, **more: object) -> Way:
        return self.way(Manner.NOWHERE, problem=problem, **more)

    async def followed(self) -> Way:
        """Return the whole way."""
        tables, destination = self.tables, self.destination
        if self.sender is not None:
            interface = tables.interface(self.sender.ifindex)
            link = tables.links.get(self.sender.ifindex)
            name = link.name if link is not None else f"link {self.sender.ifindex}"
            if interface is None:
                self.say(name, "from_pod has no entry of this interface")
                return self.nowhere(_UNKNOWN_INTERFACE)
            by_stack = bool(interface.flags & InterfaceFlag.INTERFACE_STACK_ROUTED)
            self.say(name, _interface_words(interface.endpoint_id, by_stack=by_stack))
        endpoint = tables.endpoint(destination)
        if endpoint is not None:
            return self._here(endpoint)
        known = tables.known(destination)
        if known is not None:
            self.say("ipcache", words.known_words(known.prefix, known.entry))
        if known is not None and known.entry.flags & IpcacheFlag.IPCACHE_TUNNEL:
            return await self._by_tunnel(known)
        return await self._by_route()

    def _here(self, endpoint: Endpoint) -> Way:
        if endpoint.flags & EndpointFlag.ENDPOINT_HOST:
            self.say("endpoints", f"{self.destination} is this node's own address")
            return self.way(Manner.NODE)
        self.say("endpoints", words.endpoint_words(self.destination, endpoint))
        link = self.tables.links.get(endpoint.ifindex)
        if link is None:
            return self.nowhere(f"the pod's interface (link {endpoint.ifindex}) is gone")
        if dropped := self._masqueraded():
            return self.nowhere(dropped)
        self.say(link.name, handover_words(endpoint))
        return self.way(Manner.POD, device=link.name, mtu=link.mtu)

    def _masqueraded(self) -> str:
        """Say what becomes of the source; return why the packet ends here, if it does."""
        if self.masquerade is None:
            return ""
        if self.masquerade.dropped:
            self.say("masquerade", self.masquerade.dropped)
            return self.masquerade.dropped
        self.say("masquerade", self.masquerade.because)
        return ""

    async def _by_tunnel(self, known: Known) -> Way:
        tables, tunnel = self.tables, self.tables.tunnel
        node = from_octets(known.entry.node)
        if tunnel is None:
            return self.nowhere("this node has no tunnel device: packets are dropped (160)")
        if dropped := self._masqueraded():
            return self.nowhere(dropped)
        identity = self._sender_identity()
        self.say(
            tunnel.link.name,
            f"{tunnel.name.partition(':')[0].upper()} to {node}, UDP port {tunnel.device.port},"
            f" VNI {identity}",
        )
        more: dict[str, object] = {
            "tunnel": tunnel.name,
            "outer_destination": str(node),
            "mtu": tunnel.device.mtu,
        }
        if not tunnel.link.is_up:
            return self.nowhere(f"{tunnel.link.name} is down", **more)
        routes = await tables.route(node)
        source = await tables.own_source(node)
        more["outer_source"] = str(source or "")
        return self._by(routes, node, Manner.TUNNEL, more)

    def _sender_identity(self) -> str:
        endpoint = self.tables.endpoint(self.sender.address) if self.sender is not None else None
        return words.identity_words(endpoint.identity) if endpoint is not None else "of the sender"

    async def _by_route(self) -> Way:
        sender = self.sender
        routes = await self.tables.route(
            self.destination,
            source=sender.address if sender is not None else None,
            arriving_by=sender.ifindex if sender is not None else 0,
        )
        if routes and routes[0].kind in (RouteKind.LOCAL, RouteKind.BROADCAST):
            self.say("route", f"{self.destination} is this node's own address")
            return self.way(Manner.NODE)
        return self._by(routes, self.destination, Manner.DIRECT, {})

    def _by(
        self, routes: tuple[Route, ...], to: IPAddress, manner: Manner, more: dict[str, object]
    ) -> Way:
        """Return the way by a route: of the packet itself, or of the one around it."""
        if not routes or routes[0].kind is not RouteKind.UNICAST:
            self.say("route", f"none to {to}, or one that leads nowhere")
            return self.nowhere(f"no route to {to}: the sender is told so by ICMP", **more)
        route = routes[0]
        link = self.tables.links.get(route.link_index or 0)
        self.say("route", words.route_words(routes, link))
        if link is None:
            return self.nowhere(f"the device of the route to {to} is gone", **more)
        hop = route.gateway or to
        found = self.tables.neighbour(link.index, hop)
        self.steps += words.neighbour_steps(hop, found, link)
        if manner is Manner.DIRECT and (dropped := self._masqueraded()):
            return self.nowhere(dropped)
        self.say(link.name, self._device_words(link))
        more = {"mtu": self._mtu(route, link), **more, "device": link.name}
        if route.gateway is not None:
            more["next_hop"] = str(route.gateway)
        if not link.is_up:
            return self.nowhere(f"{link.name} is down", **more)
        if found is not None and words.is_silent(found):
            return self.way(manner, problem=f"{hop} does not answer on {link.name}", **more)
        return self.way(manner, **more)

    def _device_words(self, link: Link) -> str:
        runs = "to_uplink" if link.name in self.tables.programmed else "runs no program"
        return f"{runs}, MTU {link.mtu}"

    def _mtu(self, route: Route, link: Link) -> int:
        limits = (link.mtu, route.mtu or 0, self.tables.route_mtu(self.destination))
        return min(each for each in limits if each)


async def follow(
    tables: NodeTables,
    destination: IPAddress,
    *,
    sender: Sender | None = None,
    masquerade: Masquerade | None = None,
) -> Way:
    """Return the way of packets to `destination`; of a pod's, as its datapath was asked."""
    return await _Departure(tables, destination, sender, masquerade).followed()


def handover_words(endpoint: Endpoint) -> str:
    """Return how a packet gets into a pod of this node."""
    if endpoint.flags & EndpointFlag.ENDPOINT_STACK_ROUTED:
        return "by the host's stack and to_pod into the pod"
    return "redirected to the pod's end of the veth (bpf_redirect_peer)"


def _interface_words(number: int, *, by_stack: bool) -> str:
    text = f"from_pod, of endpoint {number}"
    return f"{text}: the host's stack sends what it sends" if by_stack else text
