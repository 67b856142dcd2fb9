"""`flows/server/service_table.py`: an address and port is the Service's that had it at that time."""

import pytest
from tests.unit.flows.server.sample_records import octets

from ciliate.flows.feed import (
    NodeAddresses,
    ServiceLine,
    ServiceNamed,
    ServicePlaces,
    place_octets,
)
from ciliate.flows.server.service_table import FORMER_MAX, ServiceTable
from ciliate.net.address import ANY_ADDRESS
from ciliate.net.protocol import TCP, UDP

WEB, API = ("shop", "web"), ("shop", "api")
ANY, ANY6 = ANY_ADDRESS[4], ANY_ADDRESS[6]
NODE_IP, NODE_IP6 = octets("192.168.10.100"), octets("fd01::1")


def named(
    service: tuple[str, str], *places: tuple[bytes, int, int], since_ns: int = 0
) -> ServiceNamed:
    found = ServicePlaces(*service, places=tuple(place_octets(*each) for each in places))
    return ServiceNamed(since_ns=since_ns, services=(found,))


def gone(*places: tuple[bytes, int, int], at_ns: int) -> ServiceNamed:
    return ServiceNamed(since_ns=at_ns, gone=tuple(place_octets(*each) for each in places))


def at_node(*addresses: bytes, name: str = "k8s-ctr", since_ns: int = 0) -> NodeAddresses:
    return NodeAddresses(node=name, since_ns=since_ns, addresses=addresses)


def table(*lines: ServiceLine) -> ServiceTable:
    found = ServiceTable()
    for line in lines:
        found.take(line)
    return found


def test_place_is_an_address_a_port_and_a_protocol() -> None:
    at = octets("10.96.0.7")
    found = table(named(WEB, (at, 80, TCP)))

    assert found.at(at, 80, TCP, 5) == WEB
    assert found.at(at, 81, TCP, 5) is None
    assert found.at(at, 80, UDP, 5) is None
    assert found.at(octets("10.96.0.8"), 80, TCP, 5) is None


def test_address_that_was_given_again_names_each_service_for_its_time() -> None:
    at = octets("10.96.0.7")
    found = table(
        named(WEB, (at, 80, TCP), since_ns=100),
        gone((at, 80, TCP), at_ns=200),
        named(API, (at, 80, TCP), since_ns=300),
    )

    assert [found.at(at, 80, TCP, when) for when in (99, 150, 250, 350)] == [None, WEB, None, API]


@pytest.mark.parametrize(
    ("anywhere", "address", "other"), [(ANY, NODE_IP, NODE_IP6), (ANY6, NODE_IP6, NODE_IP)]
)
def test_node_port_is_at_each_address_of_its_family_that_a_node_had_then(
    anywhere: bytes, address: bytes, other: bytes
) -> None:
    found = table(
        named(WEB, (anywhere, 30080, TCP)),
        at_node(address, other, since_ns=100),
        at_node(other, since_ns=200),
    )

    assert [found.at(address, 30080, TCP, when) for when in (99, 150, 200)] == [None, WEB, None]
    assert found.at(other, 30080, TCP, 150) is None
    assert found.at(octets("8.8.8.8"), 30080, TCP, 150) is None
    assert found.at(address, 30081, TCP, 150) is None


def test_own_place_of_a_service_goes_before_another_s_node_port() -> None:
    found = table(at_node(NODE_IP), named(WEB, (ANY, 8080, TCP)), named(API, (NODE_IP, 8080, TCP)))

    assert found.at(NODE_IP, 8080, TCP, 5) == API


def test_address_that_another_node_has_by_now_stays_a_node_s() -> None:
    found = table(
        named(WEB, (ANY, 30080, TCP)),
        at_node(NODE_IP, name="old"),
        at_node(NODE_IP, name="new", since_ns=100),
        at_node(name="old", since_ns=200),
    )

    assert found.at(NODE_IP, 30080, TCP, 300) == WEB


def test_addresses_are_found_by_names_as_filters_write_them() -> None:
    at, other = octets("10.96.0.7"), octets("10.96.0.8")
    found = table(
        named(WEB, (at, 80, TCP), (at, 443, TCP)),
        named(API, (other, 80, TCP)),
        gone((other, 80, TCP), at_ns=100),
        at_node(NODE_IP, NODE_IP6),
    )

    assert found.addresses_of((("shop", "we"),)) == {at}
    assert found.addresses_of((("shop", ""),)) == {at, other}, "one of the past, too"
    assert found.addresses_of((("default", "web"),)) == frozenset()


def test_addresses_of_a_node_port_are_those_of_nodes_and_follow_them() -> None:
    found = table(named(WEB, (ANY, 30080, TCP)), at_node(NODE_IP))

    before = found.addresses_of((WEB,))
    found.take(at_node(NODE_IP6, name="k8s-w1"))

    assert NODE_IP in before
    assert found.addresses_of((WEB,)) >= {NODE_IP, NODE_IP6}


def test_what_many_filters_ask_for_is_not_kept_for_ever() -> None:
    found = table(named(WEB, (octets("10.96.0.7"), 80, TCP)))

    for number in range(1000):
        found.addresses_of((("shop", f"x{number}"),))

    assert len(found._wanted) < 100
    assert found.addresses_of((WEB,)) == {octets("10.96.0.7")}


def test_former_services_are_bounded_and_the_oldest_goes() -> None:
    found, at = ServiceTable(), octets("10.96.0.7")
    for number in range(FORMER_MAX + 1):
        found.take(named(("shop", f"s{number}"), (at, 80, TCP), since_ns=number * 10))
        found.take(gone((at, 80, TCP), at_ns=number * 10 + 5))

    assert found.at(at, 80, TCP, 2) is None
    assert found.at(at, 80, TCP, 12) == ("shop", "s1")
    assert found.at(at, 80, TCP, FORMER_MAX * 10) == ("shop", f"s{FORMER_MAX}")


def test_addresses_of_which_nothing_is_known_any_more_are_forgotten() -> None:
    found, at = table(at_node(NODE_IP), named(WEB, (ANY, 30080, TCP))), octets("10.96.0.7")
    found.take(named(WEB, (at, 80, TCP)))

    for batch in range(12):
        many = [((batch << 16 | each).to_bytes(16, "big"), 80, TCP) for each in range(8192)]
        found.take(named(API, *many, since_ns=batch))
        found.take(gone(*many, at_ns=batch + 1))

    assert len(found._addresses) < 5 * FORMER_MAX
    assert found.at(many[-1][0], 80, TCP, 11) == API
    assert found.at(at, 80, TCP, 11) == WEB
    assert found.at(NODE_IP, 30080, TCP, 11) == WEB
