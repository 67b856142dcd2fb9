"""`flows/server/metrics/groups.py`: records that agree are one, and none is missed."""

from tests.unit.flows.server.sample_records import (
    DB_IP,
    NOW_NS,
    WEB_IP6,
    drop,
    joined,
    octets,
    packet,
)

from ciliate.flows.server.metrics.groups import FAMILY, Columns, Groups, Only


def test_records_that_differ_in_other_columns_are_one_group() -> None:
    groups = Groups(Columns({"kind", "destination_port"}))

    groups.add(
        joined([packet(source_port=1), packet(source_port=2), packet(destination_port=443)])
    )
    groups.add(joined([packet(source_port=3)]))

    assert [
        (groups.columns.event(key).destination_port, n) for key, n, _ in groups.take_all()
    ] == [
        (80, 3),
        (443, 1),
    ]


def test_groups_begin_anew_when_they_were_taken() -> None:
    groups = Groups(Columns({"kind"}))
    groups.add(joined([packet()]))

    assert len(groups) == 1
    assert len(groups.take_all()) == 1
    assert len(groups) == 0
    assert groups.take_all() == []


def test_group_has_the_time_of_the_records_that_it_came_with_first() -> None:
    groups = Groups(Columns({"destination_port"}))
    groups.add(joined([packet(), packet(destination_port=443, time_ns=NOW_NS + 5)]))
    groups.add(joined([packet(time_ns=NOW_NS + 10)]))
    groups.add(joined([packet(time_ns=NOW_NS + 20), packet(destination_port=53)]))

    found = {groups.columns.event(k).destination_port: time for k, _, time in groups.take_all()}

    assert found == {80: NOW_NS, 443: NOW_NS, 53: NOW_NS + 20}


def test_group_is_a_record_of_its_columns_and_nothing_else() -> None:
    columns = Columns({"kind", "source", "source_identity", "destination_port", "seen"})
    event = packet(seen=octets(DB_IP))

    (key,) = columns.read(joined([event]))
    found = columns.event(key, time_ns=NOW_NS)

    assert found.source == event.source
    assert found.seen == event.seen
    assert found.source_identity == event.source_identity
    assert found.destination_port == 80
    assert found.time_ns == NOW_NS
    assert found.destination == bytes(16)
    assert found.source_port == 0


def test_family_is_what_all_addresses_of_a_node_have_alike() -> None:
    groups = Groups(Columns({FAMILY}))

    groups.add(joined([packet(), packet(destination="10.244.9.9"), packet(destination=WEB_IP6)]))

    assert [count for _key, count, _time in groups.take_all()] == [2, 1]


def test_only_some_records_are_grouped_where_others_do_not_matter() -> None:
    groups = Groups(Columns({"kind"}), Only("kind", frozenset({1})))

    groups.add(joined([packet(), drop(), drop()]))
    groups.add(joined([packet()]))

    assert [count for _key, count, _time in groups.take_all()] == [2]


def test_fewer_columns_are_taken_out_of_more() -> None:
    whole = Columns({"kind", "destination", "destination_port"})
    (key,) = whole.read(joined([packet()]))

    for names in ({"kind"}, {"kind", "destination_port"}, {"kind", FAMILY}, {FAMILY}):
        fewer = Columns(names)
        (expected,) = fewer.read(joined([packet()]))
        assert whole.projection(fewer)(key) == expected
