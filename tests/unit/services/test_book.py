"""All Services as what the maps hold: a live view, its keys, and what outlives a restart."""

from collections.abc import Iterable
from typing import Any

from tests.unit.services.held_entries import adopted
from tests.unit.services.service_objects import (
    ENDING,
    GONE,
    NODE,
    NODE_IP,
    OTHER_IP,
    SETTINGS,
    UNREADY,
    endpoint,
    key,
    known,
    known_slice,
    octets,
)
from tests.unit.services.test_frontends import host_port

from ciliate.datapath.codec import U32
from ciliate.datapath.layout import (
    Backend,
    Frontend,
    FrontendFlag,
    FrontendType,
    Service,
)
from ciliate.net.address import address_text, socket_text
from ciliate.net.protocol import TCP, UDP
from ciliate.services.book import HealthCheck, ServiceBook
from ciliate.services.map_keys import (
    MapKey,
    ServiceMap,
    affinity_key,
    frontend_key,
    inside_key,
    map_of,
    read_source_range,
    service_key,
    slot_key,
    unknown_port_key,
)
from ciliate.services.model import NodeFacts

WEB = frontend_key(octets("10.96.0.7"), 80, TCP)
NODE_PORTS = [{"name": "http", "port": 80, "nodePort": 30080}]
AT_NODE = frontend_key(octets(NODE_IP), 30080, TCP)


def new_book(node: NodeFacts = NODE) -> ServiceBook:
    return ServiceBook(node, SETTINGS)


def put(book: ServiceBook, *endpoints: Any, name: str = "web", **fields: Any) -> set[MapKey]:
    """Put a Service with one slice."""
    touched = book.put_service(key(name), known(name, **fields))
    return touched | put_slice(book, *endpoints, name=name)


def put_slice(
    book: ServiceBook, *endpoints: Any, name: str = "web", at: str = "1", **fields: Any
) -> set[MapKey]:
    found = known_slice(*endpoints, name=f"{name}-{at}", service=name, **fields)
    return book.put_slice(("shop", f"{name}-{at}"), name, found)


def frontend(book: ServiceBook, at: MapKey) -> Frontend:
    return Frontend.unpack(book[at])


def set_of(book: ServiceBook, at: MapKey = WEB) -> int:
    return frontend(book, at).service


def backends(book: ServiceBook, at: MapKey = WEB) -> list[str]:
    """Return who answers at a frontend, by slot."""
    number = set_of(book, at)
    count = Service.unpack(book[service_key(number)]).backends
    found = [Backend.unpack(book[slot_key(number, slot)]) for slot in range(1, count + 1)]
    assert book.get(slot_key(number, count + 1)) is None
    assert book.get(slot_key(number, 0)) is None
    return [socket_text(address_text(each.address), each.port) for each in found]


def held(book: ServiceBook) -> dict[MapKey, bytes]:
    found = {each: book[each] for each in book}
    assert len(found) == len(book), "each key once"
    return found


def counts(touched: Iterable[MapKey]) -> dict[ServiceMap, int]:
    found: dict[ServiceMap, int] = {}
    for each in touched:
        found[map_of(each)] = found.get(map_of(each), 0) + 1
    return found


def test_a_service_is_a_frontend_a_set_and_slots() -> None:
    book = new_book()
    put(book, "10.0.1.5", "10.0.1.6")

    assert frontend(book, WEB) == Frontend(
        id=1,
        service=1,
        type=FrontendType.FRONTEND_CLUSTER_IP,
        flags=FrontendFlag.FRONTEND_INSIDE_ONLY,
    )
    assert Service.unpack(book[service_key(1)]) == Service(backends=2, affinity_s=0, flags=0)
    assert Backend.unpack(book[slot_key(1, 1)]) == Backend(octets("10.0.1.5"), 8080, id=1)
    assert backends(book) == ["10.0.1.5:8080", "10.0.1.6:8080"]
    assert WEB in book
    assert slot_key(9, 1) not in book
    assert book.get(service_key(9)) is None


