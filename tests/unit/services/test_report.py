"""Services as they are listed, and what is said of each endpoint."""

from typing import Any

from tests.unit.services.service_objects import (
    ENDING,
    NODE,
    SETTINGS,
    UNREADY,
    endpoint,
    key,
    octets,
)
from tests.unit.services.test_book import NODE_PORTS, new_book, put, put_slice, set_of

from ciliate.config.datapath_defaults import MAP_ENTRIES
from ciliate.datapath.layout import FrontendScope, FrontendType
from ciliate.net.address import address_text
from ciliate.net.protocol import TCP
from ciliate.services.book import ServiceBook
from ciliate.services.map_keys import service_key
from ciliate.services.model import EndpointState, Variant
from ciliate.services.report import FrontendRow
from ciliate.services.verdicts import Verdict

OUTSIDE, INSIDE = FrontendScope.SCOPE_OUTSIDE, FrontendScope.SCOPE_INSIDE
READY, TERMINATING = EndpointState.READY, EndpointState.TERMINATING


def listed(book: ServiceBook) -> dict[tuple[str, int], FrontendRow]:
    return {(address_text(each.address), each.scope): each for each in book.rows()}


def backends(row: FrontendRow) -> list[tuple[str, EndpointState, bool]]:
    return [(address_text(each.address), each.state, each.is_chosen) for each in row.backends]


def test_a_frontend_is_listed_with_those_that_take_connections_and_those_that_end() -> None:
    book = new_book()
    ending = endpoint("10.0.1.6", conditions=ENDING, node="w2", zone="b")
    put(book, "10.0.1.5", ending, endpoint("10.0.1.7", conditions=UNREADY))

    (row,) = book.rows()
    assert (row.id, row.port, row.protocol, row.type) == (
        1,
        80,
        TCP,
        FrontendType.FRONTEND_CLUSTER_IP,
    )
    assert (row.service, row.port_name) == (key(), "http")
    assert backends(row) == [("10.0.1.5", READY, True), ("10.0.1.6", TERMINATING, False)]
    assert (row.backends[1].id, row.backends[1].port) == (2, 8080)
    assert (row.backends[1].node, row.backends[1].zone) == ("w2", "b")


def test_scopes_are_listed_one_by_one_with_their_own_backends() -> None:
    book = new_book()
    fields: Any = {"ports": NODE_PORTS, "externalTrafficPolicy": "Local", "ipFamilies": ["IPv4"]}
    put(book, "10.0.1.5", endpoint("10.0.1.6", node="w2"), type="NodePort", **fields)

    rows = listed(book)
    assert len(rows) == 5
    assert len({each.id for each in rows.values()}) == 5
    assert [each[0] for each in backends(rows["192.168.0.1", OUTSIDE])] == ["10.0.1.5"]
    assert [each[0] for each in backends(rows["192.168.0.1", INSIDE])] == ["10.0.1.5", "10.0.1.6"]
    assert rows["192.168.0.1", OUTSIDE].external is Variant.LOCAL


def test_an_address_that_moves_between_slices_is_listed_once_and_as_it_is_used() -> None:
    book = new_book()
    put(book, endpoint("10.0.1.5", conditions=ENDING))
    put_slice(book, "10.0.1.5", at="2")

    (row,) = book.rows()
    assert backends(row) == [("10.0.1.5", READY, True)]


def test_the_last_ones_that_end_are_listed_as_such_and_chosen() -> None:
    book = new_book()
    put(book, endpoint("10.0.1.5", conditions=ENDING))

    (row,) = book.rows()
    assert backends(row) == [("10.0.1.5", TERMINATING, True)]


def test_of_two_that_claim_an_address_the_one_that_serves_is_listed() -> None:
    book = new_book()
    fields: Any = {"externalIPs": ["192.0.2.1"]}
    put(book, "10.0.1.5", name="old", clusterIP="10.96.0.8", **fields)
    put(book, name="young", created="2026-02-01T00:00:00Z", clusterIP="10.96.0.9", **fields)

    assert listed(book)["192.0.2.1", OUTSIDE].service == key("old")


def test_every_endpoint_has_a_verdict_in_every_set() -> None:
    book = new_book()
    fields: Any = {"ports": NODE_PORTS, "externalTrafficPolicy": "Local", "ipFamilies": ["IPv4"]}
    put(book, "10.0.1.5", endpoint("10.0.1.6", node="w2"), "127.0.0.1", type="NodePort", **fields)

    by_variant = {each.variant: each for each in book.verdicts(key())}
    assert by_variant[Variant.ALL].number == set_of(book)
    assert service_key(by_variant[Variant.LOCAL].number) in book
    assert [each.verdict for each in by_variant[Variant.LOCAL].endpoints] == [
        Verdict.CHOSEN,
        Verdict.OTHER_NODE,
        Verdict.REFUSED,
    ]
    assert by_variant[Variant.ALL].endpoints[1].address == octets("10.0.1.6")
    assert book.verdicts(key("unknown")) == ()


def test_endpoints_without_room_are_not_listed_and_are_counted() -> None:
    book = ServiceBook(NODE, SETTINGS, sizes={**MAP_ENTRIES, "service_slots": 1})
    book.settle()
    put(book, "10.0.1.5")
    put_slice(book, "10.0.1.5", "10.0.1.6")

    (row,) = book.rows()
    assert [each.is_chosen for each in row.backends] == [True, False]
    (verdicts,) = book.verdicts(key())
    assert verdicts.missing == 1
