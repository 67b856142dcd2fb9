"""Whatever comes in whatever order, the maps are those of a book that knew only the end."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.services.held_entries import adopted
from tests.unit.services.service_objects import (
    ENDING,
    NODE,
    NODE_IP,
    SETTINGS,
    UNREADY,
    endpoint,
    key,
    known,
    known_slice,
    octets,
)

from ciliate.datapath.layout import Backend, Frontend, Service
from ciliate.services.book import ServiceBook
from ciliate.services.map_keys import (
    MapKey,
    ServiceMap,
    map_of,
    octets_of,
    read_source_range,
    service_key,
    slot_key,
)
from ciliate.services.model import HostPort, KnownService, KnownSlice, NodeFacts, ServiceKey

NAMES = ("a", "b", "c")
POLICIES = st.sampled_from(("Cluster", "Local"))
CONDITIONS = st.sampled_from((None, ENDING, UNREADY))


@st.composite
def services(draw: st.DrawFn, name: str) -> KnownService | None:
    if draw(st.integers(0, 5)) == 0:
        return None
    at = NAMES.index(name)
    ports = [
        {"name": "http", "port": 80, "nodePort": 30080 + at},
        {"name": "dns", "port": draw(st.sampled_from((53, 54))), "protocol": "UDP"},
    ]
    fields: dict[str, Any] = {
        "clusterIPs": [f"10.96.0.{at}", f"fd00::{at}"][: draw(st.integers(1, 2))],
        "ipFamilies": ["IPv4", "IPv6"][: draw(st.integers(1, 2))],
        "ports": ports[: draw(st.integers(1, 2))],
        "type": draw(st.sampled_from(("ClusterIP", "NodePort", "LoadBalancer"))),
        "externalIPs": draw(st.sampled_from(([], ["192.0.2.1"], [NODE_IP]))),
        "ingress": [{"ip": each} for each in draw(st.sampled_from(([], ["192.0.2.1"])))],
        "internalTrafficPolicy": draw(POLICIES),
        "externalTrafficPolicy": draw(POLICIES),
        "sessionAffinity": draw(st.sampled_from(("None", "ClientIP"))),
        "loadBalancerSourceRanges": draw(st.sampled_from(([], ["10.0.0.0/8", "fd00::/8"]))),
        "trafficDistribution": draw(st.sampled_from(("", "PreferClose"))),
    }
    created = f"2026-01-0{draw(st.integers(1, 2))}T00:00:00Z"
    return known(name, created=created, **fields)


@st.composite
def slices(draw: st.DrawFn, name: str) -> KnownSlice | None:
    if draw(st.integers(0, 5)) == 0:
        return None
    family = draw(st.sampled_from(("IPv4", "IPv4", "IPv6")))
    prefix = "10.0.1." if family == "IPv4" else "fd01::"
    endpoints = [
        endpoint(
            f"{prefix}{draw(st.integers(1, 5))}",
            node=draw(st.sampled_from(("w1", "w2", ""))),
            conditions=draw(CONDITIONS),
            zones=draw(st.sampled_from(((), ("a",), ("b",)))),
        )
        for _ in range(draw(st.integers(0, 4)))
    ]
    ports = [{"name": "http", "port": 8080}, {"name": "dns", "port": 5353, "protocol": "UDP"}]
    return known_slice(*endpoints, name=name, family=family, ports=ports)


NODES = st.builds(
    NodeFacts,
    name=st.just("w1"),
    zone=st.sampled_from(("a", "b")),
    node_port_addresses=st.sampled_from((NODE.node_port_addresses, ())),
    node_addresses=st.sampled_from((NODE.node_addresses, frozenset({octets("192.0.2.1")}))),
)
HOST_PORTS = st.lists(
    st.builds(
        HostPort,
        pod=st.just(ServiceKey("shop", "pod")),
        uid=st.sampled_from(("u", "v")),
        created=st.just("2026-01-01T00:00:00Z"),
        protocol=st.just(6),
        port=st.sampled_from((80, 8080, 30080)),
        container_port=st.just(9000),
        addresses=st.just((octets("10.0.1.9"),)),
        host_ip=st.sampled_from((b"", octets("192.0.2.1"), octets("127.0.0.1"))),
    ),
    max_size=2,
    unique_by=lambda each: (each.uid, each.port),
)


@dataclass
class World:
    """What has been told to a book last."""

    node: NodeFacts = NODE
    services: dict[str, KnownService] = field(default_factory=dict)
    slices: dict[str, tuple[str, KnownSlice]] = field(default_factory=dict)
    host_ports: list[HostPort] = field(default_factory=list)

    def change(self, data: st.DataObject, book: ServiceBook) -> set[MapKey]:
        """Change one thing, and tell it."""
        match data.draw(st.sampled_from(("service", "slice", "slice", "node", "host ports"))):
            case "service":
                name = data.draw(st.sampled_from(NAMES))
                return self.put_service(book, name, data.draw(services(name)))
            case "slice":
                name = data.draw(st.sampled_from(("s", "t", "u")))
                owner = data.draw(st.sampled_from(NAMES))
                return self.put_slice(book, name, owner, data.draw(slices(name)))
            case "node":
                self.node = data.draw(NODES)
                return book.set_node(self.node)
        self.host_ports = data.draw(HOST_PORTS)
        return book.set_host_ports(self.host_ports)

    def put_service(self, book: ServiceBook, name: str, found: KnownService | None) -> set[MapKey]:
        self.services.pop(name, None)
        if found is not None:
            self.services[name] = found
        return book.put_service(key(name), found)

    def put_slice(
        self, book: ServiceBook, name: str, owner: str, found: KnownSlice | None
    ) -> set[MapKey]:
        self.slices.pop(name, None)
        if found is not None:
            self.slices[name] = owner, found
        return book.put_slice(("shop", name), owner, found)

    def told_at_once(self, book: ServiceBook) -> ServiceBook:
        """Tell everything to a new book, the other way round."""
        book.set_host_ports(self.host_ports)
        for name, (owner, found) in reversed(self.slices.items()):
            book.put_slice(("shop", name), owner, found)
        for name, known_service in reversed(self.services.items()):
            book.put_service(key(name), known_service)
        book.settle()
        return book


def held(book: ServiceBook) -> dict[MapKey, bytes]:
    return {each: book[each] for each in book}


def meaning(entries: dict[MapKey, bytes]) -> dict[bytes, Any]:
    """Return what the datapath makes of the entries: numbers, and the order of slots, left out."""
    found: dict[bytes, Any] = {}
    ranges: dict[int, set[tuple[int, bytes]]] = {}
    for each in entries:
        if map_of(each) is ServiceMap.SOURCE_RANGES:
            number, bits, address = read_source_range(each)
            ranges.setdefault(number, set()).add((bits, address))
    for each, value in entries.items():
        if map_of(each) is not ServiceMap.FRONTENDS:
            continue
        frontend = Frontend.unpack(value)
        if not frontend.service:
            found[each] = frontend
            continue
        one = Service.unpack(entries[service_key(frontend.service)])
        slots = [
            Backend.unpack(entries[slot_key(frontend.service, slot)])
            for slot in range(1, one.backends + 1)
        ]
        found[each] = (
            frontend.type,
            frontend.flags,
            one.affinity_s,
            {(backend.address, backend.port) for backend in slots},
            ranges.get(frontend.service, set()),
        )
    return found


def check_references(entries: dict[MapKey, bytes]) -> None:
    """Nothing leads nowhere, nothing is left over, no number stands for two."""
    slots = {octets_of(each) for each in entries if map_of(each) is ServiceMap.SLOTS}
    count = sum(
        Service.unpack(value).backends
        for each, value in entries.items()
        if map_of(each) is ServiceMap.SERVICES
    )
    assert len(slots) == count
    ids = [
        Frontend.unpack(value).id
        for each, value in entries.items()
        if map_of(each) is ServiceMap.FRONTENDS and Frontend.unpack(value).id
    ]
    assert len(ids) == len(set(ids))
    by_id: dict[int, set[tuple[bytes, int]]] = {}
    for each, value in entries.items():
        if map_of(each) is ServiceMap.SLOTS:
            backend = Backend.unpack(value)
            by_id.setdefault(backend.id, set()).add((backend.address, backend.port))
    assert all(len(where) == 1 for where in by_id.values())


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_changes_are_told_by_key_and_end_where_one_telling_would(data: st.DataObject) -> None:
    book, world = ServiceBook(NODE, SETTINGS), World()
    before = held(book)

    for _ in range(data.draw(st.integers(1, 12))):
        touched = world.change(data, book)
        after = held(book)
        differing = {each for each in before | after if before.get(each) != after.get(each)}
        assert differing <= touched
        check_references(after)
        before = after

    fresh = world.told_at_once(ServiceBook(world.node, SETTINGS))
    assert meaning(before) == meaning(held(fresh))
    assert dict(book.health_checks()) == dict(fresh.health_checks())
    assert sorted(book.problems()) == sorted(fresh.problems())


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_who_starts_with_what_the_maps_hold_changes_nothing(data: st.DataObject) -> None:
    book, world = ServiceBook(NODE, SETTINGS), World()
    for _ in range(data.draw(st.integers(1, 12))):
        world.change(data, book)
    again = ServiceBook(world.node, SETTINGS)
    again.adopt(adopted(held(book)))

    world.told_at_once(again)
    assert meaning(held(again)) == meaning(held(book))
    if not any("is served for" in text for _, text in book.problems()):
        # Of several that claim an address, who comes first may take over the other's numbers.
        assert held(again) == held(book)
    assert again.take_lost_backends() == frozenset()


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_when_all_is_gone_nothing_is_left(data: st.DataObject) -> None:
    book, world = ServiceBook(NODE, SETTINGS), World()
    for _ in range(data.draw(st.integers(1, 8))):
        world.change(data, book)
    for name in NAMES:
        book.put_service(key(name), None)
    for name in tuple(world.slices):
        book.put_slice(("shop", name), "", None)
    book.set_host_ports([])

    assert held(book) == {}
    assert not book._services
    assert len(book._serving.sets.backends) == 0
    assert list(book.problems()) == []