def test_every_key_of_a_service_goes_with_it() -> None:
    book = new_book()
    fields: Any = {
        "type": "LoadBalancer",
        "ports": NODE_PORTS,
        "ingress": [{"ip": "203.0.113.9"}],
        "externalTrafficPolicy": "Local",
        "sessionAffinity": "ClientIP",
        "loadBalancerSourceRanges": ["198.51.100.0/24"],
    }
    put(book, "10.0.1.5", endpoint("10.0.1.6", node="w2"), **fields)
    before = set(book)
    touched = book.put_service(key(), None)

    assert touched == before
    assert {map_of(each) for each in before} == set(ServiceMap) - {ServiceMap.MAGLEV_TABLES}
    assert held(book) == {}
    put_slice(book)
    book.put_slice(("shop", "web-1"), "", None)
    put(book, "10.0.1.5")
    assert backends(book) == ["10.0.1.5:8080"]


def test_slices_may_come_before_their_service_and_stay_after_it() -> None:
    book = new_book()
    assert put_slice(book, "10.0.1.5") == set()
    book.put_service(key(), known())
    book.put_service(key(), None)
    book.put_service(key(), known())

    assert backends(book) == ["10.0.1.5:8080"]


def test_slices_of_a_service_are_merged_and_go_one_by_one() -> None:
    book = new_book()
    put(book, "10.0.1.5", "10.0.1.6")
    put_slice(book, "10.0.1.6", "10.0.1.7", at="2")
    assert sorted(backends(book)) == ["10.0.1.5:8080", "10.0.1.6:8080", "10.0.1.7:8080"]
    book.put_slice(("shop", "web-1"), "", None)

    assert sorted(backends(book)) == ["10.0.1.6:8080", "10.0.1.7:8080"]


def test_a_slice_may_move_to_another_service() -> None:
    book = new_book()
    put(book, "10.0.1.5")
    put(book, name="api", clusterIP="10.96.0.8")
    api = frontend_key(octets("10.96.0.8"), 80, TCP)
    book.put_slice(("shop", "web-1"), "api", known_slice("10.0.1.5", name="web-1"))

    assert backends(book) == []
    assert backends(book, api) == ["10.0.1.5:8080"]


def test_one_endpoint_more_is_a_slot_and_the_count() -> None:
    book = new_book()
    put(book, "10.0.1.5")

    touched = put_slice(book, "10.0.1.5", "10.0.1.6")
    assert touched == {slot_key(1, 2), service_key(1)}


def test_one_endpoint_less_is_its_slot_the_count_and_the_last_slot_which_goes() -> None:
    book = new_book()
    put(book, "10.0.1.5", "10.0.1.6", "10.0.1.7")
    touched = put_slice(book, "10.0.1.6", "10.0.1.7")

    assert touched == {slot_key(1, 1), service_key(1), slot_key(1, 3)}
    assert slot_key(1, 3) not in book
    assert backends(book) == ["10.0.1.7:8080", "10.0.1.6:8080"]


def test_one_endpoint_for_another_is_one_slot() -> None:
    book = new_book()
    put(book, "10.0.1.5", "10.0.1.6")

    assert put_slice(book, "10.0.1.9", "10.0.1.6") == {slot_key(1, 1)}


def test_the_number_of_frontends_costs_nothing_when_an_endpoint_changes() -> None:
    book = new_book()
    fields: Any = {"ports": NODE_PORTS, "externalIPs": [f"192.0.2.{n}" for n in range(1, 9)]}
    put(book, "10.0.1.5", type="NodePort", **fields)

    assert len(put_slice(book, "10.0.1.5", "10.0.1.6")) == 2


def test_a_service_that_says_the_same_again_touches_nothing() -> None:
    book = new_book()
    put(book, "10.0.1.5", "10.0.1.6")

    assert put(book, "10.0.1.6", "10.0.1.5") == set()


def test_terminating_ones_are_in_no_slot_while_a_ready_one_exists() -> None:
    book = new_book()
    put(book, "10.0.1.5", endpoint("10.0.1.6", conditions=ENDING))
    assert backends(book) == ["10.0.1.5:8080"]

    put_slice(book, endpoint("10.0.1.5", conditions=GONE), endpoint("10.0.1.6", conditions=ENDING))
    assert backends(book) == ["10.0.1.6:8080"]


