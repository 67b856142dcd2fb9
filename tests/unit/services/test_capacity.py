"""Maps that are full: who is left out, who stays, and who gets what becomes free."""

from typing import Any

from tests.unit.services.service_objects import NODE, SETTINGS, key, known, known_slice, octets
from tests.unit.services.test_book import NODE_PORTS, backends

from ciliate.config.datapath_defaults import MAP_ENTRIES
from ciliate.config.service_settings import read_service_settings
from ciliate.config.texts import Texts
from ciliate.datapath.layout import Service, ServiceFlag
from ciliate.net.protocol import TCP
from ciliate.services.book import ServiceBook
from ciliate.services.capacity import map_entries
from ciliate.services.maglev import Maglev, lookup_table
from ciliate.services.map_keys import (
    MapKey,
    ServiceMap,
    frontend_key,
    maglev_key,
    map_of,
    service_key,
)
from ciliate.services.model import ServiceKey


def at(number: int) -> MapKey:
    return frontend_key(octets(f"10.96.0.{number}"), 80, TCP)


def new_book(**sizes: int) -> ServiceBook:
    return ServiceBook(NODE, SETTINGS, sizes={**MAP_ENTRIES, **sizes})


def put(book: ServiceBook, number: int, count: int = 1, **fields: Any) -> set[MapKey]:
    """Put a Service, the elder the smaller its number, and its endpoints."""
    name = f"s{number}"
    fields = {"clusterIP": f"10.96.0.{number}", **fields}
    created = f"2026-01-01T00:00:{number:02}Z"
    touched = book.put_service(key(name), known(name, created=created, **fields))
    return touched | put_endpoints(book, number, count)


def put_endpoints(book: ServiceBook, number: int, count: int) -> set[MapKey]:
    name = f"s{number}"
    found = known_slice(*(f"10.{number}.0.{n}" for n in range(1, count + 1)), name=name)
    return book.put_slice(("shop", name), name, found)


def count(book: ServiceBook, one: ServiceMap) -> int:
    return sum(1 for each in book if map_of(each) is one)


def problems(book: ServiceBook) -> dict[ServiceKey, str]:
    return dict(book.problems())


def test_at_the_start_the_youngest_are_left_out_whole_whoever_came_first() -> None:
    book = new_book(frontends=4)  # A frontend and one of unknown ports each.
    for number in (3, 1, 2):
        put(book, number)
    assert at(3) in book, "nobody knows yet who else comes"
    touched = book.settle()

    assert at(1) in book
    assert at(2) in book
    assert at(3) in touched
    assert at(3) not in book
    assert count(book, ServiceMap.SLOTS) == count(book, ServiceMap.SERVICES) == 2
    assert problems(book) == {
        key("s3"): (
            "Service shop/s3: it is not served: the map frontends has room for 4 entries: raise"
            " bpf-lb-service-map-max (or bpf-lb-map-max for all), or delete Services"
        )
    }


def test_later_what_is_in_stays_and_who_waits_gets_what_becomes_free() -> None:
    book = new_book(frontends=4)
    book.settle()
    for number in (2, 3, 1, 4):
        put(book, number)
    assert [number for number in (1, 2, 3, 4) if at(number) in book] == [2, 3]
    assert set(problems(book)) == {key("s1"), key("s4")}

    touched = book.put_service(key("s2"), None)
    assert {at(1), at(2)} <= touched
    assert [number for number in (1, 2, 3, 4) if at(number) in book] == [1, 3]
    assert backends(book, at(1)) == ["10.1.0.1:8080"]
    assert set(problems(book)) == {key("s4")}


def test_a_service_that_grows_keeps_what_it_has() -> None:
    book = new_book(frontends=4)
    book.settle()
    put(book, 1)
    put(book, 2)
    number = book[at(1)]
    put(book, 1, externalIPs=["192.0.2.1"])

    assert book[at(1)] == number
    assert frontend_key(octets("192.0.2.1"), 80, TCP) not in book
    assert problems(book)[key("s1")].startswith(
        "Service shop/s1: its new addresses and ports are not served: the map frontends"
    )
    book.put_service(key("s2"), None)
    assert frontend_key(octets("192.0.2.1"), 80, TCP) in book
    assert problems(book) == {}


