"""`services/explain/explainer.py`: which frontends a client meets."""

from typing import Any

from tests.unit.services.service_objects import key, octets
from tests.unit.services.test_book import NODE_PORTS, new_book, put

from ciliate.services.explain.callers import Caller
from ciliate.services.explain.explainer import met_by
from ciliate.services.map_keys import read_frontend_key
from ciliate.services.show import frontend_name

INSIDE = Caller("any process", is_inside=True)
OUTSIDE = Caller("198.51.100.7", is_inside=False, addresses=(octets("198.51.100.7"),))


def names(caller: Caller, *, cluster_ips: bool = False) -> set[str]:
    book = new_book()
    fields: Any = {"externalTrafficPolicy": "Local", "ipFamilies": ["IPv4"]}
    put(book, "10.0.1.5", type="NodePort", ports=NODE_PORTS, **fields)
    found = met_by(caller, book.frontends_of(key()), cluster_ips=cluster_ips)
    return {frontend_name(read_frontend_key(each.key)) for each in found}


def test_clients_inside_meet_what_is_for_them_where_scopes_differ() -> None:
    assert names(INSIDE) == {
        "10.96.0.7:80/TCP",
        "0.0.0.0:30080/TCP/i",
        "192.168.0.1:30080/TCP/i",
    }


def test_clients_outside_meet_node_ports_at_the_nodes_addresses() -> None:
    assert names(OUTSIDE) == {"192.168.0.1:30080/TCP"}


def test_clients_outside_meet_cluster_ips_where_the_settings_say_so() -> None:
    assert names(OUTSIDE, cluster_ips=True) == {"192.168.0.1:30080/TCP", "10.96.0.7:80/TCP"}


def test_clients_of_the_other_family_meet_nothing() -> None:
    other = Caller("2001:db8::7", is_inside=False, addresses=(octets("2001:db8::7"),))

    assert names(other, cluster_ips=True) == set()