def test_a_service_without_endpoints_has_an_empty_set() -> None:
    book = new_book()
    put(book, endpoint("10.0.1.5", conditions=UNREADY))

    assert backends(book) == []


def test_scopes_of_policies_that_differ_have_sets_of_their_own() -> None:
    book = new_book()
    remote = endpoint("10.0.1.6", node="w2")
    put(book, "10.0.1.5", remote, type="NodePort", ports=NODE_PORTS, externalTrafficPolicy="Local")

    assert backends(book, AT_NODE) == ["10.0.1.5:8080"]
    assert backends(book, inside_key(AT_NODE)) == ["10.0.1.5:8080", "10.0.1.6:8080"]
    assert set_of(book, inside_key(AT_NODE)) == set_of(book, WEB), "a choice alike is one set"
    assert frontend(book, AT_NODE).id != frontend(book, inside_key(AT_NODE)).id
    assert inside_key(WEB) not in book


def test_packets_from_outside_are_dropped_only_while_another_node_has_an_endpoint() -> None:
    book = new_book()
    fields: Any = {"ports": NODE_PORTS, "externalTrafficPolicy": "Local"}
    put(book, endpoint("10.0.1.6", node="w2"), type="NodePort", **fields)
    drops = FrontendFlag.FRONTEND_DROP_IF_EMPTY
    assert frontend(book, AT_NODE).flags & drops
    assert not frontend(book, inside_key(AT_NODE)).flags & drops

    touched = put_slice(book)
    assert not frontend(book, AT_NODE).flags & drops, "nobody would answer anywhere"
    assert AT_NODE in touched


def test_affinity_keeps_where_each_backend_is() -> None:
    book = new_book()
    put(book, "10.0.1.5", "10.0.1.6", sessionAffinity="ClientIP")
    number = set_of(book)
    assert Service.unpack(book[service_key(number)]).affinity_s == 10800
    assert book[affinity_key(number, 1)] == U32.pack(1)
    assert book[affinity_key(number, 2)] == U32.pack(2)

    touched = put_slice(book, "10.0.1.6")
    assert affinity_key(number, 1) in touched
    assert affinity_key(number, 1) not in book
    assert book[affinity_key(number, 2)] == U32.pack(1)
    put_slice(book, "10.0.1.6", "10.0.1.7")
    touched = book.put_service(key(), known())
    assert touched == {service_key(number), affinity_key(number, 2), affinity_key(number, 3)}


def test_source_ranges_are_those_of_the_sets_that_outsiders_ask() -> None:
    book = new_book()
    fields: Any = {
        "type": "LoadBalancer",
        "ingress": [{"ip": "203.0.113.9"}],
        "loadBalancerSourceRanges": ["198.51.100.0/24", "2001:db8::/32"],
        "externalTrafficPolicy": "Local",
    }
    put(book, "10.0.1.5", **fields)

    at = frontend_key(octets("203.0.113.9"), 80, TCP)
    (found,) = [each for each in book if map_of(each) is ServiceMap.SOURCE_RANGES]
    assert read_source_range(found) == (set_of(book, at), 120, octets("198.51.100.0"))
    assert book[found] == b"\x01"
    assert book.put_service(key(), known(**{**fields, "loadBalancerSourceRanges": []})) >= {found}
    assert found not in book


def test_ports_that_a_cluster_ip_does_not_have_are_refused() -> None:
    book = new_book()
    touched = put(book, type="LoadBalancer", ingress=[{"ip": "203.0.113.9"}, {"ip": OTHER_IP}])

    at_cluster_ip = unknown_port_key(octets("10.96.0.7"))
    at_balancer = unknown_port_key(octets("203.0.113.9"))
    assert {at_cluster_ip, at_balancer} <= touched
    refuse, inside = FrontendFlag.FRONTEND_UNKNOWN_PORT, FrontendFlag.FRONTEND_INSIDE_ONLY
    assert frontend(book, at_cluster_ip) == (
        0,
        0,
        FrontendType.FRONTEND_CLUSTER_IP,
        refuse | inside,
    )
    assert frontend(book, at_balancer) == (0, 0, FrontendType.FRONTEND_LOAD_BALANCER, refuse)
    assert unknown_port_key(octets(OTHER_IP)) not in book, "it is a node's"


