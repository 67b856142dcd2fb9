"""Packets of Services: pods whose sockets no program saw, and clients outside."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, TCPerror
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from tests.datapath.node_rig import (
    DEFAULT_SETTINGS,
    IN,
    NODE_4,
    NODE_6,
    OTHER_NODE_4,
    REMOTE_POD_4,
    REMOTE_POD_6,
    ROUTER_4,
    ROUTER_6,
    WIRE_MAC,
    WORLD_4,
    WORLD_6,
    Node,
    node_rig,
    octets,
)
from tests.datapath.soundness import sound

from ciliate.datapath.layout import (
    AttachPoint,
    Backend,
    ConnectionOwnerNumber,
    DropReason,
    EndpointFlag,
    Frontend,
    FrontendFlag,
    FrontendKey,
    FrontendScope,
    FrontendType,
    InterfaceFlag,
    Service,
    ServiceSlotKey,
    SourceRangeKey,
)
from ciliate.node.maps import ENDPOINTS, INTERFACES
from ciliate.services.maps import FRONTENDS, SERVICE_SLOTS, SERVICES, SOURCE_RANGES

WEB_4, WEB_6 = "10.96.0.20", "fd00:96::20"
BALANCER = "192.0.2.80"
LOOPBACK, LOOPBACK_6 = "169.254.42.1", "64:ff9b:1::a9fe:2a01"
NODE_PORT = 30080
POD = Ether(src="ee:0a:00:00:00:01", dst="ee:0b:00:00:00:01")
POD2 = Ether(src="ee:0a:00:00:00:02", dst="ee:0b:00:00:00:02")


@dataclass(slots=True)
class Served:
    """A node that serves Services by packets."""

    node: Node
    count: int = 0

    def serve(
        self,
        address: str,
        port: int,
        *backends: tuple[str, int],
        protocol: int = 6,
        kind: FrontendType = FrontendType.FRONTEND_CLUSTER_IP,
        flags: int = 0,
    ) -> int:
        """Enter a Service's port; return the number of its set."""
        self.count += 1
        datapath = self.node.datapath
        with datapath.opened(SERVICE_SLOTS) as slots:
            for slot, (backend, backend_port) in enumerate(backends, 1):
                key = ServiceSlotKey(self.count, slot)
                slots.put(key, Backend(octets(backend), backend_port, self.count * 100 + slot))
        with datapath.opened(SERVICES) as services:
            services.put(self.count, Service(len(backends), 0, 0))
        with datapath.opened(FRONTENDS) as frontends:
            frontends.put(
                FrontendKey(octets(address), port, protocol, FrontendScope.SCOPE_OUTSIDE),
                Frontend(self.count, self.count, kind, flags),
            )
        return self.count

    def on_wire(self, layer: Any) -> Any:
        """Return the next frame with `layer` that leaves by eth1, which is sound."""
        return self._next(self.node.wire, layer)

    def at_pod(self, layer: Any, pod: int = 1) -> Any:
        """Return the next frame with `layer` that a pod receives, which is sound."""
        return self._next((self.node.pod1 if pod == 1 else self.node.pod2).port, layer)

    def _next(self, port: Any, layer: Any) -> Any:
        frame = port.receive(lambda found: layer in found)
        assert frame is not None
        assert sound(frame)
        return frame


@pytest.fixture
def served(bpf_root: Path, state_dir: Path, objects: Path) -> Iterator[Served]:
    settings = replace(DEFAULT_SETTINGS, services_by_packet=True)
    with node_rig(
        bpf_root=bpf_root, state_dir=state_dir, objects=objects, settings=settings
    ) as node:
        yield Served(node)


def ends(frame: Any) -> tuple[str, int, str, int]:
    """Source, its port, destination, its port."""
    ip = frame[IP] if IP in frame else frame[IPv6]
    l4 = frame[TCP] if TCP in frame else frame[UDP]
    return ip.src, l4.sport, ip.dst, l4.dport


@pytest.mark.parametrize("l4", [TCP, UDP])
@pytest.mark.parametrize(
    "way",
    [(IP, "10.244.0.1", WEB_4, REMOTE_POD_4), (IPv6, "fd00:244::1", WEB_6, REMOTE_POD_6)],
)
def test_pod_reaches_a_backend_elsewhere_and_is_answered_by_the_service(
    served: Served, way: tuple[Any, str, str, str], l4: Any
) -> None:
    ip, pod, service, backend = way
    protocol = 6 if l4 is TCP else 17
    served.serve(service, 80, (backend, 8080), protocol=protocol)

    served.node.pod1.port.send(POD / ip(src=pod, dst=service) / l4(sport=1000, dport=80) / b"ask")
    asked = served.on_wire(l4)
    served.node.wire.send(IN / ip(src=backend, dst=pod) / l4(sport=8080, dport=1000) / b"answer")
    answered = served.at_pod(l4)

    assert ends(asked) == (pod, 1000, backend, 8080)
    assert ends(answered) == (service, 80, pod, 1000)


