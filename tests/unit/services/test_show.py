"""`services/show.py`: the maps of Services in Cilium's columns, out of what the book writes."""

from typing import Any

from tests.unit.services.service_objects import NODE, SETTINGS
from tests.unit.services.test_book import NODE_PORTS, new_book, put

from ciliate.datapath import layout
from ciliate.datapath.codec import U32
from ciliate.services.book import ServiceBook
from ciliate.services.maglev import Maglev
from ciliate.services.map_keys import ServiceMap, map_of, octets_of
from ciliate.services.show import (
    LiveServices,
    backend_rows,
    frontend_rows,
    lb_rows,
    maglev_rows,
    revnat_rows,
    source_range_rows,
)

IPV6 = {"clusterIPs": ["fd00::7"], "clusterIP": "fd00::7", "ipFamilies": ["IPv6"]}
OUTSIDERS: Any = {"externalTrafficPolicy": "Local", "ipFamilies": ["IPv4"]}


def of_map(book: ServiceBook, one: ServiceMap) -> dict[bytes, bytes]:
    return {octets_of(at): value for at, value in book.items() if map_of(at) is one}


def live(book: ServiceBook) -> LiveServices:
    """Return the maps as a command reads them."""
    frontends = of_map(book, ServiceMap.FRONTENDS)
    services = of_map(book, ServiceMap.SERVICES)
    slots = of_map(book, ServiceMap.SLOTS)
    return LiveServices(
        {layout.FrontendKey.unpack(at): layout.Frontend.unpack(v) for at, v in frontends.items()},
        {U32.unpack(at): layout.Service.unpack(v) for at, v in services.items()},
        {layout.ServiceSlotKey.unpack(at): layout.Backend.unpack(v) for at, v in slots.items()},
    )


def flags(book: ServiceBook, frontend: str) -> str:
    """Return the words of a frontend."""
    (row,) = lb_rows(live(book))[f"{frontend} (0)"]
    return row.partition("[")[2].removesuffix("] ")


def test_frontend_and_each_of_its_backends_is_a_row() -> None:
    book = new_book()
    put(book, "10.0.1.5", "10.0.1.6")

    assert lb_rows(live(book)) == {
        "10.96.0.7:80/TCP (0)": ["0.0.0.0:0 (1) (0) [ClusterIP, non-routable] "],
        "10.96.0.7:80/TCP (1)": ["10.0.1.5:8080/TCP (1) (1)"],
        "10.96.0.7:80/TCP (2)": ["10.0.1.6:8080/TCP (1) (2)"],
        "10.96.0.7:0/ANY (0)": ["0.0.0.0:0 (0) (0) [ClusterIP, non-routable] "],
    }


def test_frontends_that_share_a_set_each_have_its_backends() -> None:
    book = new_book()
    put(book, "10.0.1.5", type="NodePort", ports=NODE_PORTS, ipFamilies=["IPv4"])

    rows = lb_rows(live(book))

    numbers = {"10.96.0.7:80": 1, "0.0.0.0:30080": 2, "192.168.0.1:30080": 3}
    assert {name: rows[f"{name}/TCP (1)"] for name in numbers} == {
        name: [f"10.0.1.5:8080/TCP ({number}) (1)"] for name, number in numbers.items()
    }
    assert revnat_rows(live(book)) == {str(n): [name] for name, n in numbers.items()}


def test_addresses_of_ipv6_stand_in_brackets_also_where_all_are_meant() -> None:
    book = new_book()
    fields: Any = {**IPV6, "type": "NodePort", "ports": NODE_PORTS}
    put(book, **fields)

    assert lb_rows(live(book))["[fd00::7]:80/TCP (0)"][0].startswith("[::]:0 (1) (0) ")
    assert "[::]:30080/TCP (0)" in lb_rows(live(book))


def test_backend_that_is_missing_is_named_by_its_place() -> None:
    book = new_book()
    put(book, "10.0.1.5", "10.0.1.6")
    damaged = live(book)._replace(slots={})

    assert lb_rows(damaged)["10.96.0.7:80/TCP (2)"] == ["slot 2 of set 1 not found"]


def test_flags_are_cilium_s_words_in_its_order() -> None:
    book = new_book()
    put(
        book,
        "10.0.1.5",
        type="NodePort",
        ports=NODE_PORTS,
        sessionAffinity="ClientIP",
        **OUTSIDERS,
    )

    assert flags(book, "10.96.0.7:80/TCP") == "ClusterIP, sessionAffinity, non-routable"
    for scope in ("", "/i"):
        assert flags(book, f"0.0.0.0:30080/TCP{scope}") == (
            "NodePort, Local, two-scopes, sessionAffinity"
        )


def test_internal_policy_that_alone_is_local_is_told_apart() -> None:
    book = new_book()
    fields: Any = {"internalTrafficPolicy": "Local", "ipFamilies": ["IPv4"]}
    put(book, "10.0.1.5", type="NodePort", ports=NODE_PORTS, **fields)

    assert flags(book, "0.0.0.0:30080/TCP/i") == "NodePort, InternalLocal, two-scopes"


def test_views_of_ids_have_cilium_s_bits_and_numbers() -> None:
    book = new_book()
    put(
        book,
        "10.0.1.5",
        type="NodePort",
        ports=NODE_PORTS,
        sessionAffinity="ClientIP",
        **OUTSIDERS,
    )

    rows = frontend_rows(live(book))

    assert rows["10.96.0.7:80/TCP (0)"] == ["10800 1[0] (1) [0x10 0x0]"]
    assert rows["10.96.0.7:80/TCP (1)"] == ["1 0[0] (1) [0x10 0x0]"]
    assert rows["0.0.0.0:30080/TCP (0)"][0].endswith(" [0x56 0x20]")
    assert backend_rows(live(book)) == {"1": ["TCP://10.0.1.5:8080"]}


def test_ranges_are_shown_for_each_frontend_that_looks_at_them() -> None:
    book = new_book()
    fields: Any = {"loadBalancerSourceRanges": ["10.0.0.0/8", "192.0.2.0/24"]}
    put(book, type="LoadBalancer", ingress=[{"ip": "192.0.2.9"}], ipFamilies=["IPv4"], **fields)
    ranges = map(layout.SourceRangeKey.unpack, of_map(book, ServiceMap.SOURCE_RANGES))

    rows = source_range_rows(live(book), ranges)

    (number,) = (n for n, at in revnat_rows(live(book)).items() if at == ["192.0.2.9:80"])
    assert rows == {f"10.0.0.0/8 ({number})": [""], f"192.0.2.0/24 ({number})": [""]}
    assert flags(book, "192.0.2.9:80/TCP") == "LoadBalancer, check source-range"


def test_tables_are_shown_as_ids_of_backends_and_end_with_the_last_cell() -> None:
    book = ServiceBook(NODE, SETTINGS, maglev=Maglev(cells=251, seed=1))
    put(book, "10.0.1.5", "10.0.1.6", type="NodePort", ports=NODE_PORTS, ipFamilies=["IPv4"])
    octets = of_map(book, ServiceMap.MAGLEV_TABLES)
    chunks = {
        layout.MaglevKey.unpack(at): layout.MaglevChunk.unpack(v) for at, v in octets.items()
    }

    rows = maglev_rows(live(book), chunks)

    ((table,), *_) = rows.values()
    cells = table.strip("[]").split()
    assert all(name.endswith("/v4") for name in rows)
    assert len(cells) == 251
    assert set(cells) == {"1", "2"}
    assert abs(cells.count("1") - cells.count("2")) == 1