def test_ports_of_an_address_that_becomes_a_nodes_or_an_external_ip_are_refused_no_more() -> None:
    book = new_book()
    at_balancer = unknown_port_key(octets("203.0.113.9"))
    put(book, type="LoadBalancer", ingress=[{"ip": "203.0.113.9"}])
    more = NODE.node_addresses | {octets("203.0.113.9")}
    node = NodeFacts(NODE.name, NODE.zone, NODE.node_port_addresses, more)

    assert book.set_node(node) == {at_balancer}
    assert at_balancer not in book
    assert book.set_node(NODE) == {at_balancer}
    assert at_balancer in book
    touched = put(
        book,
        name="api",
        clusterIP="10.96.0.8",
        externalIPs=["203.0.113.9"],
        ports=[{"name": "x", "port": 81}],
    )
    assert at_balancer in touched
    assert at_balancer not in book


def test_the_elder_of_two_services_has_an_address_and_port() -> None:
    book = new_book()
    at = frontend_key(octets("192.0.2.1"), 80, TCP)
    fields: Any = {"externalIPs": ["192.0.2.1"]}
    put(
        book,
        "10.0.1.5",
        name="new",
        clusterIP="10.96.0.8",
        created="2026-02-01T00:00:00Z",
        **fields,
    )
    put(
        book,
        "10.0.1.6",
        name="old",
        clusterIP="10.96.0.9",
        created="2026-01-01T00:00:00Z",
        **fields,
    )

    assert backends(book, at) == ["10.0.1.6:8080"]
    assert list(book.problems()) == [
        (
            key("new"),
            (
                "Service shop/new: 192.0.2.1:80/TCP is served for Service shop/old, which is elder or"
                " has it as an address of its own: use another address or port, or delete that"
            ),
        )
    ]
    number = frontend(book, at).id
    touched = book.put_service(key("old"), None)
    assert at in touched
    assert backends(book, at) == ["10.0.1.5:8080"]
    assert frontend(book, at).id == number, "an id is the address's"
    assert list(book.problems()) == []


def test_scopes_do_not_split_an_address_between_two_services() -> None:
    book = new_book()
    at = frontend_key(octets("192.0.2.1"), 80, TCP)
    put(book, "10.0.1.5", name="old", clusterIP="10.96.0.8", externalIPs=["192.0.2.1"])
    put(
        book,
        "10.0.1.6",
        name="young",
        clusterIP="10.96.0.9",
        created="2026-02-01T00:00:00Z",
        type="NodePort",
        externalIPs=["192.0.2.1"],
        externalTrafficPolicy="Local",
    )

    assert backends(book, at) == ["10.0.1.5:8080"]
    assert inside_key(at) not in book


def test_an_address_of_its_own_counts_before_an_elder_node_port() -> None:
    book = new_book(NodeFacts("w1", "a", NODE.node_port_addresses))
    at = frontend_key(octets(NODE_IP), 30080, TCP)
    put(book, "10.0.1.5", name="old", type="NodePort", ports=NODE_PORTS)
    put(
        book,
        "10.0.1.6",
        name="young",
        clusterIP="10.96.0.9",
        created="2026-02-01T00:00:00Z",
        externalIPs=[NODE_IP],
        ports=[{"name": "http", "port": 30080}],
    )

    assert backends(book, at) == ["10.0.1.6:8080"]
    assert [each for each, _ in book.problems()] == [key("old")]


def test_a_host_port_is_served_like_a_service_and_goes_with_its_pod() -> None:
    book = new_book()
    found = host_port(8080, NODE_IP, "10.0.1.9")
    at = frontend_key(octets(NODE_IP), 8080, TCP)
    touched = book.set_host_ports([found])
    assert backends(book, at) == ["10.0.1.9:80"]
    assert at in touched
    assert book.set_host_ports([found]) == set()

    fields: Any = {"externalIPs": [NODE_IP], "ports": [{"name": "http", "port": 8080}]}
    put(book, "10.0.1.5", **fields)
    assert backends(book, at) == ["10.0.1.5:8080"], "a Service's address counts before"
    ((_, problem),) = book.problems()
    assert problem.startswith(
        "Pod shop/web-0: 192.168.0.1:8080/TCP is served for Service shop/web, which"
    )
    book.put_service(key(), None)
    assert backends(book, at) == ["10.0.1.9:80"]
    book.set_host_ports([])
    assert len(book) == 0