def test_pod_reaches_a_backend_beside_it(served: Served) -> None:
    served.serve(WEB_4, 80, ("10.244.0.2", 8080))

    served.node.pod1.port.send(POD / IP(src="10.244.0.1", dst=WEB_4) / TCP(sport=1000, dport=80))
    asked = served.at_pod(TCP, pod=2)
    served.node.pod2.port.send(
        POD2 / IP(src="10.244.0.2", dst="10.244.0.1") / TCP(sport=8080, dport=1000, flags="SA")
    )
    answered = served.at_pod(TCP)

    assert ends(asked) == ("10.244.0.1", 1000, "10.244.0.2", 8080)
    assert ends(answered) == (WEB_4, 80, "10.244.0.1", 1000)


def test_pod_reaches_itself(served: Served) -> None:
    served.serve(WEB_4, 80, ("10.244.0.1", 8080))

    served.node.pod1.port.send(POD / IP(src="10.244.0.1", dst=WEB_4) / TCP(sport=1000, dport=80))
    asked = served.at_pod(TCP)
    served.node.pod1.port.send(
        POD / IP(src="10.244.0.1", dst=LOOPBACK) / TCP(sport=8080, dport=1000, flags="SA")
    )
    answered = served.at_pod(TCP)

    assert ends(asked) == (LOOPBACK, 1000, "10.244.0.1", 8080)
    assert ends(answered) == (WEB_4, 80, "10.244.0.1", 1000)


@pytest.mark.parametrize(
    "way",
    [
        (IP, "10.244.0.1", WEB_4, NODE_4, LOOPBACK),
        (IPv6, "fd00:244::1", WEB_6, NODE_6, LOOPBACK_6),
    ],
)
def test_outsider_cannot_have_the_answers_of_a_pod_to_itself(served: Served, way: Any) -> None:
    """Who sends from the address by which a pod knows itself is served by no node port."""
    ip, pod, web, node, loopback = way
    served.serve(web, 80, (pod, 8080))
    served.serve(node, NODE_PORT, (pod, 8080), kind=FrontendType.FRONTEND_NODE_PORT)

    served.node.wire.send(IN / ip(src=loopback, dst=node) / TCP(sport=1000, dport=NODE_PORT))
    served.node.pod1.port.send(POD / ip(src=pod, dst=web) / TCP(sport=1000, dport=80))
    served.at_pod(TCP)
    served.node.pod1.port.send(
        POD / ip(src=pod, dst=loopback) / TCP(sport=8080, dport=1000, flags="SA")
    )

    assert ends(served.at_pod(TCP)) == (web, 80, pod, 1000)


@pytest.mark.parametrize(
    "way",
    [
        (IP, "10.244.0.1", WEB_4, WORLD_4, NODE_4),
        (IPv6, "fd00:244::1", WEB_6, WORLD_6, NODE_6),
    ],
)
def test_backend_outside_the_cluster_sees_the_node(
    served: Served, way: tuple[Any, str, str, str, str]
) -> None:
    ip, pod, service, world, node = way
    served.serve(service, 80, (world, 443))

    served.node.pod1.port.send(POD / ip(src=pod, dst=service) / TCP(sport=1000, dport=80))
    asked = served.on_wire(TCP)
    seen = ends(asked)
    served.node.wire.send(IN / ip(src=world, dst=node) / TCP(sport=443, dport=seen[1], flags="SA"))
    answered = served.at_pod(TCP)

    assert (seen[0], seen[2:]) == (node, (world, 443))
    assert ends(answered) == (service, 80, pod, 1000)


def test_flow_keeps_its_backend_and_a_new_one_chooses_again(served: Served) -> None:
    number = served.serve(WEB_4, 80, (REMOTE_POD_4, 8080))
    first = POD / IP(src="10.244.0.1", dst=WEB_4) / TCP(sport=1000, dport=80)
    served.node.pod1.port.send(first)
    served.on_wire(TCP)
    served.node.wire.send(
        IN / IP(src=REMOTE_POD_4, dst="10.244.0.1") / TCP(sport=8080, dport=1000, flags="SA")
    )
    served.at_pod(TCP)
    with served.node.datapath.opened(SERVICE_SLOTS) as slots:
        slots.put(ServiceSlotKey(number, 1), Backend(octets("10.244.1.21"), 8080, 7))

    def goes_to(port: int, flags: str) -> str:
        served.node.pod1.port.send(
            POD / IP(src="10.244.0.1", dst=WEB_4) / TCP(sport=port, dport=80, flags=flags)
        )
        return ends(served.on_wire(TCP))[2]

    assert goes_to(1000, "A") == REMOTE_POD_4
    assert goes_to(1001, "S") == "10.244.1.21"


