"""`lab/dns/records.py`: names follow the objects, whatever happens to these."""

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.lab.dns.cluster_samples import endpoint, headless, records_of, service, slice_of

from ciliate.api.core import Namespace
from ciliate.api.metadata import ObjectMeta
from ciliate.lab.dns.answer import Records
from ciliate.lab.dns.objects import EndpointSlice, Service
from ciliate.lab.dns.records import ClusterRecords

WEB = service("web", clusterIP="10.96.1.1", clusterIPs=["10.96.1.1"])


def data(records: Records | None) -> list[str] | None:
    if records is None:
        return None
    return [each.to_text() for found in records.values() for each in found]


def test_service_that_changes_its_type_changes_its_names() -> None:
    records = records_of(WEB, slice_of("web", endpoint("10.244.0.5")))
    without_address = headless("web")

    records.service_changed(WEB, without_address)

    assert data(records.at(("web", "shop", "svc"))) == ["10.244.0.5"]
    assert records.at_address("10.96.1.1") is None
    assert data(records.at_address("10.244.0.5")) == ["10-244-0-5.web.shop.svc.cluster.local."]

    records.service_changed(without_address, None)

    assert records.at(("web", "shop", "svc")) is None
    assert records.at_address("10.244.0.5") is None


def test_address_that_moves_between_slices_is_told_once_all_along() -> None:
    both = slice_of("db", endpoint("10.244.0.5"), endpoint("10.244.0.6"))
    rest, moved = slice_of("db", endpoint("10.244.0.6")), slice_of("db", endpoint("10.244.0.5"))
    records = records_of(headless("db"), both)
    copy = slice_of("db", *(endpoint("10.244.0.5"),), name="s2")

    records.slice_changed(None, copy)
    assert data(records.at(("db", "shop", "svc"))) == ["10.244.0.5", "10.244.0.6"]
    records.slice_changed(both, rest)

    assert sorted(data(records.at(("db", "shop", "svc"))) or []) == ["10.244.0.5", "10.244.0.6"]
    assert records.at_address("10.244.0.5") is not None
    records.slice_changed(copy, None)
    assert records.at_address("10.244.0.5") is None
    assert moved.endpoints


def test_what_a_slice_of_other_hands_holds_harms_nobody() -> None:
    odd = slice_of(
        "db",
        endpoint("10.244.0.5"),
        endpoint("no address"),
        endpoint("fd00:0:0::5", hostname="UPPER"),
        endpoint("10.244.0.7", hostname="x" * 64),
        endpoint("10.244.0.8", hostname="a.b"),
        ports=[{"name": None, "port": None}, {"name": "http", "port": 80, "protocol": None}],
    )
    records = records_of(headless("db"), odd)

    assert data(records.at(("upper", "db", "shop", "svc"))) is not None
    assert data(records.at_address("fd00::5")) == ["upper.db.shop.svc.cluster.local."]
    assert data(records.at_address("10.244.0.7")) == ["10-244-0-7.db.shop.svc.cluster.local."]
    assert data(records.at_address("10.244.0.8")) == ["10-244-0-8.db.shop.svc.cluster.local."]
    assert data(records.at(("_http", "_tcp", "db", "shop", "svc"))) is not None


def test_external_name_that_is_no_name_has_no_records() -> None:
    records = records_of(service("bad", type="ExternalName", externalName="a..b"))

    assert records.at(("bad", "shop", "svc")) == {}


def test_service_whose_address_is_yet_to_come_is_there_without_records() -> None:
    assert records_of(service("new")).at(("new", "shop", "svc")) == {}


def test_namespace_goes_with_its_names() -> None:
    records = records_of()

    records.namespace_changed(Namespace(ObjectMeta(name="empty")), None)

    assert records.at(("empty", "svc")) is None


ADDRESSES = st.integers(1, 6).map(lambda n: str(ip_address(f"10.244.0.{n}")))
SLICES = st.lists(ADDRESSES, max_size=4).map(lambda found: tuple(endpoint(a) for a in found))


@given(st.lists(st.tuples(st.sampled_from(["s1", "s2"]), st.none() | SLICES), max_size=12))
def test_after_any_changes_the_tables_are_those_of_what_is_there(
    changes: list[tuple[str, tuple[dict[str, object], ...] | None]],
) -> None:
    db: Service = headless("db")
    changed = records_of(db)
    there: dict[str, EndpointSlice] = {}
    for name, endpoints in changes:
        new = None if endpoints is None else slice_of("db", *endpoints, name=name)
        if new is None and name not in there:
            continue
        generation = changed.generation
        changed.slice_changed(there.pop(name, None), new)
        assert changed.generation != generation
        if new is not None:
            there[name] = new

    fresh: ClusterRecords = records_of(db, *there.values())

    for labels in (("db", "shop", "svc"), ("10-244-0-3", "db", "shop", "svc")):
        assert set(data(changed.at(labels)) or ()) == set(data(fresh.at(labels)) or ())
    for number in range(1, 7):
        address = f"10.244.0.{number}"
        assert data(changed.at_address(address)) == data(fresh.at_address(address))
