"""`flows/service_source.py`: the flow server is told where Services are, and where node ports are."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

from tests.unit.flows.test_peer_source import Nodes, node

from ciliate.flows.feed import (
    Line,
    NodeAddresses,
    ServiceNamed,
    ServicePlaces,
    place_octets,
)
from ciliate.flows.service_source import ServiceSource
from ciliate.net.address import ip_address, ip_network, to_octets
from ciliate.net.protocol import TCP, UDP
from ciliate.node.context import Context
from ciliate.node.service_names import Place, ServiceNames

NOW_NS = 5000


def octets(text: str) -> bytes:
    return to_octets(ip_address(text))


def place(address: str, port: int = 80, protocol: int = TCP) -> Place:
    return Place(octets(address), port, protocol)


class Devices:
    """The devices of a node, which the test changes."""

    def __init__(self, *addresses: str) -> None:
        self.current = SimpleNamespace(octets=frozenset(map(octets, addresses)))
        self._listeners: list[Callable[[object, object], object]] = []

    def listen(self, changed: Callable[[object, object], object]) -> None:
        self._listeners.append(changed)

    def change(self, *addresses: str) -> None:
        old, self.current = self.current, SimpleNamespace(octets=frozenset(map(octets, addresses)))
        for each in self._listeners:
            each(old, self.current)


OWN = node("k8s-ctr", "192.168.10.100", is_local=True, other_addresses=(ip_address("10.244.0.2"),))
OTHER = node("k8s-w1", "192.168.10.101", other_addresses=(ip_address("203.0.113.1"),))


class Rig:
    """What node k8s-ctr knows, and what the flow server is told of it."""

    def __init__(self) -> None:
        self.names, self.nodes = ServiceNames(), Nodes(OWN, OTHER)
        self.devices = Devices("10.0.2.15", "192.168.10.100")
        context = SimpleNamespace(
            service_names=self.names,
            cluster=SimpleNamespace(known_nodes=self.nodes),
            devices=self.devices,
            own=SimpleNamespace(name="k8s-ctr"),
        )
        self.source = ServiceSource(cast("Context", context), clock=lambda: NOW_NS)
        self.told: list[Line] = []
        self.source.changed.add(self.told.append)
        self.source.listen()


def addresses(name: str, *texts: str, since_ns: int = NOW_NS) -> NodeAddresses:
    return NodeAddresses(node=name, since_ns=since_ns, addresses=tuple(sorted(map(octets, texts))))


def test_all_are_the_addresses_of_nodes_and_places_by_service() -> None:
    rig = Rig()
    web, dns = ("shop", "web"), ("kube-system", "kube-dns")
    rig.names.provide(
        lambda: iter(
            [
                (place("10.96.0.7"), web),
                (place("10.96.0.7", 443), web),
                (place("fd00::a", 53, UDP), dns),
            ]
        )
    )

    assert [*rig.source.all()] == [
        addresses("k8s-ctr", "10.0.2.15", "192.168.10.100", "10.244.0.2", since_ns=0),
        addresses("k8s-w1", "192.168.10.101", "203.0.113.1", since_ns=0),
        ServiceNamed(
            since_ns=0,
            services=(
                ServicePlaces(
                    *web,
                    places=(
                        place_octets(octets("10.96.0.7"), 80, TCP),
                        place_octets(octets("10.96.0.7"), 443, TCP),
                    ),
                ),
                ServicePlaces(*dns, places=(place_octets(octets("fd00::a"), 53, UDP),)),
            ),
        ),
    ]
    assert rig.told == []


def test_many_are_told_in_lines_that_are_bounded_and_miss_none() -> None:
    rig = Rig()
    named = [(place(f"10.96.{i // 256}.{i % 256}"), ("shop", f"s{i}")) for i in range(1000)]
    rig.names.provide(lambda: iter(named))

    at_start = [line for line in rig.source.all() if isinstance(line, ServiceNamed)]
    rig.names.tell(named)

    for lines in (at_start, rig.told):
        services = [
            [(each.namespace, each.name) for each in line.services]
            for line in lines
            if isinstance(line, ServiceNamed)
        ]
        assert max(map(len, services)) <= 100
        assert [each for some in services for each in some] == [name for _, name in named]


def test_changes_are_told_at_their_moment_and_nothing_else() -> None:
    rig = Rig()

    rig.names.tell([(place("10.96.0.7"), ("shop", "web")), (place("10.96.0.8"), None)])

    assert rig.told == [
        ServiceNamed(
            since_ns=NOW_NS,
            services=(
                ServicePlaces("shop", "web", (place_octets(octets("10.96.0.7"), 80, TCP),)),
            ),
            gone=(place_octets(octets("10.96.0.8"), 80, TCP),),
        )
    ]


def test_node_is_told_with_its_addresses_until_it_is_gone() -> None:
    rig = Rig()
    moved = node("k8s-w1", "192.168.10.111")

    rig.nodes.change(OTHER, moved)
    rig.nodes.change(moved, replace(moved, pod_cidrs=(ip_network("10.244.1.0/24"),)))
    rig.nodes.change(moved, None)

    assert rig.told == [
        addresses("k8s-w1", "192.168.10.111"),
        NodeAddresses(node="k8s-w1", since_ns=NOW_NS),
    ]


def test_this_node_has_what_is_on_its_devices_and_what_it_is_known_by() -> None:
    rig = Rig()

    rig.devices.change("10.0.2.15", "192.168.10.120")
    rig.nodes.change(OWN, OWN)

    told = addresses("k8s-ctr", "10.0.2.15", "192.168.10.100", "192.168.10.120", "10.244.0.2")
    assert rig.told == [told, told]