@pytest.mark.parametrize(
    ("ip", "pod", "service"), [(IP, "10.244.0.1", WEB_4), (IPv6, "fd00:244::1", WEB_6)]
)
def test_connection_without_a_backend_is_reset(
    served: Served, ip: Any, pod: str, service: str
) -> None:
    served.serve(service, 80)

    with served.node.counted() as counted:
        served.node.pod1.port.send(
            POD / ip(src=pod, dst=service) / TCP(sport=1000, dport=80, seq=41, flags="S")
        )
        reset = served.at_pod(TCP)

    assert ends(reset) == (service, 80, pod, 1000)
    assert (str(reset[TCP].flags), reset[TCP].ack) == ("RA", 42)
    assert counted[DropReason.DROP_NO_BACKEND, AttachPoint.FROM_POD] == 1


def test_datagram_without_a_backend_is_answered_by_an_error(served: Served) -> None:
    served.serve(WEB_4, 53, protocol=17)
    served.serve(WEB_6, 53, protocol=17)

    served.node.pod1.port.send(POD / IP(src="10.244.0.1", dst=WEB_4) / UDP(sport=9, dport=53))
    of_v4 = served.at_pod(ICMP)
    served.node.pod1.port.send(POD / IPv6(src="fd00:244::1", dst=WEB_6) / UDP(sport=9, dport=53))
    of_v6 = served.at_pod(ICMPv6DestUnreach)

    assert (of_v4[ICMP].type, of_v4[ICMP].code, of_v4[IP].src) == (3, 3, WEB_4)
    assert (of_v6[ICMPv6DestUnreach].code, of_v6[IPv6].src) == (4, WEB_6)


def test_port_that_a_service_lacks_is_refused(served: Served) -> None:
    served.serve(WEB_4, 80, (REMOTE_POD_4, 8080))
    served.serve(WEB_4, 0, protocol=0, flags=FrontendFlag.FRONTEND_UNKNOWN_PORT)

    served.node.pod1.port.send(POD / IP(src="10.244.0.1", dst=WEB_4) / TCP(sport=1000, dport=81))

    assert str(served.at_pod(TCP)[TCP].flags) == "RA"


@pytest.mark.parametrize(
    ("ip", "client", "node", "backend"),
    [
        (IP, WORLD_4, NODE_4, "10.244.0.1"),
        (IPv6, WORLD_6, NODE_6, "fd00:244::1"),
    ],
)
def test_client_outside_reaches_a_backend_here_and_is_seen(
    served: Served, ip: Any, client: str, node: str, backend: str
) -> None:
    served.serve(node, NODE_PORT, (backend, 8080), kind=FrontendType.FRONTEND_NODE_PORT)

    served.node.wire.send(IN / ip(src=client, dst=node) / TCP(sport=2000, dport=NODE_PORT))
    asked = served.at_pod(TCP)
    served.node.pod1.port.send(
        POD / ip(src=backend, dst=client) / TCP(sport=8080, dport=2000, flags="SA")
    )
    answered = served.on_wire(TCP)

    assert ends(asked) == (client, 2000, backend, 8080)
    assert ends(answered) == (node, NODE_PORT, client, 2000)


@pytest.mark.parametrize(
    ("ip", "client", "node", "backend"),
    [
        (IP, WORLD_4, NODE_4, REMOTE_POD_4),
        (IPv6, WORLD_6, NODE_6, REMOTE_POD_6),
    ],
)
def test_client_outside_reaches_a_backend_elsewhere_by_way_of_the_node(
    served: Served, ip: Any, client: str, node: str, backend: str
) -> None:
    served.serve(node, NODE_PORT, (backend, 8080), kind=FrontendType.FRONTEND_NODE_PORT)

    served.node.wire.send(IN / ip(src=client, dst=node) / TCP(sport=2000, dport=NODE_PORT))
    asked = served.on_wire(TCP)
    seen = ends(asked)
    served.node.wire.send(
        IN / ip(src=backend, dst=node) / TCP(sport=8080, dport=seen[1], flags="SA")
    )
    answered = served.on_wire(TCP)

    assert (seen[0], seen[2:]) == (node, (backend, 8080))
    assert ends(answered) == (node, NODE_PORT, client, 2000)


