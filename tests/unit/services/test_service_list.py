"""`services/service_list.py`: frontends in Cilium's columns and JSON."""

from typing import Any

import msgspec
from tests.unit.services.service_objects import ENDING, endpoint
from tests.unit.services.test_book import NODE_PORTS, new_book, put

from ciliate.console.table import align
from ciliate.services.book import ServiceBook
from ciliate.services.service_list import ServiceModel, service_lines, service_model


def models(book: ServiceBook) -> list[ServiceModel]:
    return [service_model(row) for row in book.rows()]


def shown(book: ServiceBook) -> list[str]:
    text = align(service_lines(models(book)), width_min=5, padding=3)
    return [line.rstrip() for line in text.splitlines()]


def test_each_backend_has_a_line_and_the_frontend_stands_beside_the_first() -> None:
    book = new_book()
    put(book, "10.0.1.5", endpoint("10.0.1.6", conditions=ENDING))

    assert shown(book) == [
        "ID   Frontend           Service Type   Backend",
        "1    10.96.0.7:80/TCP   ClusterIP      1 => 10.0.1.5:8080/TCP (active)",
        "                                       2 => 10.0.1.6:8080/TCP (terminating)",
    ]


def test_frontend_without_backends_is_a_line_with_an_empty_column() -> None:
    book = new_book()
    put(book)

    assert shown(book)[1:] == ["1    10.96.0.7:80/TCP   ClusterIP"]


def test_frontends_of_callers_inside_end_in_i_and_rows_are_by_number() -> None:
    book = new_book()
    fields: Any = {"ports": NODE_PORTS, "externalTrafficPolicy": "Local", "ipFamilies": ["IPv4"]}
    put(book, "10.0.1.5", type="NodePort", **fields)

    numbers = [line.split()[:2] for line in shown(book)[1:]]
    assert [int(number) for number, _ in numbers] == sorted(int(number) for number, _ in numbers)
    assert {name for _, name in numbers} == {
        "10.96.0.7:80/TCP",
        "0.0.0.0:30080/TCP",
        "0.0.0.0:30080/TCP/i",
        "192.168.0.1:30080/TCP",
        "192.168.0.1:30080/TCP/i",
    }


def test_json_has_the_names_of_cilium_s_api() -> None:
    book = new_book()
    put(book, endpoint("10.0.1.5", node="w2", zone="b"), internalTrafficPolicy="Local")

    (found,) = msgspec.json.decode(msgspec.json.encode(models(book)))

    assert found["spec"] == found["status"]["realized"]
    assert found["spec"] == {
        "id": 1,
        "frontend-address": {
            "ip": "10.96.0.7",
            "port": 80,
            "protocol": "TCP",
            "scope": "external",
        },
        "flags": {
            "type": "ClusterIP",
            "trafficPolicy": "Cluster",
            "extTrafficPolicy": "Cluster",
            "intTrafficPolicy": "Local",
            "name": "web",
            "namespace": "shop",
        },
    }


def test_json_names_the_node_and_zone_of_a_backend() -> None:
    book = new_book()
    put(book, endpoint("10.0.1.5", node="w2", zone="b"))

    (found,) = msgspec.json.decode(msgspec.json.encode(models(book)))

    assert found["spec"]["backend-addresses"] == [
        {
            "ip": "10.0.1.5",
            "port": 8080,
            "protocol": "TCP",
            "nodeName": "w2",
            "state": "active",
            "zone": "b",
        }
    ]