def test_a_service_made_anew_with_another_type_port_and_family() -> None:
    book = new_book()
    put(book, "10.0.1.5", type="NodePort", ports=NODE_PORTS)
    book.put_service(key(), None)
    fields: Any = {
        "clusterIP": "fd00::7",
        "ports": [{"name": "http", "port": 81, "protocol": "UDP"}],
    }
    book.put_service(key(), known(**fields))
    put_slice(
        book,
        "fd01::5",
        at="2",
        family="IPv6",
        ports=[{"name": "http", "port": 9, "protocol": "UDP"}],
    )

    at = frontend_key(octets("fd00::7"), 81, UDP)
    frontends = {each for each in book if map_of(each) is ServiceMap.FRONTENDS}
    assert frontends == {at, unknown_port_key(octets("fd00::7"))}
    assert backends(book, at) == ["[fd01::5]:9"]


def test_a_port_that_is_renamed_takes_the_endpoints_of_its_new_name() -> None:
    book = new_book()
    put(book, "10.0.1.5")
    book.put_service(key(), known(ports=[{"name": "web", "port": 80}]))
    assert backends(book) == []
    put_slice(book, "10.0.1.5", ports=[{"name": "web", "port": 9090}])

    assert backends(book) == ["10.0.1.5:9090"]


def test_backends_are_lost_when_no_service_names_them() -> None:
    book = new_book()
    put(book, "10.0.1.5", "10.0.1.6")
    put(book, "10.0.1.6", name="api", clusterIP="10.96.0.8")
    tail = (8080).to_bytes(2, "big") + bytes((TCP,))
    ending = [endpoint(each, conditions=ENDING) for each in ("10.0.1.5", "10.0.1.6")]
    put_slice(book, *ending, "10.0.1.7")
    assert book.take_lost_backends() == frozenset(), "they drain"

    assert book.names_backend(octets("10.0.1.5") + tail)
    put_slice(book, "10.0.1.7")
    assert book.take_lost_backends() == {octets("10.0.1.5") + tail}
    assert not book.names_backend(octets("10.0.1.5") + tail)
    assert book.take_lost_backends() == frozenset(), "told once"
    book.put_service(key("api"), None)
    assert book.take_lost_backends() == {octets("10.0.1.6") + tail}
    put_slice(book, endpoint("10.0.1.7", conditions=UNREADY))
    assert book.take_lost_backends() == {octets("10.0.1.7") + tail}


def test_health_checks_count_ready_endpoints_of_this_node() -> None:
    book = new_book()
    fields: Any = {"type": "LoadBalancer", "healthCheckNodePort": 32000}
    endpoints = (
        "10.0.1.5",
        endpoint("10.0.1.6", node=""),
        endpoint("10.0.1.7", node="w2"),
        endpoint("10.0.1.8", conditions=ENDING),
    )
    put(book, *endpoints, externalTrafficPolicy="Local", **fields)
    assert book.health_checks() == {32000: HealthCheck(key(), 2)}

    put_slice(book, endpoint("10.0.1.8", conditions=ENDING))
    assert book.health_checks() == {32000: HealthCheck(key(), 0)}
    book.put_service(key(), None)
    assert book.health_checks() == {}


def test_a_node_that_moves_to_another_zone_has_that_zones_endpoints() -> None:
    book = new_book()
    near, far = endpoint("10.0.1.5", zones=("a",)), endpoint("10.0.1.6", zones=("b",))
    put(book, near, far, trafficDistribution="PreferClose")
    assert backends(book) == ["10.0.1.5:8080"]
    touched = book.set_node(
        NodeFacts(NODE.name, "b", NODE.node_port_addresses, NODE.node_addresses)
    )

    assert backends(book) == ["10.0.1.6:8080"]
    assert touched == {slot_key(set_of(book), 1)}