def test_connection_of_a_client_outside_is_the_services_once_it_stands(served: Served) -> None:
    served.serve(NODE_4, NODE_PORT, ("10.244.0.1", 8080), kind=FrontendType.FRONTEND_NODE_PORT)
    ask = IN / IP(src=WORLD_4, dst=NODE_4)

    def owner() -> int:
        (known,) = served.node.connections()
        return known.owner

    def goes_on(acknowledged: int) -> None:
        tcp = TCP(sport=2000, dport=NODE_PORT, flags="A", ack=acknowledged)
        served.node.wire.send(ask / tcp)
        served.at_pod(TCP)

    served.node.wire.send(ask / TCP(sport=2000, dport=NODE_PORT))
    served.at_pod(TCP)
    asked = owner()
    served.node.pod1.port.send(
        POD / IP(src="10.244.0.1", dst=WORLD_4) / TCP(sport=8080, dport=2000, flags="SA", seq=7)
    )
    served.on_wire(TCP)
    for blind in (0, 7, 8 + (1 << 16), 1 << 31):
        goes_on(blind)
    forged = owner()
    served.node.pod1.port.send(  # As a server does that has forgotten the first SYN.
        POD
        / IP(src="10.244.0.1", dst=WORLD_4)
        / TCP(sport=8080, dport=2000, flags="SA", seq=1 << 31)
    )
    served.on_wire(TCP)
    goes_on((1 << 31) + 1)

    assert asked == forged == ConnectionOwnerNumber.OWNER_OUTSIDE
    assert owner() == ConnectionOwnerNumber.OWNER_SERVICES


def test_connection_whose_client_seems_to_reset_it_keeps_its_backend(served: Served) -> None:
    """Who knows the ports can forge a RST and a SYN; the backend knows whether they are true."""
    backends = ((REMOTE_POD_4, 8080), ("10.244.1.21", 8080))
    served.serve(NODE_4, NODE_PORT, *backends, kind=FrontendType.FRONTEND_NODE_PORT)

    def asks(flags: str, ack: int = 0) -> tuple[str, int, str, int]:
        tcp = TCP(sport=2000, dport=NODE_PORT, flags=flags, ack=ack)
        served.node.wire.send(IN / IP(src=WORLD_4, dst=NODE_4) / tcp)
        return ends(served.on_wire(TCP))

    node, port, backend, _ = first = asks("S")
    served.node.wire.send(IN / IP(src=backend, dst=node) / TCP(sport=8080, dport=port, flags="SA"))
    served.on_wire(TCP)
    asks("A", ack=1)

    assert {asks(flags) for _ in range(16) for flags in ("R", "S")} == {first}


@pytest.mark.parametrize(
    "way",
    [
        (IP, WORLD_4, (NODE_4, BALANCER, "192.0.2.81"), "10.244.0.1"),
        (IPv6, WORLD_6, (NODE_6, "2001:db8:200::1", "2001:db8:200::2"), "fd00:244::1"),
    ],
)
@pytest.mark.parametrize(("l4", "asking", "answering"), [(TCP, "S", "SA"), (UDP, None, None)])
def test_client_s_port_that_a_backend_knows_by_another_address_is_another_port_to_it(
    served: Served, way: Any, l4: Any, asking: str | None, answering: str | None
) -> None:
    """By one port both flows would be one to the backend, whose answers can have one source only."""
    ip, client, addresses, backend = way
    for address in addresses:
        kind = FrontendType.FRONTEND_LOAD_BALANCER
        served.serve(address, 80, (backend, 8080), protocol=6 if l4 is TCP else 17, kind=kind)

    def layer(flags: str | None, **ports: int) -> Any:
        return l4(**ports) if flags is None else l4(flags=flags, ack="A" in flags, **ports)

    def asks(address: str, flags: str | None = asking) -> int:
        """Return the port that the backend sees."""
        asked = ip(src=client, dst=address) / layer(flags, sport=2000, dport=80)
        served.node.wire.send(IN / asked)
        seen = ends(served.at_pod(l4))
        assert (seen[0], seen[2:]) == (client, (backend, 8080))
        return seen[1]

    def answers(port: int, flags: str | None = answering) -> tuple[str, int, str, int]:
        answer = ip(src=backend, dst=client) / layer(flags, sport=8080, dport=port)
        served.node.pod1.port.send(POD / answer)
        return ends(served.on_wire(l4))

    first, second = asks(addresses[0]), asks(addresses[1])

    assert first == 2000
    assert second != 2000
    for _ in range(2):
        assert answers(second) == (addresses[1], 80, client, 2000)
        assert answers(first) == (addresses[0], 80, client, 2000)
    assert (asks(addresses[0]), asks(addresses[1])) == (first, second)
    if l4 is TCP:  # One that is closed makes way.
        asks(addresses[0], "FA")
        answers(first, "FA")
        assert asks(addresses[2]) == 2000