def test_endpoints_without_room_get_no_connections_and_those_in_slots_keep_them() -> None:
    book = new_book(service_slots=5)
    book.settle()
    put(book, 1, 2)
    put(book, 2, 2)
    before = backends(book, at(1))
    put_endpoints(book, 1, 5)

    assert backends(book, at(1))[:2] == before
    assert len(backends(book, at(1))) == 3
    assert problems(book) == {
        key("s1"): (
            "Service shop/s1: 2 of its endpoints get no connections: the map service_slots has room"
            " for 5 entries: raise bpf-lb-service-backend-map-max (or bpf-lb-map-max for all), or"
            " delete Services"
        )
    }
    put_endpoints(book, 2, 0)
    assert len(backends(book, at(1))) == 5
    assert problems(book) == {}


def test_a_new_service_whose_endpoints_do_not_fit_is_left_out_whole() -> None:
    book = new_book(service_slots=3)
    book.settle()
    put(book, 1, 2)
    put_endpoints(book, 2, 2)
    put(book, 2, 2)

    assert at(2) not in book
    assert "service_slots" in problems(book)[key("s2")]


def test_ranges_without_room_leave_nobody_open() -> None:
    book = new_book(source_ranges=1)
    fields: Any = {
        "type": "LoadBalancer",
        "ingress": [{"ip": "203.0.113.9"}],
        "loadBalancerSourceRanges": ["198.51.100.0/24", "192.0.2.0/24"],
    }
    put(book, 1, **fields)
    put(book, 2)
    book.settle()

    assert at(1) not in book
    assert at(2) in book, "it needs no range, so leaving it out makes no room"
    assert "source_ranges" in problems(book)[key("s1")]


def test_the_map_of_sets_is_looked_at_too() -> None:
    book = new_book(services=1)
    book.settle()
    put(book, 1)
    put(book, 2)

    assert at(2) not in book
    assert "the map services has room for 1" in problems(book)[key("s2")]


def test_the_maps_are_as_large_as_the_settings_say() -> None:
    texts = {
        "bpf-lb-map-max": "100",
        "bpf-lb-source-range-map-max": "7",
        "bpf-lb-algorithm": "maglev",
        "bpf-lb-maglev-table-size": "251",
    }

    sizes = map_entries(read_service_settings(Texts(texts)))
    assert sizes["frontends"] == sizes["services"] == sizes["service_slots"] == 100
    assert sizes["source_ranges"] == 7
    assert sizes["maglev_tables"] == 100
    assert sizes.keys() <= MAP_ENTRIES.keys()


def test_a_table_picks_the_backends_of_sets_that_outsiders_ask() -> None:
    maglev = Maglev(cells=251, seed=7)
    book = ServiceBook(NODE, SETTINGS, maglev=maglev)
    put(book, 1, 3, type="NodePort", ports=NODE_PORTS)
    put(book, 2, 3)

    tables = [each for each in book if map_of(each) is ServiceMap.MAGLEV_TABLES]
    assert tables == [maglev_key(1, 0)]
    keys = [octets(f"10.1.0.{n}") + b"\x1f\x90\x06" for n in (1, 2, 3)]
    expected = lookup_table(keys, 251, 7).tobytes()
    assert book[maglev_key(1, 0)] == expected.ljust(512, b"\0")
    assert Service.unpack(book[service_key(1)]).flags == ServiceFlag.SERVICE_MAGLEV
    assert Service.unpack(book[service_key(2)]).flags == 0
    assert maglev_key(1, 1) not in book


def test_a_change_of_backends_is_a_table_more() -> None:
    maglev = Maglev(cells=1021, seed=7)
    book = ServiceBook(NODE, SETTINGS, maglev=maglev)
    put(book, 1, 2, type="NodePort", ports=NODE_PORTS)
    before = {each: book[each] for each in book}
    touched = put_endpoints(book, 1, 3)

    chunks = {maglev_key(1, each) for each in range(maglev.chunks)}
    assert touched & chunks == chunks
    assert len(touched) == 2 + maglev.chunks
    assert {each for each in chunks if before[each] != book[each]} == chunks
    touched = put_endpoints(book, 1, 0)
    assert touched >= chunks
    assert not chunks & set(book)
    assert Service.unpack(book[service_key(1)]).flags == 0


def test_a_set_without_room_for_a_table_is_chosen_from_by_chance() -> None:
    book = ServiceBook(
        NODE, SETTINGS, sizes={**MAP_ENTRIES, "maglev_tables": 1}, maglev=Maglev(251, 7)
    )
    put(book, 1, 2, type="NodePort", ports=NODE_PORTS)
    put(book, 2, 2, externalIPs=["192.0.2.1"])

    assert Service.unpack(book[service_key(2)]).flags == 0
    assert "maglev_tables" in problems(book)[key("s2")]
    book.put_service(key("s1"), None)
    assert Service.unpack(book[service_key(2)]).flags == ServiceFlag.SERVICE_MAGLEV
    assert problems(book) == {}