def test_node_ports_follow_the_nodes_addresses() -> None:
    book = new_book()
    put(book, "10.0.1.5", type="NodePort", ports=NODE_PORTS)
    added = frontend_key(octets("192.168.9.9"), 30080, TCP)
    touched = book.set_node(NodeFacts("w1", "a", (octets("192.168.9.9"),), NODE.node_addresses))

    assert {AT_NODE, added} <= touched
    assert AT_NODE not in book
    assert backends(book, added) == ["10.0.1.5:8080"]


def test_problems_of_a_service_and_its_slices_are_told_while_they_last() -> None:
    book = new_book()
    put(book, "127.0.0.1", "10.0.1.5", ports=[{"name": "http", "port": 80, "protocol": "SCTP"}])

    assert [each for each, _ in book.problems()] == [key(), key()]
    put(book, "10.0.1.5")
    assert list(book.problems()) == []
    assert backends(book) == ["10.0.1.5:8080"]


def restarted(book: ServiceBook) -> ServiceBook:
    again = new_book()
    again.adopt(adopted(held(book)))
    return again


def test_ids_and_slots_outlive_the_agent_whatever_order_things_come_in() -> None:
    book = new_book()
    put(book, "10.0.1.1", name="gone", clusterIP="10.96.0.9")
    put(
        book,
        "10.0.1.5",
        "10.0.1.6",
        "10.0.1.7",
        type="NodePort",
        ports=NODE_PORTS,
        externalTrafficPolicy="Local",
    )
    put(book, "10.0.1.6", name="api", clusterIP="10.96.0.8")
    book.put_service(key("gone"), None)
    book.put_slice(("shop", "gone-1"), "", None)
    put_slice(book, "10.0.1.7", "10.0.1.6")
    again = restarted(book)
    put(again, "10.0.1.6", name="api", clusterIP="10.96.0.8")
    put_slice(again, "10.0.1.6", "10.0.1.7")
    again.put_service(
        key(), known(type="NodePort", ports=NODE_PORTS, externalTrafficPolicy="Local")
    )
    again.settle()

    assert held(again) == held(book)
    assert again.take_lost_backends() == frozenset()


def test_a_new_service_gets_no_id_that_the_maps_still_hold() -> None:
    book = new_book()
    put(book, "10.0.1.5", "10.0.1.6")
    again = restarted(book)
    put(again, "10.0.1.9", name="api", clusterIP="10.96.0.8")
    at = frontend_key(octets("10.96.0.8"), 80, TCP)

    assert set_of(again, at) > set_of(book)
    assert frontend(again, at).id > frontend(book, WEB).id
    slot = Backend.unpack(again[slot_key(set_of(again, at), 1)])
    assert slot.id > 2


def test_backends_that_went_while_the_agent_was_away_are_lost_when_all_have_been_told() -> None:
    book = new_book()
    put(book, "10.0.1.5", "10.0.1.6")
    again = restarted(book)
    put(again, "10.0.1.6")
    assert again.take_lost_backends() == frozenset()
    again.settle()

    assert again.take_lost_backends() == {octets("10.0.1.5") + b"\x1f\x90" + bytes((TCP,))}


def test_a_damaged_map_is_put_right() -> None:
    book = new_book()
    put(book, "10.0.1.5", "10.0.1.6", "10.0.1.7")
    damaged = held(book)
    del damaged[slot_key(1, 2)]
    damaged[slot_key(1, 3)] = damaged[slot_key(1, 1)]
    damaged[slot_key(1, 4_000_000_000)] = damaged[slot_key(1, 1)]
    again = new_book()
    again.adopt(adopted(damaged))
    put(again, "10.0.1.5", "10.0.1.6", "10.0.1.7")
    again.settle()

    assert sorted(backends(again)) == ["10.0.1.5:8080", "10.0.1.6:8080", "10.0.1.7:8080"]
    assert len({Backend.unpack(again[slot_key(1, slot)]).id for slot in (1, 2, 3)}) == 3