@pytest.mark.parametrize(
    "way", [(IP, WORLD_4, NODE_4, REMOTE_POD_4), (IPv6, WORLD_6, NODE_6, REMOTE_POD_6)]
)
def test_node_s_own_connection_to_a_backend_does_not_meet_a_client_s(
    served: Served, way: Any
) -> None:
    """The kernel gives a process a port without asking the book of ports."""
    ip, client, node, backend = way
    served.serve(node, NODE_PORT, (backend, 8080), kind=FrontendType.FRONTEND_NODE_PORT)
    served.node.wire.send(IN / ip(src=client, dst=node) / TCP(sport=2000, dport=NODE_PORT))
    taken = ends(served.on_wire(TCP))[1]

    sent = served.node.sent_out(ip(src=node, dst=backend) / TCP(sport=taken, dport=8080))
    answer = ip(src=backend, dst=node) / TCP(sport=8080, dport=sent[TCP].sport, flags="SA")
    run = served.node.from_uplink(IN / answer)

    assert sent[TCP].sport != taken
    assert ends(Ether(run.packet)) == (backend, 8080, node, taken)


@pytest.mark.parametrize(
    "way",
    [
        (IP, WORLD_4, NODE_4, "10.244.0.1"),
        (IP, REMOTE_POD_4, NODE_4, "10.244.0.1"),
        (IPv6, WORLD_6, NODE_6, "fd00:244::1"),
        (IPv6, REMOTE_POD_6, NODE_6, "fd00:244::1"),
    ],
)
@pytest.mark.parametrize("l4", [TCP, UDP])
def test_backend_whose_packets_the_stack_sends_answers_as_the_service(
    served: Served, way: Any, l4: Any
) -> None:
    """Whether its client is outside the cluster, or a pod of another node."""
    ip, client, node, backend = way
    protocol = 6 if l4 is TCP else 17
    pod = served.node.pod1.host_ifindex
    with (
        served.node.datapath.opened(ENDPOINTS) as endpoints,
        served.node.datapath.opened(INTERFACES) as interfaces,
    ):
        known, interface = endpoints.get(octets(backend)), interfaces.get(pod)
        assert known is not None
        assert interface is not None
        endpoints.put(octets(backend), known._replace(flags=EndpointFlag.ENDPOINT_STACK_ROUTED))
        interfaces.put(pod, interface._replace(flags=InterfaceFlag.INTERFACE_STACK_ROUTED))
    kind = FrontendType.FRONTEND_NODE_PORT
    served.serve(node, NODE_PORT, (backend, 8080), protocol=protocol, kind=kind)

    balancer = BALANCER if ip is IP else "2001:db8:200::1"
    served.serve(balancer, 80, (backend, 8080), protocol=protocol, kind=kind)

    served.node.from_uplink(IN / ip(src=client, dst=node) / l4(sport=2000, dport=NODE_PORT))
    answered = served.node.sent_out(ip(src=backend, dst=client) / l4(sport=8080, dport=2000))
    asked = served.node.from_uplink(IN / ip(src=client, dst=balancer) / l4(sport=2000, dport=80))
    second = ends(Ether(asked.packet))[1]
    answer = ip(src=backend, dst=client) / l4(sport=8080, dport=second)
    from_pod = served.node.from_pod(POD / answer)
    other = served.node.sent_out(answer)

    assert ends(answered) == (node, NODE_PORT, client, 2000)
    assert second != 2000
    assert ends(Ether(from_pod.packet)) == (backend, 8080, client, second)
    assert ends(other) == (balancer, 80, client, 2000)


@pytest.fixture
def few_ports(bpf_root: Path, state_dir: Path, objects: Path) -> Iterator[Served]:
    """A node that has eight ports toward one backend elsewhere."""
    settings = replace(
        DEFAULT_SETTINGS,
        services_by_packet=True,
        snat_port_max=DEFAULT_SETTINGS.snat_port_min + 7,
    )
    with node_rig(
        bpf_root=bpf_root, state_dir=state_dir, objects=objects, settings=settings
    ) as node:
        yield Served(node)


@pytest.mark.parametrize(
    "way",
    [
        (IP, "198.51.100.{}", NODE_4, REMOTE_POD_4),
        (IPv6, "2001:db8:100::{}", NODE_6, REMOTE_POD_6),
    ],
)
@pytest.mark.parametrize(("l4", "asks", "answers"), [(TCP, "S", "SA"), (UDP, None, None)])
def test_forged_clients_that_a_backend_elsewhere_answered_keep_no_port(
    few_ports: Served, way: Any, l4: Any, asks: str | None, answers: str | None
) -> None:
    """An address that was answered, and never went on, may be nobody's."""
    ip, client, node, backend = way
    protocol = 6 if l4 is TCP else 17
    kind = FrontendType.FRONTEND_NODE_PORT
    few_ports.serve(node, NODE_PORT, (backend, 8080), protocol=protocol, kind=kind)

    def flags(given: str | None) -> dict[str, str]:
        return {} if given is None else {"flags": given}

    def ask(number: int) -> None:
        source = ip(src=client.format(number), dst=node)
        few_ports.node.wire.send(IN / source / l4(sport=2000, dport=NODE_PORT, **flags(asks)))
        port = ends(few_ports.on_wire(l4))[1]
        answer = ip(src=backend, dst=node)
        few_ports.node.wire.send(IN / answer / l4(sport=8080, dport=port, **flags(answers)))
        assert ends(few_ports.on_wire(l4))[2] == client.format(number)

    for number in range(1, 25):
        ask(number)

    assert len(few_ports.node.connections()) == 8


def test_sweep_leaves_the_connections_of_clients_outside(served: Served) -> None:
    """Neither end of one that goes on to another node is on this one."""
    served.serve(NODE_4, NODE_PORT, (REMOTE_POD_4, 8080), kind=FrontendType.FRONTEND_NODE_PORT)
    served.node.wire.send(IN / IP(src=WORLD_4, dst=NODE_4) / TCP(sport=2000, dport=NODE_PORT))
    served.on_wire(TCP)

    served.node.sweeper().orphans()

    assert len(served.node.connections()) == 1


def test_load_balancers_address_leads_to_the_service(served: Served) -> None:
    served.serve(BALANCER, 80, ("10.244.0.1", 8080), kind=FrontendType.FRONTEND_LOAD_BALANCER)

    served.node.wire.send(IN / IP(src=WORLD_4, dst=BALANCER) / TCP(sport=2000, dport=80))
    asked = served.at_pod(TCP)
    served.node.pod1.port.send(
        POD / IP(src="10.244.0.1", dst=WORLD_4) / TCP(sport=8080, dport=2000, flags="SA")
    )

    assert ends(asked) == (WORLD_4, 2000, "10.244.0.1", 8080)
    assert ends(served.on_wire(TCP)) == (BALANCER, 80, WORLD_4, 2000)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (FrontendFlag.FRONTEND_INSIDE_ONLY, DropReason.DROP_CLUSTER_IP_FROM_OUTSIDE),
        (FrontendFlag.FRONTEND_SOURCE_RANGES, DropReason.DROP_NOT_IN_SOURCE_RANGE),
        (FrontendFlag.FRONTEND_UNKNOWN_PORT, DropReason.DROP_NO_BACKEND),
    ],
)
def test_client_outside_is_judged(served: Served, flags: int, reason: DropReason) -> None:
    served.serve(BALANCER, 80, ("10.244.0.1", 8080), flags=flags)

    with served.node.counted() as counted:
        served.node.from_uplink(IN / IP(src=WORLD_4, dst=BALANCER) / TCP(sport=2000, dport=80))

    assert counted == {(reason, AttachPoint.FROM_UPLINK): 1}


@pytest.mark.parametrize("denies", [False, True])
def test_source_ranges_say_who_may(served: Served, *, denies: bool) -> None:
    flags = FrontendFlag.FRONTEND_SOURCE_RANGES
    if denies:
        flags |= FrontendFlag.FRONTEND_DENY_RANGES
    number = served.serve(BALANCER, 80, ("10.244.0.1", 8080), flags=flags)
    with served.node.datapath.opened(SOURCE_RANGES) as ranges:
        ranges.put(SourceRangeKey(32 + 96 + 24, number, octets("203.0.113.0")), 1)

    def is_let_in(client: str) -> bool:
        with served.node.counted() as counted:
            served.node.from_uplink(IN / IP(src=client, dst=BALANCER) / TCP(sport=1, dport=80))
        return (DropReason.DROP_NOT_IN_SOURCE_RANGE, AttachPoint.FROM_UPLINK) not in counted

    assert (is_let_in(WORLD_4), is_let_in(OTHER_NODE_4)) == (not denies, denies)


def test_local_policy_without_an_endpoint_drops_outsiders(served: Served) -> None:
    """They try again, and are sent to a node that has one."""
    flags = FrontendFlag.FRONTEND_DROP_IF_EMPTY
    served.serve(BALANCER, 80, flags=flags)

    run = served.node.from_uplink(IN / IP(src=WORLD_4, dst=BALANCER) / TCP(sport=1, dport=80))

    assert run.verdict == 2


def test_node_s_other_ports_are_its_own(served: Served) -> None:
    served.serve(NODE_4, NODE_PORT, ("10.244.0.1", 8080), kind=FrontendType.FRONTEND_NODE_PORT)

    for port in (22, NODE_PORT + 1):
        run = served.node.from_uplink(IN / IP(src=WORLD_4, dst=NODE_4) / TCP(sport=1, dport=port))
        assert (run.verdict, Ether(run.packet)[IP].dst) == (0, NODE_4)


def quoted(frame: Any) -> bytes:
    """The header and eight octets, as RFC 792 asks for."""
    return bytes(frame[IP])[:28]


def test_path_mtu_behind_the_client_s_router_reaches_the_backend_elsewhere(
    served: Served,
) -> None:
    served.serve(NODE_4, NODE_PORT, (REMOTE_POD_4, 8080), kind=FrontendType.FRONTEND_NODE_PORT)
    served.node.wire.send(IN / IP(src=WORLD_4, dst=NODE_4) / TCP(sport=2000, dport=NODE_PORT))
    port = ends(served.on_wire(TCP))[1]
    served.node.wire.send(
        IN / IP(src=REMOTE_POD_4, dst=NODE_4) / TCP(sport=8080, dport=port, flags="SA")
    )
    answer = served.on_wire(TCP)

    served.node.wire.send(
        IN
        / IP(src=ROUTER_4, dst=NODE_4)
        / ICMP(type=3, code=4, nexthopmtu=1280)
        / Raw(quoted(answer))
    )
    error = served.on_wire(ICMP)

    assert (error[IP].src, error[IP].dst, error[ICMP].nexthopmtu) == (NODE_4, REMOTE_POD_4, 1280)
    assert (error[IPerror].src, error[TCPerror].sport) == (REMOTE_POD_4, 8080)
    assert (error[IPerror].dst, error[TCPerror].dport) == (NODE_4, port)


def test_path_mtu_toward_the_backend_elsewhere_reaches_the_client(served: Served) -> None:
    served.serve(NODE_4, NODE_PORT, (REMOTE_POD_4, 8080), kind=FrontendType.FRONTEND_NODE_PORT)
    served.node.wire.send(IN / IP(src=WORLD_4, dst=NODE_4) / TCP(sport=2000, dport=NODE_PORT))
    sent_on = served.on_wire(TCP)

    served.node.wire.send(
        IN
        / IP(src=OTHER_NODE_4, dst=NODE_4)
        / ICMP(type=3, code=4, nexthopmtu=1280)
        / Raw(quoted(sent_on))
    )
    # Nodes' own addresses are no routers of the way: what they say is about what they got.
    served.node.wire.send(
        IN
        / IP(src=ROUTER_4, dst=NODE_4)
        / ICMP(type=3, code=4, nexthopmtu=1280)
        / Raw(quoted(sent_on))
    )
    error = served.on_wire(ICMP)

    assert (error[IP].src, error[IP].dst) == (NODE_4, WORLD_4)
    assert (error[IPerror].src, error[TCPerror].sport) == (WORLD_4, 2000)
    assert (error[IPerror].dst, error[TCPerror].dport) == (NODE_4, NODE_PORT)


def test_path_mtu_behind_the_client_s_router_reaches_the_backend_here(served: Served) -> None:
    served.serve(NODE_4, NODE_PORT, ("10.244.0.1", 8080), kind=FrontendType.FRONTEND_NODE_PORT)
    served.node.wire.send(IN / IP(src=WORLD_4, dst=NODE_4) / TCP(sport=2000, dport=NODE_PORT))
    served.at_pod(TCP)
    served.node.pod1.port.send(
        POD / IP(src="10.244.0.1", dst=WORLD_4) / TCP(sport=8080, dport=2000, flags="SA")
    )
    answer = served.on_wire(TCP)

    served.node.wire.send(
        IN
        / IP(src=ROUTER_4, dst=NODE_4)
        / ICMP(type=3, code=4, nexthopmtu=1280)
        / Raw(quoted(answer))
    )
    error = served.at_pod(ICMP)

    assert (error[IP].src, error[IP].dst) == (ROUTER_4, "10.244.0.1")
    assert (error[IPerror].src, error[TCPerror].sport) == ("10.244.0.1", 8080)


def test_error_about_what_a_pod_sent_to_a_service_quotes_the_service(served: Served) -> None:
    served.serve(WEB_4, 80, (REMOTE_POD_4, 8080))
    served.node.pod1.port.send(POD / IP(src="10.244.0.1", dst=WEB_4) / TCP(sport=1000, dport=80))
    asked = served.on_wire(TCP)

    served.node.wire.send(
        IN / IP(src=REMOTE_POD_4, dst="10.244.0.1") / ICMP(type=3, code=3) / Raw(quoted(asked))
    )
    error = served.at_pod(ICMP)

    assert (error[IP].src, error[IP].dst) == (WEB_4, "10.244.0.1")
    assert (error[IPerror].dst, error[TCPerror].dport) == (WEB_4, 80)


def test_answer_too_long_for_the_way_to_the_client_is_said_to_the_backend_elsewhere(
    served: Served,
) -> None:
    served.serve(NODE_4, NODE_PORT, (REMOTE_POD_4, 8080), kind=FrontendType.FRONTEND_NODE_PORT)
    served.node.wire.send(IN / IP(src=WORLD_4, dst=NODE_4) / TCP(sport=2000, dport=NODE_PORT))
    port = ends(served.on_wire(TCP))[1]
    served.node.namespace.ip(f"route add {WORLD_4}/32 via {ROUTER_4} dev eth1 mtu lock 1280")

    served.node.wire.send(
        IN
        / IP(src=REMOTE_POD_4, dst=NODE_4, flags="DF")
        / TCP(sport=8080, dport=port, flags="A")
        / Raw(b"x" * 1300)
    )
    error = served.on_wire(ICMP)

    assert (error[IP].dst, error[ICMP].type, error[ICMP].code) == (REMOTE_POD_4, 3, 4)
    assert error[ICMP].nexthopmtu == 1280


def test_pieces_of_a_datagram_follow_the_first(served: Served) -> None:
    served.serve(WEB_4, 53, (REMOTE_POD_4, 5353), protocol=17)
    first = IP(src="10.244.0.1", dst=WEB_4, id=7, flags="MF") / UDP(sport=9, dport=53, len=40)
    later = IP(src="10.244.0.1", dst=WEB_4, id=7, frag=3, proto=17) / Raw(b"y" * 16)

    served.node.pod1.port.send(POD / first / Raw(b"x" * 16))
    head = served.node.wire.receive(lambda frame: IP in frame and frame[IP].id == 7)
    served.node.pod1.port.send(POD / later)
    tail = served.node.wire.receive(lambda frame: IP in frame and frame[IP].frag == 3)

    assert (head[IP].dst, tail[IP].dst) == (REMOTE_POD_4, REMOTE_POD_4)


@pytest.mark.parametrize("layer", [ICMPv6PacketTooBig])
def test_too_big_of_ipv6_reaches_the_backend_elsewhere(served: Served, layer: Any) -> None:
    served.serve(NODE_6, NODE_PORT, (REMOTE_POD_6, 8080), kind=FrontendType.FRONTEND_NODE_PORT)
    served.node.wire.send(IN / IPv6(src=WORLD_6, dst=NODE_6) / TCP(sport=2000, dport=NODE_PORT))
    port = ends(served.on_wire(TCP))[1]
    served.node.wire.send(
        IN / IPv6(src=REMOTE_POD_6, dst=NODE_6) / TCP(sport=8080, dport=port, flags="SA")
    )
    answer = served.on_wire(TCP)

    served.node.wire.send(
        IN / IPv6(src=ROUTER_6, dst=NODE_6) / layer(mtu=1280) / Raw(bytes(answer[IPv6])[:60])
    )
    error = served.on_wire(layer)

    assert (error[IPv6].src, error[IPv6].dst) == (NODE_6, REMOTE_POD_6)
    assert error[Ether].dst == WIRE_MAC


def test_flows_of_datagrams_to_a_backend_that_is_gone_end(served: Served) -> None:
    """Those of connections drain."""
    number = served.serve(WEB_4, 53, (REMOTE_POD_4, 5353), protocol=17)
    served.serve(WEB_4, 80, (REMOTE_POD_4, 8080))
    ask = POD / IP(src="10.244.0.1", dst=WEB_4)
    served.node.pod1.port.send(ask / UDP(sport=9, dport=53))
    served.on_wire(UDP)
    served.node.pod1.port.send(ask / TCP(sport=1000, dport=80))
    served.on_wire(TCP)
    with served.node.datapath.opened(SERVICE_SLOTS) as slots:
        slots.put(ServiceSlotKey(number, 1), Backend(octets("10.244.1.21"), 5353, 7))

    others = served.node.sweeper().of_backend(ip_address(REMOTE_POD_4), 5354)
    ended = served.node.sweeper().of_backend(ip_address(REMOTE_POD_4), 5353)
    served.node.pod1.port.send(ask / UDP(sport=9, dport=53))

    assert (others, ended) == (0, 1)
    assert ends(served.on_wire(UDP))[2] == "10.244.1.21"
    assert len(served.node.connections()) == 2


@pytest.mark.parametrize("l4", [TCP, UDP])
def test_backend_that_a_pod_asks_itself_answers_as_itself(served: Served, l4: Any) -> None:
    """From the port that it asked the Service from: a socket that was translated may get it."""
    served.serve(WEB_4, 80, (REMOTE_POD_4, 8080), protocol=6 if l4 is TCP else 17)
    asks = {"sport": 1000, "dport": 80}
    served.node.pod1.port.send(POD / IP(src="10.244.0.1", dst=WEB_4) / l4(**asks))
    served.on_wire(l4)

    served.node.pod1.port.send(
        POD / IP(src="10.244.0.1", dst=REMOTE_POD_4) / l4(sport=1000, dport=8080)
    )
    served.on_wire(l4)
    served.node.wire.send(IN / IP(src=REMOTE_POD_4, dst="10.244.0.1") / l4(sport=8080, dport=1000))

    assert ends(served.at_pod(l4)) == (REMOTE_POD_4, 8080, "10.244.0.1", 1000)
